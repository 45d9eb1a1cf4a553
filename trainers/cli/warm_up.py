"""The part of the verb warm-up that trains and operates: a step of every method, so that its kernels are compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trainers.datasets import load_dataset
from trainers.datasets.recordings import Content, Samples
from trainers.methods.registry import METHODS
from trainers.operations.operating import operate
from trainers.training.loop import train

N_SAMPLES: Final = 20  # a batch for any method, one or some of every class


@dataclass(frozen=True, eq=False)
class FirstSamples:
    """The first few of some recordings."""

    all_samples: Samples

    @property
    def content(self) -> Content:
        """Frames or events."""
        return self.all_samples.content

    @property
    def n_channels(self) -> int:
        """Number of input channels."""
        return self.all_samples.n_channels

    def __len__(self) -> int:
        """Number of recordings."""
        return min(N_SAMPLES, len(self.all_samples))

    def batch(self, indices: NDArray[np.integer] | Sequence[int]) -> tuple[Any, NDArray[np.int64]]:
        """As `Samples.batch`."""
        return self.all_samples.batch(indices)


def train_each(folder: Path, tell: Callable[[str], None]) -> list[Path]:
    """Train by every preset of every method for an epoch of few recordings; of each method a run in the folder, operated on."""
    runs = []
    for method in METHODS.values():
        for preset, config in method.presets.items():
            tell(f"training by {method.verb}, preset {preset}")
            data = load_dataset(method.data_of(preset), content=method.wants)
            few = replace(
                data,
                training=FirstSamples(data.training),
                validation=FirstSamples(data.validation),
                test=FirstSamples(data.test),
            )
            path = folder / f"{method.verb}-{preset}"
            if not train(method, replace(config, epochs=1), few, path, seed=0, threads=None, n_checkpoints=2):
                raise KeyboardInterrupt
        runs.append(path)
        tell(f"operating on {path.name}")
        operate(path, few, families=("directed",), draws=1, refit=0, checkpoint="last", threads=None)
    return runs

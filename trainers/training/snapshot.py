"""A training under way, and the checkpoint of the state that it has reached."""

from __future__ import annotations

import dataclasses
import json
import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import checkpoint_tree
from stanalysis.files.random_streams import Stream, random_stream
from trainers.datasets.recordings import Recordings
from trainers.methods.contract import LearningRule, Method
from trainers.training.evaluation import evaluate
from trainers.training.schedule import checkpoint_steps

_PACKAGES = ("numpy", "numba", "scipy", "xarray", "h5netcdf")


def versions() -> dict[str, str]:
    """Versions on which a training result depends."""
    numbers = {"python": platform.python_version(), "machine": platform.machine()}
    for name in _PACKAGES:
        try:
            numbers[name] = version(name)
        except PackageNotFoundError:  # a package vendored or installed without metadata
            numbers[name] = "unknown"
    return numbers


@dataclass(frozen=True, eq=False)
class Training:
    """One training: by which method, how, on which data, and into which run folder.

    ``config`` has at least ``batch_size`` and ``epochs``.
    """

    method: Method
    config: Any
    data: Recordings
    path: Path
    seed: int
    threads: int
    n_checkpoints: int

    @cached_property
    def rule(self) -> LearningRule:
        """The functions of the method."""
        return self.method.rule()

    @property
    def n_batches(self) -> int:
        """Batches of an epoch."""
        return -(-len(self.data.training) // self.config.batch_size)

    @property
    def n_steps(self) -> int:
        """Batches of the whole training."""
        return int(self.config.epochs * self.n_batches)

    @cached_property
    def checkpoints(self) -> frozenset[int]:
        """Steps at which to keep a checkpoint."""
        return frozenset(checkpoint_steps(self.n_steps, self.n_checkpoints))

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What run.json says of it."""
        data = self.data
        return {
            "method": self.method.name,
            "config": json.loads(json.dumps(dataclasses.asdict(self.config))),
            "seed": self.seed,
            "n_checkpoints": self.n_checkpoints,
            "dataset": {"name": data.name, "source": data.source, "sha256": data.sha256, "gain": data.gain, "dt": data.dt},
            "threads": self.threads,
        }

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The order of the training samples in an epoch."""
        return random_stream(self.seed, Stream.SHUFFLE, epoch).permutation(len(self.data.training))


@dataclass
class Progress:
    """How far a training is.

    Attributes
    ----------
    step
        Steps done.
    loss, correct
        Sums over the samples of the epoch so far.
    metrics
        Rows of metrics.csv.
    logged
        The step to which the log is complete.
    untold
        Rows of the epochs that are not written yet.
    best
        The best checkpoint on validation, as a file or in memory, where that is not written yet.
    written
        When the folder was last brought up to date (`time.monotonic`).
    """

    step: int = 0
    loss: float = 0.0
    correct: int = 0
    metrics: pd.DataFrame = field(default_factory=pd.DataFrame)
    logged: int = 0
    untold: list[Mapping[str, float]] = field(default_factory=list)
    best: bytes | xr.DataTree | None = None
    written: float = -math.inf

    @property
    def best_accuracy(self) -> float:
        """The best on validation so far; below any while there is none."""
        return float(self.metrics["validation_accuracy"].max()) if len(self.metrics) else -1.0


def measured(training: Training, state: Any, progress: Progress) -> tuple[dict[str, float], list[NDArray]]:
    """Losses and accuracies of the state reached, and spikes on validation; `BadInput` once training has diverged."""
    data, done, n_batches = training.data, progress.step, training.n_batches
    size = training.config.batch_size
    if not np.isfinite(progress.loss) or not all(np.isfinite(a).all() for a in state.arrays.values()):
        raise BadInput(f"Training diverged within {done} steps: the network is no longer finite; lower the rates or the gain.")
    row: dict[str, float] = {}
    if done:
        seen = len(data.training) if done % n_batches == 0 else done % n_batches * size
        row |= {"train_loss": progress.loss / seen, "train_accuracy": progress.correct / seen}
    spikes = {}
    for name, part in (("test", data.test), ("validation", data.validation)):
        row[f"{name}_loss"], row[f"{name}_accuracy"], spikes[name] = evaluate(training.rule, state, part, size)
    return row, spikes["validation"]


def snapshot(
    training: Training, state: Any, progress: Progress, row: Mapping[str, float], spikes: list[NDArray]
) -> xr.DataTree:
    """The checkpoint of the state reached, with what was `measured` of it."""
    done, epoch_ended = progress.step, progress.step % training.n_batches == 0
    described = training.rule.describe(state, epoch=max(done - 1, 0) // training.n_batches, spikes=spikes)
    sums = {
        "epoch_loss": 0.0 if epoch_ended else progress.loss,
        "epoch_correct": 0 if epoch_ended else progress.correct,
    }
    return checkpoint_tree(
        populations=described.populations,
        projections=described.projections,
        metrics=row,
        trainer_state={**state.arrays, **{name: np.asarray(value) for name, value in sums.items()}},
        framework="stanalysis",
        method=training.method.name,
        dataset=training.data.name,
        dt=described.dt,
        step=done,
        epoch=done / training.n_batches,
        seed=training.seed,
        config=json.dumps(training.settings["config"]),
        sha256=training.data.sha256,
        versions=json.dumps(versions()),
    )

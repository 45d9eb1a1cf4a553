"""Labelled recordings: what a data set is, whatever file it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Part:
    """The recordings that serve one purpose: training, validation or test.

    Attributes
    ----------
    x
        Recordings, dims (sample, time, channel), as levels or values; ``batch`` gives the input they stand for.
    y
        Class of every recording, dims (sample), from 0.
    scale
        Input per unit of ``x``, the gain included.
    """

    x: NDArray[np.uint8] | NDArray[np.float32]
    y: NDArray[np.int64]
    scale: float

    def __len__(self) -> int:
        """Number of recordings."""
        return len(self.y)

    def batch(self, indices: NDArray[np.integer] | Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The input of a mini-batch, dims (channel, time, batch), contiguous, and its classes, dims (batch).

        Parameters
        ----------
        indices
            Which recordings, in the order of the batch.

        Examples
        --------
        >>> part = Part(x=np.array([[[0, 5]], [[15, 10]]], np.uint8), y=np.array([3, 4]), scale=0.2)
        >>> input, label = part.batch([1, 0])
        >>> input.shape, input[:, 0].tolist(), label.tolist()
        ((2, 1, 2), [[3.0, 0.0], [2.0, 1.0]], [4, 3])
        """
        chosen = np.asarray(indices)
        lanes = self.x[chosen].transpose(2, 1, 0)
        return np.multiply(lanes, np.float32(self.scale), order="C"), self.y[chosen]


@dataclass(frozen=True, eq=False)
class Recordings:
    """A data set for training, with where it came from.

    Attributes
    ----------
    name
        Kind of data set, as it is written into checkpoints.
    training, validation, test
        Its parts; they share dims time and channel, and no recording.
    dt
        Duration of a time step in ms.
    n_classes
        Labels run from 0 to ``n_classes`` - 1.
    frequency
        Centre frequency of every channel in Hz, or None where the files do not say.
    gain
        Factor between the recorded values and the input.
    source
        What `load_dataset` was given: a name, or the path of a folder.
    sha256
        Hex digest of the source: of its file, or of its files one after the other.
    """

    name: str
    training: Part
    validation: Part
    test: Part
    dt: float
    n_classes: int
    frequency: NDArray[np.float64] | None
    gain: float
    source: str
    sha256: str

    @property
    def n_channels(self) -> int:
        """Number of input channels."""
        return self.training.x.shape[2]

    @property
    def n_steps(self) -> int:
        """Number of time steps of a recording."""
        return self.training.x.shape[1]

"""Labelled recordings: what a data set is, whatever file it came from, and whether it holds frames or events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Content = Literal["frames", "events"]
ROUNDING = 1e-6  # steps that a time may lack to be on a grid, and as a share of it: more than single precision loses


class Samples(Protocol):
    """The recordings that serve one purpose: training, validation or test.

    What a batch is depends on their content alone; only the method looks into it.

    ``frames``
        One array, dims (channel, time, batch): a level for each channel and time step.
    ``events``
        Spike lists, in `Events`.
    """

    @property
    def content(self) -> Content:
        """Frames or events."""

    @property
    def n_channels(self) -> int:
        """Number of input channels."""

    def __len__(self) -> int:
        """Number of recordings."""

    def batch(self, indices: NDArray[np.integer] | Sequence[int]) -> tuple[Any, NDArray[np.int64]]:
        """The input of a mini-batch, of these recordings in this order, and its classes, dims (batch), from 0."""


@dataclass(frozen=True, eq=False)
class Events:
    """The spikes of a mini-batch, sample by sample, in each by time.

    Attributes
    ----------
    begin
        Where each sample begins among the events (batch + 1).
    channel
        Of every event (event).
    time
        Of every event in ms from the beginning of its sample (event).
    """

    begin: NDArray[np.int64]
    channel: NDArray[np.int32]
    time: NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Frames:
    """Recordings in time steps.

    Attributes
    ----------
    x
        Recordings, dims (sample, time, channel), as levels or values; ``batch`` gives the input they stand for.
    y
        Class of every recording, dims (sample), from 0.
    scale
        Input per unit of ``x``, the gain included.
    """

    content: ClassVar[Content] = "frames"
    x: NDArray[np.uint8] | NDArray[np.float32]
    y: NDArray[np.int64]
    scale: float

    @property
    def n_channels(self) -> int:
        """Number of input channels."""
        return self.x.shape[2]

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
        >>> frames = Frames(x=np.array([[[0, 5]], [[15, 10]]], np.uint8), y=np.array([3, 4]), scale=0.2)
        >>> input, label = frames.batch([1, 0])
        >>> input.shape, input[:, 0].tolist(), label.tolist()
        ((2, 1, 2), [[3.0, 0.0], [2.0, 1.0]], [4, 3])
        """
        chosen = np.asarray(indices)
        lanes = self.x[chosen].transpose(2, 1, 0)
        return np.multiply(lanes, np.float32(self.scale), order="C"), self.y[chosen]


@dataclass(frozen=True, eq=False)
class DataFormat:
    """What a network must know of its data before it sees any.

    Attributes
    ----------
    n_channels
        Number of input channels.
    n_classes
        Labels run from 0 to ``n_classes`` - 1.
    dt
        Duration of a time step in ms; of events, the resolution of their times, 0 where they have none.
    duration
        Length of the longest recording in ms.
    frequency
        Centre frequency of every channel in Hz, or None where the files do not say.
    """

    n_channels: int
    n_classes: int
    dt: float
    duration: float
    frequency: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class Recordings:
    """A data set for training, with where it came from.

    Attributes
    ----------
    name
        Kind of data set, as it is written into checkpoints.
    training, validation, test
        Its parts; they share channels, and no recording.
    dt
        Duration of a time step in ms; of events, the resolution of their times, 0 where they have none.
    duration
        Length of a recording in ms; of the longest one, where they differ.
    n_classes
        Labels run from 0 to ``n_classes`` - 1.
    frequency
        Centre frequency of every channel in Hz, or None where the files do not say.
    gain
        Factor between the recorded values and the input.
    source
        What `load_dataset` was given: a name, or the path of a folder or file.
    sha256
        Hex digest of the source: of its file, of its files one after the other, or of the spikes where a program makes them.
    """

    name: str
    training: Samples
    validation: Samples
    test: Samples
    dt: float
    duration: float
    n_classes: int
    frequency: NDArray[np.float64] | None
    gain: float
    source: str
    sha256: str

    @property
    def content(self) -> Content:
        """Frames or events."""
        return self.training.content

    @property
    def n_channels(self) -> int:
        """Number of input channels."""
        return self.training.n_channels

    @property
    def format(self) -> DataFormat:
        """What a network must know of it."""
        return DataFormat(self.n_channels, self.n_classes, self.dt, self.duration, self.frequency)

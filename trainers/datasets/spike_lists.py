"""Recordings as spikes: which channel spiked, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stanalysis.errors import BadInput
from trainers.datasets.recordings import Content, Events

FEW = 50  # spikes of a sample, on average, that are indexed one by one


@dataclass(frozen=True, eq=False)
class SpikeLists:
    """Recordings as spikes, sample after sample, in each by time; a sample without spikes is one, too.

    Attributes
    ----------
    begin
        Where each sample begins among the spikes (sample + 1).
    channel
        Of every spike (spike).
    time
        Of every spike in ms from the beginning of its sample (spike).
    y
        Class of every recording, dims (sample), from 0.
    n_channels
        Number of input channels.
    """

    content: ClassVar[Content] = "events"
    begin: NDArray[np.int64]
    channel: NDArray[np.int32]
    time: NDArray[np.float32] | NDArray[np.float64]
    y: NDArray[np.int64]
    n_channels: int

    def __len__(self) -> int:
        """Number of recordings."""
        return len(self.y)

    def batch(self, indices: NDArray[np.integer] | Sequence[int]) -> tuple[Events, NDArray[np.int64]]:
        """The spikes of a mini-batch and its classes, dims (batch).

        Parameters
        ----------
        indices
            Which recordings, in the order of the batch.

        Examples
        --------
        >>> lists = spike_lists([0, 2, 3], channel=[4, 0, 1], time=[7.5, 2.0, 3.0], y=[1, 0], n_channels=5, where="here")
        >>> events, label = lists.batch([1, 0])
        >>> events.begin.tolist(), events.channel.tolist(), events.time.tolist(), label.tolist()
        ([0, 1, 3], [1, 0, 4], [3.0, 2.0, 7.5], [0, 1])
        """
        chosen = np.asarray(indices, np.int64)
        starts, ends = self.begin[:-1][chosen], self.begin[1:][chosen]
        begin = np.zeros(len(chosen) + 1, np.int64)
        np.cumsum(ends - starts, out=begin[1:])
        if begin[-1] <= FEW * len(chosen):
            spikes = np.arange(begin[-1]) + np.repeat(starts - begin[:-1], ends - starts)
            return Events(begin, self.channel[spikes], self.time[spikes]), self.y[chosen]
        parts = [slice(start, end) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        # of many spikes whole slices are copied: faster than any index of the single ones
        channel = np.concatenate([self.channel[:0], *(self.channel[part] for part in parts)])
        time = np.concatenate([self.time[:0], *(self.time[part] for part in parts)])
        return Events(begin, channel, time), self.y[chosen]

    def subset(self, indices: NDArray[np.integer] | Sequence[int]) -> SpikeLists:
        """These recordings, in this order."""
        events, label = self.batch(indices)
        return SpikeLists(events.begin, events.channel, events.time, label, self.n_channels)


def spike_lists(
    begin: ArrayLike,
    channel: ArrayLike,
    time: ArrayLike,
    y: ArrayLike,
    *,
    n_channels: int,
    where: str,
) -> SpikeLists:
    """Recordings of spikes that somebody else wrote, checked, and sorted by time where they are not.

    Spikes at the same time stay in the order given. Times of 64 bits stay so, others become float32.

    Parameters
    ----------
    begin, channel, time, y
        As `SpikeLists` has them, but for the order.
    n_channels
        Number of input channels.
    where
        The file, for the sentence of what is wrong with it.

    Examples
    --------
    >>> spike_lists([0, 2], channel=[0, 4], time=[7.5, 2.0], y=[1], n_channels=5, where="here").channel
    array([4, 0], dtype=int32)
    """
    offsets, channels, times, label = (np.asarray(values) for values in (begin, channel, time, y))
    for name, values, kinds in (("channel", channels, "iu"), ("time", times, "iuf"), ("class", label, "iu")):
        if values.ndim != 1 or (values.size and values.dtype.kind not in kinds):
            raise BadInput(f"{where} holds {values.dtype} {values.shape} as {name}: expected a flat list of numbers.")
    if offsets.ndim != 1 or offsets.dtype.kind not in "iu" or len(offsets) != len(label) + 1:
        raise BadInput(f"{where} says where {len(offsets) - 1} samples begin, and has {len(label)} classes: expected as many.")
    offsets = offsets.astype(np.int64)
    if offsets[0] != 0 or offsets[-1] != len(times) or (np.diff(offsets) < 0).any() or len(channels) != len(times):
        raise BadInput(
            f"{where} has {len(channels)} channels and {len(times)} times, and samples that do not divide them: "
            "expected one channel and one time for each spike, sample by sample."
        )
    if not len(label):
        raise BadInput(f"{where} holds no sample: expected at least one.")
    if label.min() < 0:
        raise BadInput(f"{where} holds the class {label.min()}: expected classes from 0.")
    times = times if times.dtype == np.float64 else times.astype(np.float32)
    wrong = ~(np.isfinite(times) & (times >= 0))
    if wrong.any():
        at = int(wrong.argmax())
        sample = int(np.searchsorted(offsets, at, "right")) - 1
        raise BadInput(f"{where} holds a spike at {times[at]} ms in sample {sample}: expected finite times from 0.")
    if len(channels) and (channels.min() < 0 or channels.max() >= n_channels):
        at = int(((channels < 0) | (channels >= n_channels)).argmax())
        raise BadInput(f"{where} holds a spike of channel {channels[at]}: expected channels from 0 to {n_channels - 1}.")
    channels = channels.astype(np.int32)
    back = np.flatnonzero(times[1:] < times[:-1]) + 1
    if np.setdiff1d(back, offsets).size:  # somewhere else than where a sample begins
        order = np.lexsort((times, np.repeat(np.arange(len(label)), np.diff(offsets))))
        channels, times = channels[order], times[order]
    return SpikeLists(offsets, channels, times, label.astype(np.int64), n_channels)

"""Spikes as frames, and frames of counts as spikes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from trainers.datasets.kernels import count
from trainers.datasets.recordings import ROUNDING, Frames
from trainers.datasets.spike_lists import SpikeLists

LARGEST = 2.0**24  # up to which float32 counts by ones


def binned(lists: SpikeLists, *, dt: float, duration: float, gain: float = 1.0) -> Frames:
    """Frames of how often each channel spiked in steps of ``dt`` ms.

    Step k counts the spikes from k ``dt`` up to, but without, (k + 1) ``dt``. Where ``dt`` does not divide the duration, the
    last step is as long as the others and reaches beyond the end. Counts are bytes; where a channel spikes more than 255 times
    in a step, all of them are float32 instead, which is exact to 16 million.

    Parameters
    ----------
    dt
        Duration of a step in ms.
    duration
        Length of a recording in ms; no spike is later.
    gain
        Input per spike.

    Examples
    --------
    >>> from trainers.datasets.spike_lists import spike_lists
    >>> lists = spike_lists([0, 3], channel=[1, 1, 0], time=[0.0, 9.9, 10.0], y=[0], n_channels=2, where="here")
    >>> binned(lists, dt=10.0, duration=25.0).x.tolist()
    [[[0, 2], [1, 0], [0, 0]]]
    """
    if not (math.isfinite(dt) and dt > 0):
        raise BadInput(f"A bin of {dt} ms is none: give a number of ms above 0.")
    n_steps = max(math.ceil(duration / dt - 1e-9), 1)
    place = lists.time.astype(np.float64) / dt
    # a time that falls short of the beginning of a bin by its rounding is in that bin
    step = np.minimum((place + ROUNDING * (1 + place)).astype(np.int64), n_steps - 1)
    shape = (len(lists), n_steps, lists.n_channels)
    try:
        x: NDArray[np.uint8] | NDArray[np.float32] = np.zeros(shape, np.uint8)
        if not count(x, lists.begin, lists.channel, step, 255.0):
            x = np.zeros(shape, np.float32)
            count(x, lists.begin, lists.channel, step, LARGEST)
    except (MemoryError, ValueError) as error:
        raise BadInput(
            f"Bins of {dt:g} ms make {n_steps} frames of each recording, more than fits: give wider ones."
        ) from error
    return Frames(x, lists.y, gain)


def unbinned(frames: Frames, *, dt: float) -> SpikeLists:
    """Spikes as many as frames count, spread evenly over their steps of ``dt`` ms: one is in the middle.

    `binned` gives the same counts again.

    Examples
    --------
    >>> frames = Frames(np.array([[[0, 2], [1, 0]]], np.uint8), np.array([0]), 1.0)
    >>> lists = unbinned(frames, dt=10.0)
    >>> lists.channel.tolist(), lists.time.tolist()
    ([1, 1, 0], [2.5, 7.5, 15.0])
    """
    if not ((frames.x >= 0) & (frames.x <= LARGEST) & (frames.x == np.floor(frames.x))).all():
        raise BadInput("These frames do not count spikes: give frames of whole numbers from 0.")
    sample, step, channel = np.nonzero(frames.x)
    n = frames.x[sample, step, channel].astype(np.int64)
    number = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)  # of each spike in its cell
    sample, step, channel = (np.repeat(index, n) for index in (sample, step, channel))
    time = (step + (number + 0.5) / np.repeat(n, n)) * dt
    order = np.lexsort((time, sample))
    begin = np.searchsorted(sample, np.arange(len(frames) + 1)).astype(np.int64)
    return SpikeLists(begin, channel[order].astype(np.int32), time[order], frames.y, frames.n_channels)

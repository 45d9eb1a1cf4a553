"""The embedded digits as spikes, two channels for each mel band; ``spoken_digits_spikes.md`` describes them.

The spikes are made from the embedded levels, in half a second, and kept in memory for the life of the process: there is
no other cache.
"""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
from numpy.typing import NDArray

from trainers.datasets.kernels import cross_levels
from trainers.datasets.recordings import Frames, Recordings
from trainers.datasets.spike_lists import SpikeLists
from trainers.datasets.spoken_digits import load_spoken_digits

NAME = "spoken_digits_spikes"
SPACING = SLACK = 15  # of the levels that count, in tenths of one of the 16 levels; see the card
RESOLUTION = 1.0  # ms
EXPECTED = 1000  # spikes a sample; where there are more, they are made once again


@cache
def load_spoken_digits_spikes() -> Recordings:
    """Spoken digits as spikes at whole ms: when the level of a mel band rises past a threshold, and when it falls below.

    Channel k spikes when the level of band k reaches the next threshold, channel 40 + k when it falls below the last one.
    Samples, classes and parts are those of the frames.

    Examples
    --------
    >>> digits = load_spoken_digits_spikes()
    >>> digits.content, digits.n_channels, len(digits.training), len(digits.validation), len(digits.test)
    ('events', 80, 3200, 800, 1000)
    """
    frames = load_spoken_digits()
    assert frames.frequency is not None
    digest = hashlib.sha256()
    parts = []
    for part in (frames.training, frames.validation, frames.test):
        assert isinstance(part, Frames)
        spikes = level_crossings(part, frame=round(frames.dt))
        for array in (spikes.begin, spikes.channel, spikes.time, spikes.y):
            digest.update(array.tobytes())
        parts.append(spikes)
    return Recordings(
        name=NAME,
        training=parts[0],
        validation=parts[1],
        test=parts[2],
        dt=RESOLUTION,
        duration=frames.duration,
        n_classes=frames.n_classes,
        frequency=np.tile(frames.frequency, 2),
        gain=1.0,
        source=NAME,
        sha256=digest.hexdigest(),
    )


def level_crossings(frames: Frames, *, frame: int, spacing: int = SPACING, slack: int = SLACK) -> SpikeLists:
    """Spikes where levels cross multiples of a spacing, upwards in one channel, downwards in another; at whole ms.

    Levels lead straight from the middle of a frame to the middle of the next. A channel spikes once in a ms at most: a level
    that jumps at the very beginning is caught up with in the next ms.

    Parameters
    ----------
    frames
        Whole levels of bytes.
    frame
        Duration of a frame in ms.
    spacing
        Of the levels that count, in tenths.
    slack
        How far below the last of them, in tenths, a level must fall to count: it keeps one that stays there from spiking on
        and on.
    """
    x: NDArray[np.uint8] = np.ascontiguousarray(frames.x, np.uint8)
    n_channels = 2 * frames.n_channels
    begin, n = np.zeros(len(x) + 1, np.int64), EXPECTED * len(x)
    while True:
        channel, time = np.empty(n, np.int32), np.empty(n, np.float32)
        n = cross_levels(x, frame, spacing, slack, channel, time, begin)
        if n <= len(channel):
            return SpikeLists(begin, channel[:n].copy(), time[:n].copy(), frames.y, n_channels)

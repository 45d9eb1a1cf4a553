"""The Yin-Yang data set: points in a disc of three parts, each coordinate as the time of one spike."""

from __future__ import annotations

import hashlib
import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from trainers.datasets.recordings import Recordings
from trainers.datasets.spike_lists import SpikeLists

NAME = "yin_yang"
RADIUS, DOT = 0.5, 0.1  # of the disc and of the dots in it
PARTS = {"training": (5000, 42), "validation": (1000, 41), "test": (1000, 40)}  # samples and seed, as published


@cache
def load_yin_yang(*, first: float = 1.5, last: float = 20.0) -> Recordings:
    """Points of the Yin-Yang disc, each as four spikes; the points are those of the published data set, bit for bit.

    A point (x, y) is one spike in each of four channels, for x, y, 1 - x and 1 - y: at ``first`` for 0, at ``last`` for 1. The
    classes are yin, yang and dot. The points are made anew in each process, and kept in its memory.

    Parameters
    ----------
    first, last
        Earliest and latest time of a spike, in ms or any other unit; the latest is the duration, too. The default is that of
        networks trained by EventProp.

    References
    ----------
    Kriener, Göltz & Petrovici (2022), https://doi.org/10.1145/3517343.3517380

    Examples
    --------
    >>> data = load_yin_yang()
    >>> events, label = data.training.batch([0])
    >>> events.channel.tolist(), events.time.round(2).tolist(), label.tolist()
    ([2, 1, 3, 0], [7.41, 9.83, 11.67, 14.09], [2])
    """
    if not (math.isfinite(first) and math.isfinite(last) and 0 <= first < last):
        raise BadInput(f"Spikes cannot go from {first} to {last}: give a first time from 0, and a later last time.")
    digest = hashlib.sha256()
    lists: dict[str, Any] = {}
    for part, (n_samples, seed) in PARTS.items():
        features, label = yin_yang(n_samples, seed)
        time = first + features * (last - first)
        digest.update(time.tobytes() + label.tobytes())
        order = np.argsort(time, axis=1, kind="stable")
        begin = 4 * np.arange(n_samples + 1, dtype=np.int64)
        sorted_time = np.take_along_axis(time, order, axis=1).ravel()
        lists[part] = SpikeLists(begin, order.astype(np.int32).ravel(), sorted_time, label, 4)
    return Recordings(
        name=NAME,
        **lists,
        dt=0.0,
        duration=float(last),
        n_classes=3,
        frequency=None,
        gain=1.0,
        source=NAME,
        sha256=digest.hexdigest(),
    )


def yin_yang(n_samples: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points, dims (sample, feature), the features x, y, 1 - x, 1 - y from 0 to 1; and their classes.

    The class of each point is drawn first, and then points until one has it, from numpy's legacy generator: the order of the
    draws is what makes the points those that were published.
    """
    random = np.random.RandomState(seed)
    features, label = np.empty((n_samples, 4)), np.empty(n_samples, np.int64)
    for sample in range(n_samples):
        goal = random.randint(3)
        while True:
            x, y = (random.rand(2) * 2.0 * RADIUS).tolist()
            if math.sqrt((x - RADIUS) ** 2 + (y - RADIUS) ** 2) <= RADIUS and _part(x, y) == goal:
                break
        features[sample], label[sample] = (x, y, 1 - x, 1 - y), goal
    return features, label


def _part(x: float, y: float) -> int:
    """Which part of the disc a point is in: 0 yin, 1 yang, 2 a dot."""
    right = math.sqrt((x - 1.5 * RADIUS) ** 2 + (y - RADIUS) ** 2)
    left = math.sqrt((x - 0.5 * RADIUS) ** 2 + (y - RADIUS) ** 2)
    if right < DOT or left < DOT:
        return 2
    return int(right <= DOT or DOT < left <= 0.5 * RADIUS or (y > RADIUS and right > 0.5 * RADIUS))

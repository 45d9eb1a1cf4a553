"""Loops over spikes, compiled; arrays only, nothing is checked."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True)
def count(
    x: NDArray,
    begin: NDArray[np.int64],
    channel: NDArray[np.int32],
    step: NDArray[np.int64],
    most: float,
) -> bool:
    """Add each spike to ``x`` (sample, time, channel); False as soon as one cell would hold more than ``most``."""
    for sample in range(len(begin) - 1):
        for k in range(begin[sample], begin[sample + 1]):
            if x[sample, step[k], channel[k]] >= most:
                return False
            x[sample, step[k], channel[k]] += 1
    return True


@numba.njit(cache=True)
def merge(
    begin: NDArray[np.int64],
    channel: NDArray[np.int32],
    time: NDArray,
    partner: NDArray[np.int64],
    kept: NDArray[np.bool_],
    other_begin: NDArray[np.int64],
    other_kept: NDArray[np.bool_],
    new_begin: NDArray[np.int64],
    new_channel: NDArray[np.int32],
    new_time: NDArray,
) -> None:
    """Merge the spikes of each sample that are ``kept`` with those of its ``partner``, by time; its own come first.

    ``other_kept`` says it of the partner's spikes, from ``other_begin`` on; a partner below 0 is none.
    """
    for sample in range(len(begin) - 1):
        at, k, end = new_begin[sample], begin[sample], begin[sample + 1]
        k_other, stop, coin = 0, 0, other_begin[sample]
        if partner[sample] >= 0:
            k_other, stop = begin[partner[sample]], begin[partner[sample] + 1]
        while k < end or k_other < stop:
            if k < end and (k_other >= stop or time[k] <= time[k_other]):
                if kept[k]:
                    new_channel[at], new_time[at] = channel[k], time[k]
                    at += 1
                k += 1
            else:
                if other_kept[coin]:
                    new_channel[at], new_time[at] = channel[k_other], time[k_other]
                    at += 1
                k_other += 1
                coin += 1


@numba.njit(cache=True)
def cross_levels(
    x: NDArray[np.uint8],
    frame: int,
    spacing: int,
    slack: int,
    channel: NDArray[np.int32],
    time: NDArray[np.float32],
    begin: NDArray[np.int64],
) -> int:
    """Spikes where the level of a band (sample, frame, band) crosses multiples of ``spacing``; the number of them.

    Levels count in tenths, so that all arithmetic is exact. They lead straight from the middle of a frame of ``frame`` ms to
    the middle of the next. A band spikes in channel ``band`` when its level reaches the next multiple, in ``n_bands + band``
    when it falls ``slack`` below the last. Beyond the length of ``channel`` spikes are counted, but not written.
    """
    n_samples, n_frames, n_bands = x.shape
    crossed, active = np.zeros(n_bands, np.int64), np.zeros(n_bands, np.int64)
    half, n = frame // 2, 0
    for sample in range(n_samples):
        begin[sample] = n
        crossed[:] = 0
        for knot in range(n_frames + 1):  # from the middle of the frame before to the middle of this one
            before, after = max(knot - 1, 0), min(knot, n_frames - 1)
            n_active = 0
            for band in range(n_bands):
                low, high = (
                    min(x[sample, before, band], x[sample, after, band]),
                    max(x[sample, before, band], x[sample, after, band]),
                )
                if 10 * high >= (crossed[band] + 1) * spacing or 10 * low <= crossed[band] * spacing - slack:
                    active[n_active] = band
                    n_active += 1
            first = knot * frame - half
            for t in range(max(first, 0), min(first + frame, n_frames * frame)):
                for k in range(n_active):
                    band = active[k]
                    start, end = np.int64(x[sample, before, band]), np.int64(x[sample, after, band])
                    level = 10 * frame * start + 10 * (end - start) * (t - first)
                    if level >= frame * (crossed[band] + 1) * spacing:
                        crossed[band] += 1
                        spike = band
                    elif level <= frame * (crossed[band] * spacing - slack):
                        crossed[band] -= 1
                        spike = n_bands + band
                    else:
                        continue
                    if n < len(channel):
                        channel[n], time[n] = spike, t
                    n += 1
    begin[n_samples] = n
    return n

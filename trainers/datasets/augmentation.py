"""Variants of a mini-batch of spikes, for training: functions of the events and of random numbers that the caller draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainers.datasets.kernels import merge
from trainers.datasets.recordings import Events


def shifted(events: Events, shift: NDArray[np.integer], *, n_channels: int) -> Events:
    """All spikes of a sample in channels further up, by a number for each sample; those that leave the range are dropped.

    Parameters
    ----------
    shift
        Channels to go up, below 0 down (batch).
    n_channels
        Number of input channels.

    Examples
    --------
    >>> events = Events(np.array([0, 2, 3]), np.array([0, 4, 4], np.int32), np.array([1.0, 2.0, 3.0]))
    >>> moved = shifted(events, np.array([1, -2]), n_channels=5)
    >>> moved.begin.tolist(), moved.channel.tolist(), moved.time.tolist()
    ([0, 1, 2], [1, 2], [1.0, 3.0])
    """
    channel = events.channel + np.repeat(np.asarray(shift, np.int32), np.diff(events.begin))
    kept = (channel >= 0) & (channel < n_channels)
    n_before = np.concatenate([[0], np.cumsum(kept)])
    return Events(n_before[events.begin].astype(np.int64), channel[kept], events.time[kept])


def blended(events: Events, label: NDArray[np.integer], random: np.random.Generator, *, share: float) -> Events:
    """A share of the samples mixed with another of the same class: of the spikes of both, each is kept at even odds.

    Who is mixed, and with whom, is drawn from the samples of the batch, as they were before. A sample that is alone in its
    class stays as it is. Of spikes at the same time those of the sample itself come first.

    Parameters
    ----------
    label
        Class of every sample (batch).
    random
        Draws one number for each sample, who is mixed; another, with whom; and one for each spike of those that are.
    share
        Probability with which a sample is mixed, from 0 to 1.
    """
    n_spikes = np.diff(events.begin)
    mixed = random.random(len(label)) < share
    partner = np.where(mixed, _partners(np.asarray(label), random.random(len(label))), -1)
    mixed = partner >= 0
    is_of_mixed = np.repeat(mixed, n_spikes)
    kept = np.ones(len(is_of_mixed), np.bool_)
    kept[is_of_mixed] = random.random(int(is_of_mixed.sum()), np.float32) < 0.5
    other_begin = np.concatenate([[0], np.cumsum(np.where(mixed, n_spikes[partner], 0))])
    other_kept = random.random(int(other_begin[-1]), np.float32) < 0.5
    before, other_before = (np.concatenate([[0], np.cumsum(coins)]) for coins in (kept, other_kept))
    begin = (before[events.begin] + other_before[other_begin]).astype(np.int64)
    channel, time = np.empty(begin[-1], events.channel.dtype), np.empty(begin[-1], events.time.dtype)
    merge(
        events.begin, events.channel, events.time, partner.astype(np.int64), kept, other_begin.astype(np.int64), other_kept,
        begin, channel, time,
    )  # fmt: skip
    return Events(begin, channel, time)


def _partners(label: NDArray[np.integer], number: NDArray[np.float64]) -> NDArray[np.int64]:
    """For each sample another of its class, drawn by its number from 0 to 1; -1 where there is none."""
    order = np.argsort(label, kind="stable")
    _, first, group, size = np.unique(label[order], return_index=True, return_inverse=True, return_counts=True)
    first, size = first[group], size[group]
    place = np.arange(len(label)) - first
    step = 1 + np.floor(number[order] * (size - 1)).astype(np.int64)  # around the class, not back to itself
    partner = np.full(len(label), -1, np.int64)
    partner[order] = np.where(size > 1, order[first + (place + step) % size], -1)
    return partner

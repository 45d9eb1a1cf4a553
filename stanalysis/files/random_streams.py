"""What random numbers are drawn for: every draw of a training is addressed by the run's seed and its purpose."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """The purposes, in the order in which they came up; a number once given away stays, or runs could not be resumed."""

    INIT = 0  # weights and delays of a new network
    DROPOUT = 1
    SHUFFLE = 2  # the order of the samples in an epoch
    SPARSE = 3  # which pairs of neurons a sparse network joins at first, and signs
    REWIRE = 4
    PRUNE = 5  # orders in which a trained network is pruned at random
    AUGMENT = 6  # how the samples of a batch are shifted and mixed
    NOISE = 7  # of spike times and thresholds in a training step
    OPERATE = 8  # what is done to a trained network


def random_stream(seed: int, purpose: Stream, *place: int) -> np.random.Generator:
    """The random numbers for one purpose, at one ``place``: a step, an epoch, a projection.

    Examples
    --------
    >>> [int(random_stream(7, Stream.INIT, layer).integers(100)) for layer in (0, 1)]
    [84, 62]
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(int(purpose), *place)))

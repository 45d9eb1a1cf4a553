"""The synapses of some fields, chosen, and counted, summed or grouped by the source that each is from."""

from __future__ import annotations

import numpy as np

from stanalysis.errors import BadInput
from stanalysis.kernels.arrangements import Synapses
from stanalysis.stats.engine.doubt import DOUBTFUL


def field_of(synapses: Synapses) -> np.ndarray:
    """Whose each synapse is, shape (synapse,)."""
    return np.repeat(np.arange(synapses.start.size - 1), np.diff(synapses.start))


def some_of(synapses: Synapses, kept: np.ndarray) -> Synapses:
    """Those ``kept`` (synapse,) of the synapses of all fields, without what only kernels need.

    Examples
    --------
    >>> two = Synapses(np.array([0, 1, 2]), np.array([3, 4]), *np.array([[0.0, 1.0], [0.5, -0.5]]), np.array([0, 0]))
    >>> some_of(two, two.weight < 0).start
    array([0, 0, 1])
    """
    before = np.concatenate([[0], np.cumsum(kept)])
    return Synapses(
        start=before[synapses.start],
        source=synapses.source[kept],
        delay=synapses.delay[kept],
        weight=synapses.weight[kept],
        group=synapses.group[kept],
    )


def sums_by_source(synapses: Synapses, values: np.ndarray, n_source: int) -> np.ndarray:
    """Sums of values (synapse,), shape (field, source)."""
    n_field = synapses.start.size - 1
    return np.bincount(field_of(synapses) * n_source + synapses.source, values, n_field * n_source).reshape(n_field, n_source)


def signs_by_source(synapses: Synapses, n_source: int) -> tuple[np.ndarray, np.ndarray]:
    """How many synapses excite, and how many inhibit, each (field, source)."""
    excites, inhibits = (sums_by_source(synapses, side, n_source) for side in (synapses.weight > 0, synapses.weight < 0))
    return excites, inhibits


def are_pure(excites: np.ndarray, inhibits: np.ndarray) -> bool:
    """Whether no group of synapses has both signs, and there are so many that it is no chance."""
    n = excites + inhibits
    several = n > 1
    share = excites.sum() / max(n.sum(), 1)
    pure = (excites == 0) | (inhibits == 0)
    by_chance = share ** n[several] + (1 - share) ** n[several]
    return bool(pure[several].all() and 0 < share < 1 and np.prod(by_chance) < DOUBTFUL)


def each_its_own(weight: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Groups of one synapse each; those of weight 0 have none."""
    before = np.concatenate([[0], np.cumsum(weight != 0)])
    first = np.repeat(before[start[:-1]], np.diff(start))
    return np.where(weight != 0, before[:-1] - first, -1)


def sign_groups(field: np.ndarray, source: np.ndarray, weight: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Groups of the synapses of one source in one field, which must have one sign."""
    signed = weight != 0
    group = np.full(weight.size, -1)
    pairs = field[signed] * (source.max(initial=0) + 1) + source[signed]
    names, group[signed] = np.unique(pairs, return_inverse=True)
    positive = np.bincount(group[signed], weight[signed] > 0)
    if ((positive > 0) & (positive < np.bincount(group[signed]))).any():
        raise BadInput(
            "some sources excite and inhibit the same target, so that they have no sign to move; use the null 'signs' instead "
            "of 'source-signs'"
        )
    first = np.full(start.size - 1, names.size)
    np.minimum.at(first, field[signed], group[signed])
    return np.where(signed, group - first[field], -1)

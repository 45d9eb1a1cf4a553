"""The synapses of some fields, chosen, and counted or summed by the source that each is from."""

from __future__ import annotations

import numpy as np

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

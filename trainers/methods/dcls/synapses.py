"""Which synapses a projection has: rows of a table, listed by target and by source."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SynapseRows:
    """The synapses of one projection; weights and delays stand beside it, in arrays of one number per row.

    Attributes
    ----------
    source, target
        Neurons that every row joins (row).
    contact
        Index among the synapses of one pair (row).
    by_target, by_source
        The rows that conduct, ordered by their target and by their source. A row in neither is no synapse.
    target_begin, source_begin
        Where in those lists each neuron begins; one longer than there are neurons.
    """

    source: NDArray[np.int32]
    target: NDArray[np.int32]
    contact: NDArray[np.int32]
    by_target: NDArray[np.int64]
    by_source: NDArray[np.int64]
    target_begin: NDArray[np.int64]
    source_begin: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of synapses."""
        return len(self.by_target)

    def leading_to(self, targets: NDArray[np.bool_]) -> SynapseRows:
        """Those synapses whose target is one of ``targets`` (target)."""
        if targets.all():
            return self
        lists = []
        for rows, neuron, begin in (
            (self.by_target, self.target, self.target_begin),
            (self.by_source, self.source, self.source_begin),
        ):
            left = rows[targets[self.target[rows]]]
            lists.append((left, np.searchsorted(neuron[left], np.arange(len(begin)))))
        (by_target, target_begin), (by_source, source_begin) = lists
        return replace(self, by_target=by_target, target_begin=target_begin, by_source=by_source, source_begin=source_begin)


def connected(
    source: NDArray[np.int32],
    target: NDArray[np.int32],
    contact: NDArray[np.int32],
    *,
    n_source: int,
    n_target: int,
    alive: NDArray[np.bool_] | None = None,
) -> SynapseRows:
    """The synapses in the rows of a table, or those of them that are ``alive`` (row).

    Examples
    --------
    >>> source, target = np.array([[1, 0, 1], [1, 1, 0]], np.int32)
    >>> synapses = connected(source, target, 0 * source, n_source=2, n_target=3)
    >>> synapses.by_target.tolist(), synapses.target_begin.tolist()
    ([2, 0, 1], [0, 1, 3, 3])
    """
    rows = np.arange(len(source)) if alive is None else np.flatnonzero(alive)
    lists = []
    for neuron, n in ((target, n_target), (source, n_source)):
        order = rows[np.argsort(neuron[rows], kind="stable")]
        lists.append((order, np.searchsorted(neuron[order], np.arange(n + 1))))
    (by_target, target_begin), (by_source, source_begin) = lists
    return SynapseRows(source, target, contact, by_target, by_source, target_begin, source_begin)


def all_to_all(n_source: int, n_target: int, n_contact: int) -> SynapseRows:
    """Every target joined to every source, ``n_contact`` times; rows in the order (target, source, contact)."""
    target, source, contact = np.indices((n_target, n_source, n_contact), np.int32).reshape(3, -1)
    return connected(source, target, contact, n_source=n_source, n_target=n_target)

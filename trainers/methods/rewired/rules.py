r"""Rules by which synapses die and are born while a network trains; pure functions, for any method with synaptic delays.

Every synapse has a fixed sign and a magnitude :math:`\theta \ge 0`; its weight is their product. DEEP R (Bellec et al. 2018,
https://doi.org/10.48550/arXiv.1711.05136) removes a synapse whose magnitude falls to 0 and grows another at random; RigL
(Evci et al. 2020, https://doi.org/10.48550/arXiv.1911.11134) removes the smallest and grows where the gradient is largest.
Mészáros, Knight & Nowotny 2024 remove as DEEP R and grow as RigL, where the gradient would raise the magnitude most.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from trainers.methods.rewired.config import Grow

NEWBORN = 1e-12  # magnitude of a synapse at its birth
Random = np.random.Generator


def n_synapses(n_source: int, n_target: int, sparsity: float) -> int:
    r"""Synapses of a sparse projection: :math:`\lfloor (1 - s)\, n_{source}\, n_{target} \rfloor`; `BadInput` if none is left.

    Examples
    --------
    >>> n_synapses(4, 5, 0.9)
    2
    """
    n = int(np.floor((1 - sparsity) * n_source * n_target + 1e-9))  # 1 - .9 is a little more than .1
    if n == 0:
        raise BadInput(
            f"At sparsity {sparsity} a projection of {n_source} x {n_target} neurons is left with no synapse; "
            "lower the sparsity or enlarge the network."
        )
    return n


def sparse_pairs(n_source: int, n_target: int, sparsity: float, random: Random) -> NDArray[np.int64]:
    """Which pairs a sparse projection joins at first, uniformly at random: target * n_source + source, ascending.

    Examples
    --------
    >>> sparse_pairs(4, 5, 0.9, np.random.default_rng(0)).size
    2
    """
    return np.sort(random.choice(n_source * n_target, n_synapses(n_source, n_target, sparsity), replace=False))


def random_signs(n: int, random: Random) -> NDArray[np.int8]:
    """Signs +1 or -1, equally likely."""
    return (2 * random.integers(0, 2, n) - 1).astype(np.int8)


def langevin(magnitude: NDArray, *, rate: float, temperature: float, random: Random) -> NDArray:
    r"""Magnitudes after DEEP R's random walk: :math:`\theta + \sqrt{2 \eta T}\, \nu` with normal :math:`\nu`, rate η."""
    return magnitude + (np.sqrt(2 * rate * temperature) * random.standard_normal(magnitude.size)).astype(magnitude.dtype)


def dying(magnitude: NDArray, *, fraction: float) -> NDArray[np.bool_]:
    """Which synapses die: those whose magnitude is 0 or below, and as many of the smallest as make up ``fraction`` of all.

    Examples
    --------
    >>> dying(np.array([0.3, -0.1, 0.2, 0.1]), fraction=0.5)
    array([False,  True, False,  True])
    """
    dead = magnitude <= 0
    dead[np.argsort(magnitude, kind="stable")[: int(fraction * magnitude.size)]] = True
    return dead


def growing(gradient: NDArray, n: int, *, grow: Grow, random: Random) -> NDArray[np.int64]:
    """Which ``n`` of the candidates grow, best first; fewer if there are not as many.

    Parameters
    ----------
    gradient
        Of the loss by the magnitude of every candidate (candidate); only its length matters to ``random``.
    grow
        ``neg_grad`` takes the most negative gradients: there the magnitude would grow most. ``pos_grad`` takes the most
        positive (as the published code did at first), ``abs_grad`` the largest of either sign (RigL), ``random`` any (DEEP R).

    Examples
    --------
    >>> growing(np.array([0.1, -0.3, 0.2, -0.4]), 2, grow="neg_grad", random=np.random.default_rng(0))
    array([3, 1])
    """
    if grow == "random":
        return random.permutation(gradient.size)[:n]
    score = {"neg_grad": gradient, "pos_grad": -gradient, "abs_grad": -np.abs(gradient)}[grow]
    return np.argsort(score, kind="stable")[:n]


def random_slots(
    n_source: int, n_target: int, n_bins: int, *, n: int, random: Random
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """Up to ``n`` different (source, target, delay bin), uniformly among all, taken or not."""
    n_slots = n_source * n_target * n_bins
    slot = np.sort(random.choice(n_slots, min(n, n_slots), replace=False, shuffle=False))
    pair, delay = np.divmod(slot, n_bins)
    target, source = np.divmod(pair, n_source)
    return source.astype(np.int32), target.astype(np.int32), delay


def free_contacts(pair: NDArray[np.integer], contact: NDArray[np.integer], born: NDArray[np.integer]) -> NDArray[np.int32]:
    """For each new synapse of the pair ``born`` (birth), in turn, the lowest contact that no synapse there has yet.

    Parameters
    ----------
    pair, contact
        Of the synapses that live (synapse).

    Examples
    --------
    >>> free_contacts(np.array([7, 7, 3]), np.array([0, 2, 0]), np.array([7, 7, 5]))
    array([1, 3, 0], dtype=int32)
    """
    there = np.isin(pair, born)
    taken: dict[int, set[int]] = {}
    for p, c in zip(pair[there].tolist(), contact[there].tolist(), strict=True):
        taken.setdefault(p, set()).add(c)
    free = []
    for p in born.tolist():
        of_pair = taken.setdefault(p, set())
        lowest = next(c for c in range(len(of_pair) + 1) if c not in of_pair)
        of_pair.add(lowest)
        free.append(lowest)
    return np.array(free, np.int32)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanalysis.errors import BadInput
from trainers.methods.rewired.rules import dying, free_contacts, growing, langevin, random_signs, random_slots, sparse_pairs

SPARSITIES = [0, 0.5, 0.75, 0.875, 0.9375, 0.96875, 0.984375, 0.9921875, 0.99609375, 0.998046875]
RULES = ["neg_grad", "pos_grad", "abs_grad", "random"]


def random(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("sparsity", "expected"), list(zip(SPARSITIES, [10240, 5120, 2560, 1280, 640, 320, 160, 80, 40, 20], strict=True))
)
def test_sparse_pairs__count_is_that_of_the_paper(sparsity, expected):
    pairs = sparse_pairs(40, 256, sparsity, random())
    assert pairs.size == np.unique(pairs).size == expected
    assert 0 <= pairs.min() <= pairs.max() < 10240


@pytest.mark.parametrize(("sparsity", "expected"), [(0.9, 10), (0.7, 30), (0.99, 1), (0.985, 1)])
def test_sparse_pairs__rounding_of_the_sparsity_loses_no_synapse(sparsity, expected):
    assert sparse_pairs(10, 10, sparsity, random()).size == expected


def test_sparse_pairs__none_left_is_refused():
    with pytest.raises(BadInput, match="left with no synapse"):
        sparse_pairs(10, 10, 0.995, random())


def test_sparse_pairs__every_pair_is_equally_likely():
    n = np.zeros(20)
    for seed in range(2000):
        n[sparse_pairs(4, 5, 0.75, random(seed))] += 1
    assert n.sum() == 2000 * 5
    assert ((n - 500) ** 2 / 375).sum() < 45  # chi-square with 19 degrees of freedom, p = .0007


def test_random_signs__are_balanced():
    signs = random_signs(10000, random())
    assert set(signs) == {-1, 1}
    assert abs(signs.mean()) < 0.05


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 50), fraction=st.floats(0, 0.99))
def test_dying__takes_all_at_zero_and_the_smallest_others(seed, n, fraction):
    magnitude = random(seed).normal(0.5, 0.5, n)
    dead = dying(magnitude, fraction=fraction)
    assert dead[magnitude <= 0].all()
    assert dead.sum() == max(int(fraction * n), (magnitude <= 0).sum())
    if dead.any() and not dead.all():
        assert magnitude[dead].max() <= magnitude[~dead].min()


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 40), wanted=st.integers(0, 50), grow=st.sampled_from(RULES))
def test_growing__takes_as_many_as_there_are_and_the_best_first(seed, n, wanted, grow):
    gradient = random(seed).normal(size=n)
    chosen = growing(gradient, wanted, grow=grow, random=random(seed))
    assert chosen.size == np.unique(chosen).size == min(n, wanted)
    score = {"neg_grad": gradient, "pos_grad": -gradient, "abs_grad": -np.abs(gradient), "random": 0 * gradient}[grow]
    assert (np.diff(score[chosen]) >= 0).all()
    left = np.setdiff1d(np.arange(n), chosen)
    if left.size and chosen.size:
        assert score[chosen].max() <= score[left].min()


def test_growing__at_random_does_not_look_at_the_gradient():
    counts = np.zeros(5)
    for seed in range(1000):
        counts[growing(np.arange(5.0), 2, grow="random", random=random(seed))] += 1
    assert ((counts - 400) ** 2 / 240).sum() < 20  # chi-square, about 4 degrees of freedom


def test_langevin__variance_is_that_of_deep_r():
    walked = langevin(np.full(100_000, 2.0), rate=0.01, temperature=0.3, random=random())
    assert walked.mean() == pytest.approx(2.0, abs=1e-3)
    assert walked.var() == pytest.approx(2 * 0.01 * 0.3, rel=0.02)


@given(n_bins=st.integers(1, 4), n=st.integers(0, 60), seed=st.integers(0, 2**32 - 1))
def test_random_slots__are_different_and_within_the_projection(n_bins, n, seed):
    source, target, delay = random_slots(3, 5, n_bins, n=n, random=random(seed))
    assert len({*zip(source, target, delay, strict=True)}) == source.size == min(n, 15 * n_bins)
    assert ((source < 3) & (target < 5) & (delay < n_bins) & (source >= 0) & (target >= 0) & (delay >= 0)).all()


@given(seed=st.integers(0, 2**32 - 1))
def test_free_contacts__no_two_synapses_of_a_pair_share_one(seed):
    generator = random(seed)
    identity = np.unique(generator.integers(0, 4, (12, 2)), axis=0)
    born = generator.integers(0, 5, 8)
    contact = free_contacts(identity[:, 0], identity[:, 1], born)
    everybody = [*map(tuple, identity), *zip(born, contact, strict=True)]
    assert len(set(everybody)) == len(everybody)
    for pair in set(born):  # no contact is skipped
        taken = {c for p, c in everybody if p == pair}
        assert set(range(max(contact[born == pair]) + 1)) <= taken

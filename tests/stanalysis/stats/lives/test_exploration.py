from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stanalysis.errors import BadInput
from stanalysis.files.event_file import CAUSE
from stanalysis.schema.lives import EPISODES, EXPLORATION
from stanalysis.schema.variables import labelled, validate
from stanalysis.stats.lives import exploration as module
from stanalysis.stats.lives.episodes import episodes
from stanalysis.stats.lives.exploration import SHARES, exploration
from stanalysis.synthetic.rewiring import PROJECTION
from tests.trainers.methods.dcls.networks import data_format
from trainers.methods.rewired import sparse
from trainers.methods.rewired.config import SparseConfig
from trainers.methods.rewired.rewiring import drawn_openings, rewire

N_SOURCE, N_TARGET = 12, 10


def lives_of(rows, end=100):
    """Episodes of (pair, birth, death or None, in place), sources of one target; each pair with contacts of its own."""
    contact = [sum(earlier[0] == row[0] for earlier in rows[:i]) for i, row in enumerate(rows)]
    pair, birth = (np.array([row[i] for row in rows], int) for i in (0, 1))
    in_place = np.array([len(row) > 3 for row in rows], bool)
    cause = np.where(birth == 0, CAUSE.INITIAL, np.where(in_place, CAUSE.REBORN_IN_PLACE, CAUSE.REGROWN_AT_RANDOM))
    return labelled(
        EPISODES,
        slot=np.where(
            [row[0] in [other[0] for other in rows if len(other) > 3] for row in rows], 1000 + pair, pair * 20 + contact
        )
        if rows
        else pair,
        source=pair,
        target=0 * pair,
        birth_step=birth,
        exit=np.array([(end if row[2] is None else row[2]) - row[1] for row in rows], int),
        event=np.array([row[2] is not None for row in rows], bool),
        birth_cause=cause.astype(int),
    )


def grown_at_random(seed, *, candidates="pairs", n_bins=5, sparsity=0.7, n_steps=20, pick=None, hazard=0.15):
    """The log of a projection whose synapses die sooner in some pairs than in others, rewired by the trainer's own function.

    ``pick`` says which pairs growth prefers; it is given those that ever lost a synapse.
    """
    options = {"candidates": candidates, "n_bins": n_bins, "sparsity": sparsity, "candidate_share": 0.3}
    options["grow"] = "random" if pick is None else "neg_grad"
    state = sparse.init(SparseConfig(hidden=(N_TARGET,), every=1, **options), seed, data_format(N_SOURCE, 2))
    layer, arrays = state.network.layers[0], state.arrays
    random = np.random.default_rng([seed, 7])
    hazard = np.minimum(hazard * np.exp(1.5 * random.standard_normal(N_SOURCE * N_TARGET)), 0.95)
    left = np.zeros(N_SOURCE * N_TARGET, bool)
    for step in range(n_steps):
        pair = arrays[layer.array("target")].astype(int) * N_SOURCE + arrays[layer.array("source")]
        dies = random.random(pair.size) < hazard[pair]
        arrays[layer.array("weight")][:] = arrays[layer.array("sign")] * np.where(dies, -1.0, 1.0)
        dead = pair[dies & state.alive(layer)]
        openings = drawn_openings(state, layer, step)
        favoured = None if pick is None else np.where(pick(left), -1.0, 1.0) * openings.sign
        rewire(state, layer, openings, favoured, step=step, fraction=0.0)
        left[dead] = True
    log = sparse.events(state)
    log = log.isel(event=np.flatnonzero(log.projection.values == 0))
    log = log.assign_attrs(projections=f'["{PROJECTION}"]', complete_to_step=n_steps)
    return episodes(log, PROJECTION, ms_per_source=10.0)


def explored(lives, **options):
    return exploration(lives, **{"n_source": N_SOURCE, "n_target": N_TARGET, "seed": 0, **options})


# --- counts, by plain means --------------------------------------------------------------------------------------------


def brute(lives, n, places):
    """Shares and expectations, one rewiring and one pair after the other."""
    rows = [
        (int(s), int(b), int(b + e) if d else np.inf)
        for s, b, e, d in zip(lives.source, lives.birth_step, lives.exit, lives.event, strict=True)
    ]
    steps = sorted({b for _, b, _ in rows if b > 0} | {int(d) for *_, d in rows if d < np.inf})
    joined = {p for p, b, _ in rows if b == 0}
    ever, left, again, returns, births = set(joined), {}, set(), 0, 0
    untried, by_chance, waits = float(n - len(ever)), 0.0, {}
    for t in steps:
        living = [p for p, b, d in rows if b < t <= d]
        new = [p for p, b, _ in rows if b == t]
        free = n * places - len(living)
        missed = np.prod([(free - i - len(new)) / (free - i) for i in range(places)])
        untried *= missed
        waits = {p: w * missed for p, w in waits.items()}
        empty = {p for p in ever if p not in living}
        by_chance += len(new) * places * len(empty) / free
        returns += sum(p in empty for p in new)
        births += len(new)
        again |= set(new) & set(left)
        ever |= set(new)
        still = {p for p, b, d in rows if b <= t < d}
        for p in set(living) - still:
            if p not in left:
                left[p], waits[p] = t, 1.0
    expected = 1 - untried / n, 1 - np.mean(list(waits.values())), by_chance / births
    return (len(ever) / n, len(again) / len(left), returns / births), expected


@pytest.mark.parametrize(("candidates", "places"), [("pairs", 1), ("delays", 5)])
def test_exploration__equals_counting_one_rewiring_after_the_other(candidates, places):
    lives = grown_at_random(3, candidates=candidates, n_bins=places)
    lives = lives.assign(source=lives.target * N_SOURCE + lives.source, target=0 * lives.target)
    result = exploration(lives, n_source=N_SOURCE * N_TARGET, n_target=1, places=places, seed=0)
    observed, expected = brute(lives, N_SOURCE * N_TARGET, places)
    np.testing.assert_allclose([result[name] for name in SHARES], observed)
    np.testing.assert_allclose([result[f"{name}_expected"] for name in SHARES], expected)
    assert result.explored[-1] == result.exploration
    assert result.explored_expected[-1] == pytest.approx(float(result.exploration_expected))
    validate(result, EXPLORATION, required=tuple(EXPLORATION))


@pytest.mark.parametrize(("candidates", "places"), [("pairs", 1), ("delays", 3)])
def test_exploration__expectations_are_the_means_of_the_draws(candidates, places):
    lives = grown_at_random(5, candidates=candidates, n_bins=places, sparsity=0.4)
    history = module._history(lives, n_source=N_SOURCE, n_target=N_TARGET, places=places)
    draws = module._draws(history, N_SOURCE * N_TARGET - history.n_first, places, 4000, 0)
    result = explored(lives, places=places, n_permutations=0)
    divisors = N_SOURCE * N_TARGET, int(result.n_left), int(result.n_births)
    for name, draw, divisor in zip(SHARES, draws, divisors, strict=True):
        error = draw.std() / np.sqrt(draw.size)
        assert abs(draw.mean() - divisor * float(result[f"{name}_expected"])) < 4 * error + 1e-9, name


def test_exploration__draws_are_those_of_births_dealt_out():
    """Seven births among thirty places of ten pairs, of which four are asked about."""
    random = np.random.default_rng(0)
    dealt = np.array([np.unique(random.permutation(30)[:7] // 3) for _ in range(4000)], dtype=object)
    expected = np.bincount([np.count_nonzero(pairs < 4) for pairs in dealt], minlength=5)
    drawn = module._chosen_pairs(np.random.default_rng(1), np.full(4000, 4), 3, free=30, born=7)
    assert stats.chi2_contingency([expected[1:], np.bincount(drawn, minlength=5)[1:]]).pvalue > 0.01


# --- the null holds, and is rejected where it does not -----------------------------------------------------------------

N_LOGS = 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("candidates", "options"),
    [("pairs", {}), ("delays", {}), ("delays", {"n_bins": 3, "sparsity": 0.2, "n_steps": 10, "hazard": 0.3})],
)
def test_exploration__p_values_are_uniform_where_the_trainer_grows_at_random(candidates, options):
    """Whatever dies: hazards differ between pairs. Counts are few, so that ties are broken at random."""
    places = options.get("n_bins", 5) if candidates == "delays" else 1
    ties, p, rejected = np.random.default_rng(0), np.empty((N_LOGS, 3)), np.zeros(3)
    for i in range(N_LOGS):
        lives = grown_at_random(i, candidates=candidates, **options)
        upper, lower = (explored(lives, places=places, seed=i, alternative=tail) for tail in ("greater", "less"))
        for k, name in enumerate(SHARES):
            above, below = float(upper[f"{name}_p"]), float(lower[f"{name}_p"])
            p[i, k] = above - ties.random() * (above + below - 1)
            rejected[k] += 2 * min(above, below) <= 0.05
    for k, name in enumerate(SHARES):
        assert stats.kstest(p[:, k], "uniform").pvalue > 0.001, name
    assert (rejected <= stats.binom.ppf(0.999, N_LOGS, 0.05)).all()


@pytest.mark.parametrize(
    ("pick", "alternative"), [(lambda left: left, "greater"), (lambda left: ~left, "less")], ids=["returns", "moves on"]
)
def test_exploration__growth_that_always_or_never_returns_is_detected(pick, alternative):
    result = explored(grown_at_random(1, pick=pick), alternative=alternative)
    assert result.return_share_p == 1 / 200
    other = {"greater": "less", "less": "greater"}[alternative]
    assert explored(grown_at_random(1, pick=pick), alternative=other).exploration_p == 1 / 200
    assert abs(result.return_share_z) > 5
    assert abs(result.exploration_z) > 5


# --- what does not matter, and what has no answer ----------------------------------------------------------------------


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**31), order=st.randoms(use_true_random=False))
def test_exploration__law__shares_do_not_depend_on_the_order_of_rows_or_names_of_neurons(seed, order):
    lives = grown_at_random(2, candidates="delays", n_steps=8)
    rows = list(range(lives.sizes["episode"]))
    order.shuffle(rows)
    other = lives.isel(episode=rows).assign(source=N_SOURCE - 1 - lives.source.isel(episode=rows))
    xr.testing.assert_identical(explored(lives, places=5, seed=seed), explored(other, places=5, seed=seed))


ONE = [(0, 0, 10), (1, 10, 20), (0, 20, None)]


def test_exploration__born_in_place_is_living_on():
    in_place = [(0, 0, 5), (0, 5, 10, "in place"), (1, 10, 20), (0, 20, None)]
    result = exploration(lives_of(in_place), n_source=5, n_target=1, seed=0)
    # pairs that had one life each keep it
    assert (result.n_births, result.return_share, result.revisit_rate) == (2, 0.5, 0.5)
    assert result.return_share_expected == 1 / 8
    only = lives_of([(p, *life) for p in range(5) for life in ((0, 10), (10, None, "in place"))])
    result = exploration(only, n_source=5, n_target=1, seed=0)
    assert (result.exploration, result.n_births, result.n_left) == (1, 0, 0)
    assert np.isnan([result[f"{name}{part}"] for name, part in product(SHARES, ("_expected", "_z", "_p"))]).all()
    assert np.isnan([result.return_share, result.revisit_rate]).all()


@pytest.mark.parametrize(
    ("rows", "exploration_", "revisit_rate"),
    [
        ([], 0, np.nan),
        ([(0, 0, None), (1, 0, None)], 0.4, np.nan),
        ([(0, 0, 10), (1, 0, None)], 0.4, 0),
    ],
    ids=["no synapse", "fixed", "deaths alone"],
)
def test_exploration__without_births_has_no_expectation(rows, exploration_, revisit_rate):
    result = exploration(lives_of(rows), n_source=5, n_target=1, seed=0)
    assert result.exploration == exploration_
    np.testing.assert_equal(float(result.revisit_rate), revisit_rate)
    assert np.isnan(result.return_share)
    assert np.isnan([result[f"{name}{part}"] for name, part in product(SHARES, ("_expected", "_z", "_p"))]).all()
    assert np.isnan(result.explored_expected).all()
    assert result.step.values.tolist() == [0]


def test_exploration__a_birth_where_none_was_free_leaves_no_expectation():
    at_once = lives_of([(0, 0, 10), (0, 10, None)])  # its place was taken before that rewiring
    result = exploration(at_once, n_source=5, n_target=1, seed=0)
    assert result.n_births == 1
    assert np.isnan([result[f"{name}{part}"] for name, part in product(SHARES, ("_expected", "_z", "_p"))]).all()
    assert np.isfinite(exploration(at_once, n_source=5, n_target=1, places=2, seed=0).exploration_p)


def test_exploration__one_outcome_has_p_1_and_no_z():
    """One pair of two is free each time: growth can go nowhere else."""
    result = exploration(lives_of(ONE), n_source=2, n_target=1, seed=0)
    for name in SHARES:
        assert result[name] == pytest.approx(float(result[f"{name}_expected"]))
        assert result[f"{name}_p"] == 1
        assert np.isnan(result[f"{name}_z"])


def test_exploration__of_more_places_than_numpy_can_draw_from():
    result = exploration(lives_of(ONE), n_source=10**6, n_target=10**6, places=25, seed=0)
    assert result.return_share_p == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"n_source": 1}, "outside the 1 that the projection has"),
        ({"places": 0}, "1 place of each pair"),
        ({"n_permutations": -1}, "at least 0 draws"),
        ({"alternative": "other"}, "alternative"),
        ({"seed": -1}, "seed"),
    ],
)
def test_exploration__says_what_is_wrong(options, sentence):
    with pytest.raises(BadInput, match=sentence):
        exploration(lives_of(ONE), **{"n_source": 5, "n_target": 1, **options})


def test_exploration__of_lives_watched_late_is_refused():
    with pytest.raises(BadInput, match="since step 0"):
        exploration(lives_of(ONE).assign_attrs(since=5), n_source=5, n_target=1)

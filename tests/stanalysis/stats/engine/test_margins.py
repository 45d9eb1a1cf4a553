import itertools

import numpy as np
import pytest
import xarray as xr
from scipy import optimize

from stanalysis.errors import BadInput
from stanalysis.fields.synapse_graph import SynapseGraph
from stanalysis.kernels.arrangements import KEPT_MARGINS, Plane, Synapses, arrange, at_rest, scratch_of, synapses_of
from stanalysis.kernels.sign_odds import log_odds
from stanalysis.stats.engine import margins
from stanalysis.stats.engine.field_statistics import field_statistics
from stanalysis.stats.engine.margins import LEAST_MIXING, mixing_of, with_margins
from stanalysis.stats.engine.measures import Draws
from stanalysis.stats.engine.null_test import NullTest
from stanalysis.stats.engine.nulls import NULLS
from stanalysis.stats.engine.sums import summed
from stanalysis.stats.replicates.network import network_z
from stanalysis.stats.spatial.local import local_morans_i
from stanalysis.synthetic.fields import noise_fields, planted_fields

pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # uint64, when not compiled

PLANE = Plane(8, 6.0, True, False)
GRAPH = SynapseGraph(ms_per_source=1.0)
BOTH = ("source", "delay")


def toy(seed=0, n_plus=4, n=8):
    rng = np.random.default_rng(seed)
    weight = rng.lognormal(size=n) * np.where(np.arange(n) < n_plus, 1.0, -1.0)[rng.permutation(n)]
    return Synapses(np.array([0, n]), np.arange(n) % 8, rng.integers(6, size=n).astype(float), weight, np.arange(n))


def drawn_mixing(synapses):
    draws = Draws(NULLS["interaction"], 99, np.array([1], np.uint64), np.uint64(0))
    return mixing_of(synapses, summed(synapses, PLANE, draws).n_moved)


def chances(synapses, keeps, *, weighed, lean):
    """Every arrangement of the signs, (arrangement, synapse), and its chance, from the formula of the module's page."""
    n, magnitude = synapses.weight.size, np.abs(synapses.weight)
    observed = np.sign(synapses.weight)
    place = {"source": (synapses.source + 0.5) / 8, "delay": (synapses.delay + 0.5) / 6}
    columns = [np.cos(np.pi * k * place[m]) for m in keeps for k in range(1, 5)]
    columns = np.stack([c - c.mean() for c in columns], axis=1) * np.sqrt(2)
    if weighed:
        factor = np.sqrt(magnitude / magnitude.mean())
        columns = np.column_stack([columns * factor[:, None], factor])
    columns = columns - columns.mean(axis=0)
    values, vectors = np.linalg.eigh(columns @ columns.T)
    basis = vectors[:, values > 0.01 * values.max()]
    signs = []
    for plus in itertools.combinations(range(n), int((observed > 0).sum())):
        signs.append(np.where(np.isin(np.arange(n), plus), 1.0, -1.0))
    signs = np.array(signs)
    standardised = (signs - signs[0].mean()) / signs[0].std()
    sums = standardised @ basis
    at = sums[(signs == observed).all(axis=1).argmax()]
    log = signs @ lean / 2 - ((sums - at) ** 2).sum(axis=1) / (2 * margins.BAND**2)
    chance = np.exp(log - log.max())
    return signs, chance / chance.sum()


@pytest.mark.parametrize("keeps", [BOTH, ("source",), ("delay",)])
@pytest.mark.parametrize("weighed", [False, True])
def test_draws__are_as_likely_as_all_arrangements_enumerated(keeps, weighed, monkeypatch):
    monkeypatch.setattr(margins, "BAND", 1.2)  # so that eight synapses move
    synapses = with_margins(toy(), PLANE, keeps=keeps, weighed=weighed)
    signs, chance = chances(synapses, keeps, weighed=weighed, lean=synapses.lean)
    field = synapses_of(synapses, 0)
    n_hub, per_hub = 400, 10
    row, at, value = at_rest(field, 1, 1)
    seen = np.zeros(len(signs))
    for hub in range(n_hub):  # draws of one hub stay near it
        scratch = scratch_of(KEPT_MARGINS, np.uint64(hub), field, PLANE)
        for draw in range(per_hub):
            arrange(KEPT_MARGINS, np.uint64(hub), draw, 1, field, PLANE, scratch, row, at, value)
            assert (np.abs(value[0, :, 0]) == np.abs(field.weight)).all()
            seen[(signs == np.sign(value[0, :, 0])).all(axis=1)] += 1 / per_hub
    share = seen / n_hub
    assert share.sum() == pytest.approx(1)
    # draws of one hub go together: the spread of a share is at most that of as many hubs
    assert (np.abs(share - chance) < 4 * np.sqrt(chance * (1 - chance) / n_hub) + 1e-3).all()
    free = np.full(len(signs), 1 / len(signs))
    assert np.abs(share - chance).sum() < 0.4 * np.abs(free - chance).sum()


@pytest.mark.kernel
def test_log_odds__equal_those_of_an_optimiser():
    rng = np.random.default_rng(1)
    n = 30
    design = np.column_stack([np.ones(n), rng.standard_normal((n, 3))])
    excites = (rng.random(n) < 1 / (1 + np.exp(-design[:, 1]))).astype(float)
    group, roughness, variances = np.array([0, 1, -1]), np.array([1.0, 4.0, 0.25]), np.array([0.1, 2.0])
    out = np.zeros(n)
    likely = log_odds(excites, design, group, roughness, variances, out)
    evidence, odds = [], []
    for first, second in itertools.product(variances, repeat=2):
        precision = np.array([1e-2, 1 / first, 4 / second, 0.25])

        def cost(c, precision=precision):
            return np.logaddexp(0, np.where(excites > 0, -1, 1) * (design @ c)).sum() + 0.5 * (precision * c**2).sum()

        fitted = optimize.minimize(cost, np.zeros(4), method="BFGS", options={"gtol": 1e-8}).x
        chance = 1 / (1 + np.exp(-design @ fitted))
        hessian = design.T @ (design * (chance * (1 - chance))[:, None]) + np.diag(precision)
        evidence.append(-cost(fitted) + 0.5 * np.log(precision).sum() - 0.5 * np.linalg.slogdet(hessian)[1])
        odds.append(design[:, 1:] @ fitted[1:])
    weight = np.exp(np.array(evidence) - max(evidence))
    np.testing.assert_allclose(out, weight @ np.array(odds) / weight.sum(), atol=2e-3)
    assert likely == pytest.approx(np.log(weight.sum()) + max(evidence), abs=1e-4)


def test_with_margins__a_field_is_the_same_in_any_company():
    one, other = toy(0), toy(1)
    joined = [np.concatenate(columns) for columns in zip(one[1:5], other[1:5], strict=True)]
    both = with_margins(Synapses(np.array([0, 8, 16]), *joined), PLANE, keeps=BOTH, weighed=True)
    alone = with_margins(other, PLANE, keeps=BOTH, weighed=True)
    np.testing.assert_allclose(both.lean[8:], alone.lean, atol=1e-12)
    gram = both.margins[8:] @ both.margins[8:].T
    np.testing.assert_allclose(gram, alone.margins @ alone.margins.T, atol=1e-9)


def networks_of(sign, *, n_field=320, seed=0):
    """Networks (run, target, source, delay) of 32 neurons with signs of some places (target, source), delays in 0 to 1."""
    rng = np.random.default_rng(seed)
    source, bins = (np.arange(40) + 0.5) / 40, rng.integers(25, size=(n_field, 40))
    field = np.zeros((n_field, 40, 25))
    excites = rng.random((n_field, 40)) < sign(np.broadcast_to(source, bins.shape), (bins + 0.5) / 25, rng)
    weight = np.abs(rng.standard_normal((n_field, 40))) * np.where(excites, 1, -1)
    np.put_along_axis(field, bins[..., None], weight[..., None], axis=2)
    coords = {"run": np.arange(n_field // 32), "target": np.arange(32), "delay": np.arange(25.0)}
    return xr.DataArray(field.reshape(-1, 32, 40, 25), coords, ("run", "target", "source", "delay"))


def additive(source, delay, rng):
    def smooth(at):
        n = at.shape[0]
        return 2 * np.cos(2 * np.pi * (rng.uniform(0.5, 1.5, (n, 1)) * at + rng.random((n, 1))))

    return 1 / (1 + np.exp(-smooth(source) - smooth(delay)))


def exclusive_or(source, delay, rng):
    return np.where((source < 0.5) == (delay < 0.5), 0.95, 0.05)


NAMES = ["graph_joins_ei", "graph_morans_i", "n_clusters"]


def rejected(fields, *, null="interaction"):
    found = field_statistics(fields, statistics=NAMES, graph=GRAPH, null=null, n_permutations=99, keep_draws=True, seed=3)
    of_networks = network_z(found, statistic="value").p_value
    return (found.p_value <= 0.05).mean(("run", "target")), (of_networks <= 0.05).mean("run")


def test_interaction__is_not_rejected_for_margins_alone_that_signs_reject():
    fields = networks_of(additive)
    neurons, of_networks = rejected(fields)
    assert (neurons <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 320)).all()
    assert (of_networks <= 0.2).all()
    neurons, of_networks = rejected(fields, null="signs")
    assert neurons.sel(statistic="graph_joins_ei") > 0.3
    assert of_networks.sel(statistic="graph_joins_ei") == 1


def test_interaction__finds_an_exclusive_or_whose_margins_vanish():
    neurons, of_networks = rejected(networks_of(exclusive_or))
    assert neurons.sel(statistic="graph_joins_ei") > 0.3
    assert of_networks.sel(statistic="graph_joins_ei") == 1
    assert of_networks.sel(statistic="graph_morans_i") == 1


def test_interaction__has_no_answer_where_nothing_moves():
    fields = xr.concat([noise_fields(2, signs="one", seed=0), noise_fields(2, seed=1)], "run")
    found = field_statistics(
        fields, statistics=[*NAMES, "lead"], graph=GRAPH, null="interaction", n_permutations=19, keep_draws=True, seed=0
    )
    for name in ("p_value", "z_score", "expected", "null_draws"):
        assert found[name].sel(run=0).isnull().all(), name
        assert found[name].sel(statistic="lead").isnull().all(), name
    assert found.value.notnull().sel(statistic=NAMES[:2]).all()
    free = found.mixing.sel(run=1, statistic=NAMES)
    assert ((free > LEAST_MIXING) & (free < 1.2)).all()
    assert found.p_value.sel(run=1, statistic=NAMES).notnull().all()


def test_interaction__draws_do_not_depend_on_company_or_other_statistics():
    fields = planted_fields(6, seed=0)
    options = {"graph": GRAPH, "null": "interaction", "n_permutations": 29, "seed": 5}
    every = field_statistics(fields, statistics=["joins_ei", *NAMES], **options)
    some = field_statistics(fields.isel(target=[4, 1]), statistics=["graph_joins_ei"], **options)
    xr.testing.assert_allclose(every.isel(target=[4, 1]).sel(statistic=["graph_joins_ei"]).p_value, some.p_value)


@pytest.mark.kernel
def test_interaction__draws_keep_the_margins_within_a_band():
    synapses = with_margins(toy(1, n_plus=12, n=24), PLANE, keeps=BOTH, weighed=False)
    field = synapses_of(synapses, 0)
    row, at, value = at_rest(field, 1, 1)
    scratch = scratch_of(KEPT_MARGINS, np.uint64(1), field, PLANE)
    costs = []
    n_moved = 0
    for draw in range(99):
        arrange(KEPT_MARGINS, np.uint64(1), draw, 1, field, PLANE, scratch, row, at, value)
        moved = (np.sign(value[0, :, 0]) - np.sign(field.weight)) / 2
        n_moved += np.count_nonzero(moved)
        costs.append(((moved @ field.margins) ** 2).sum())
    rank = np.linalg.matrix_rank(field.margins)
    assert np.mean(costs) < rank / 2 < 0.2 * rank / (2 * margins.BAND**2)  # within the band, and of free signs
    mixing = drawn_mixing(synapses)
    assert mixing == pytest.approx(n_moved / 99 / 12)  # half of each kind: half of all would move
    assert mixing > 0.1
    one_sign = with_margins(toy(3, n_plus=8), PLANE, keeps=BOTH, weighed=False)
    assert np.isnan(drawn_mixing(one_sign)).all()


def test_interaction__cannot_hold_a_single_cell():
    with pytest.raises(BadInput, match="cannot hold a single cell"):
        local_morans_i(noise_fields(1, seed=0), null="interaction", seed=0)
    assert NullTest(null="interaction").rule.keeps == BOTH

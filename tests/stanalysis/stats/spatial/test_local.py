import itertools

import esda
import numba
import numpy as np
import pytest
import xarray as xr
from esda.getisord import G_Local
from hypothesis import given, settings
from libpysal.weights import lat2W
from scipy.stats import false_discovery_control, kstest

from stanalysis.errors import BadInput
from stanalysis.fields.lattice import QUEEN, ROOK, Lattice
from stanalysis.schema.statistics import LOCAL
from stanalysis.schema.variables import validate
from stanalysis.stats.spatial import local
from stanalysis.stats.spatial.local import local_morans_i
from stanalysis.synthetic.fields import noise_fields
from tests.strategies import as_field, dense_planes, lattices, not_constant

LATTICES = [Lattice(contiguity, standardised) for contiguity in ("rook", "queen") for standardised in (True, False)]
MOVING = ("delays", "weights", "signs", "source-signs", "sources", "rows")
NULLS = (*MOVING, "cells")
ANSWERS = ("local_i", "p_value", "q_value", "getis_ord", "getis_ord_p_value", "getis_ord_q_value")

kernel = pytest.mark.kernel
wraps_around = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # uint64, when not compiled


def esda_weights(lattice, shape):
    weights = lat2W(*shape, rook=lattice.contiguity == "rook")
    weights.transform = "b"  # "o", which it has, makes G_Local warn
    return weights


def one_each(n_target, seed=0):
    return noise_fields(n_target, n_source=6, n_delay=5, seed=seed)


# --- the statistics ----------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(not_constant(dense_planes(min_source=2, min_cells=3)), lattices)
def test_local_morans_i__equals_esda(planes, lattice):
    result = local_morans_i(as_field(planes), lattice=lattice, n_permutations=0, min_synapses=0, seed=0)
    weights, transform = esda_weights(lattice, planes.shape[1:]), "r" if lattice.standardised else "b"
    for plane, found in zip(planes, result.local_i.values, strict=True):
        expected = esda.Moran_Local(plane.reshape(-1), weights, transformation=transform, permutations=0).Is
        np.testing.assert_allclose(found.reshape(-1), expected, rtol=1e-12, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(not_constant(dense_planes(1, min_source=2, min_cells=3)), lattices)
def test_local_morans_i__has_the_getis_ord_statistic_of_esda(planes, lattice):
    y = (planes - planes.min() + 1).reshape(-1)  # of positive mean
    weights = esda_weights(lattice, planes.shape[1:])
    with np.errstate(all="ignore"):  # cells that have all others as neighbours
        g = G_Local(y, weights, transform="R" if lattice.standardised else "B", star=True, permutations=0)
    answered = g.VGs > 0
    for sign in (1, -1):
        field = as_field(sign * planes)
        result = local_morans_i(field, lattice=lattice, n_permutations=0, min_synapses=0, seed=0)
        found = result.getis_ord.values.reshape(-1)
        np.testing.assert_allclose(found[answered], sign * g.Zs[answered], rtol=1e-12, atol=1e-12)
        assert np.isnan(found[~answered]).all()
    as_g = g.EGs - found * np.sqrt(g.VGs)  # Gi* itself, from the field turned over
    np.testing.assert_allclose(as_g[answered], g.Gs[answered], rtol=1e-12, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(dense_planes(), lattices)
def test_local_morans_i__ignores_scale_and_offset(planes, lattice):
    options = {"lattice": lattice, "null": "cells", "n_permutations": 19, "min_synapses": 0, "seed": 0}
    before, after = (local_morans_i(as_field(p), **options) for p in (planes, 4 * planes + 3))
    for name in ANSWERS:
        np.testing.assert_allclose(after[name], before[name], rtol=1e-9, atol=1e-9)
    # what is like its neighbours stays so in the negative, what is high becomes low
    negative = local_morans_i(as_field(-planes), **options)
    np.testing.assert_allclose(negative.p_value, before.p_value)
    np.testing.assert_allclose(negative.getis_ord, -before.getis_ord, rtol=1e-9, atol=1e-9)


# --- the nulls ---------------------------------------------------------------------------------------------------------


def planes_of(source, delay, weight, shape):
    plane = np.zeros(shape)
    np.add.at(plane, (source, delay), weight)
    return plane


def arrangements(null, synapses, held, cell, shape, apart):
    """Planes of all equally likely arrangements that keep the ``held`` synapses of a cell; under "cells", the cell."""
    source, delay, weight = (np.array(column) for column in synapses)
    n = source.size
    if null == "cells":
        cells = planes_of(source, delay, weight, shape).reshape(-1)
        for others in set(itertools.permutations(np.delete(cells, cell))):
            yield np.insert(np.array(others), cell, cells[cell]).reshape(shape)
    elif null == "rows":
        for at in map(np.array, itertools.product(range(shape[1]), repeat=n)):
            if (at[held] == delay[held]).all() and not (apart and len(set(zip(source, at, strict=True))) < n):
                yield planes_of(source, at, weight, shape)
    elif null == "sources":
        for order in map(np.array, itertools.permutations(range(shape[0]))):
            if (order[source[held]] == source[held]).all():
                yield planes_of(order[source], delay, weight, shape)
    else:
        group = np.unique(source, return_inverse=True)[1] if null == "source-signs" else np.arange(n)
        sign = np.array([np.sign(weight[group == g][0]) for g in range(group.max() + 1)])
        for order in map(np.array, itertools.permutations(range(group.max() + 1))):
            if (order[group[held]] != group[held]).any():
                continue
            if null == "delays":
                at = delay[order]
                if not (apart and len(set(zip(source, at, strict=True))) < n):
                    yield planes_of(source, at, weight, shape)
            else:
                yield planes_of(source, delay, weight[order] if null == "weights" else abs(weight) * sign[order][group], shape)


SPARSE = [0, 1, 2, 3], [1, 0, 1, 1], [2.0, -1, 3, -2]
SHARING = [0, 1, 1, 2, 3], [2, 0, 2, 1, 3], [2.0, -1, -3, -1, 2]  # one source has several
MEETING = [0, 1, 1, 1, 2], [1, 1, 1, 2, 1], [2.0, -1, -3, -1, 2]  # two of them in one cell
CASES = {"one each": (SPARSE, (4, 2)), "several": (SHARING, (4, 4)), "meeting": (MEETING, (3, 3))}


@kernel
@wraps_around
@pytest.mark.parametrize("lattice", [ROOK, QUEEN], ids=["rook", "queen"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("null", NULLS)
def test_local_morans_i__approaches_enumeration(null, case, lattice):
    if null == "cells" and case != "one each":
        pytest.skip("8! arrangements, and cells know no synapses")
    synapses, shape = CASES[case]
    source, delay, _ = (np.array(column) for column in synapses)
    if numba.config.DISABLE_JIT and (lattice is QUEEN) != (case == "several"):
        pytest.skip("slow when not compiled")
    n_target, n_draw = (3, 60) if numba.config.DISABLE_JIT else (300, 99)
    contact = np.zeros((2 if case == "meeting" else 1, *shape))
    for s, d, w in zip(*synapses, strict=True):
        contact[0 if contact[0, s, d] == 0 else 1, s, d] = w
    contacts = xr.DataArray(np.stack([contact] * n_target), dims=("target", "contact", "source", "delay"))
    total = contacts.sum("contact")
    data = {"receptive_field": total, "present": total != 0, "contact_field": contacts, "contact_present": contacts != 0}
    drawn = {"lattice": lattice, "null": null, "n_permutations": n_draw, "min_synapses": 0, "seed": 1}
    tails = [local_morans_i(xr.Dataset(data), alternative=a, **drawn).getis_ord_p_value for a in ("greater", "less")]
    neighbours = esda_weights(lattice, shape).full()[0]
    cells = range(total[0].size) if null == "cells" else sorted(set(source * shape[1] + delay))
    for cell in cells:
        held = np.flatnonzero(source * shape[1] + delay == cell)
        planes = np.array(list(arrangements(null, synapses, held, cell, shape, case == "several")))
        sums = planes.reshape(len(planes), -1) @ neighbours[cell]
        observed = total[0].values.reshape(-1) @ neighbours[cell]
        for p, extreme in zip(tails, (sums >= observed - 1e-9, sums <= observed + 1e-9), strict=True):
            share = (p.values.reshape(n_target, -1)[:, cell] * (n_draw + 1) - 1).mean() / n_draw
            exact = extreme.mean()
            assert share == pytest.approx(exact, abs=1e-9 + 5 * np.sqrt(exact * (1 - exact) / (n_target * n_draw)))
    untested = np.delete(tails[0].values.reshape(n_target, -1), list(cells), axis=1)
    assert np.isnan(untested).all()


@pytest.mark.parametrize("placement", ["sources", "slots"])
@pytest.mark.parametrize("null", NULLS)
def test_local_morans_i__p_values_are_right_for_noise(null, placement):
    n_field = 600
    signs = "dale" if null == "source-signs" else "mixed"
    field = noise_fields(n_field, n_source=8, n_delay=4, signs=signs, placement=placement, seed=3)
    options = {"lattice": QUEEN, "null": null, "n_permutations": 99, "seed": 0}
    greater, less = (local_morans_i(field, alternative=a, **options) for a in ("greater", "less"))
    for name in ("p_value", "getis_ord_p_value"):
        p, opposite = (r[name].values.reshape(n_field, -1) for r in (greater, less))
        rng = np.random.default_rng(0)
        one = [rng.choice(np.flatnonzero(~np.isnan(row))) for row in p]  # the cells of one field depend on each other
        p, opposite = p[np.arange(n_field), one], opposite[np.arange(n_field), one]
        assert (p <= 0.05).mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / n_field)
        assert (opposite <= 0.05).mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / n_field)
        middle = (p + 1 - opposite) / 2  # ties split
        assert middle.mean() == pytest.approx(0.5, abs=3 * 0.29 / np.sqrt(n_field))


@pytest.mark.parametrize("null", ["cells", "weights"])
def test_local_morans_i__p_values_are_uniform_for_dense_noise(null):
    field = as_field(np.random.default_rng(5).standard_normal((500, 5, 4)))
    result = local_morans_i(field, null=null, n_permutations=199, seed=0)
    for cell in ((0, 0), (2, 2)):
        assert kstest(result.p_value.values[:, *cell], "uniform").pvalue > 0.01


# --- what it finds -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("null", ["cells", "weights"])
def test_local_morans_i__finds_planted_spots_and_outliers(null):
    plane = np.random.default_rng(1).standard_normal((20, 15))
    plane[3:7, 3:7] += 6
    plane[12:16, 8:12] -= 6
    plane[5, 5] -= 12
    plane[14, 10] += 12
    result = local_morans_i(as_field(plane), lattice=QUEEN, null=null, n_permutations=4999, rate=0.1, seed=0)
    assert [int(result.cluster[cell]) for cell in ((4, 4), (14, 9), (14, 10), (5, 5))] == [1, 2, 3, 4]
    assert result.getis_ord_q_value[4, 4] <= 0.1
    assert result.getis_ord[4, 4] > 2
    assert result.getis_ord[14, 9] < -2
    far = result.cluster.values[:, 14]
    assert np.count_nonzero(far) <= 2
    assert "n_unanswered" not in result


def test_local_morans_i__finds_synapses_that_lie_together():
    plane = np.zeros((100, 40))
    rng = np.random.default_rng(2)
    plane[np.arange(100), 10 + 2 * rng.integers(0, 15, 100)] = 0.5 + rng.random(100)
    plane[20:24] = 0
    plane[np.arange(20, 24), [2, 2, 3, 2]] = 2
    result = local_morans_i(as_field(plane), lattice=QUEEN, n_permutations=4999, alternative="greater", rate=0.1, seed=0)
    assert (result.cluster.values[plane == 2][1:-1] == 1).all()
    assert (result.cluster.values[plane == 0] == -1).all()
    assert (result.cluster > 0).sum() <= 6


def test_local_morans_i__q_values_are_those_of_each_field_and_clusters_follow():
    field = noise_fields(3, n_source=12, n_delay=3, sparsity=0.2, seed=0)
    result = local_morans_i(field, n_permutations=99, rate=0.5, seed=0)
    for name in ("", "getis_ord_"):
        for p, q in zip(result[f"{name}p_value"].values, result[f"{name}q_value"].values, strict=True):
            np.testing.assert_allclose(q[~np.isnan(p)], false_discovery_control(p[~np.isnan(p)]))
            assert np.isnan(q[np.isnan(p)]).all()
    np.testing.assert_array_equal(result.cluster == -1, result.q_value.isnull())
    np.testing.assert_array_equal(result.cluster > 0, result.q_value <= 0.5)


def test_local_morans_i__a_cell_at_the_mean_is_no_evidence():
    plane = np.array([[1.0, -1, 0], [2, 0, -2], [3, -3, 0], [1, 1, -2]])
    result = local_morans_i(as_field(plane), null="cells", n_permutations=99, alternative="greater", seed=0)
    assert (result.p_value.values[plane == 0] == 1).all()
    assert (result.getis_ord_p_value.values[plane == 0] < 1).any()


# --- when there is no answer -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("null", NULLS)
def test_local_morans_i__has_no_answer_for_constant_broken_or_empty_fields(null):
    plane = one_each(1).values[0]
    single = np.where(np.arange(6)[:, None] < 1, plane, 0)
    broken, infinite = plane.copy(), plane.copy()
    broken[0, 0], infinite[0, 0] = np.nan, np.inf
    planes = np.stack([plane, 0 * plane, 0 * plane + 0.1, broken, infinite, single])
    result = local_morans_i(as_field(planes), null=null, n_permutations=9, seed=0)
    for name in ANSWERS:
        assert result[name][0].notnull().any(), name
        assert result[name][1:].isnull().all(), name
    assert (result.cluster[1:] == -1).all()
    assert result.n_unanswered == 5
    assert result.n_synapses.values.tolist() == np.count_nonzero(planes, axis=(1, 2)).tolist()
    tested = np.ones_like(plane, bool) if null == "cells" else plane != 0
    np.testing.assert_array_equal(result.p_value[0].notnull(), tested)
    assert result.local_i[0].notnull().all()
    alone = local_morans_i(as_field(single), null=null, n_permutations=9, min_synapses=1, seed=0)
    assert alone.p_value.isnull().sum() == (0 if null == "cells" else 29)
    if null != "cells":
        assert alone.p_value.max() == 1


@pytest.mark.parametrize("null", NULLS)
def test_local_morans_i__has_no_answer_on_one_row_and_one_on_one_column(null):
    plane = np.array([[1.0, 5, 2, 4, 3]])
    row = local_morans_i(as_field(plane), null=null, n_permutations=9, seed=0)
    column = local_morans_i(as_field(plane.T), null=null, n_permutations=9, seed=0)
    for name in ANSWERS:
        assert row[name].isnull().all()
        assert column[name].notnull().all()


def test_local_morans_i__without_permutations_is_I_and_gi_alone():
    result = local_morans_i(one_each(3).assign_attrs(kernel="training"), n_permutations=0, seed=0)
    assert result.local_i.notnull().all()
    assert result.getis_ord.notnull().all()
    assert result.p_value.isnull().all()
    assert result.q_value.isnull().all()
    assert (result.cluster == -1).all()


def test_local_morans_i__of_no_fields_is_empty():
    assert local_morans_i(one_each(0), n_permutations=9, seed=0).local_i.shape == (0, 6, 5)


@pytest.mark.parametrize("null", ["signs", "source-signs"])
def test_local_morans_i__a_synapse_of_weight_0_has_no_sign(null):
    plane = one_each(1)[0]
    fields = xr.Dataset({"receptive_field": plane, "present": plane != 0})
    fields.receptive_field[2] = 0
    result = local_morans_i(fields, null=null, n_permutations=19, seed=0)
    assert (result.p_value[2].values[fields.present[2]] == 1).all()
    assert result.n_synapses == 6


# --- draws are addressed ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("placement", ["sources", "slots"])
@pytest.mark.parametrize("null", NULLS)
def test_local_morans_i__is_the_same_in_any_company(null, placement, monkeypatch):
    signs = "dale" if null == "source-signs" else "mixed"
    field = noise_fields(20, n_source=6, n_delay=5, signs=signs, placement=placement, seed=0)
    options = {"null": null, "n_permutations": 29, "min_synapses": 1, "seed": 4}
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        everything = local_morans_i(field, **options)
    finally:
        numba.set_num_threads(threads)
    monkeypatch.setattr(local, "NUMBERS_AT_ONCE", 700)
    xr.testing.assert_identical(local_morans_i(field, **options), everything)
    drop = ["n_unanswered"]
    some = local_morans_i(field[[7, 2]].transpose("delay", "source", "target"), **options).drop_vars(drop)
    xr.testing.assert_identical(some, everything.drop_vars(drop).isel(target=[7, 2]))
    alone = local_morans_i(field.isel(target=3), **options)
    xr.testing.assert_identical(alone, everything.drop_vars(drop).isel(target=3))
    other = local_morans_i(field, **(options | {"seed": 5}))
    assert not other.p_value.equals(everything.p_value)


# --- labels and bad input ----------------------------------------------------------------------------------------------


def test_local_morans_i__keeps_labels_and_is_declared():
    field = one_each(4).expand_dims(step=[0, 7]).assign_coords(frequency=("source", np.arange(6.0)))
    fields = xr.Dataset({"receptive_field": field, "present": field != 0})
    result = local_morans_i(fields, n_permutations=9, seed=0)
    validate(result, LOCAL, required=tuple(LOCAL))
    assert result.local_i.dims == ("step", "target", "source", "delay")
    assert set(result.coords) == {"step", "target", "source", "delay", "frequency"}
    assert result.cluster.dtype == np.int8
    assert result.cluster.attrs["flag_values"].tolist() == [-1, 0, 1, 2, 3, 4]
    assert len(result.cluster.attrs["flag_meanings"].split()) == 6
    assert result.attrs["null"] == "delays"
    assert result.n_unanswered.dims == ("step",)


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        (lambda f: f, {"null": "untrained"}, "draws nothing"),
        (lambda f: f, {"null": "pixels"}, "use one of"),
        (lambda f: f, {"alternative": "both"}, "use one of"),
        (lambda f: f, {"rate": 0}, "between 0 and 1"),
        (lambda f: f, {"rate": np.nan}, "between 0 and 1"),
        (lambda f: f, {"n_permutations": -1}, "n_permutations"),
        (lambda f: f, {"seed": -1}, "seed"),
        (lambda f: f.assign_attrs(kernel="training"), {}, "training kernel"),
        (lambda f: f.rename(source="channel"), {}, "no 'source'"),
        (lambda f: f[:, :1, :1], {}, "no neighbours"),
        (lambda f: f + 0 * f[::-1].values + np.arange(5) % 2 - 0.5, {"null": "source-signs"}, "no sign to move"),
    ],
)
def test_local_morans_i__bad_input(change, options, sentence):
    with pytest.raises(BadInput, match=sentence):
        local_morans_i(change(one_each(2)), **({"seed": 0} | options))

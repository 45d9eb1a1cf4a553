import numpy as np
import pytest
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.fields.synapse_graph import SynapseGraph
from stanalysis.schema.statistics import PARTS, PUBLISHED
from stanalysis.schema.variables import validate
from stanalysis.stats.engine.field_statistics import field_statistics
from stanalysis.stats.grouping import parts as parts_module
from stanalysis.stats.grouping.parts import BOTH_TESTS, grouping_parts
from stanalysis.stats.grouping.published import published_test
from stanalysis.stats.spatial.autocorrelation import morans_i
from stanalysis.synthetic.fields import noise_fields

OPTIONS = {"ms_per_source": 1.0, "n_permutations": 99, "seed": 0}


def signed(excites, *, seed=0, n_target=24):
    """Fields of one synapse per source, each with the sign of ``excites(source, delay)``, both from 0 to 1, in 9 of 10."""
    field = np.abs(noise_fields(n_target, seed=seed))
    source, delay = np.meshgrid((np.arange(40) + 0.5) / 40, (np.arange(25) + 0.5) / 25, indexing="ij")
    sign = np.where(excites(source, delay), 1, -1)
    flipped = np.random.default_rng(seed).random(field.shape) < 0.1
    return field * sign * np.where(flipped, -1, 1)


@pytest.mark.parametrize(
    ("planted", "excites"),
    [
        ("delay", lambda source, delay: delay < 0.5),
        ("source", lambda source, delay: source < 0.5),
        ("interaction", lambda source, delay: (delay < 0.5) == (source < 0.5)),
    ],
)
def test_grouping_parts__puts_the_excess_down_to_what_was_planted(planted, excites):
    parts = grouping_parts(signed(excites), **OPTIONS)
    validate(parts, PARTS)
    for statistic in parts.statistic.values:
        share = (parts.excess.mean("target") / parts.total.mean("target")).sel(statistic=statistic)
        assert share.sel(part=planted) > 0.8, statistic
    joint = parts.network_p.sel(test="interaction")
    assert (joint <= 0.02).all() if planted == "interaction" else (joint > 0.02).all()


def test_grouping_parts__add_up_to_the_excess_over_free_signs():
    field = signed(lambda source, delay: source + delay < 1, n_target=6)
    parts = grouping_parts(field, **OPTIONS)
    np.testing.assert_allclose(parts.excess.sum("part"), parts.total, atol=1e-12)
    signs = field_statistics(
        field, statistics=["graph_joins_ei"], graph=SynapseGraph(ms_per_source=1.0), null="signs", n_permutations=0, seed=0
    ).isel(statistic=0)
    np.testing.assert_allclose(parts.total.sel(statistic="graph_joins_ei"), signs.value - signs.expected)


def test_grouping_parts__the_conjunction_is_the_larger_p():
    parts = grouping_parts(noise_fields(5, seed=1), **OPTIONS)
    for p in (parts.p_value, parts.network_p):
        larger = p.sel(test=["delays", "sources"]).max("test")
        both = p.sel(test=BOTH_TESTS)
        assert ((both == larger) | (both == 1)).all()
        assert (both == larger).any()


def test_grouping_parts__nulls_rejected_to_different_sides_are_not_rejected_together(monkeypatch):
    sides = {"delays": [1, -1, -1], "sources": [1, 1, -1], "interaction": [1, 1, 1]}
    plain = parts_module._tested

    def turned(field, null, *rest):
        result = plain(field, null, *rest)
        side = xr.DataArray(sides[null], dims="statistic")
        return result.assign(p_value=result.p_value * 0 + 0.02, side_of_p_value=side, side_of_network_p=side)

    monkeypatch.setattr(parts_module, "_tested", turned)
    both = grouping_parts(noise_fields(5, seed=1), **OPTIONS).p_value.sel(test=BOTH_TESTS)
    np.testing.assert_array_equal(both, np.tile([0.02, 1, 0.02], (5, 1)))


def test_grouping_parts__of_shared_delays_say_nothing_of_the_network():
    parts = grouping_parts(noise_fields(5, seed=1, sparsity=0.2), delay_kind="axonal", **OPTIONS)
    assert parts.network_p.sel(test=["delays", "interaction", BOTH_TESTS]).isnull().all()
    assert parts.p_value.notnull().any()


def test_grouping_parts__have_no_answer_without_synapses():
    field = xr.concat([noise_fields(2, seed=1), 0 * noise_fields(1, seed=1).assign_coords(target=[2])], "target")
    parts = grouping_parts(field, **OPTIONS)
    for name in ("excess", "total", "p_value"):
        assert parts[name].isel(target=2).isnull().all(), name
        assert parts[name].isel(target=0).notnull().all(), name


def test_published_test__is_that_of_shuffled_cells():
    field = noise_fields(6, seed=2)
    found = published_test(field, n_permutations=199, seed=4)
    validate(found, PUBLISHED)
    plain = morans_i(field, null="cells", alternative="greater", n_permutations=199, seed=4)
    np.testing.assert_array_equal(found.p_value, plain.p_value)
    np.testing.assert_array_equal(found.morans_i, plain.morans_i)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_permutations": 0}, "there are 0 permutations"),
        ({"delay_kind": "shared"}, "kind of delay is 'shared'"),
        ({"alternative": "larger"}, "alternative is 'larger'"),
    ],
)
def test_grouping_parts__says_what_is_wrong(options, message):
    with pytest.raises(BadInput, match=message):
        grouping_parts(noise_fields(2, seed=0), **(OPTIONS | options))


def test_grouping_parts__are_of_the_targets_of_a_network():
    with pytest.raises(BadInput, match="no dim 'target'"):
        grouping_parts(noise_fields(1, seed=0).isel(target=0), **OPTIONS)

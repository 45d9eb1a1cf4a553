import numpy as np
import pytest
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.fields.delay_bins import bins_of_projection
from stanalysis.fields.receptive_field import receptive_fields
from stanalysis.files.checkpoint import projection
from stanalysis.stats.engine.prepared import prepared
from stanalysis.stats.engine.synapse_lists import SynapseLists, listed
from stanalysis.synthetic.network import small_network


def table(**changed):
    columns = {
        "source": np.array([2, 0, 1], np.int32), "target": np.array([1, 0, 1], np.int32),
        "delay": np.array([3.5, 7.25, 0.0]), "weight": np.array([1.0, 2, -3]),
    } | changed  # fmt: skip
    return projection(n_source=4, n_target=3, delay_max=20.0, rounding="half even", **columns)


def test_listed__sorts_synapses_by_target_and_keeps_their_delays():
    fields = listed(table())
    assert fields.lists.start.tolist() == [0, 1, 3, 3]
    assert fields.lists.source.tolist() == [0, 2, 1]
    assert fields.lists.delay.tolist() == [7.25, 3.5, 0]
    assert fields.lists.weight.tolist() == [2, 1, -3]
    assert fields.n_synapses().tolist() == [1, 2, 0]
    assert fields.labels.target.values.tolist() == [0, 1, 2]
    assert (fields.plane.n_source, fields.plane.extent, fields.plane.grid) == (4, 20.0, False)
    some = fields.some(np.array([1]))
    assert some.lists.start.tolist() == [0, 2]
    assert some.lists.weight.tolist() == [0.25, -0.75]  # times a power of two
    assert fields.some(np.arange(0)).lists.weight.size == 0


def test_listed__says_which_targets_have_finite_weights():
    assert listed(table(weight=np.array([1.0, 2, np.nan]))).answerable().tolist() == [True, False, True]


@pytest.mark.parametrize("name", ["n_source", "n_target", "delay_max"])
def test_listed__needs_the_attributes_of_a_projection(name):
    synapses = small_network()["projections/input__hidden1"].to_dataset()
    del synapses.attrs[name]
    with pytest.raises(BadInput, match=f"no attribute '{name}'"):
        listed(synapses)


def test_listed__says_what_is_wrong_with_a_table():
    with pytest.raises(BadInput, match="no variable 'delay'"):
        listed(table().drop_vars("delay"))
    broken = table()
    broken["delay"] = broken.delay.copy(data=np.array([1.0, np.nan, 2]))
    with pytest.raises(BadInput, match="delays of the synapse table are not finite"):
        listed(broken)


@pytest.mark.parametrize("twice", [False, True])
def test_listed__in_bins_are_the_synapses_of_the_fields(twice):
    """In the same order, under the same labels: statistics of the graph have the same draws."""
    tree = small_network(step=3)
    node = tree["projections/input__hidden1"]
    if twice:  # contacts
        node.dataset = xr.concat([node.to_dataset()] * 2, "synapse", combine_attrs="override").isel(synapse=slice(0, 40))
    bins = bins_of_projection(node.attrs, dt=tree.attrs["dt"])
    lists, fields = listed(node.to_dataset(), bins=bins, step=3), prepared(receptive_fields(tree, "input__hidden1"))
    for ours, theirs in zip(lists.synapses(by_source=False), fields.synapses(by_source=False), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert lists.plane == fields.plane
    assert lists.bin_width == fields.bin_width
    xr.testing.assert_equal(lists.labels, fields.labels)


def test_listed__a_target_of_weights_0_has_no_answer():
    table = small_network()["projections/input__hidden1"].to_dataset()
    table["weight"] = table.weight * (table.target != 2)
    assert listed(table).answerable().tolist() == [True, True, False, True]


def in_bins(twice: bool) -> tuple[SynapseLists, xr.Dataset]:
    """Lists in the bins of a lattice, and the receptive fields of the same synapses; pairs may have several."""
    tree = small_network(step=3)
    node = tree["projections/input__hidden1"]
    if twice:
        again = node.to_dataset().assign(delay=node.delay[::-1].drop_vars("synapse", errors="ignore"))
        node.dataset = xr.concat([node.to_dataset(), again], "synapse", combine_attrs="override").isel(synapse=slice(0, 40))
    lists = listed(node.to_dataset(), bins=bins_of_projection(node.attrs, dt=tree.attrs["dt"]), step=3)
    return lists, receptive_fields(tree, "input__hidden1")


@pytest.mark.parametrize("twice", [False, True])
def test_synapse_lists__have_the_cells_of_the_fields(twice):
    lists, field = in_bins(twice)
    fields, every = prepared(field), np.arange(4)
    ours, theirs = lists.some(every), fields.some(every)
    np.testing.assert_allclose(ours.planes, theirs.planes, atol=1e-7)
    np.testing.assert_array_equal(ours.present, theirs.present)
    np.testing.assert_array_equal(ours.one_per_cell(), theirs.one_per_cell())
    np.testing.assert_array_equal(ours.one_per_source(), theirs.one_per_source())
    np.testing.assert_allclose(ours.magnitude(), theirs.magnitude(), rtol=1e-6)
    assert lists.numbers() == fields.numbers() == 30
    assert twice != bool(ours.one_per_source().all())
    field, source, delay, weight = lists.cells()
    assert (np.diff(np.ravel_multi_index((field, source, delay), fields.planes.shape)) > 0).all()
    np.testing.assert_allclose(weight, fields.planes[field, source, delay], atol=1e-6)


def test_synapse_lists__cells_differ_unless_all_are_equal():
    target, source, at = np.indices((3, 2, 2)).reshape(3, -1)
    weight = np.where(target == 0, 2.0, np.where(target == 1, source + 1.0, 2.0))
    kept = (target < 2) | (source + at > 0)  # of the last target one cell is empty
    synapses = projection(
        n_source=2, n_target=3, delay_max=1.0, rounding="half even", source=source[kept].astype(np.int32),
        target=target[kept].astype(np.int32), delay=at[kept].astype(float), weight=weight[kept],
    )  # fmt: skip
    lists = listed(synapses, bins=bins_of_projection(synapses.attrs, dt=1.0))
    assert lists.varied().tolist() == [False, True, True]
    assert not listed(synapses).varied().any()  # no lattice, no cells
    assert not listed(synapses).has_cells


def test_synapse_lists__of_some_targets_keep_their_labels():
    lists, _ = in_bins(False)
    some = lists.of_targets(1, 3)
    assert some.labels.target.values.tolist() == [1, 2]
    assert some.labels.step.values.tolist() == [3]
    for ours, theirs in zip(some.some(np.arange(2)).lists, lists.some(np.array([1, 2])).lists, strict=True):
        np.testing.assert_array_equal(ours, theirs)

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stanalysis.errors import BadInput
from stanalysis.fields.delay_bins import bins_of_projection
from stanalysis.fields.receptive_field import fields_of_synapses
from stanalysis.files.checkpoint import projection
from stanalysis.stats.engine.prepared import prepared, rescaled, weight_and_present
from stanalysis.stats.engine.synapse_lists import listed
from tests.stanalysis.stats.oracles import field_of

PLANE = np.array([[0, 3.0, 0], [-1, 0, 2], [0, 0, 0]])
DIMS = ("source", "delay")


def contacts(weight, present=None):
    """A field of the synapses ``weight`` (contact, source, delay)."""
    present = weight != 0 if present is None else present
    each = {"contact_field": (("contact", *DIMS), weight), "contact_present": (("contact", *DIMS), present)}
    return xr.Dataset({"receptive_field": (DIMS, weight.sum(axis=0)), "present": (DIMS, present.any(axis=0)), **each})


def test_prepared__lists_the_synapses_field_by_field():
    field = field_of(np.stack([PLANE, 0 * PLANE, -PLANE[::-1]]))
    fields = prepared(field.transpose("delay", "target", "source"))
    synapses = fields.synapses(by_source=False)
    assert synapses.start.tolist() == [0, 3, 3, 6]
    assert synapses.source.tolist() == [0, 1, 1, 1, 1, 2]
    assert synapses.delay.tolist() == [1, 0, 2, 0, 2, 1]
    assert synapses.weight.tolist() == [3, -1, 2, 1, -2, -3]
    assert synapses.group.tolist() == [0, 1, 2] * 2
    assert fields.n_synapses().tolist() == [3, 0, 3]
    assert fields.answerable().tolist() == [True, False, True]
    assert fields.bin_width == 10
    assert (fields.plane.n_source, fields.plane.extent, fields.plane.grid, fields.plane.shared) == (3, 3, True, False)


def test_prepared__keeps_the_labels_of_fields_alone():
    field = field_of(np.stack([[PLANE, PLANE]])[0]).assign_coords(
        target=["a", "b"], step=5, rate=("target", [1.0, 2.0]), frequency=("source", [1.0, 2, 3])
    )
    labels = prepared(field).labels
    assert labels.dims == ("target",)
    assert set(labels.coords) == {"target", "step", "rate"}


def test_prepared__counts_synapses_that_share_a_cell_and_those_of_weight_0():
    weight = np.zeros((2, 3, 3))
    weight[:, 1, 1] = [2, -5]
    present = weight != 0
    present[0, 2, 2] = True
    fields = prepared(contacts(weight, present))
    synapses = fields.synapses(by_source=False)
    assert fields.n_synapses().tolist() == [3]
    assert fields.plane.shared
    assert synapses.weight.tolist() == [2, 0, -5]
    assert synapses.group.tolist() == [0, -1, 1]
    assert fields.planes[0, 1, 1] == -3


def test_prepared__synapses_can_share_a_cell_only_where_some_do():
    weight = np.zeros((2, 3, 3))
    weight[0, 1, 1], weight[1, 1, 2] = 2, -5
    apart, meeting = contacts(weight), contacts(weight, (weight != 0) | (np.arange(9).reshape(3, 3) == 4))
    assert not prepared(apart).plane.shared
    assert prepared(meeting).plane.shared
    assert prepared(xr.concat([apart, meeting], "target")).plane.shared
    apart.contact_present.attrs["cells_shared"] = 1  # in other fields of the projection
    assert prepared(apart).plane.shared


@pytest.mark.parametrize("meet", [True, False])
def test_prepared__some_targets_of_a_projection_have_the_plane_of_all(meet):
    synapses = projection(
        n_source=4, n_target=3, delay_max=40.0, rounding="half even",
        source=np.array([2, 2, 0, 0], np.int32), target=np.array([1, 1, 2, 2], np.int32),
        delay=np.array([10.0, 20, 30, 30 if meet else 0]), weight=np.array([1.0, 2, -3, 1]),
    )  # fmt: skip
    fields = [fields_of_synapses(synapses, dt=10.0, n_contact=2, targets=t) for t in (None, [0, 1])]
    lists = listed(synapses, bins=bins_of_projection(synapses.attrs, dt=10.0))
    assert [prepared(one).plane.shared for one in fields] == [meet] * 2
    assert lists.plane.shared == meet


def test_prepared__of_chosen_fields_are_scaled_by_powers_of_two():
    fields = prepared(field_of(np.stack([PLANE, 0 * PLANE, 1e300 * PLANE])))
    some = fields.some(np.array([2, 0]))
    assert some.planes.shape == (2, 3, 3)
    assert abs(some.planes).max() <= 1
    np.testing.assert_array_equal(some.planes[1], PLANE / 4)
    np.testing.assert_array_equal(some.contacts[:, 0], some.planes)


@settings(deadline=None)
@given(hnp.arrays(np.float64, (2, 2, 3), elements=st.floats(-1e300, 1e300, allow_subnormal=False)))
def test_rescaled__changes_no_ratio(planes):
    found = rescaled(planes)
    assert abs(found).max() <= 1
    for plane, scaled in zip(planes, found, strict=True):
        largest = abs(plane).max()
        if largest > 1e-200:
            np.testing.assert_allclose(scaled / abs(scaled).max(), plane / largest, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("delay", [None, [0.0, 10, 30], [20.0, 10, 0], [0.0, 0, 0]])
def test_prepared__knows_no_bin_width_where_delays_are_missing_or_uneven(delay):
    field = xr.DataArray(PLANE, dims=DIMS)
    assert np.isnan(prepared(field if delay is None else field.assign_coords(delay=delay)).bin_width)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_answerable__is_false_for_a_cell_that_is_not_finite(value):
    broken = PLANE.copy()
    broken[0, 0] = value
    field = field_of(np.stack([PLANE, broken, np.full_like(PLANE, 0.1)]))
    assert prepared(field).answerable().tolist() == [True, False, False]
    assert not prepared(field.isel(source=[0])).answerable().any()


def test_synapses__by_source_have_one_group_per_source():
    plane = np.array([[1.0, 2, 0], [0, 0, 0], [0, -1, -3]])
    fields = prepared(field_of(np.stack([plane, plane[::-1]])))
    assert fields.synapses(by_source=True).group.tolist() == [0, 0, 1, 1] * 2
    with pytest.raises(BadInput, match="excite and inhibit the same target"):
        prepared(field_of(PLANE)).synapses(by_source=True)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (xr.DataArray(PLANE, dims=("source", "lag")), "no 'delay'"),
        (xr.DataArray(PLANE, dims=("channel", "delay")), "no 'source'"),
        (xr.DataArray(PLANE + 0j, dims=DIMS), "real numbers"),
        (xr.Dataset({"present": (DIMS, PLANE != 0)}), "no variable 'receptive_field'"),
        (xr.Dataset({"receptive_field": (DIMS, PLANE)}), "no variable 'present'"),
        (xr.Dataset({"receptive_field": (DIMS, PLANE), "present": (DIMS, PLANE)}), "must be bool"),
        (xr.Dataset({"receptive_field": (DIMS, PLANE), "present": (DIMS, PLANE > 0)}), "absent cells must be 0"),
    ],
)
def test_weight_and_present__say_what_is_wrong(field, message):
    with pytest.raises(BadInput, match=message):
        weight_and_present(field)


@pytest.mark.parametrize("shape", [(1, 1), (0, 3), (3, 0)])
def test_prepared__needs_two_cells(shape):
    with pytest.raises(BadInput, match="at least two cells"):
        prepared(xr.DataArray(np.ones(shape), dims=DIMS))

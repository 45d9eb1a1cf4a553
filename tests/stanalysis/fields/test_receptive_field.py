from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from stanalysis.errors import BadInput
from stanalysis.fields.delay_bins import deployed_bins
from stanalysis.fields.receptive_field import fields_of_synapses, receptive_fields
from stanalysis.files.checkpoint import ROUNDINGS, projection
from stanalysis.synthetic.network import event_based_network, small_network


def table(source, target, delay, weight, *, rounding="half even", delay_max=40.0, **columns):
    return projection(
        n_source=3, n_target=2, delay_max=delay_max, rounding=rounding, source=np.array(source, np.int32),
        target=np.array(target, np.int32), delay=np.array(delay, float), weight=np.array(weight, float), **columns,
    )  # fmt: skip


def test_fields_of_synapses__puts_each_weight_at_its_source_and_delay():
    fields = fields_of_synapses(table([0, 2], [1, 0], [20.0, 31.0], [1.5, -2.0]), dt=10.0)
    field = fields.receptive_field
    assert field.sel(target=1, source=0, delay=20.0) == 1.5
    assert field.sel(target=0, source=2, delay=30.0) == -2.0
    assert float(abs(field).sum()) == 3.5
    assert field.attrs["kernel"] == "deployed"
    assert field.delay.attrs["units"] == "ms"
    assert fields.n_synapses.values.tolist() == [1, 1]


def test_fields_of_synapses__absent_is_not_zero():
    fields = fields_of_synapses(table([0], [0], [20.0], [0.0]), dt=10.0)
    assert not fields.receptive_field.any()
    assert int(fields.present.sum()) == 1
    assert bool(fields.present.sel(target=0, source=0, delay=20.0))


def test_fields_of_synapses__synapses_in_one_bin_add_up_and_count_each():
    fields = fields_of_synapses(table([1, 1], [0, 0], [20.0, 21.0], [1.0, -1.0]), dt=10.0)
    assert not fields.receptive_field.any()
    assert int(fields.present.sum()) == 1
    assert int(fields.n_synapses[0]) == 2


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [("half even", [0, 2, 2, 4]), ("half odd", [1, 1, 3, 4]), ("half up", [1, 2, 3, 4]), ("floor", [0, 1, 2, 4])],
)
def test_deployed_bins__follow_the_rule_of_the_network(rounding, expected):
    assert deployed_bins(np.array([0.5, 1.5, 2.5, 4.4]), rounding, 5).tolist() == expected


@given(position=st.floats(0, 24), rounding=st.sampled_from(ROUNDINGS))
def test_deployed_bins__stay_within_a_bin_of_the_delay(position, rounding):
    result = deployed_bins(np.array([position]), rounding, 25)[0]
    assert 0 <= result <= 24
    assert abs(result - position) <= 1


def test_fields_of_synapses__training_kernel_is_a_normalised_gaussian():
    synapses = table([0], [0], [20.0], [3.0], sigma=np.array([10.0]))
    row = fields_of_synapses(synapses, dt=10.0, kernel="training").receptive_field.sel(target=0, source=0)
    g = np.exp(-((np.arange(5) - 2.0) ** 2) / 2)
    np.testing.assert_allclose(row, 3 * g / (g.sum() + 1e-7), rtol=1e-12)
    assert row.attrs["kernel"] == "training"


def test_fields_of_synapses__training_kernel_without_spread_is_the_deployed_one():
    synapses = table([0, 1], [0, 1], [25.0, 3.0], [3.0, 1.0], sigma=np.zeros(2))
    fields = [fields_of_synapses(synapses, dt=10.0, kernel=k).receptive_field for k in ("training", "deployed")]
    np.testing.assert_array_equal(*fields)


@pytest.mark.parametrize(("kernel", "message"), [("training", "no sigma"), ("dreamt", "'deployed' or 'training'")])
def test_fields_of_synapses__unknown_kernels_are_refused(kernel, message):
    with pytest.raises(BadInput, match=message):
        fields_of_synapses(table([0], [0], [20.0], [3.0]), dt=10.0, kernel=kernel)


def test_receptive_fields__stack_steps_and_know_frequencies():
    fields = receptive_fields([small_network(step=s) for s in (0, 5)], "input__hidden1")
    assert dict(fields.receptive_field.sizes) == {"step": 2, "target": 4, "source": 6, "delay": 5}
    assert fields.step.values.tolist() == [0, 5]
    assert fields.frequency.attrs["units"] == "Hz"
    assert (fields.n_synapses == 6).all()


def test_receptive_fields__equal_a_brute_force_sum():
    tree = small_network()
    fields = receptive_fields(tree, "input__hidden1").receptive_field[0]
    rows = tree["projections/input__hidden1"].to_dataset()
    expected = np.zeros(fields.shape)
    for i, j, d, w in zip(rows.source.values, rows.target.values, rows.delay.values, rows.weight.values, strict=True):
        expected[j, i, round(d / 10)] += w
    np.testing.assert_allclose(fields, expected)


def test_receptive_fields__folding_a_negative_gain_flips_the_neuron():
    tree = small_network()
    plain = receptive_fields(tree, "input__hidden1").receptive_field
    folded = receptive_fields(tree, "input__hidden1", fold_gain=True).receptive_field
    np.testing.assert_allclose(folded.sel(target=0), -plain.sel(target=0), rtol=1e-6)  # gain -2, variance 4
    np.testing.assert_allclose(folded.sel(target=1), plain.sel(target=1) / 2, rtol=1e-6)
    xr.testing.assert_identical(tree, small_network())


def test_receptive_fields__unknown_projection_names_those_there_are():
    with pytest.raises(BadInput, match="it has input__hidden1, hidden1__output"):
        receptive_fields(small_network(), "input__output")


def test_receptive_fields__other_networks_are_refused():
    with pytest.raises(BadInput, match="one network"):
        receptive_fields([small_network(), small_network(step=1, n_source=7)], "input__hidden1")


def test_receptive_fields__several_synapses_of_a_pair_are_told_apart():
    synapses = table([1, 1, 0], [0, 0, 0], [20.0, 21.0, 0.0], [1.0, -1.0, 2.0])
    fields = fields_of_synapses(synapses, dt=10.0, n_contact=2)
    assert fields.contact_field.dims == ("target", "contact", "source", "delay")
    assert fields.contact_field.sel(target=0, source=1, delay=20.0).values.tolist() == [1.0, -1.0]
    np.testing.assert_array_equal(fields.contact_field.sum("contact"), fields.receptive_field)
    assert int(fields.contact_present.sum()) == 3


@pytest.mark.parametrize("dt", [0.1, 0.2, 1 / 3, 1.0, 10.0])
@pytest.mark.parametrize("rounding", ["half even", "half odd", "half up", "floor"])
def test_fields_of_synapses__whole_bins_survive_the_way_through_ms(dt, rounding):
    bins = np.arange(100)
    synapses = projection(
        n_source=100, n_target=1, delay_max=99 * dt, rounding=rounding, source=bins, target=0 * bins,
        delay=(bins * dt).astype(np.float32), weight=np.ones(100),
    )  # fmt: skip
    field = fields_of_synapses(synapses, dt=dt).receptive_field
    np.testing.assert_array_equal(field[0].argmax("delay"), bins)


def test_receptive_fields__continuous_delays_are_shown_in_declared_bins_only():
    tree = event_based_network()
    with pytest.raises(BadInput, match="continuous delays"):
        receptive_fields(tree, "input__hidden1")
    fields = receptive_fields(tree, "input__hidden1", bin_width=2.5)
    table = tree["projections/input__hidden1"]
    shown = fields.delay.values[fields.present.values[0].argmax(axis=-1)][table.target.values, table.source.values]
    assert abs(shown - table.delay.values).max() <= 1.25
    np.testing.assert_array_equal(fields.receptive_field.sum("delay").values[0].ravel(), table.weight.values)


@pytest.mark.parametrize("kernel", ["deployed", "training"])
def test_receptive_fields__of_some_targets_are_those_of_all(kernel):
    tree = small_network()
    every = receptive_fields(tree, "input__hidden1", kernel=kernel)
    some = receptive_fields(tree, "input__hidden1", kernel=kernel, targets=[3, 1])
    xr.testing.assert_identical(some, every.sel(target=[3, 1]))

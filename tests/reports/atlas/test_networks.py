import json

import numpy as np
import pytest
import xarray as xr

from reports.atlas import networks as module
from reports.atlas.given_fields import network_of_fields
from reports.atlas.networks import networks_of_analysis
from stanalysis.errors import BadInput
from stanalysis.fields.lattice import QUEEN
from stanalysis.fields.receptive_field import receptive_fields
from stanalysis.findings.networks import fields_at
from stanalysis.schema.lives import EPISODES
from stanalysis.schema.variables import labelled
from stanalysis.stats.lives.life_tables import mean_lifetimes
from stanalysis.stats.spatial.autocorrelation import morans_i
from stanalysis.synthetic.network import small_network
from tests.reports.atlas.fields import noise

PROJECTION = "input__hidden1"


def planes(network):
    """Fields (step, target, source, delay) of a packed network, and where a synapse is."""
    rows = network.rows
    shape = (len(network.steps), network.n_target, network.n_source, len(network.delay))
    field = np.repeat(np.arange(rows.start.size - 1), np.diff(rows.start))
    weight, present = np.zeros(shape), np.zeros(shape, bool)
    weight.reshape(-1, *shape[2:])[field, rows.source, rows.bin] = rows.weight.view(np.float16).astype(float) * rows.scale
    present.reshape(-1, *shape[2:])[field, rows.source, rows.bin] = True
    return weight, present


def test_networks_of_analysis__hold_the_fields_of_the_analysis(analysis):
    result, said = networks_of_analysis(analysis, None)
    assert said == []
    assert [network.name for network in result] == ["input → hidden1, first", "input → hidden1, <img src=x onerror=alert(1)>"]
    for network, run in zip(result, ("first", "<img src=x onerror=alert(1)>"), strict=True):
        weight, present = planes(network)
        for i, step in enumerate(network.steps):
            truth = fields_at(analysis, PROJECTION, run=run, step=step)
            np.testing.assert_array_equal(present[i], truth.present.values)
            np.testing.assert_allclose(weight[i], truth.receptive_field.values, rtol=4.9e-4, atol=1e-9 * network.rows.limit)
            np.testing.assert_array_equal(network.delay, truth.delay.values)


def test_networks_of_analysis__carry_the_numbers_of_each_step(analysis):
    network = networks_of_analysis(analysis, [(PROJECTION, "first")])[0][0]
    table = analysis[f"statistics/{PROJECTION}"].to_dataset().sel(run="first", step=network.steps)
    np.testing.assert_array_equal(network.numbers["morans_i"], table.value.sel(statistic="morans_i").values)
    np.testing.assert_array_equal(network.sent()["numbers"]["p_value"], table.p_value.sel(statistic="morans_i").values.ravel())
    np.testing.assert_array_equal(network.numbers["q_value"], table.q_value.sel(statistic="morans_i").values)
    np.testing.assert_array_equal(network.numbers["largest_cluster"], table.value.sel(statistic="largest_cluster").values)
    episodes = analysis[f"episodes/{PROJECTION}"].to_dataset()
    episodes = episodes.isel(episode=np.flatnonzero(episodes.run.values == 0))
    np.testing.assert_array_equal(network.numbers["mean_lifetime"][2], mean_lifetimes(episodes, 24).values)
    assert network.lives.source.size == episodes.sizes["episode"]


def test_networks_of_analysis__keeps_the_steps_that_a_page_can_hold_and_says_how_many(analysis, monkeypatch):
    whole, _ = networks_of_analysis(analysis, None)
    monkeypatch.setattr(module, "MOST_ROWS", sum(network.rows.n_row for network in whole) - 1)
    result, (said,) = networks_of_analysis(analysis, None)
    assert said.startswith("The atlas has fewer steps than were kept")
    assert said.endswith("input__hidden1, first (4 of 5); input__hidden1, <img src=x onerror=alert(1)> (4 of 5).")
    for network, every in zip(result, whole, strict=True):
        assert len(network.steps) == 4
        assert {every.steps[0], every.steps[-1]} < set(network.steps) < set(every.steps)
        assert network.numbers["morans_i"].shape == (4, network.n_target)


def test_networks_of_analysis__leave_out_what_a_page_cannot_hold_and_name_it(analysis, monkeypatch):
    whole, _ = networks_of_analysis(analysis, [("input__hidden1", "first")])
    room = int(np.diff(whole[0].rows.start[:: whole[0].n_target]).max()) + 5
    monkeypatch.setattr(module, "MOST_ROWS", room)
    result, said = networks_of_analysis(analysis, None)
    assert [network.name for network in result] == ["input → hidden1, first"]
    assert said[0] == (
        f"The atlas leaves out, for a page of at most {room:,} synapses over all steps: "
        "input__hidden1, <img src=x onerror=alert(1)>."
    )


def test_networks_of_analysis__names_what_there_is_where_it_is_asked_for_another(analysis):
    with pytest.raises(BadInput, match="no input__hidden1 of a network third; it has input__hidden1, first;"):
        networks_of_analysis(analysis, [(PROJECTION, "third")])


def test_networks_of_analysis__says_what_it_needs(analysis):
    with pytest.raises(BadInput, match="analysis is a Dataset"):
        networks_of_analysis(xr.Dataset(), None)
    for chosen in ((PROJECTION, "first"), [PROJECTION], PROJECTION, [(PROJECTION, "first", 0)], 3):
        with pytest.raises(BadInput, match="no list of pairs"):
            networks_of_analysis(analysis, chosen)


def test_networks_of_analysis__know_the_step_that_was_best_and_continuous_delays(analysis):
    other = analysis.copy(deep=True)
    plain = networks_of_analysis(other, None)[0][0]
    assert (plain.best, plain.continuous) == (None, False)
    other.attrs["best_steps"] = json.dumps({"first": int(plain.steps[3])})
    other[f"synapses/{PROJECTION}"].attrs["rounding"] = "none"
    result = networks_of_analysis(other, None)[0]
    assert [network.best for network in result] == [3, None]
    assert all(network.continuous for network in result)


def test_networks_of_analysis__leave_out_lives_alone_where_they_are_too_many(analysis, monkeypatch):
    monkeypatch.setattr(module, "MOST_LIVES", 10)
    result, said = networks_of_analysis(analysis, None)
    assert len(result) == 2
    assert all(network.lives is None and "too many" in network.lives_said for network in result)
    assert all("mean_lifetime" in network.numbers for network in result)
    assert len(said) == 1
    assert "lives of synapses" in said[0]


def test_network_of_fields__takes_fields_of_one_step_or_of_several():
    fields = receptive_fields([small_network(step=step) for step in (0, 5)], PROJECTION)
    both = network_of_fields(fields, morans_i(fields, n_permutations=19, lattice=QUEEN, seed=0), None)
    weight, present = planes(both)
    np.testing.assert_allclose(weight, fields.receptive_field.values, rtol=4.9e-4)
    np.testing.assert_array_equal(present, fields.present.values)
    assert both.lattice == QUEEN
    for single in (fields.isel(step=1), fields.isel(step=1, drop=True)):
        alone = network_of_fields(single, morans_i(single, n_permutations=19, seed=0), None)
        np.testing.assert_allclose(planes(alone)[0], weight[1:], rtol=1e-3)
        assert alone.numbers["morans_i"].shape == (1, 4)


def test_network_of_fields__counts_the_synapses_of_a_cell():
    fields = noise(2)
    each = xr.concat([fields.present, fields.present & (fields.target == 1)], "contact")
    rows = network_of_fields(fields.assign(contact_present=each), None, None).rows
    assert rows.n_synapses.tolist() == [1] * rows.start[1] + [2] * (rows.start[2] - rows.start[1])
    sent = network_of_fields(fields.assign(contact_present=each), None, None).sent()["several"]
    assert sent["row"].tolist() == list(range(rows.start[1], rows.start[2]))
    assert set(sent["n_synapses"]) == {2}


def test_network_of_fields__numbers_neurons_as_the_coordinates_do():
    fields = noise(4).assign_coords(target=[0, 3, 5, 9], source=np.arange(9) + 20)
    birth = {"birth_step": [0, 0], "entry": [0, 0], "exit": [4, 6], "event": [True, True], "sign": [1, 1]}
    network = network_of_fields(fields, None, labelled(EPISODES, target=[9, 4], source=[21, 22], **birth))
    assert network.targets.tolist() == [0, 3, 5, 9]
    assert network.lives.source.tolist() == [1]
    assert network.lives.start.tolist() == [0, 0, 0, 0, 1]
    np.testing.assert_array_equal(network.numbers["mean_lifetime"], [[np.nan, np.nan, np.nan, 4]])
    for bad in ([0, 3, 3, 9], [0, 1, 2, 3.5], [-1, 0, 1, 2], list("abcd"), [0, 1, 2, np.nan]):
        with pytest.raises(BadInput, match="'target' of the fields does not number them"):
            network_of_fields(fields.assign_coords(target=bad), None, None)
    with pytest.raises(BadInput, match="'step' of the fields does not number them"):
        network_of_fields(fields.expand_dims(step=["first"]), None, None)
    with pytest.raises(BadInput, match="delays of the fields are not numbers"):
        network_of_fields(fields.assign_coords(delay=list("abcdef")), None, None)


def test_network_of_fields__refuses_what_does_not_belong_together():
    fields = receptive_fields([small_network(step=step) for step in (0, 5)], PROJECTION)
    other = morans_i(fields, n_permutations=19, seed=0).isel(target=slice(2))
    with pytest.raises(BadInput, match="other steps or targets"):
        network_of_fields(fields, other, None)
    with pytest.raises(BadInput, match="present"):
        network_of_fields(fields.drop_vars("present"), None, None)
    with pytest.raises(BadInput, match="they need"):
        network_of_fields(fields.isel(target=0), None, None)
    with pytest.raises(BadInput, match="fields are a DataArray"):
        network_of_fields(fields.receptive_field, None, None)
    with pytest.raises(BadInput, match="statistics are a DataArray"):
        network_of_fields(fields, fields.n_synapses, None)
    with pytest.raises(BadInput, match="lives are a list"):
        network_of_fields(fields, None, [])
    with pytest.raises(BadInput, match="variable 'neuron'"):
        network_of_fields(fields, xr.Dataset({"neuron": ("target", np.arange(4.0))}), None)

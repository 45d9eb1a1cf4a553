import numpy as np
import pytest
import xarray as xr

from reports.atlas import atlas, atlas_of_analysis
from reports.atlas import networks as module
from stanalysis.errors import BadInput
from stanalysis.receptive_field import receptive_fields
from stanalysis.synthetic import small_network


def named(layout, name):
    return layout.select_one({"name": name})


def test_atlas__sorts_by_every_number_of_the_neurons():
    fields = receptive_fields(small_network(), "input__hidden1")
    numbers = xr.Dataset({"my_number": ("target", np.arange(4.0)), "no_number": ("source", np.arange(6.0))})
    layout = atlas(fields, numbers)
    assert [key for key, _ in named(layout, "sort").options] == ["neuron", "n_synapses", "my_number"]
    assert named(layout, "filter_morans_i") is None
    assert named(layout, "filter_n_synapses") is not None


def test_atlas_of_analysis__offers_only_what_there_is_to_choose(analysis):
    layout, said = atlas_of_analysis(analysis)
    assert said == []
    assert named(layout, "network").visible
    assert named(layout, "step").end == 4
    assert not named(layout, "page").visible
    assert named(layout, "filter_mean_lifetime") is not None
    alone, _ = atlas_of_analysis(analysis, [("input__hidden1", "first")])
    assert not named(alone, "network").visible


def test_atlas_of_analysis__without_a_network_that_fits_is_bad_input(analysis, monkeypatch):
    monkeypatch.setattr(module, "MOST_ROWS", 10)
    with pytest.raises(BadInput, match="no network to show"):
        atlas_of_analysis(analysis)

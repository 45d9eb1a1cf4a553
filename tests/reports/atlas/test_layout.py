import json
import re

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgb

from reports.atlas import atlas, atlas_of_analysis
from reports.atlas import networks as module
from reports.atlas.embedded import embedded
from reports.atlas.views import ALIKE
from stanalysis.errors import BadInput
from stanalysis.fields.receptive_field import receptive_fields
from stanalysis.stats.engine.statistics import STATISTICS
from stanalysis.synthetic.network import small_network


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


def test_atlas_of_analysis__names_networks_in_one_line_apart(analysis):
    run = "a\u202eb\n" + "long" * 40
    named_so = analysis.copy(deep=True)
    named_so.attrs["runs"] = json.dumps([f"{run}1end", f"{run}2end"])
    for group in ("statistics", "metrics"):
        for node in named_so[group].subtree:
            if "run" in node.dataset.coords:
                node.dataset = node.to_dataset().assign_coords(run=[f"{run}1end", f"{run}2end"])
    names = [name for _, name in named(atlas_of_analysis(named_so)[0], "network").options]
    assert len(names) == len(set(names)) == 2
    for name in names:
        assert len(name) <= 60
        assert name.startswith("input → hidden1, a�b long")
        assert name.endswith("end")
    layout, _ = atlas_of_analysis(analysis, [("input__hidden1", "first")] * 2)
    assert [name for _, name in named(layout, "network").options] == ["input → hidden1, first"]


def test_atlas__calls_steps_lived_per_death_what_they_are(analysis):
    labels = dict(named(atlas_of_analysis(analysis)[0], "sort").options)
    assert labels["mean_lifetime"] == "steps lived per death"
    assert labels["morans_i"] == STATISTICS["morans_i"].label


def test_alike__has_a_sign_in_grey_print():
    grey = np.array([to_rgb(colour) for colour in ALIKE]) @ [0.299, 0.587, 0.114]
    assert (np.diff(grey) >= 0).all()
    assert grey[64] < grey[128] - 0.2 < grey[192] - 0.35
    red, green, _ = to_rgb(ALIKE[210])
    assert green > red  # where neighbours are alike


def test_embedded__numbers_the_names_of_bokeh_and_no_other():
    run = "1b4e28ba-2fa1-4d3b-883f-0016d3cca427"
    fields = receptive_fields(small_network(), "input__hidden1").assign_attrs(projection=run)
    first, second = (embedded(atlas(fields)) for _ in range(2))
    script, element = first[1:]
    assert run in script
    identities = set(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", script + element))
    assert identities == {run, *(f"00000000-0000-4000-8000-{number:012}" for number in range(2))}
    assert element.split("data-root")[0] == second[2].split("data-root")[0]

"""A network trained here, and the same in a file of the published program: one analysis."""

from __future__ import annotations

import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from stanalysis.analysis.analyze import analyze
from stanalysis.files.run import open_run
from stanalysis.readers.conversion import convert
from stanalysis.readers.options import Options
from tests.stanalysis.readers.formats.test_torch_file import tensor, write_zip
from tests.trainers.methods.delgrad.test_training import SMALL, recordings
from trainers.methods.delgrad.config import DELGRAD
from trainers.training.loop import train

BIN = 0.5  # ms


class Layer:
    """Pickled under the name of a class of the published program."""


@pytest.fixture
def published(monkeypatch):
    """Makes instances of classes of that program, with these attributes."""

    def make(module, name, **attributes):
        home = sys.modules.get(module) or types.ModuleType(module)
        monkeypatch.setitem(sys.modules, module, home)
        if not hasattr(home, name):
            setattr(home, name, type(name, (Layer,), {"__module__": module, "__qualname__": name}))
        instance = getattr(home, name)()
        instance.__dict__.update(attributes)
        return instance

    return make


def file_of(path, run, make):
    """The last network of a run as ``*_network.pt``."""
    state, layers, blocks = xr.open_datatree(open_run(run).last)["trainer_state"], {}, {}

    def stored(array):
        key = str(len(blocks))
        blocks[key] = np.ascontiguousarray(array, "<f8").tobytes()
        size = array.shape
        return tensor(size=size, stride=(size[1], 1), kind="DoubleStorage", key=key, numel=array.size)

    for name in ("input__hidden1", "hidden1__output"):
        weight, delay = (state[f"{name}_{what}"].values.T for what in ("weight", "delay"))
        sigmoid = {"sigmoid_shift": SMALL.delay_shift, "sigmoid_scale": SMALL.delay_scale}
        layers[str(len(layers))] = make("utils", "DelayLayer", _parameters={"_delay_parameters": stored(delay)}, **sigmoid)
        layers[str(len(layers))] = make("utils", "NeuronLayer", _parameters={"weights": stored(weight)})
    modules = {"layers": make("torchlike", "ModuleList", _modules=layers)}
    return write_zip(path, make("networks", "Net", n_inputs=4, _modules=modules), blocks=blocks)


@pytest.mark.parametrize("delays", ["synaptic", "axonal", "dendritic"])
def test_convert__a_network_of_the_published_program_is_analysed_like_ours(tmp_path, published, delays):
    train(DELGRAD, replace(SMALL, delays=delays), recordings(), tmp_path / "ours", seed=1, threads=1, n_checkpoints=2)
    file = file_of(tmp_path / "yin_yang_network.pt", tmp_path / "ours", published)
    options = Options(dt=BIN, ms_per_unit=SMALL.ms_per_unit, network_step=9)
    convert(file, tmp_path / "theirs", options=options)
    theirs = xr.open_datatree(open_run(tmp_path / "theirs").steps[9])
    ours = xr.open_datatree(open_run(tmp_path / "ours").last)
    for name in ("input__hidden1", "hidden1__output"):
        a, b = (tree[f"projections/{name}"] for tree in (ours, theirs))
        assert a.attrs["delay_kind"] == b.attrs["delay_kind"] == delays
        for column in ("source", "target", "weight", "delay"):
            np.testing.assert_allclose(a[column].values, b[column].values, rtol=1e-14)
    same = {"n_permutations": 99, "seed": 0, "ms_per_source": 2.0, "min_synapses": 3}
    of_ours = analyze([tmp_path / "ours" / "last.nc"], bin_width=BIN, **same)
    of_theirs = analyze([tmp_path / "theirs"], **same)
    for name in ("input__hidden1", "hidden1__output"):
        a, b = (tree[f"statistics/{name}"].to_dataset().isel(step=-1) for tree in (of_ours, of_theirs))
        assert {"morans_i", "graph_morans_i"} <= set(a.statistic.values)
        assert np.isfinite(a.value).any()
        for values in ("value", "expected", "z_score", "p_value"):
            np.testing.assert_allclose(a[values].values, b[values].values, rtol=1e-9, atol=1e-12)

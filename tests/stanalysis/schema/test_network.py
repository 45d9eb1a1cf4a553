from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.schema.network import RECEPTIVE_FIELD, SYNAPSES
from stanalysis.schema.variables import labelled, validate


def good():
    return labelled(SYNAPSES, source=np.array([0]), delay=np.array([1.0]))


def test_labelled__gives_units_and_dims():
    assert good().delay.attrs["units"] == "ms"
    assert good().delay.dims == ("synapse",)


def test_validate__accepts_what_is_declared_and_ignores_the_rest():
    validate(good().assign(anything=("other", [1])), SYNAPSES, required=("source",))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda d: d.assign(delay=d.delay.assign_attrs(units="s")), "'delay'.*unit s"),
        (lambda d: d.assign(delay=d.delay.astype(int).assign_attrs(d.delay.attrs)), "'delay'.*int64"),
        (lambda d: d.rename(synapse="neuron"), r"dims \(neuron\)"),
        (lambda d: d.drop_vars("source"), "no variable 'source'"),
    ],
)
def test_validate__errors_name_the_variable(change, named):
    with pytest.raises(BadInput, match=named):
        validate(change(good()), SYNAPSES, required=("source",))


def test_validate__an_ellipsis_allows_leading_dims():
    field = xr.DataArray(np.zeros((2, 3, 4)), dims=("step", "source", "delay"), attrs={"units": "1"})
    validate(field.to_dataset(name="receptive_field"), RECEPTIVE_FIELD)
    with pytest.raises(BadInput, match="'receptive_field'"):
        validate(field.rename(source="channel").to_dataset(name="receptive_field"), RECEPTIVE_FIELD)

"""Hypothesis strategies for receptive fields."""

from __future__ import annotations

import numpy as np
import xarray as xr
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stanalysis.lattice import Lattice

lattices = st.builds(Lattice, st.sampled_from(["rook", "queen"]), st.booleans())

lattice_shapes = st.tuples(st.integers(1, 7), st.integers(1, 8)).filter(lambda shape: shape[0] * shape[1] > 1)


def as_field(planes: np.ndarray) -> xr.DataArray:
    """Planes (target, source, delay) or (source, delay) as receptive fields."""
    return xr.DataArray(planes, dims=("target", "source", "delay")[-planes.ndim :])


@st.composite
def dense_planes(draw, n_target: int = 2) -> np.ndarray:
    """Planes of integers up to 1000: far from constant, or exactly so."""
    shape = draw(lattice_shapes)
    return draw(hnp.arrays(np.int64, (n_target, *shape), elements=st.integers(-1000, 1000))).astype(float)


@st.composite
def sparse_planes(draw, max_source: int = 5, one_each: bool = True) -> np.ndarray:
    """A plane of integers with one synapse in each of some sources; otherwise with synapses anywhere."""
    n_source, n_delay = draw(st.integers(2, max_source)), draw(st.integers(1, 4))
    plane = np.zeros((n_source, n_delay))
    weights = st.integers(-9, 9).filter(bool)
    if one_each:
        for source in draw(st.sets(st.integers(0, n_source - 1), min_size=1)):
            plane[source, draw(st.integers(0, n_delay - 1))] = draw(weights)
    else:
        for cell in draw(st.sets(st.integers(0, plane.size - 1), min_size=1, max_size=5)):
            plane.flat[cell] = draw(weights)
    return plane

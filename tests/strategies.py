"""Hypothesis strategies for receptive fields."""

from __future__ import annotations

import numpy as np
import xarray as xr
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stanalysis.fields.lattice import Lattice
from stanalysis.kernels.arrangements import Synapses
from stanalysis.stats.engine.margins import movable
from stanalysis.stats.engine.nulls import NULLS
from stanalysis.stats.engine.prepared import Fields

lattices = st.builds(Lattice, st.sampled_from(["rook", "queen"]), st.booleans())


@st.composite
def shapes(draw, *, min_source: int = 1, min_delay: int = 1, min_cells: int = 2) -> tuple[int, int]:
    """Sizes (source, delay) of small planes."""
    n_source = draw(st.integers(min_source, 7))
    fewest = -(-min_cells // n_source)  # rounded up
    return n_source, draw(st.integers(max(min_delay, fewest), 8))


lattice_shapes = shapes()


def as_field(planes: np.ndarray) -> xr.DataArray:
    """Planes (target, source, delay) or (source, delay) as receptive fields."""
    return xr.DataArray(planes, dims=("target", "source", "delay")[-planes.ndim :])


@st.composite
def dense_planes(draw, n_target: int = 2, **sizes: int) -> np.ndarray:
    """Planes of integers up to 1000, far from constant, or exactly so; ``sizes`` are those of `shapes`."""
    shape = draw(shapes(**sizes))
    return draw(hnp.arrays(np.int64, (n_target, *shape), elements=st.integers(-1000, 1000))).astype(float)


@st.composite
def sparse_planes(
    draw,
    max_source: int = 5,
    one_each: bool = True,
    *,
    min_delay: int = 1,
    n_synapses: tuple[int, int] = (1, 5),
    max_cells: int | None = None,
) -> np.ndarray:
    """A plane of integers with one synapse in each of some sources; otherwise with synapses anywhere."""
    fewest, most = n_synapses
    n_source = draw(st.integers(max(2, fewest) if one_each else 2, max_source))
    plane = np.zeros((n_source, draw(st.integers(min_delay, 4 if max_cells is None else min(4, max_cells // n_source)))))
    places = n_source if one_each else plane.size
    for place in draw(st.sets(st.integers(0, places - 1), min_size=fewest, max_size=min(most, places))):
        cell = (place, draw(st.integers(0, plane.shape[1] - 1))) if one_each else divmod(place, plane.shape[1])
        plane[cell] = draw(st.integers(1, 9) | st.integers(-9, -1))
    return plane


@st.composite
def not_constant(draw, strategy: st.SearchStrategy[np.ndarray]) -> np.ndarray:
    """Planes of a strategy; in those that are constant, or nearly so, one cell gets the opposite value, in empty ones 1."""
    planes = draw(strategy).copy()
    for plane in planes.reshape(-1, *planes.shape[-2:]):
        if np.ptp(plane) <= 0.1 * np.abs(plane).max():
            cell = draw(st.integers(0, plane.size - 1))
            plane.flat[cell] = -plane.flat[cell] or 1
    return planes


@st.composite
def unlike_synapses(draw, strategy: st.SearchStrategy[np.ndarray], *, in_sign: bool = False) -> np.ndarray:
    """A plane of a strategy, of several synapses; where all have one weight, or one sign, one of them changes its sign."""
    plane = draw(strategy).copy()
    cells = np.flatnonzero(plane)
    weight = plane.flat[cells]
    if np.ptp(np.sign(weight) if in_sign else weight) == 0:
        plane.flat[cells[draw(st.integers(0, cells.size - 1))]] *= -1
    return plane


def synapses_to_move(fields: Fields, arrangement: str) -> Synapses:
    """The synapses of fields with all that kernels need to arrange them so."""
    rule = next(rule for rule in NULLS.values() if rule.arrangement == arrangement)
    return movable(fields, rule, weighed=True)

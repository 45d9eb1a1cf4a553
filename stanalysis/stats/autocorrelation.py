"""Moran's I: are neighbouring cells of the (source, delay) plane alike, more than a null would make them?"""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.kernels import moran_nulls as engine
from stanalysis.lattice import ROOK, Lattice, neighbour_share, pair_weights
from stanalysis.stats.nulls import (
    Alternative,
    Null,
    check_permutations,
    field_streams,
    p_values,
    stream,
    z_scores,
)
from stanalysis.variables import STATISTICS, described

NUMBERS_AT_ONCE: Final = 4_000_000  # cells and draws worked on together: bounds the memory, changes no result

# What randomness is for, part of its address: permutations of one field, or shared by all.
_FIELD, _SHARED = 1, 2

_ANSWERS: Final = (
    "morans_i",
    "expected",
    "along_delay",
    "along_delay_expected",
    "across_sources",
    "across_sources_expected",
    "z_score",
    "p_value",
)


def morans_i(
    field: xr.DataArray | xr.Dataset,
    *,
    lattice: Lattice = ROOK,
    null: Null = "delays",
    n_permutations: int = 999,
    alternative: Alternative = "two-sided",
    min_synapses: int = 5,
    seed: int,
    keep_draws: bool = False,
) -> xr.Dataset:
    r"""Moran's I of every receptive field against a null that moves its synapses.

    .. math:: I = \frac{n}{\sum_{ij} w_{ij}} \frac{\sum_{ij} w_{ij} z_i z_j}{\sum_i z_i^2}

    with :math:`z_i` the centred value of cell :math:`i` and :math:`w_{ij}` the neighbour weight. Without structure I is
    ``expected``, not 0: -1/(n - 1) under ``cells``, specific to the field under ``delays``.

    Parameters
    ----------
    field
        Receptive fields, dims (..., source, delay), any unit: I does not depend on it. A Dataset has the variables
        ``receptive_field`` and ``present`` (bool, same dims); in a bare DataArray the non-zero cells are the synapses.
        A synapse may weigh 0: it is present, and ``delays`` moves it. With several synapses per pair the variables
        ``contact_field`` and ``contact_present`` (..., contact, source, delay) tell those apart that share a cell.
    lattice
        Which cells are neighbours.
    null
        ``"delays"`` permutes the delays among the synapses of one field, each keeping its source and weight; synapses of
        one source that meet in a cell add up. ``"cells"`` shuffles all cells; piled-up delays alone make it reject.
    n_permutations
        Draws of the null; 0 gives I alone.
    alternative
        "greater" (alike), "less" (alternating) or "two-sided".
    min_synapses
        Fewest synapses of a field that gets an answer; with 4, permuting delays cannot reach a two-sided p of .05
        (2/24), with 5 it can (2/120).
    seed
        Draws are addressed by seed, draw and the field's labels (its coordinates along the leading dims): a field has the
        same draws alone, in any subset, order or chunk, and with any number of threads.
    keep_draws
        Whether to return ``null_draws``, and ``null_resolution``, the difference below which two of a field are a tie.

    Returns
    -------
    Dataset of ``morans_i``, ``expected``, ``z_score``, ``p_value``, dims (...), dimensionless; ``along_delay`` and
        ``across_sources``, the parts of I from neighbours within one source and from all others, with ``..._expected``;
        ``n_synapses``; with ``keep_draws`` also ``null_draws`` (..., draw) and ``null_resolution`` (...).

        All but ``n_synapses`` are NaN for a constant field, a field with a cell that is not finite, or fewer than
        ``min_synapses`` synapses. Where the null has one arrangement, ``z_score`` is NaN and ``p_value`` 1. Without draws
        both are NaN.

    Raises
    ------
    BadInput
        A missing dim or variable, an unknown name, a lattice of one cell; permutations of fields of the training kernel
        (attribute ``kernel``), whose synapses spread over several cells that no null here moves together.

    Notes
    -----
    I equals ``esda.Moran(y, w, transformation="r").I`` ("b" when not standardised). The p-value does not equal its
    ``p_sim``, which picks the tail after seeing the data.

    ``expected`` is exact under ``cells``, and under ``delays`` when every source has at most one synapse in the field;
    otherwise it is the mean of the draws (without draws NaN).

    References
    ----------
    Moran (1950), https://doi.org/10.2307/2332142
    Phipson & Smyth (2010), https://doi.org/10.2202/1544-6115.1585

    Examples
    --------
    A smooth ramp clusters; a dead neuron has no answer.

    >>> ramp = np.add.outer(np.arange(6.0), np.arange(5.0))
    >>> field = xr.DataArray([ramp, 0 * ramp], dims=("target", "source", "delay"))
    >>> morans_i(field, null="cells", n_permutations=99, seed=0).morans_i.round(3).values
    array([0.869,   nan])
    """
    check_permutations(null, alternative, n_permutations, seed)
    weight, present = _weight_and_present(field)
    if n_permutations > 0 and "training" in (field.attrs.get("kernel"), weight.attrs.get("kernel")):
        raise BadInput(
            "these receptive fields show the training kernel, where each synapse is spread over several cells: the spread "
            "itself is structure, and no null here moves a synapse with its spread; use the deployed kernel, or "
            "n_permutations=0 for I alone"
        )
    share = neighbour_share(lattice, *weight.shape[-2:])
    plane = engine.scaled_plane(share, pair_weights(lattice, share), lattice.contiguity == "queen")

    planes = weight.to_numpy().reshape(-1, *share.shape)
    contacts, filled = _by_contact(field, weight, present)
    n_synapses = np.count_nonzero(filled, axis=(1, 2, 3))
    answerable = _varies(planes) & (n_synapses >= min_synapses)

    n_field = planes.shape[0]
    answers = {name: np.full(n_field, np.nan) for name in _ANSWERS}
    null_draws = np.full((n_field, n_permutations if keep_draws else 0), np.nan)
    resolution = np.full(n_field, np.nan)
    streams = field_streams(stream(seed, _FIELD), weight)
    for chunk in _chunks(np.flatnonzero(answerable), share.size + n_permutations):
        z = engine.centred(engine.rescaled(planes[chunk]))
        if null == "cells":
            draws = engine.shuffled_cells(z, plane, n_permutations, stream(seed, _SHARED), streams[chunk])
        else:
            weights = engine.rescaled(contacts[chunk])
            draws = engine.permuted_delays(weights, filled[chunk], plane, n_permutations, streams[chunk])
        along, across = engine.observed(z, plane).T
        observed, expected = along + across, draws.expected.sum(axis=1)
        values = {
            "morans_i": observed,
            "expected": expected,
            "along_delay": along,
            "along_delay_expected": draws.expected[:, 0],
            "across_sources": across,
            "across_sources_expected": draws.expected[:, 1],
            "z_score": z_scores(observed, expected, draws.values, resolution=draws.resolution),
            "p_value": p_values(observed, draws.values, alternative=alternative, resolution=draws.resolution),
        }
        for name, value in values.items():
            answers[name][chunk] = value
        if keep_draws:
            null_draws[chunk], resolution[chunk] = draws.values, draws.resolution

    leading = weight.dims[:-2]
    result = xr.Dataset(
        {name: (leading, value.reshape(weight.shape[:-2])) for name, value in answers.items()},
        {name: coord for name, coord in weight.coords.items() if not {"source", "delay"} & set(coord.dims)},
        {
            "null": null,
            "contiguity": lattice.contiguity,
            "transform": "r" if lattice.standardised else "b",
            "n_permutations": n_permutations,
            "alternative": alternative,
            "min_synapses": min_synapses,
            "seed": seed,
        },
    )
    result["n_synapses"] = leading, n_synapses.reshape(weight.shape[:-2])
    if keep_draws:
        result["null_draws"] = (*leading, "draw"), null_draws.reshape(*weight.shape[:-2], n_permutations)
        result["null_resolution"] = leading, resolution.reshape(weight.shape[:-2])
    return described(result, STATISTICS)


def morans_i_distribution(result: xr.Dataset, *, n_bins: int) -> xr.Dataset:
    """How many neurons have which Moran's I, beside how many the null would put there.

    Parameters
    ----------
    result
        From `morans_i` with ``keep_draws=True``, dims (..., target).
    n_bins
        Bins between the smallest and the largest value, observed or drawn, of all fields: they share their edges.

    Returns
    -------
    Dataset, dims (..., bin): ``count``, and over the draws the ``null_mean`` and the 95 % band ``null_lower`` to
        ``null_upper`` of the count, bin by bin. Coordinates ``bin`` (centre), ``bin_lower``, ``bin_upper`` (edges, the
        upper one of the last bin included). Neurons without I (NaN) are left out, and counted in ``n_unanswered`` (...).

    Examples
    --------
    >>> field = xr.DataArray(np.random.default_rng(0).standard_normal((8, 6, 5)), dims=("target", "source", "delay"))
    >>> result = morans_i(field, null="cells", n_permutations=99, seed=0, keep_draws=True)
    >>> distribution = morans_i_distribution(result, n_bins=4)
    >>> int(distribution["count"].sum()), distribution.null_mean.sum().round(3).item()
    (8, 8.0)
    """
    if "null_draws" not in result:
        raise BadInput("the result has no null_draws; call morans_i with keep_draws=True")
    if "target" not in result.morans_i.dims:
        raise BadInput("the result has no dim 'target'; a distribution is over the targets")
    if n_bins < 1:
        raise BadInput(f"n_bins is {n_bins}; use at least 1")
    observed = result.morans_i.transpose(..., "target")
    draws = result.null_draws.transpose(..., "draw", "target").to_numpy()
    values = observed.to_numpy()
    finite = np.concatenate([values[np.isfinite(values)], draws[np.isfinite(draws)]])
    edges = np.histogram_bin_edges(finite, n_bins)
    under_null = _counts(draws, edges)  # (..., draw, bin)
    if under_null.shape[-2] == 0:
        raise BadInput("the result holds no draw; call morans_i with n_permutations above 0")
    lower, upper = np.quantile(under_null, [0.025, 0.975], axis=-2)
    dims = (*observed.dims[:-1], "bin")
    distribution = xr.Dataset(
        {
            "count": (dims, _counts(values, edges)),
            "null_mean": (dims, under_null.mean(axis=-2)),
            "null_lower": (dims, lower),
            "null_upper": (dims, upper),
            "n_unanswered": observed.isnull().sum("target"),
        },
        {
            "bin": (edges[1:] + edges[:-1]) / 2,
            "bin_lower": ("bin", edges[:-1]),
            "bin_upper": ("bin", edges[1:]),
        },
        result.attrs,
    )
    return described(distribution, STATISTICS)


def _weight_and_present(field: xr.DataArray | xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """The weights, dims (..., source, delay), and where there is a synapse."""
    if isinstance(field, xr.Dataset):
        for name in ("receptive_field", "present"):
            if name not in field:
                raise BadInput(f"the dataset has no variable {name!r}; it needs 'receptive_field' and 'present'")
        weight, present = field.receptive_field, field.present
        if set(present.dims) != set(weight.dims) or present.dtype != bool:
            raise BadInput(f"'present' is {present.dtype} over {present.dims}; it must be bool over {weight.dims}")
    else:
        weight, present = field, field != 0
    for dim in ("source", "delay"):
        if dim not in weight.dims:
            raise BadInput(f"the field has dims {weight.dims} and no {dim!r}; it needs (..., source, delay)")
    if weight.dtype.kind not in "iuf":
        raise BadInput(f"the field is of type {weight.dtype}; it must be real numbers")
    weight = weight.transpose(..., "source", "delay")
    present = present.transpose(*weight.dims)
    if isinstance(field, xr.Dataset) and (np.isfinite(weight) & (weight != 0) & ~present).any():
        raise BadInput("the receptive field is not 0 in some cells that are not 'present'; absent cells must be 0")
    return weight, present


def _by_contact(field: xr.DataArray | xr.Dataset, weight: xr.DataArray, present: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """Weight and presence of every synapse, (field, contact, source, delay): those of a pair apart, even in one cell."""
    each = weight.expand_dims("contact"), present.expand_dims("contact")
    if isinstance(field, xr.Dataset) and "contact_field" in field:
        each = field.contact_field, field.contact_present
    dims = (*weight.dims[:-2], "contact", *weight.dims[-2:])
    shape = (int(np.prod(weight.shape[:-2])), each[0].sizes["contact"], *weight.shape[-2:])
    weights, filled = (a.transpose(*dims).to_numpy().reshape(shape) for a in each)
    return weights, filled


def _varies(planes: np.ndarray) -> np.ndarray:
    """Whether each plane is finite throughout and not constant."""
    low, high = planes.min(axis=(1, 2)), planes.max(axis=(1, 2))  # NaN where a cell is
    return np.isfinite(low) & np.isfinite(high) & (low < high)


def _chunks(fields: np.ndarray, numbers_per_field: int) -> list[np.ndarray]:
    size = max(NUMBERS_AT_ONCE // numbers_per_field, 1)
    return [fields[i : i + size] for i in range(0, fields.size, size)]


def _counts(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Histogram along the last axis; what is not finite is in no bin."""
    n_bins = edges.size - 1
    flat = values.reshape(-1, values.shape[-1])
    index = np.minimum(np.searchsorted(edges, flat, side="right") - 1, n_bins - 1)
    row = np.broadcast_to(np.arange(flat.shape[0])[:, None], flat.shape)
    kept = np.isfinite(flat)
    counts = np.bincount((row * n_bins + index)[kept], minlength=flat.shape[0] * n_bins)
    return counts.reshape(*values.shape[:-1], n_bins)

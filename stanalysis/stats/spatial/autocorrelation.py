"""Spatial autocorrelation: are neighbours on the (source, delay) plane alike, more than a null would make them?"""

from __future__ import annotations

from typing import Unpack

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.fields.lattice import ROOK, Lattice
from stanalysis.fields.synapse_graph import SynapseGraph
from stanalysis.schema.statistics import STATISTICS as DECLARED
from stanalysis.schema.variables import Variable, described
from stanalysis.stats.engine.field_statistics import field_statistics, measured
from stanalysis.stats.engine.null_test import NullOptions, NullTest
from stanalysis.stats.engine.rounding import varies
from stanalysis.stats.engine.statistics import STATISTICS

PARTS = ("along_delay", "across_sources")


def morans_i(
    field: xr.DataArray | xr.Dataset,
    *,
    lattice: Lattice = ROOK,
    joint: bool = False,
    keep_draws: bool = False,
    **test: Unpack[NullOptions],
) -> xr.Dataset:
    r"""Moran's I of every receptive field against a null that moves its synapses.

    .. math:: I = \frac{n}{\sum_{ij} w_{ij}} \frac{\sum_{ij} w_{ij} z_i z_j}{\sum_i z_i^2}

    with :math:`z_i` the centred value of cell :math:`i` and :math:`w_{ij}` the neighbour weight. Without structure I is
    ``expected``, not 0: -1/(n - 1) under ``cells``, specific to the field under other nulls.

    Parameters
    ----------
    field, joint, keep_draws, **test
        As for `field_statistics`. I does not depend on the unit of the field.
    lattice
        Which cells are neighbours.

    Returns
    -------
    Dataset of ``morans_i``, ``expected``, ``z_score``, ``p_value``, dims (...), dimensionless; ``along_delay`` and
        ``across_sources``, the parts of I from neighbours within one source and from all others, with ``..._expected``;
        ``n_synapses``, ``n_unanswered``; with ``keep_draws`` also ``null_draws`` (..., draw) and ``null_resolution``.
        NaN as for `field_statistics`.

    Notes
    -----
    I equals ``esda.Moran(y, w, transformation="r").I`` ("b" when not standardised). The p-value does not equal its
    ``p_sim``, which picks the tail after seeing the data.

    References
    ----------
    Moran (1950), https://doi.org/10.2307/2332142

    Examples
    --------
    A smooth ramp clusters; a dead neuron has no answer.

    >>> ramp = np.add.outer(np.arange(6.0), np.arange(5.0))
    >>> field = xr.DataArray([ramp, 0 * ramp], dims=("target", "source", "delay"))
    >>> morans_i(field, null="cells", n_permutations=99, seed=0).morans_i.round(3).values
    array([0.869,   nan])
    """
    return as_morans_i(
        measured(
            field,
            statistics=("morans_i", *PARTS),
            drawn=("morans_i",),
            lattice=lattice,
            graph=None,
            joint=joint,
            keep_draws=keep_draws,
            test=NullTest(**test),
        )
    )


def declared_statistics() -> dict[str, Variable]:
    """What results of statistics may hold: a statistic under its name, too, as its record says."""
    named = (Variable(s.name, (...,), "f", s.unit, s.meaning) for s in STATISTICS.values())
    return DECLARED | {variable.name: variable for variable in named}


def as_morans_i(result: xr.Dataset) -> xr.Dataset:
    """Of the result of `field_statistics`, Moran's I with its parts, as `morans_i` gives it."""
    moran = result.sel(statistic="morans_i", drop=True).rename(value="morans_i")
    dims, at = result.value.dims, result.value.get_axis_num("statistic")
    index = [list(result.statistic.values).index(name) for name in PARTS]
    parts = {
        f"{name}{end}": (tuple(d for d in dims if d != "statistic"), result[variable].to_numpy().take(i, axis=at))
        for name, i in zip(PARTS, index, strict=True)
        for variable, end in (("value", ""), ("expected", "_expected"))
    }
    return described(moran.assign(parts), declared_statistics())


def alone(result: xr.Dataset, name: str) -> xr.Dataset:
    """Of the result of `field_statistics`, one statistic by its name."""
    return described(result.sel(statistic=name, drop=True).rename(value=name), declared_statistics())


def gearys_c(
    field: xr.DataArray | xr.Dataset,
    *,
    lattice: Lattice = ROOK,
    joint: bool = False,
    keep_draws: bool = False,
    **test: Unpack[NullOptions],
) -> xr.Dataset:
    r"""Geary's C of every receptive field: how much neighbouring cells differ; below ``expected`` where they are alike.

    .. math:: C = \frac{n - 1}{2 \sum_{ij} w_{ij}} \frac{\sum_{ij} w_{ij} (x_i - x_j)^2}{\sum_i z_i^2}

    Without structure C is 1 under ``cells``, specific to the field under other nulls.

    Parameters
    ----------
    field, joint, keep_draws, **test
        As for `field_statistics`; with "less" the alternative is that neighbours are alike.
    lattice
        Which cells are neighbours.

    Returns
    -------
    Dataset of ``gearys_c``, ``expected``, ``z_score``, ``p_value``, dims (...), dimensionless, and what `field_statistics`
        adds. NaN as there.

    Notes
    -----
    C equals ``esda.Geary(y, w, transformation="r").C`` ("b" when not standardised).

    References
    ----------
    Geary (1954), https://doi.org/10.2307/2986645

    Examples
    --------
    >>> ramp = np.add.outer(np.arange(6.0), np.arange(5.0))
    >>> field = xr.DataArray(ramp, dims=("source", "delay"))
    >>> gearys_c(field, null="cells", n_permutations=99, seed=0).gearys_c.round(3).item()
    0.098
    """
    result = field_statistics(
        field,
        statistics=["gearys_c"],
        lattice=lattice,
        joint=joint,
        keep_draws=keep_draws,
        **test,
    )
    return alone(result, "gearys_c")


def graph_autocorrelation(
    field: xr.DataArray | xr.Dataset,
    *,
    graph: SynapseGraph,
    joint: bool = False,
    keep_draws: bool = False,
    **test: Unpack[NullOptions],
) -> xr.Dataset:
    r"""Moran's I and Geary's C of every target's synapses on the graph of near ones, at their own delays.

    The formulas are those of `morans_i` and `gearys_c` with synapses for cells: empty cells do not dilute them, and near is
    near whether or not a synapse shares its bin. A synapse without neighbours (with a radius) gives nothing to the sums.

    Parameters
    ----------
    field
        Receptive fields with a coordinate ``delay`` in ms, or a projection of a checkpoint (dim synapse), whose delays need
        no bins.
    graph
        Which synapses are neighbours, and how the axes are scaled.
    joint, keep_draws, **test
        As for `field_statistics`. Where synapses move, their neighbours are found anew in every draw.

    Returns
    -------
    Dataset of ``value``, ``expected``, ``z_score``, ``p_value``, dims (..., statistic) with the statistics
        ``graph_morans_i`` and ``graph_gearys_c``, dimensionless, and what `field_statistics` adds. NaN also where all
        weights are equal.

    Notes
    -----
    Under ``weights`` I is -1/(n - 1) and C is 1 in the mean, of n synapses. The values equal those of ``esda.Moran`` and
    ``esda.Geary`` (which takes no synapse without neighbours) on the graph that `fields.synapse_graph.graph_of` gives.

    References
    ----------
    Moran (1950), https://doi.org/10.2307/2332142; Geary (1954), https://doi.org/10.2307/2986645

    Examples
    --------
    >>> from stanalysis.synthetic.fields import planted_fields
    >>> near = SynapseGraph(ms_per_source=1.0)
    >>> graph_autocorrelation(planted_fields(1, seed=0), graph=near, n_permutations=0, seed=0).value.round(2).values
    array([[0.52, 0.46]])
    """
    return field_statistics(
        field,
        statistics=["graph_morans_i", "graph_gearys_c"],
        graph=graph,
        joint=joint,
        keep_draws=keep_draws,
        **test,
    )


def morans_i_distribution(result: xr.Dataset, *, n_bins: int) -> xr.Dataset:
    """How many neurons have which Moran's I, beside how many the null would put there.

    Parameters
    ----------
    result
        From `morans_i` with ``keep_draws=True``, dims (..., target).
    n_bins
        Bins between the smallest and the largest value, observed or drawn, of all fields: they share their edges. Where all
        values are one but for rounding it lies in the middle of a bin, and the bins are 1 / n_bins wide.

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
    resolution = result.get("null_resolution", xr.DataArray(0.0)).max(skipna=True).fillna(0).item()
    edges = _edges(np.concatenate([values[np.isfinite(values)], draws[np.isfinite(draws)]]), n_bins, resolution)
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
    return described(distribution, DECLARED)


def _edges(values: np.ndarray, n_bins: int, resolution: float) -> np.ndarray:
    """Edges of bins that hold the values, and are wider than their rounding, which would otherwise deal out what is alike."""
    if values.size == 0 or varies(values, resolution=resolution):
        return np.histogram_bin_edges(values, n_bins)
    edges: np.ndarray = values.mean() + (np.arange(n_bins + 1) - n_bins // 2 - 0.5) / n_bins
    return edges


def _counts(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Histogram along the last axis; what is not finite is in no bin."""
    n_bins = edges.size - 1
    flat = values.reshape(-1, values.shape[-1])
    index = np.minimum(np.searchsorted(edges, flat, side="right") - 1, n_bins - 1)
    row = np.broadcast_to(np.arange(flat.shape[0])[:, None], flat.shape)
    kept = np.isfinite(flat)
    counts = np.bincount((row * n_bins + index)[kept], minlength=flat.shape[0] * n_bins)
    return counts.reshape(*values.shape[:-1], n_bins)

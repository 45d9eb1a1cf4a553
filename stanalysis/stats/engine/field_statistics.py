"""Any statistics of receptive fields against any null, all from the same draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.fields.lattice import ROOK, Lattice
from stanalysis.fields.synapse_graph import SynapseGraph
from stanalysis.schema.statistics import STATISTICS
from stanalysis.schema.variables import described
from stanalysis.stats.engine.measures import ON_GRAPH, ON_LATTICE, UNITS, Draws, Measure, on_graph, on_lattice
from stanalysis.stats.engine.nulls import (
    Alternative,
    Null,
    check_permutations,
    field_streams,
    p_values,
    stream,
    z_scores,
)
from stanalysis.stats.engine.prepared import NUMBERS_AT_ONCE, Fields, SynapseLists, listed, prepared

MIN_SYNAPSES: Final = 4

# What randomness is for, part of its address: arrangements of one field, or the shuffle of cells that all fields share.
_FIELD, _SHARED = 1, 2


def field_statistics(
    field: xr.DataArray | xr.Dataset,
    *,
    statistics: Sequence[str],
    lattice: Lattice = ROOK,
    graph: SynapseGraph | None = None,
    null: Null = "delays",
    n_permutations: int = 999,
    alternative: Alternative = "two-sided",
    min_synapses: int = MIN_SYNAPSES,
    joint: bool = False,
    seed: int,
    keep_draws: bool = False,
) -> xr.Dataset:
    """Statistics of every receptive field against one null, in the same draws.

    Parameters
    ----------
    field
        Receptive fields, dims (..., source, delay), any unit of weight. A Dataset has the variables ``receptive_field`` and
        ``present`` (bool, same dims); in a bare DataArray the non-zero cells are the synapses. With several synapses per
        pair the variables ``contact_field`` and ``contact_present`` (..., contact, source, delay) tell those apart that
        share a cell; on the lattice they add up there. Or a projection of a checkpoint (dim synapse), whose delays stay
        as they are, for statistics of the synapse graph.
    statistics
        Names, on the lattice: ``morans_i`` with its parts ``along_delay`` and ``across_sources``, ``gearys_c``,
        ``joins_ee``, ``joins_ei``, ``joins_ii``, ``bivariate_i``, ``n_clusters``, ``largest_cluster``; ``lead`` [ms], the
        weighted mean delay of inhibition less that of excitation; on the graph of synapses ``graph_morans_i``,
        ``graph_gearys_c``, ``graph_joins_ee``, ``graph_joins_ei``, ``graph_joins_ii``. The functions of these names say
        what they are.
    lattice
        Which cells are neighbours.
    graph
        Which synapses are neighbours; needed for the statistics of the graph. Fields need a coordinate ``delay`` in ms then.
    null
        What is exchangeable; `stanalysis.stats.engine.nulls.MEANING` says what rejecting it means. Synapses move one by one:

        - ``"delays"``: delays among the synapses of one field, each keeping its source and weight; synapses of one source
          never meet in a cell, unless the field comes with contacts;
        - ``"weights"``: weights among the synapses, each keeping its place;
        - ``"signs"``: signs among the synapses (of weight other than 0), each keeping place and magnitude;
        - ``"source-signs"``: signs among the sources, which must have one each;
        - ``"sources"``: all sources of the plane, each with its synapses;
        - ``"rows"``: each synapse's delay drawn anew from all of the plane, each being as likely;
        - ``"cells"``: all cells, empty or not;
        - ``"untrained"``: nothing; each field is compared with those of the other targets at step 0.
    n_permutations
        Draws of the null; 0 gives the statistics alone.
    alternative
        "greater", "less" or "two-sided".
    min_synapses
        Fewest synapses of a field that gets an answer. With 4, permuting delays cannot reach a two-sided p of .05 (2/24),
        with 5 it can (2/120).
    joint
        Whether all targets of one network share their permutations, which keeps what they have in common: right for what
        is said of many neurons together even where they depend on each other. Every target of a network needs one synapse
        from each of the same sources then, except with the null ``sources``; not with ``rows`` or ``cells``.
    seed
        Draws are addressed by seed, draw and the field's labels (its coordinates along the leading dims): a field has the
        same draws alone, in any subset, order or chunk, with any statistics and any number of threads.
    keep_draws
        Whether to return ``null_draws``, and ``null_resolution``, the difference below which two of a field are a tie.

    Returns
    -------
    Dataset of ``value``, ``expected``, ``z_score``, ``p_value``, dims (..., statistic), in the unit that the coordinate
        ``unit`` names; ``n_synapses`` (...); ``n_unanswered`` (..., statistic) over the dim ``target``, if there is one;
        with ``keep_draws`` also ``null_draws`` (..., statistic, draw) and ``null_resolution`` (..., statistic).

        All but the counts are NaN for a constant field, a field with a cell that is not finite, a plane of one source, or
        fewer than ``min_synapses`` synapses; ``bivariate_i`` and ``lead`` without excitation or inhibition; Moran's I and
        Geary's C on the graph where all weights are equal (on the lattice empty cells differ from them). Where the null has
        one arrangement, ``z_score`` is NaN and ``p_value`` 1. Without draws both are NaN.

    Raises
    ------
    BadInput
        A missing dim or variable, an unknown name, a lattice of one cell; permutations of fields of the training kernel
        (attribute ``kernel``), whose synapses spread over several cells that no null here moves together.

    Notes
    -----
    ``expected`` is exact where each cell holds at most one synapse (``weights``, ``cells``), each source at most one
    (``delays``, ``rows``), or always (``sources``), for all but clusters; for join counts also under ``signs``; on the graph
    under ``weights``, and for join counts under ``signs``. Otherwise it is the mean of the draws (without draws NaN).

    References
    ----------
    Phipson & Smyth (2010), https://doi.org/10.2202/1544-6115.1585

    Examples
    --------
    >>> from stanalysis.synthetic.fields import planted_fields
    >>> found = field_statistics(planted_fields(1, seed=0), statistics=["morans_i", "joins_ei"], null="signs", seed=0)
    >>> found.value.values.round(2), found.p_value.values
    (array([[0.07, 0.  ]]), array([[0.002, 0.002]]))
    """
    return measured(
        field,
        statistics=statistics,
        drawn=statistics,
        lattice=lattice,
        graph=graph,
        null=null,
        n_permutations=n_permutations,
        alternative=alternative,
        min_synapses=min_synapses,
        joint=joint,
        seed=seed,
        keep_draws=keep_draws,
    )


def measured(
    field: xr.DataArray | xr.Dataset,
    *,
    statistics: Sequence[str],
    drawn: Sequence[str],
    lattice: Lattice,
    graph: SynapseGraph | None,
    null: Null,
    n_permutations: int,
    alternative: Alternative,
    min_synapses: int,
    joint: bool,
    seed: int,
    keep_draws: bool,
) -> xr.Dataset:
    """`field_statistics`, with draws only for the statistics ``drawn``."""
    check_permutations(null, alternative, n_permutations, seed)
    _check_statistics(statistics, graph)
    fields = _fields(field, statistics)
    if null == "untrained":
        n_permutations = 0
    if n_permutations > 0 and "training" in _kernels(field):
        raise BadInput(
            "these receptive fields show the training kernel, where each synapse is spread over several cells: the spread "
            "itself is structure, and no null here moves a synapse with its spread; use the deployed kernel, or "
            "n_permutations=0 for the statistic alone"
        )
    if graph is not None and np.isnan(fields.bin_width):
        raise BadInput(
            "the coordinate 'delay' is missing, has one value, or is not in even steps; the synapse graph needs delays in ms"
        )
    n_synapses = fields.n_synapses()
    answerable = fields.answerable() & (n_synapses >= min_synapses)
    if joint and null in ("rows", "cells"):
        raise BadInput(
            f"the null {null!r} moves each synapse to a place of its own, so that there is nothing to share; use joint=False"
        )
    if joint and n_permutations > 0 and null != "sources":
        _require_alike(fields, answerable, null)

    shape = answerable.size, len(statistics)
    answers = {name: np.full(shape, np.nan) for name in ("value", "expected", "z_score", "p_value")}
    kept = np.full((*shape, n_permutations if keep_draws else 0), np.nan)
    resolution = np.full(shape, np.nan)
    streams = field_streams(stream(seed, _FIELD), fields.labels, joint=joint)
    for chunk in fields_at_once(fields, np.flatnonzero(answerable), n_permutations):
        draws = Draws(null if null != "untrained" else "delays", n_permutations, streams[chunk], stream(seed, _SHARED))
        for name, measure in _measures(fields.some(chunk), draws, set(statistics), set(drawn), lattice, graph).items():
            at = chunk, list(statistics).index(name)
            value, expected, sample, tie = measure
            answers["value"][at], answers["expected"][at], resolution[at] = value, expected, tie
            answers["z_score"][at] = z_scores(value, expected, sample, resolution=tie)
            answers["p_value"][at] = p_values(value, sample, alternative=alternative, resolution=tie)
            if keep_draws and sample.shape[1]:
                kept[at] = sample

    leading = tuple(str(d) for d in fields.labels.dims)
    sizes = fields.labels.shape
    each = (*leading, "statistic")
    variables = {name: (each, a.reshape(*sizes, len(statistics))) for name, a in answers.items()}
    variables["n_synapses"] = leading, n_synapses.reshape(sizes)
    if "target" in leading:
        missing = np.isnan(variables["value"][1]).sum(axis=leading.index("target"))
        variables["n_unanswered"] = tuple(d for d in each if d != "target"), missing
    if keep_draws:
        variables["null_draws"] = (*each, "draw"), kept.reshape(*sizes, *kept.shape[1:])
        variables["null_resolution"] = each, resolution.reshape(*sizes, len(statistics))
    found = xr.Dataset(
        variables,
        {
            **fields.labels.coords,
            "statistic": list(statistics),
            "unit": ("statistic", [UNITS.get(name, "1") for name in statistics]),
        },
        {
            "null": null,
            "contiguity": lattice.contiguity,
            "transform": "r" if lattice.standardised else "b",
            "n_permutations": n_permutations,
            "alternative": alternative,
            "min_synapses": min_synapses,
            "joint": int(joint),
            "seed": seed,
            **_said_of(graph),
        },
    )
    if null == "untrained":
        found = against_untrained(found)
    return described(found, STATISTICS)


def against_untrained(found: xr.Dataset) -> xr.Dataset:
    """The result of `field_statistics` with each value compared with those of the *other* targets at step 0.

    Leaving the own one out makes p-values valid though a neuron resembles itself before training: where training changed
    nothing, its value is one of n that any order is as likely for. The smallest p-value is 1/n of n targets, twice that if
    two-sided.

    Parameters
    ----------
    found
        Dims (..., step, target, statistic), with step 0.

    Returns
    -------
    The same with ``expected`` (mean of the others), ``z_score``, ``p_value``; attribute ``null`` "untrained".
    """
    if "step" not in found.value.dims or "target" not in found.value.dims or 0 not in found.step:
        raise BadInput("the null 'untrained' compares with step 0; give fields with dims step and target that have a step 0")
    value = found.value.transpose(..., "step", "target", "statistic")
    before = value.sel(step=0).to_numpy()  # (..., target, statistic)
    answers = {name: np.full(value.shape, np.nan) for name in ("expected", "z_score", "p_value")}
    alternative = found.attrs["alternative"]
    for index in np.ndindex(*value.shape[:-3]):
        for k, s in np.ndindex(value.shape[-2], value.shape[-1]):
            others = np.delete(before[index][:, s], k)
            others = others[np.isfinite(others)]
            if others.size == 0:
                continue
            own = value.to_numpy()[index][:, k, s]  # (step,)
            sample = np.broadcast_to(others, (own.size, others.size))
            tie = 1e-9 * max(np.abs(others).max(), 1e-300)
            at = (*index, slice(None), k, s)
            answers["expected"][at] = np.where(np.isnan(own), np.nan, others.mean())
            answers["z_score"][at] = z_scores(own, others.mean(), sample, resolution=tie)
            answers["p_value"][at] = p_values(own, sample, alternative=alternative, resolution=tie)
    new = {name: value.copy(data=a).transpose(*found.value.dims) for name, a in answers.items()}
    return described(found.assign(new), STATISTICS).assign_attrs(found.attrs | {"null": "untrained", "n_permutations": 0})


def untrained_draws(value: xr.DataArray) -> xr.DataArray:
    """The values (..., step, target) at step 0, dealt out to other targets in every way that turns them round: what a
    histogram of the null ``untrained`` needs, dims (..., step, target, draw).
    """
    before = value.transpose(..., "target").sel(step=0).to_numpy()
    turned = np.stack([np.roll(before, k, axis=-1) for k in range(1, max(before.shape[-1], 2))], axis=-1)
    dims = (*(d for d in value.dims if d not in ("step", "target")), "target", "draw")
    return xr.DataArray(turned, dims=dims).expand_dims(step=value.step).transpose(*value.dims, "draw")


def fields_at_once(fields: Fields | SynapseLists, chosen: np.ndarray, n_permutations: int) -> list[np.ndarray]:
    """The chosen fields, so many at a time that memory is bounded."""
    size = max(int(NUMBERS_AT_ONCE // (fields.plane.n_source * fields.plane.extent + 10 * n_permutations)), 1)
    return [chosen[i : i + size] for i in range(0, chosen.size, size)]


def _measures(
    fields: Fields | SynapseLists,
    draws: Draws,
    statistics: set[str],
    drawn: set[str],
    lattice: Lattice,
    graph: SynapseGraph | None,
) -> dict[str, Measure]:
    found: dict[str, Measure] = {}
    if (wanted := statistics & set(ON_LATTICE)) and isinstance(fields, Fields):
        found |= on_lattice(fields, lattice, draws, wanted, drawn & wanted)
    if (wanted := statistics & set(ON_GRAPH)) and graph is not None:
        found |= on_graph(fields, graph, draws, wanted, drawn & wanted)
    return found


def _check_statistics(statistics: Sequence[str], graph: SynapseGraph | None) -> None:
    known = (*ON_LATTICE, *ON_GRAPH)
    for name in statistics:
        if name not in known:
            raise BadInput(f"the statistic is {name!r}; use some of {', '.join(known)}")
    if len(set(statistics)) < len(statistics) or not statistics:
        raise BadInput("no statistic is named, or one twice; name each once")
    if graph is None and any(name in ON_GRAPH for name in statistics):
        raise BadInput(
            "a statistic of the synapse graph needs to know its neighbours; give graph=SynapseGraph(ms_per_source=…)"
        )


def _fields(field: xr.DataArray | xr.Dataset, statistics: Sequence[str]) -> Fields | SynapseLists:
    if isinstance(field, xr.Dataset) and "synapse" in field.dims:
        if any(name in ON_LATTICE for name in statistics):
            raise BadInput(
                "a synapse table has no lattice; make receptive fields of it first (stanalysis.receptive_fields), or name "
                "statistics of the synapse graph only"
            )
        return listed(field)
    return prepared(field)


def _kernels(field: xr.DataArray | xr.Dataset) -> tuple[object, ...]:
    inner = field.receptive_field.attrs if isinstance(field, xr.Dataset) and "receptive_field" in field else {}
    return field.attrs.get("kernel"), inner.get("kernel")


def _require_alike(fields: Fields | SynapseLists, answerable: np.ndarray, null: Null) -> None:
    """Raise `BadInput` unless one permutation does the same to all targets of a network."""
    labels = fields.labels
    sizes = [1 if dim == "target" else labels.sizes[dim] for dim in labels.dims]
    network = np.broadcast_to(np.arange(int(np.prod(sizes))).reshape(sizes), labels.shape).reshape(-1)
    for one in np.unique(network[answerable]):
        own = fields.some(np.flatnonzero(answerable & (network == one))).synapses(by_source=null == "source-signs")
        n = np.diff(own.start)
        first = slice(0, n[0])
        moved = (own.source, own.group) if "signs" in null else (own.source,)
        alike = (n == n[0]).all() and all((column.reshape(n.size, -1) == column[first]).all() for column in moved)
        if not alike or (np.bincount(own.source[first]).max() > 1 and not fields.plane.shared):
            raise BadInput(
                "the targets have synapses from different sources, or several from one, so that they cannot share "
                "permutations; use joint=False, or the null 'sources'"
            )


def _said_of(graph: SynapseGraph | None) -> dict[str, float]:
    if graph is None:
        return {}
    near = {"nearest": graph.nearest} if graph.radius is None else {"radius": graph.radius}
    return {**near, "ms_per_source": graph.ms_per_source, "graph_standardised": int(graph.standardised)}

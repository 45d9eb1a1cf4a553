"""Any statistics of receptive fields against any null, all from the same draws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Unpack

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.fields.lattice import ROOK, Lattice
from stanalysis.fields.synapse_graph import SynapseGraph
from stanalysis.schema.statistics import STATISTICS as DECLARED
from stanalysis.schema.variables import described
from stanalysis.stats.engine.drawn_measures import drawn_measures, fields_at_once
from stanalysis.stats.engine.draws import Purpose, field_streams, p_values, stream, z_scores
from stanalysis.stats.engine.margins import LEAST_MIXING
from stanalysis.stats.engine.measures import Draws
from stanalysis.stats.engine.null_test import NullOptions, NullTest
from stanalysis.stats.engine.nulls import NullRule
from stanalysis.stats.engine.prepared import AnyFields, lists_or_fields, refuse_training_kernel
from stanalysis.stats.engine.statistics import STATISTICS, unit_of
from stanalysis.stats.engine.synapse_lists import SynapseLists
from stanalysis.stats.engine.untrained import against_untrained


def field_statistics(
    field: xr.DataArray | xr.Dataset,
    *,
    statistics: Sequence[str],
    lattice: Lattice = ROOK,
    graph: SynapseGraph | None = None,
    joint: bool = False,
    keep_draws: bool = False,
    **test: Unpack[NullOptions],
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
        ``joins_ee``, ``joins_ei``, ``joins_ii``, ``weighted_joins_like``, ``weighted_joins_unlike``, ``bivariate_i``,
        ``n_clusters``, ``largest_cluster``; ``lead`` [ms], the weighted mean delay of inhibition less that of excitation; on
        the graph of synapses ``graph_morans_i``, ``graph_gearys_c``, ``graph_joins_ee``, ``graph_joins_ei``,
        ``graph_joins_ii``, ``graph_weighted_joins_like``, ``graph_weighted_joins_unlike``. The functions of these names
        say what they are.
    lattice
        Which cells are neighbours.
    graph
        Which synapses are neighbours; needed for the statistics of the graph. Fields need a coordinate ``delay`` in ms then.
    joint
        Whether all targets of one network share their permutations, which keeps what they have in common: right for what
        is said of many neurons together even where they depend on each other. Every target of a network needs one synapse
        from each of the same sources then, except with the null ``sources``; not with ``rows`` or ``cells``.
    keep_draws
        Whether to return ``null_draws``, and ``null_resolution``, the difference below which two of a field are a tie.
    **test
        ``null``, ``n_permutations``, ``alternative``, ``min_synapses`` and ``seed``, as `stanalysis.NullTest` says. Synapses
        move one by one; under ``"delays"`` those of one source never meet in a cell, unless the field comes with contacts;
        under ``"signs"`` synapses of weight 0 stay out of it, and under ``"source-signs"`` every source must have one sign.

    Returns
    -------
    Dataset of ``value``, ``expected``, ``z_score``, ``p_value``, dims (..., statistic), in the unit that the coordinate
        ``unit`` names; ``n_synapses`` (...); ``n_unanswered`` (..., statistic) over the dim ``target``, if there is one;
        with ``keep_draws`` also ``null_draws`` (..., statistic, draw) and ``null_resolution`` (..., statistic); under
        ``interaction`` also ``mixing`` (..., statistic): how many signs a draw moves, as a share of those that move freely.

        All but the counts are NaN for a constant field, a field with a cell that is not finite, a plane of one source, or
        fewer than ``min_synapses`` synapses; ``bivariate_i`` and ``lead`` without excitation or inhibition; Moran's I and
        Geary's C on the graph where all weights are equal (on the lattice empty cells differ from them). Where the null has
        one arrangement, ``z_score`` is NaN and ``p_value`` 1. ``z_score`` is NaN also where its standard deviation is that of
        the draws, and they carry none: where fewer than about 1 in 100 differ from the others, or they have missed rare
        arrangements that make the exact ``expected``. Without draws both are NaN; under ``interaction`` also where ``mixing``
        is below .02, and for ``lead``, which it keeps.

    Raises
    ------
    BadInput
        A missing dim or variable, an unknown name, a lattice of one cell; permutations of fields of the training kernel
        (attribute ``kernel``), whose synapses spread over several cells that no null here moves together.

    Notes
    -----
    ``expected`` is exact where each cell holds at most one synapse (``weights``, ``cells``), each source at most one
    (``delays``, ``rows``), or always (``sources``), for all but clusters; for joins, counted or weighted, also under
    ``signs``; on the graph under ``weights``, and for joins under ``signs``. Otherwise it is the mean of the draws (without
    draws NaN).

    The standard deviation of ``z_score`` is exact where a null deals out values over fixed places: of Moran's I, Geary's C and
    joins on the graph under ``weights`` and of joins there under ``signs`` (where no weight is 0), of joins on the lattice
    under both (where each cell holds at most one synapse), and under ``cells`` of Moran's I, Geary's C and joins. Otherwise it
    is that of the draws.

    References
    ----------
    Phipson & Smyth (2010), https://doi.org/10.2202/1544-6115.1585; Cliff & Ord (1981), Spatial Processes

    Examples
    --------
    >>> from stanalysis.synthetic.fields import planted_fields
    >>> result = field_statistics(planted_fields(1, seed=0), statistics=["morans_i", "joins_ei"], null="signs", seed=0)
    >>> result.value.values.round(2), result.p_value.values
    (array([[0.07, 0.  ]]), array([[0.002, 0.002]]))
    """
    return measured(
        field,
        statistics=statistics,
        drawn=statistics,
        lattice=lattice,
        graph=graph,
        joint=joint,
        keep_draws=keep_draws,
        test=NullTest(**test),
    )


def measured(
    field: xr.DataArray | xr.Dataset | SynapseLists,
    *,
    statistics: Sequence[str],
    drawn: Sequence[str],
    lattice: Lattice,
    graph: SynapseGraph | None,
    joint: bool,
    keep_draws: bool,
    test: NullTest,
) -> xr.Dataset:
    """`field_statistics`, with draws only for the statistics ``drawn``; lists of synapses have no answer on the lattice."""
    _check_statistics(statistics, graph)
    fields = _fields(field, statistics)
    if not isinstance(field, SynapseLists):
        refuse_training_kernel(field, test.n_draws)
    if graph is not None and np.isnan(fields.bin_width) and fields.plane.extent > 1:
        raise BadInput("the coordinate 'delay' is missing or not in even steps; the synapse graph needs delays in ms")
    answerable = fields.answerable() & (fields.n_synapses() >= test.min_synapses)
    if joint:
        _require_shareable(fields, answerable, test)
    answers, kept, resolution = _answers(fields, answerable, statistics, drawn, lattice, graph, joint, keep_draws, test)
    result = _as_dataset(fields, statistics, answers).assign_attrs(
        {
            "null": test.null,
            "contiguity": lattice.contiguity,
            "transform": "r" if lattice.standardised else "b",
            "n_permutations": test.n_draws,
            "alternative": test.alternative,
            "min_synapses": test.min_synapses,
            "joint": int(joint),
            "seed": test.seed,
            **_attrs_of_graph(graph),
        }
    )
    if keep_draws:
        each = result.value.dims
        result["null_draws"] = (*each, "draw"), kept.reshape(*result.value.shape, -1)
        result["null_resolution"] = each, resolution.reshape(result.value.shape)
    return described(result if test.rule.draws else against_untrained(result), DECLARED)


def _answers(
    fields: AnyFields,
    answerable: np.ndarray,
    statistics: Sequence[str],
    drawn: Sequence[str],
    lattice: Lattice,
    graph: SynapseGraph | None,
    joint: bool,
    keep_draws: bool,
    test: NullTest,
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Of each field and statistic: value, expectation, z-score and p-value by name; the draws to keep; what is rounding."""
    shape = answerable.size, len(statistics)
    rule = (test if test.rule.draws else test.without_draws).rule
    answers = {name: np.full(shape, np.nan) for name in ("value", "expected", "z_score", "p_value")}
    if rule.keeps:
        answers["mixing"] = np.full(shape, np.nan)
    kept = np.full((*shape, test.n_draws if keep_draws else 0), np.nan)
    resolution = np.full(shape, np.nan)
    streams = field_streams(stream(test.seed, Purpose.FIELD), fields.labels, joint=joint)
    for chunk, some in _asked_of(fields, answerable, statistics, test.n_draws):
        draws = Draws(rule, test.n_draws, streams[chunk], stream(test.seed, Purpose.SHARED))
        for name, measure in drawn_measures(fields.some(chunk), draws, some, some & set(drawn), lattice, graph).items():
            at = chunk, list(statistics).index(name)
            value, expected, variance, sample, tie = measure[:5]
            answers["value"][at], answers["expected"][at], resolution[at] = value, expected, tie
            answers["z_score"][at] = z_scores(value, expected, sample, resolution=tie, variance=variance)
            answers["p_value"][at] = p_values(value, sample, alternative=test.alternative, resolution=tie)
            if keep_draws and sample.shape[1]:
                kept[at] = sample
            if measure.mixing is not None:
                answers["mixing"][at] = measure.mixing
                silent = chunk[~(measure.mixing >= LEAST_MIXING)], at[1]
                for told in (answers["expected"], answers["z_score"], answers["p_value"], kept):
                    told[silent] = np.nan
    return answers, kept, resolution


def _asked_of(
    fields: AnyFields, answerable: np.ndarray, statistics: Sequence[str], n_draw: int
) -> Iterator[tuple[np.ndarray, set[str]]]:
    """Some fields at a time, and what is asked of them: where all cells are equal, nothing about cells."""
    on_graph = {name for name in statistics if STATISTICS[name].family == "graph"}
    varied = fields.varied() if on_graph != set(statistics) else np.zeros(answerable.size, bool)
    for some, which in ((set(statistics), answerable & varied), (on_graph, answerable & ~varied)):
        for chunk in fields_at_once(fields, np.flatnonzero(which), n_draw) if some else ():
            yield chunk, some


def _as_dataset(fields: AnyFields, statistics: Sequence[str], answers: dict[str, np.ndarray]) -> xr.Dataset:
    """Answers (field, statistic) with the labels of the fields, numbers of synapses, and of targets without an answer."""
    leading = tuple(str(d) for d in fields.labels.dims)
    sizes = fields.labels.shape
    each = (*leading, "statistic")
    variables = {name: (each, a.reshape(*sizes, len(statistics))) for name, a in answers.items()}
    variables["n_synapses"] = leading, fields.n_synapses().reshape(sizes)
    if "target" in leading:
        answer = variables["p_value" if "mixing" in variables else "value"][1]  # where margins stay, some have a value alone
        missing = np.isnan(answer).sum(axis=leading.index("target"))
        variables["n_unanswered"] = tuple(d for d in each if d != "target"), missing
    names = {"statistic": list(statistics), "unit": ("statistic", [unit_of(name) for name in statistics])}
    return xr.Dataset(variables, {**fields.labels.coords, **names})


def _check_statistics(statistics: Sequence[str], graph: SynapseGraph | None) -> None:
    for name in statistics:
        if name not in STATISTICS:
            raise BadInput(f"the statistic is {name!r}; use some of {', '.join(STATISTICS)}")
    if len(set(statistics)) < len(statistics) or not statistics:
        raise BadInput("no statistic is named, or one twice; name each once")
    if graph is None and any(STATISTICS[name].family == "graph" for name in statistics):
        raise BadInput(
            "a statistic of the synapse graph needs to know its neighbours; give graph=SynapseGraph(ms_per_source=…)"
        )


def _fields(field: xr.DataArray | xr.Dataset | SynapseLists, statistics: Sequence[str]) -> AnyFields:
    of_cells = any(STATISTICS[name].family == "lattice" for name in statistics)
    if isinstance(field, xr.Dataset) and "synapse" in field.dims and of_cells:
        raise BadInput(
            "a synapse table has no lattice; make receptive fields of it first (stanalysis.receptive_fields), or name "
            "statistics of the synapse graph only"
        )
    return lists_or_fields(field)


def _require_shareable(fields: AnyFields, answerable: np.ndarray, test: NullTest) -> None:
    """Raise `BadInput` unless all targets of a network may share permutations."""
    if test.rule.draws and test.rule.shared_by == "none":
        raise BadInput(
            f"the null {test.null!r} moves each synapse to a place of its own, so that there is nothing to share; use "
            "joint=False"
        )
    if test.n_draws > 0 and test.rule.shared_by == "like":
        _require_alike(fields, answerable, test.rule)


def _require_alike(fields: AnyFields, answerable: np.ndarray, rule: NullRule) -> None:
    """Raise `BadInput` unless one permutation does the same to all targets of a network."""
    labels = fields.labels
    sizes = [1 if dim == "target" else labels.sizes[dim] for dim in labels.dims]
    network = np.broadcast_to(np.arange(int(np.prod(sizes))).reshape(sizes), labels.shape).reshape(-1)
    for number in np.unique(network[answerable]):
        synapses = fields.some(np.flatnonzero(answerable & (network == number))).synapses(by_source=rule.by_source)
        n = np.diff(synapses.start)
        first = slice(0, n[0])
        moved = (synapses.source, synapses.group) if rule.arrangement == "signs" else (synapses.source,)
        alike = (n == n[0]).all() and all((column.reshape(n.size, -1) == column[first]).all() for column in moved)
        several = np.bincount(synapses.source[first]).max() > 1
        numbered = isinstance(fields, SynapseLists) or fields.contacts.shape[1] > 1  # one of several is known in all targets
        walks = rule.arrangement == "delays" and not fields.plane.shared  # where each target's own delays let it
        if not alike or (several and (walks or not numbered)):
            raise BadInput(
                "the targets have synapses from different sources, or several from one, so that they cannot share "
                "permutations; use joint=False, or the null 'sources'"
            )


def _attrs_of_graph(graph: SynapseGraph | None) -> dict[str, float]:
    if graph is None:
        return {}
    near = {"nearest": graph.nearest} if graph.radius is None else {"radius": graph.radius}
    return {**near, "ms_per_source": graph.ms_per_source, "graph_standardised": int(graph.standardised)}

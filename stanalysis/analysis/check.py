"""Some numbers of an analysis recomputed by independent programs: esda and libpysal, lifelines.

They are slow to import, and imported only here, when a check is asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from importlib.metadata import version
from typing import Any, Final, TypeVar

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from stanalysis.analysis.assemble import attributes_of_cautions
from stanalysis.analysis.questions import Questions
from stanalysis.analysis.samples import Sample
from stanalysis.fields.lattice import Lattice
from stanalysis.fields.synapse_graph import SynapseGraph
from stanalysis.files.analysis import Caution
from stanalysis.files.rewiring_log import CAUSE
from stanalysis.findings.view import Analysis
from stanalysis.findings.wording_of_cautions import CHECK_DIFFERS, CHECK_FAILED
from stanalysis.schema.statistics import CHECK
from stanalysis.schema.variables import labelled

TOLERANCE: Final = 1e-9  # a larger difference is no rounding
N_CURVES: Final = 8  # survival curves that are recomputed
FEW_CELLS: Final = 1024  # of a lattice
MOST_CELLS: Final = 100_000  # of a lattice: esda would take about 5 kB of memory for each
WEIGHTED: Final = ("weighted_joins_like", "weighted_joins_unlike")
ON_LATTICE: Final = ("morans_i", "gearys_c", "joins_ee", "joins_ei", "joins_ii", *WEIGHTED)
ON_GRAPH: Final = ("graph_morans_i", "graph_gearys_c", *(f"graph_{name}" for name in WEIGHTED))
LOCAL, SURVIVAL = "local_i", "survival"
_PROGRAMS: Final = ("esda", "libpysal", "lifelines")
_ALIKE: Final = 1 + 1e-9  # distances that differ by less are one

Answer = TypeVar("Answer")
Difference = tuple[str, float]  # of a quantity, in one field or curve


def checked(analysis: xr.DataTree, samples: Sequence[Sample], questions: Questions) -> xr.DataTree:
    """The analysis with the group ``check``, and a caution for every quantity that differs by more than rounding.

    Parameters
    ----------
    analysis
        As `assemble` gives it.
    samples
        Some of its fields.
    questions
        What was asked.
    """
    failures: list[str] = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of empty variances, isolates and late entries, of which we make no use
        in_fields = _differences_in_fields(analysis, samples, questions, failures)
        differences = [*in_fields, *_differences_in_curves(analysis, failures)]
    table = _table(Analysis(analysis), differences, n_fields=len(samples))
    cautions = [*Analysis(analysis).noted, *_cautions(table)]
    if failures:
        cautions.append(Caution(CHECK_FAILED, values={"n": len(failures), "first": failures[0]}))
    groups = analysis.to_dict()
    root = groups["/"].assign_attrs(attributes_of_cautions(cautions))
    return xr.DataTree.from_dict({**groups, "/": root, "/check": table})


def _table(view: Analysis, differences: Sequence[Difference], *, n_fields: int) -> xr.Dataset:
    """The largest difference of every quantity that there is; NaN where no field or curve could be compared."""
    there = {str(name) for table in view.tables("statistics").values() for name in table.statistic.values}
    there |= {LOCAL} if view.has("local") else set()
    there |= {SURVIVAL} if view.has("survival") and view.has("episodes") else set()
    quantities = [name for name in (*ON_LATTICE, *ON_GRAPH, LOCAL, SURVIVAL) if name in there]
    by_quantity = {name: [size for quantity, size in differences if quantity == name] for name in quantities}
    table = labelled(
        CHECK,
        largest_difference=[max(sizes, default=np.nan) for sizes in by_quantity.values()],
        n_compared=[len(sizes) for sizes in by_quantity.values()],
    )
    program = ["lifelines" if name == SURVIVAL else "esda" for name in quantities]
    table = table.assign_coords(quantity=quantities, program=("quantity", program))
    return table.assign_attrs({name: version(name) for name in _PROGRAMS}, n_fields=n_fields, tolerance=TOLERANCE)


def _cautions(table: xr.Dataset) -> Iterator[Caution]:
    for index in np.flatnonzero(table.largest_difference.values > TOLERANCE):
        row = table.isel(quantity=index)
        program = row.program.item()
        values = {
            "quantity": row.quantity.item(),
            "difference": row.largest_difference.item(),
            "by": f"{program} {table.attrs[program]}",
            "tolerance": TOLERANCE,
        }
        yield Caution(CHECK_DIFFERS, values=values)


def _differences_in_fields(
    analysis: xr.DataTree, samples: Sequence[Sample], questions: Questions, failures: list[str]
) -> Iterator[Difference]:
    view = Analysis(analysis)
    statistics, local = view.tables("statistics"), view.tables("local")
    for sample in samples:
        where = {"run": sample.network, "step": sample.step, "target": sample.target}
        answers = statistics[sample.projection].value.sel(where)
        known = {str(name): float(value) for name, value in zip(answers.statistic.values, answers.values, strict=True)}
        nothing: dict[str, float] = {}
        again = nothing | _answer(partial(esda_on_lattice, sample, questions.lattice), nothing, failures)
        if set(ON_GRAPH) & set(known):
            graph = SynapseGraph(ms_per_source=questions.scale(sample.dt))
            again |= _answer(partial(esda_on_graph, sample, graph), nothing, failures)
        yield from _largest({name: np.array(abs(known[name] - value)) for name, value in again.items() if name in known})
        maps = local.get(sample.projection)
        few = sample.n_source * sample.n_delay <= MOST_CELLS
        if few and maps is not None and sample.step in maps.step.values:
            cells = maps.local_i.sel(where).transpose("source", "delay").values
            answer = _answer(partial(esda_of_cells, sample, questions.lattice), np.full(cells.shape, np.nan), failures)
            yield from _largest({LOCAL: np.abs(cells - answer)})


def _differences_in_curves(analysis: xr.DataTree, failures: list[str]) -> Iterator[Difference]:
    """Of curves of which the log tells every birth and death, and which begin at age 0."""
    view = Analysis(analysis)
    if not view.has("survival") or not view.has("episodes"):
        return
    curves, runs = view.table("survival"), view.runs
    lives_known = np.isin(curves.projection.values, list(view.tables("episodes")))
    kinds = np.isin(curves.grouping.values, ["all", "origin", "sign"]) & ~np.isin(curves.band.values, ["fit", "fits of runs"])
    suited = np.flatnonzero(lives_known & kinds & (curves.start.values == 0))
    for index in suited[:: -(-suited.size // N_CURVES) or 1]:
        curve = curves.isel(curve=index)
        lives = view.table("episodes", str(curve.projection.item()))
        members = [runs.index(run) for run in view.conditions[str(curve.condition.item())]]
        chosen = np.isin(lives.run.values, members) & _in_group(lives, curve) & (lives.exit.values > lives.entry.values)
        ages = curve.age.values
        lives = lives.isel(episode=np.flatnonzero(chosen))
        again = _answer(partial(lifelines_survival, lives, ages), np.full(ages.size, np.nan), failures)
        yield from _largest({SURVIVAL: np.abs(curve.survival.values - again)})


def _answer(compute: Callable[[], Answer], otherwise: Answer, failures: list[str]) -> Answer:
    """What another program answers; its failure is noted, and ends no analysis."""
    try:
        return compute()
    except Exception as error:  # of another program: it may raise anything
        failures.append(f"{type(error).__name__}: {error}")
        return otherwise


def _largest(differences: Mapping[str, np.ndarray]) -> Iterator[Difference]:
    """The largest of each quantity, where both have any answer."""
    for name, apart in differences.items():
        if np.isfinite(apart).any():
            yield name, float(np.nanmax(apart))


def _in_group(lives: xr.Dataset, curve: xr.Dataset) -> np.ndarray:
    """Which lives a curve is of."""
    grown = lives.birth_cause.values != CAUSE.INITIAL
    groups = {
        "initial": ~grown,
        "grown": grown,
        "excitatory": lives.sign.values >= 0,
        "inhibitory": lives.sign.values < 0,
    }
    everywhere = np.ones(grown.size, bool)
    return groups.get(str(curve.among.item()), everywhere) & groups.get(str(curve.group.item()), everywhere)


def esda_on_lattice(sample: Sample, lattice: Lattice) -> dict[str, float]:
    """Moran's I, Geary's C, join counts and weighted joins by esda; nothing without a lattice, or of one too large for it."""
    if not 2 <= sample.n_source * sample.n_delay <= MOST_CELLS:
        return {}
    plane = _plane(sample)
    neighbours = _lattice_of_libpysal(lattice.contiguity, *plane.shape, lattice.standardised)
    each = _lattice_of_libpysal(lattice.contiguity, *plane.shape, False)
    moran, geary = _autocorrelation(plane.reshape(-1), neighbours, standardised=lattice.standardised)
    ee, ii, every = (_joins(cells.reshape(-1), each) for cells in (plane > 0, plane < 0, plane != 0))
    counts = {"joins_ee": ee, "joins_ei": every - ee - ii, "joins_ii": ii}
    precise = replace(sample, weight=sample.weight.astype(np.float64))  # synapses that meet in a cell are summed in it
    weighted = _weighted_joins(_plane(precise), precise.weight, each)
    return {"morans_i": moran, "gearys_c": geary, **counts, **weighted}


def esda_on_graph(sample: Sample, graph: SynapseGraph) -> dict[str, float]:
    """Moran's I, Geary's C and weighted joins among the synapses by esda."""
    if sample.weight.size < 2:
        return {}
    neighbours = _graph_of_libpysal(sample, graph)
    moran, geary = _autocorrelation(sample.weight, neighbours, standardised=graph.standardised)
    weight = sample.weight.astype(np.float64)
    weighted = _weighted_joins(weight, weight, neighbours)
    return {"graph_morans_i": moran, "graph_gearys_c": geary, **{f"graph_{name}": value for name, value in weighted.items()}}


def esda_of_cells(sample: Sample, lattice: Lattice) -> np.ndarray:
    """Local Moran's I of every cell (source, delay) by esda."""
    import esda

    plane = _plane(sample)
    neighbours = _lattice_of_libpysal(lattice.contiguity, *plane.shape, lattice.standardised)
    values, transformation = plane.reshape(-1).astype(np.float64), "r" if lattice.standardised else "b"
    cells = esda.Moran_Local(values, neighbours, transformation=transformation, permutations=0).Is
    return np.asarray(cells).reshape(plane.shape)


def lifelines_survival(lives: xr.Dataset, ages: np.ndarray) -> np.ndarray:
    """The share that lives beyond each age, by lifelines; those alike are given once, with their number."""
    from lifelines import KaplanMeierFitter

    if not lives.sizes["episode"]:
        return np.full(ages.size, np.nan)
    columns = np.stack([lives[name].values.astype(np.int64) for name in ("entry", "exit", "event")])
    (entry, left, event), n = np.unique(columns, axis=1, return_counts=True)
    late = {"entry": entry} if entry.any() else {}
    fitter = KaplanMeierFitter().fit(left, event, weights=n, **late)
    return np.asarray(fitter.survival_function_at_times(ages).values, np.float64)


def _plane(sample: Sample) -> np.ndarray:
    plane = np.zeros((sample.n_source, sample.n_delay), sample.weight.dtype)
    np.add.at(plane, (sample.source, sample.bin), sample.weight)
    return plane


def _autocorrelation(values: np.ndarray, neighbours: Any, *, standardised: bool) -> tuple[float, float]:
    """Moran's I and Geary's C."""
    import esda

    values, transformation = values.astype(np.float64), "r" if standardised else "b"
    moran = esda.Moran(values, neighbours, transformation=transformation, permutations=0)
    return float(moran.I), float(esda.Geary(values, neighbours, transformation=transformation, permutations=0).C)


@cache
def _lattice_of_libpysal(contiguity: str, n_source: int, n_delay: int, standardised: bool) -> Any:
    """Its neighbours; esda is the quicker with a W where there are few cells, and with a Graph where there are many."""
    from libpysal.graph import Graph
    from libpysal.weights import lat2SW, lat2W

    if n_source * n_delay <= FEW_CELLS or n_delay < 3:  # which the sparse one does not take
        few = lat2W(n_source, n_delay, rook=contiguity == "rook")
        few.transform = "r" if standardised else "b"
        return few
    many = Graph.from_sparse(lat2SW(n_source, n_delay, criterion=contiguity).tocsr())
    return many.transform("r") if standardised else many


def _graph_of_libpysal(sample: Sample, graph: SynapseGraph) -> Any:
    """The nearest synapses of each, and all as near as the last of them."""
    from libpysal.weights import W

    points = np.stack([sample.source, sample.delay / graph.ms_per_source], axis=1)
    tree, n = cKDTree(points), len(points)
    distance, _ = tree.query(points, k=[min(graph.nearest, n - 1) + 1])  # itself is one of them
    near = tree.query_ball_point(points, distance[:, 0] * _ALIKE, return_sorted=True)
    neighbours = {focal: [int(other) for other in others if other != focal] for focal, others in enumerate(near)}
    return W(neighbours, silence_warnings=True)


def _joins(cells: np.ndarray, neighbours: Any) -> float:
    """Pairs of neighbours that are both so; of cells that are all alike esda does not count them."""
    import esda

    if not cells.any():
        return 0.0
    if cells.all():
        return np.nan
    return float(esda.Join_Counts(cells.astype(int), neighbours, permutations=0).bb)


def _weighted_joins(values: np.ndarray, weight: np.ndarray, neighbours: Any) -> dict[str, float]:
    """Of places with these values; a pair counts by its magnitudes, relative to the mean of those of the synapses."""
    scaled = values.reshape(-1) / np.abs(weight[weight != 0]).mean()
    e, h, either = (_products(side, neighbours) for side in (np.maximum(scaled, 0), np.maximum(-scaled, 0), np.abs(scaled)))
    return {"weighted_joins_like": e + h, "weighted_joins_unlike": either - e - h}


def _products(values: np.ndarray, neighbours: Any) -> float:
    """Sum over pairs of neighbours of the product of their values: the numerator of G, without its moments."""
    from libpysal.weights import W, lag_spatial

    if isinstance(neighbours, W):
        neighbours.transform = "b"
        return float(values @ lag_spatial(neighbours, values) / 2)
    return float(values @ neighbours.lag(values) / 2)

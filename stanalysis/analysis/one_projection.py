"""One projection of one network analysed: the groups of the analysis file that its receptive fields make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
import xarray as xr

from stanalysis.analysis.memory import Need, cells_of, need_of, require_room
from stanalysis.analysis.questions import Questions
from stanalysis.fields.delay_bins import bins_of_projection
from stanalysis.fields.receptive_field import contact_index, receptive_fields
from stanalysis.fields.synapse_graph import SynapseGraph
from stanalysis.schema.statistics import STATISTICS
from stanalysis.schema.variables import described
from stanalysis.stats.engine.families import FAMILIES, MOST_DRAWS, Family, curve_families
from stanalysis.stats.engine.field_statistics import measured
from stanalysis.stats.engine.null_test import NullTest
from stanalysis.stats.engine.statistics import names_of
from stanalysis.stats.engine.synapse_lists import SynapseLists, listed
from stanalysis.stats.engine.untrained import against_untrained, untrained_draws
from stanalysis.stats.engine.validity import are_independent, may_share_permutations
from stanalysis.stats.replicates.multiplicity import benjamini_hochberg
from stanalysis.stats.replicates.network import Together
from stanalysis.stats.spatial.autocorrelation import PARTS, as_morans_i, morans_i_distribution
from stanalysis.stats.spatial.descriptors import descriptors_of_lists, no_descriptors

N_BINS = 40  # of the histogram of Moran's I
DRAWS_IN_HISTOGRAM = 999  # enough for its band, whatever the p-values need
DRAWS_AT_ONCE = 4_000_000  # numbers kept at a time: bounds the memory, changes no result
CELLS_AT_ONCE = 4_000_000  # of receptive fields in memory: likewise

T = TypeVar("T")


def groups_of_fields(
    trees: Sequence[xr.DataTree],
    projection: str,
    questions: Questions,
    *,
    after_steps: Callable[[float], None] = lambda _: None,
) -> dict[str, xr.Dataset]:
    """Statistics and descriptors of every receptive field at every step, by the kind of group; and the synapses.

    ``trees`` are the checkpoints of one network, by step. ``after_steps`` is called with how much more is done, in units
    of the statistics of all targets at one step.
    """
    most = most_targets(trees, projection, questions)
    by_step = [_statistics_at(tree, projection, questions, most, after_steps) for tree in trees]
    statistics, together, moran_draws, descriptions = (
        xr.concat(parts, "step", join="exact") for parts in zip(*by_step, strict=True)
    )
    if not questions.test.rule.draws:
        statistics, together, moran_draws = _against_untrained(statistics, moran_draws)
    statistics["q_value"] = benjamini_hochberg(statistics.p_value, dim="target")
    moran = as_morans_i(statistics)
    if not questions.cells:  # where no number of a lattice has an answer, none stands in the tables
        statistics, together = (table.drop_sel(statistic=["morans_i", *PARTS]) for table in (statistics, together))
    groups = {
        "statistics": statistics,
        "autocorrelation": moran,
        "network": together,
        # each run has its own bins: as data they stand side by side
        "distribution": morans_i_distribution(moran_draws, n_bins=N_BINS).reset_coords().drop_vars("bin"),
        "descriptors": descriptions,
        "synapses": _all_synapses(trees, projection),
    }
    return groups | _groups_at_both_ends(trees, projection, questions, after_steps)


def _statistics_at(
    tree: xr.DataTree, projection: str, questions: Questions, most: int, after_steps: Callable[[float], None]
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset, xr.Dataset]:
    """Of one step: statistics, what they say together, draws of Moran's I, and descriptors; of ``most`` targets at a time."""
    lists = lists_of_projection(tree, projection)
    cells = lists_in_cells(tree, projection, questions, lists)
    graph = SynapseGraph(ms_per_source=questions.scale(float(tree.attrs["dt"])))
    joint = may_share_permutations(lists, null=questions.test.null)
    # what has no draws is compared when all steps are known
    test = questions.test if questions.test.n_draws else questions.test.without_draws
    each = partial(measured, lattice=questions.lattice, graph=graph, test=test, joint=joint, keep_draws=True)
    asked = [(lists, _scalars(questions))]  # in one pass over draws
    if cells is not None and cells is not lists:
        asked = [(cells, _on_lattice(questions)), (lists, _on_graph(questions))]
    together = [Together() for _ in asked]
    statistics, moran_draws, described_fields = [], [], []
    for first, last in targets_at_once(lists.labels.size, most):
        of_targets = []
        for added, (some, names) in zip(together, asked, strict=True):
            result = each(some.of_targets(first, last), statistics=names, drawn=names)
            if "morans_i" in names:
                moran = result.sel(statistic="morans_i", drop=True).rename(value="morans_i")
                kept = moran[["morans_i", "null_draws", "null_resolution"]].isel(draw=slice(0, DRAWS_IN_HISTOGRAM))
                moran_draws.append(kept.copy(deep=True))
            if questions.test.n_draws:
                added.add(result)
            of_targets.append(result.drop_vars(("null_draws", "null_resolution")))
        statistics.append(xr.concat(of_targets, "statistic", data_vars="minimal") if len(asked) > 1 else of_targets[0])
        if cells is not None and cells.has_cells:
            described_fields.append(descriptors_of_lists(cells.of_targets(first, last), _delays(tree, projection, questions)))
        after_steps((last - first) / lists.labels.size)
    result, network = _along_targets(statistics), xr.Dataset()
    if questions.test.n_draws:
        network = xr.concat([some.network_z() for some in together], "statistic")
        adjusted = xr.concat([some.adjusted_p_values() for some in together], "statistic")
        result["adjusted_p_value"] = adjusted.transpose(*result.value.dims)
        delay_kind = tree[f"projections/{projection}"].attrs["delay_kind"]
        if not joint and not are_independent(lists, null=questions.test.null, delay_kind=delay_kind):
            # neurons that share delays or signs are not independent
            network["p_value"] = network.p_value * np.nan
            result["adjusted_p_value"] = result.adjusted_p_value * np.nan
    descriptions = _along_targets(described_fields) if described_fields else no_descriptors(lists.labels)
    return result, network, _along_targets(moran_draws), descriptions


def _against_untrained(statistics: xr.Dataset, moran_draws: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Statistics, what they say together and the draws of Moran's I, step 0 standing for the draws."""
    statistics = against_untrained(statistics)
    statistics["adjusted_p_value"] = statistics.p_value * np.nan
    # the neurons' values before training are those of one network, and no draws of it
    together = described(statistics[["z_score"]].mean("target").rename(z_score="mean_z"), STATISTICS)
    together["p_value"] = together.mean_z * np.nan
    before = untrained_draws(statistics.sel(statistic="morans_i", drop=True).value)
    return statistics, together, moran_draws.drop_vars("null_draws").assign(null_draws=before)


def lists_of_projection(tree: xr.DataTree, projection: str) -> SynapseLists:
    """The synapses of every target, at the delays that the network computes with."""
    table, dt = tree[f"projections/{projection}"].to_dataset(), float(tree.attrs["dt"])
    return listed(table, bins=bins_of_projection(table.attrs, dt=dt) if dt > 0 else None, step=int(tree.attrs["step"]))


def lists_in_cells(tree: xr.DataTree, projection: str, questions: Questions, lists: SynapseLists) -> SynapseLists | None:
    """The synapses ``lists`` of every target, in the bins of the lattice; None where there are none, of continuous delays
    without a width of bins.
    """
    table, dt = tree[f"projections/{projection}"].to_dataset(), float(tree.attrs["dt"])
    bins = questions.bins(table.attrs, dt)
    if bins is None or (dt > 0 and bins == bins_of_projection(table.attrs, dt=dt)):
        return lists if bins is not None else None
    return listed(table, bins=bins, step=int(tree.attrs["step"]))


def _delays(tree: xr.DataTree, projection: str, questions: Questions) -> np.ndarray:
    """Those of the bins of the lattice, in ms."""
    bins = questions.bins(tree[f"projections/{projection}"].attrs, float(tree.attrs["dt"]))
    assert bins is not None
    return bins.centres


def fields_by_targets(tree: xr.DataTree, projection: str, questions: Questions) -> Iterator[xr.Dataset]:
    """The receptive fields of all targets, so many at a time that memory is bounded; none where there is no lattice: of
    continuous delays without a width of bins, or of a single cell.
    """
    n_target, n_cell = int(tree[f"projections/{projection}"].attrs["n_target"]), cells_of(tree, projection, questions)
    if n_cell > 1:
        within = need_of_projection([tree], projection, questions).targets_within(questions.memory)
        for first, last in targets_at_once(n_target, max(min(CELLS_AT_ONCE // n_cell, within), 1)):
            yield receptive_fields(tree, projection, bin_width=questions.bin_width, targets=range(first, last))


def targets_at_once(n_target: int, most: int) -> list[tuple[int, int]]:
    """The first, and one beyond the last, of ``most`` targets at a time."""
    return [(first, min(first + most, n_target)) for first in range(0, n_target, most)]


def most_targets(trees: Sequence[xr.DataTree], projection: str, questions: Questions) -> int:
    """How many targets are worked on at a time, so that memory is bounded; no number depends on it."""
    need, n_kept = need_of_projection(trees, projection, questions), len(_scalars(questions)) * questions.test.n_draws
    require_room(need, questions.memory, projection=projection)
    n_target = int(trees[-1][f"projections/{projection}"].attrs["n_target"])
    return max(min(DRAWS_AT_ONCE // max(n_kept, 1), need.targets_within(questions.memory), n_target), 1)


def need_of_projection(trees: Sequence[xr.DataTree], projection: str, questions: Questions) -> Need:
    """The memory that a projection takes."""
    return need_of(trees, projection, questions, n_statistic=len(_scalars(questions)), most_in_histogram=DRAWS_IN_HISTOGRAM)


def _along_targets(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Answers on some targets, joined; what counts targets adds up."""
    if len(parts) == 1:
        return parts[0]
    counts = [str(name) for name in parts[0].data_vars if str(name).startswith("n_") and "target" not in parts[0][name].dims]
    joined = xr.concat(
        [part.drop_vars(counts) for part in parts], "target", data_vars="minimal", join="exact", combine_attrs="override"
    )
    added = {name: xr.concat([part[name] for part in parts], "part").sum("part", keep_attrs=True) for name in counts}
    return joined.assign(added)


def _on_lattice(questions: Questions) -> list[str]:
    """The statistics of the lattice: those asked for, and Moran's I in any case."""
    return list(names_of("lattice") if "lattice" in questions.statistics else ("morans_i", *PARTS))


def _on_graph(questions: Questions) -> list[str]:
    """The statistics of the graph of synapses: those asked for, and where there are no cells Moran's I in any case."""
    return list(names_of("graph") if "graph" in questions.statistics else () if questions.cells else ("graph_morans_i",))


def _scalars(questions: Questions) -> list[str]:
    return _on_lattice(questions) + _on_graph(questions)


def steps_of(questions: Questions, n_step: int) -> float:
    """How much there is to do of a projection with so many steps, in units of the statistics at one."""
    asked = [family for family in FAMILIES.values() if family.name in questions.statistics]
    return n_step + sum(family.steps * (len(_ends(range(n_step))) if family.curve else 1) for family in asked)


def _ends(steps: Sequence[T]) -> Sequence[T]:
    """The first and the last, which may be the same."""
    return steps[:: max(len(steps) - 1, 1)]


def _groups_at_both_ends(
    trees: Sequence[xr.DataTree], projection: str, questions: Questions, after_steps: Callable[[float], None]
) -> dict[str, xr.Dataset]:
    """Curves and maps, which have more numbers than a table holds, at the first and the last step only."""
    asked = [family for family in curve_families() if family.name in questions.statistics]
    if not asked:
        return {}
    given = {
        "lattice": questions.lattice,
        "ms_per_source": questions.scale(float(trees[0].attrs["dt"])),
        "delay_kind": trees[0][f"projections/{projection}"].attrs["delay_kind"],
        "alternative": questions.test.alternative,
    }
    groups = {}
    for family in asked:
        options = {name: given[name] for name in family.takes} | _options(family, questions.test)
        known = []
        for tree in _ends(trees):
            if (end := _of_one_end(tree, projection, questions, family, options)) is not None:
                known.append(end)
            after_steps(family.steps)
        if known:
            groups[family.name] = xr.concat(known, "step", join="exact", combine_attrs="override")
    return groups


def _options(family: Family, test: NullTest) -> dict[str, Any]:
    """How a curve or map is tested."""
    if not family.own_nulls:
        return {**test.options()}
    return {"n_permutations": min(test.n_permutations, MOST_DRAWS), "min_synapses": test.min_synapses, "seed": test.seed}


def _of_one_end(
    tree: xr.DataTree, projection: str, questions: Questions, family: Family, options: Mapping[str, Any]
) -> xr.Dataset | None:
    """A curve or map at one step; None without a lattice where it needs one."""
    if not family.needs_lattice:
        return family.function(lists_of_projection(tree, projection), **options)
    parts = [family.function(fields, **options) for fields in fields_by_targets(tree, projection, questions)]
    return _along_targets(parts) if parts else None


def _all_synapses(trees: Iterable[xr.DataTree], projection: str) -> xr.Dataset:
    tables = []
    for tree in trees:
        table = tree[f"projections/{projection}"].to_dataset()
        contact = table.contact.values if "contact" in table else contact_index(table)
        table = table.assign(
            contact=("synapse", contact.astype(np.min_scalar_type(contact.max(initial=0)))),
            step=("synapse", np.full(table.sizes["synapse"], tree.attrs["step"], np.int32)),
        )
        # as narrow as they can be: the tables of a sweep are most of its analysis
        narrow = {end: np.min_scalar_type(int(table.attrs[f"n_{end}"]) - 1) for end in ("source", "target")}
        narrow["weight"] = np.dtype(np.float32)
        for name, dtype in narrow.items():
            table[name] = table[name].astype(dtype, keep_attrs=True)
        tables.append(table[[*narrow, "delay", "contact", "step"]])  # a delay narrowed might round to another bin
    return xr.concat(tables, "synapse", combine_attrs="override")

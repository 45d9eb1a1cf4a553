"""One projection of one network analysed: the groups of the analysis file that its receptive fields make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from stanalysis.analysis.questions import Questions
from stanalysis.fields.delay_bins import bins_of_projection
from stanalysis.fields.receptive_field import contact_index, receptive_fields
from stanalysis.fields.synapse_graph import SynapseGraph
from stanalysis.schema.statistics import STATISTICS
from stanalysis.schema.variables import described
from stanalysis.stats.engine.families import MOST_DRAWS, Family, curve_families
from stanalysis.stats.engine.field_statistics import measured
from stanalysis.stats.engine.null_test import NullTest
from stanalysis.stats.engine.prepared import SynapseLists, listed
from stanalysis.stats.engine.statistics import names_of
from stanalysis.stats.engine.untrained import against_untrained, untrained_draws
from stanalysis.stats.engine.validity import are_independent, may_share_permutations
from stanalysis.stats.replicates.multiplicity import benjamini_hochberg, max_t
from stanalysis.stats.replicates.network import network_z
from stanalysis.stats.spatial.autocorrelation import PARTS, as_morans_i, morans_i_distribution
from stanalysis.stats.spatial.descriptors import descriptors, no_descriptors

N_BINS = 40  # of the histogram of Moran's I
DRAWS_IN_HISTOGRAM = 999  # enough for its band, whatever the p-values need
DRAWS_AT_ONCE = 8_000_000  # numbers kept at a time: bounds the memory, changes no result
CELLS_AT_ONCE = 16_000_000  # of receptive fields in memory: likewise


def groups_of_fields(
    trees: Sequence[xr.DataTree], projection: str, questions: Questions, *, after_step: Callable[[], None] = lambda: None
) -> dict[str, xr.Dataset]:
    """Statistics and descriptors of every receptive field at every step, by the kind of group; and the synapses.

    ``trees`` are the checkpoints of one network, by step. ``after_step`` is called when the statistics of each are there.
    """
    by_step = []
    for tree in trees:  # one step at a time: fields and draws of a large network fill memory quickly
        by_step.append(_statistics_at(tree, projection, questions))
        after_step()
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
    return groups | _groups_at_both_ends(trees, projection, questions)


def _statistics_at(
    tree: xr.DataTree, projection: str, questions: Questions
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset, xr.Dataset]:
    """Of one step: statistics, what they say together, draws of Moran's I, and descriptors."""
    lists = lists_of_projection(tree, projection)
    joint = may_share_permutations(lists, null=questions.test.null)
    statistics, network, draws = _with_draws(tree, projection, lists, questions, joint=joint)
    delay_kind = tree[f"projections/{projection}"].attrs["delay_kind"]
    if network and not joint and not are_independent(lists, null=questions.test.null, delay_kind=delay_kind):
        # neurons that share delays or signs are not independent
        network["p_value"] = network.p_value * np.nan
        statistics["adjusted_p_value"] = statistics.adjusted_p_value * np.nan
    described_fields = [descriptors(fields) for fields in fields_by_targets(tree, projection, questions)]
    return statistics, network, draws, _along_targets(described_fields) if described_fields else no_descriptors(lists.labels)


def _against_untrained(statistics: xr.Dataset, moran_draws: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Statistics, what they say together and the draws of Moran's I, step 0 standing for the draws."""
    statistics = against_untrained(statistics)
    statistics["adjusted_p_value"] = statistics.p_value * np.nan
    # the neurons' values before training are those of one network, and no draws of it
    together = described(statistics[["z_score"]].mean("target").rename(z_score="mean_z"), STATISTICS)
    together["p_value"] = together.mean_z * np.nan
    before = untrained_draws(statistics.sel(statistic="morans_i", drop=True).value)
    return statistics, together, moran_draws.drop_vars("null_draws").assign(null_draws=before)


def _with_draws(
    tree: xr.DataTree, projection: str, lists: SynapseLists, questions: Questions, *, joint: bool
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Every statistic of one step, what each says of the whole network, and some draws of Moran's I."""
    graph = SynapseGraph(ms_per_source=questions.scale(float(tree.attrs["dt"])))
    n_draw = questions.test.n_draws
    # what has no draws is compared when all steps are known
    test = questions.test if n_draw else questions.test.without_draws
    results, networks = [], []
    for some in drawn_together(questions, n_target=lists.labels.sizes["target"]):
        each = partial(measured, statistics=some, drawn=some, lattice=questions.lattice, graph=graph, test=test)
        each = partial(each, joint=joint, keep_draws=True)
        of_cells = some[0] in names_of("lattice")
        parts = [each(fields) for fields in fields_by_targets(tree, projection, questions)] if of_cells else []
        result = _along_targets(parts) if parts else each(lists)  # of cells there is no answer then
        if "morans_i" in some:
            moran = result.sel(statistic="morans_i", drop=True).rename(value="morans_i")
            draws = moran[["morans_i", "null_draws", "null_resolution"]].isel(draw=slice(0, DRAWS_IN_HISTOGRAM))
        if n_draw:
            networks.append(network_z(result, statistic="value"))
            result["adjusted_p_value"] = max_t(result)
        results.append(result.drop_vars(("null_draws", "null_resolution")))
    network = xr.concat(networks, "statistic") if networks else xr.Dataset()
    return xr.concat(results, "statistic", data_vars="minimal"), network, draws


def lists_of_projection(tree: xr.DataTree, projection: str) -> SynapseLists:
    """The synapses of every target, at the delays that the network computes with."""
    table, dt = tree[f"projections/{projection}"].to_dataset(), float(tree.attrs["dt"])
    return listed(table, bins=bins_of_projection(table.attrs, dt=dt) if dt > 0 else None, step=int(tree.attrs["step"]))


def fields_by_targets(tree: xr.DataTree, projection: str, questions: Questions) -> Iterator[xr.Dataset]:
    """The receptive fields of all targets, so many at a time that memory is bounded; none where there is no lattice: of
    continuous delays without a width of bins, or of a single cell.
    """
    for targets in targets_at_once(tree, projection, questions):
        yield receptive_fields(tree, projection, bin_width=questions.bin_width, targets=targets)


def targets_at_once(tree: xr.DataTree, projection: str, questions: Questions) -> list[range]:
    """The targets whose fields are in memory together; none where there is no lattice."""
    attrs = tree[f"projections/{projection}"].attrs
    n_target, bins = int(attrs["n_target"]), questions.bins(attrs, float(tree.attrs["dt"]))
    n_cell = int(attrs["n_source"]) * bins.n if bins is not None else 0
    if n_cell < 2:
        return []
    size = max(CELLS_AT_ONCE // n_cell, 1)
    return [range(first, min(first + size, n_target)) for first in range(0, n_target, size)]


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


def drawn_together(questions: Questions, *, n_target: int) -> list[list[str]]:
    """The statistics asked for, and Moran's I in any case; those together whose draws are kept at a time."""
    lattice = list(names_of("lattice") if "lattice" in questions.statistics else ("morans_i", *PARTS))
    graph = names_of("graph") if "graph" in questions.statistics else () if questions.cells else ("graph_morans_i",)
    size = max(DRAWS_AT_ONCE // max(n_target * questions.test.n_draws, 1), 1)
    return [names[i : i + size] for names in (lattice, list(graph)) for i in range(0, len(names), size)]


def _groups_at_both_ends(trees: Sequence[xr.DataTree], projection: str, questions: Questions) -> dict[str, xr.Dataset]:
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
        ends = [_of_one_end(tree, projection, questions, family, options) for tree in trees[:: max(len(trees) - 1, 1)]]
        if known := [end for end in ends if end is not None]:
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

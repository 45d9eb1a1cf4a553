"""One step of one projection of one network: the statistics of its receptive fields, some targets at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import xarray as xr

from stanalysis.analysis.memory import Need, need_of, require_room
from stanalysis.analysis.questions import Questions
from stanalysis.fields.delay_bins import bins_of_projection
from stanalysis.fields.synapse_graph import SynapseGraph
from stanalysis.stats.engine.field_statistics import measured
from stanalysis.stats.engine.statistics import names_of
from stanalysis.stats.engine.synapse_lists import SynapseLists, listed
from stanalysis.stats.engine.validity import are_independent, may_share_permutations
from stanalysis.stats.replicates.network import Together
from stanalysis.stats.spatial.autocorrelation import PARTS
from stanalysis.stats.spatial.descriptors import descriptors_of_lists, no_descriptors

DRAWS_IN_HISTOGRAM = 999  # enough for its band, whatever the p-values need
DRAWS_AT_ONCE = 4_000_000  # numbers kept at a time: bounds the memory, changes no result


def statistics_of_step(
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
        both = (cells, _on_lattice(questions)), (lists, _on_graph(questions))
        asked = [(some, names) for some, names in both if names]
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
    result, network = along_targets(statistics), xr.Dataset()
    if questions.test.n_draws:
        network = xr.concat([some.network_z() for some in together], "statistic")
        adjusted = xr.concat([some.adjusted_p_values() for some in together], "statistic")
        result["adjusted_p_value"] = adjusted.transpose(*result.value.dims)
        delay_kind = tree[f"projections/{projection}"].attrs["delay_kind"]
        if not joint and not are_independent(lists, null=questions.test.null, delay_kind=delay_kind):
            # neurons that share delays or signs are not independent
            network["p_value"] = network.p_value * np.nan
            result["adjusted_p_value"] = result.adjusted_p_value * np.nan
    descriptions = along_targets(described_fields) if described_fields else no_descriptors(lists.labels)
    return result, network, along_targets(moran_draws), descriptions


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


def along_targets(parts: Sequence[xr.Dataset]) -> xr.Dataset:
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

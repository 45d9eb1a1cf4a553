"""One network analysed: every group of the analysis file that a run contributes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from stanalysis.analysis.lives import DRAWS, lives_of, persistence_of
from stanalysis.fields.lattice import Lattice
from stanalysis.fields.receptive_field import contact_index, receptive_fields
from stanalysis.fields.synapse_graph import SynapseGraph
from stanalysis.files.digest import hash_of
from stanalysis.files.opening import is_ours
from stanalysis.files.pruning import TABLE, read_pruning
from stanalysis.files.rewiring_log import read_log
from stanalysis.files.run import LOG
from stanalysis.readers.contract import Options
from stanalysis.readers.series import read_series
from stanalysis.schema.statistics import STATISTICS
from stanalysis.schema.variables import described
from stanalysis.stats.engine.field_statistics import field_statistics
from stanalysis.stats.engine.nulls import Alternative, Null
from stanalysis.stats.engine.statistics import names_of
from stanalysis.stats.engine.untrained import against_untrained, untrained_draws
from stanalysis.stats.engine.validity import are_independent, doubts, may_share_permutations, shared_delays
from stanalysis.stats.lives.pruned_structure import pruned_structure
from stanalysis.stats.replicates.multiplicity import benjamini_hochberg, max_t
from stanalysis.stats.replicates.network import network_z
from stanalysis.stats.spatial.autocorrelation import PARTS, as_morans_i, morans_i_distribution
from stanalysis.stats.spatial.correlogram import correlogram
from stanalysis.stats.spatial.descriptors import descriptors
from stanalysis.stats.spatial.local import local_morans_i
from stanalysis.stats.spatial.point_pattern import cross_k
from stanalysis.stats.spatial.smoothing import smoothed_morans_i

Statistics = Literal["lattice", "graph", "survival", "local", "correlogram", "smoothing", "pairs", "pruning"]

AT_BOTH_ENDS: tuple[Statistics, ...] = ("local", "correlogram", "smoothing", "pairs")  # groups of their own

N_BINS = 40  # of the histogram of Moran's I
DRAWS_IN_HISTOGRAM = 999  # enough for its band, whatever the p-values need
DRAWS_AT_ONCE = 8_000_000  # numbers kept at a time: bounds the memory, changes no result
DISTANCES = (1.0, 2.0, 3.0, 5.0, 8.0, 12.0)  # of pairs of synapses, in sources
BANDWIDTHS = (0.5, 1.0, 2.0)  # in cells


@dataclass(frozen=True)
class Snapshots:
    """One network to analyse: its checkpoints by step, which of them validation chose, births and deaths of its synapses,
    its accuracies when pruned, and notes of the reader of a foreign network.
    """

    checkpoints: dict[int, xr.DataTree]
    files: dict[str, str]
    best_step: int | None
    log: xr.Dataset | None = None
    pruning: xr.Dataset | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Questions:
    """What is asked of every network."""

    statistics: tuple[Statistics, ...]
    null: Null
    n_permutations: int
    alternative: Alternative
    lattice: Lattice
    ms_per_source: float | None  # None: one bin of delay is as far as one source
    seed: int


def read_snapshots(path: Path, *, lives: bool = False, foreign: Options) -> Snapshots:
    """Read a run folder (all its kept steps and the best one; with ``lives`` the rewiring log), a single checkpoint file, or a
    foreign network.
    """
    network = read_series(path, foreign=foreign)
    own = path.is_dir() and is_ours(path)
    log = path / LOG if own and lives and (path / LOG).is_file() else None
    pruned = path / TABLE if own and (path / TABLE).is_file() else None
    return Snapshots(
        network.checkpoints,
        network.files | {str(p): hash_of(p) for p in (log, pruned) if p is not None},
        network.best_step,
        None if log is None else read_log(log),
        None if pruned is None else read_pruning(path),
        network.notes,
    )


def of_network(network: Snapshots, questions: Questions) -> dict[str, xr.Dataset]:
    """All groups of one network, without its dim run."""
    trees = list(network.checkpoints.values())
    groups: dict[str, xr.Dataset] = {}
    metrics = [t["metrics"].to_dataset().expand_dims(step=[int(t.attrs["step"])]) for t in trees]
    groups["metrics"] = xr.concat(metrics, "step", data_vars="all", join="exact")
    for projection in map(str, trees[0]["projections"].children):
        found = _of_projection(trees, projection, questions) | _lives(network, projection, questions)
        if "pruning" in questions.statistics:
            found["structure"] = _pruned(network, projection, questions)
        groups |= {f"{name}/{projection}": group for name, group in found.items()}
    if network.pruning is not None and network.pruning.attrs["step"] in network.checkpoints:
        groups["pruning"] = network.pruning.assign(pruned_step=network.pruning.attrs["step"]).drop_attrs(deep=False)
    for name, node in trees[0]["populations"].children.items():
        table = node.to_dataset()
        groups[f"populations/{name}"] = table[[v for v in ("frequency",) if v in table]]
    return groups


def doubts_of(network: Snapshots, questions: Questions) -> dict[str, list[str]]:
    """By projection, why rejecting the null would say nothing about grouping in the last checkpoint."""
    tree = list(network.checkpoints.values())[-1]
    found = {}
    for projection, node in tree["projections"].children.items():
        fields = receptive_fields(tree, str(projection))
        found[str(projection)] = doubts(fields, null=questions.null, seed=questions.seed)
        found[str(projection)] += shared_delays(fields, null=questions.null, delay_kind=node.attrs["delay_kind"])
    return found


def _of_projection(trees: Sequence[xr.DataTree], projection: str, questions: Questions) -> dict[str, xr.Dataset]:
    found, networks, distributions, descriptions = [], [], [], []
    for tree in trees:  # one step at a time: fields and draws of a large network fill memory quickly
        fields = receptive_fields(tree, projection)
        joint = may_share_permutations(fields, null=questions.null)
        statistics, network, draws = _with_draws(fields, questions, float(tree.attrs["dt"]), joint=joint)
        delay_kind = tree[f"projections/{projection}"].attrs["delay_kind"]
        if network and not joint and not are_independent(fields, null=questions.null, delay_kind=delay_kind):
            # neurons that share delays or signs are not independent
            network["p_value"] = network.p_value * np.nan
            statistics["adjusted_p_value"] = statistics.adjusted_p_value * np.nan
        found.append(statistics)
        networks.append(network)
        distributions.append(draws)
        descriptions.append(descriptors(fields))
    statistics = xr.concat(found, "step", join="exact")
    moran_draws = xr.concat(distributions, "step", join="exact")
    together = xr.concat(networks, "step", join="exact")
    if questions.null == "untrained":
        statistics = against_untrained(statistics)
        statistics["adjusted_p_value"] = statistics.p_value * np.nan
        # the neurons' values before training are those of one network, and no draws of it
        together = described(statistics[["z_score"]].mean("target").rename(z_score="mean_z"), STATISTICS)
        together["p_value"] = together.mean_z * np.nan
        before = untrained_draws(statistics.sel(statistic="morans_i", drop=True).value)
        moran_draws = moran_draws.drop_vars("null_draws").assign(null_draws=before)
    statistics["q_value"] = benjamini_hochberg(statistics.p_value, dim="target")
    groups = {
        "statistics": statistics,
        "autocorrelation": as_morans_i(statistics),
        "network": together,
        # each run has its own bins: as data they stand side by side
        "distribution": morans_i_distribution(moran_draws, n_bins=N_BINS).reset_coords().drop_vars("bin"),
        "descriptors": xr.concat(descriptions, "step", join="exact"),
        "synapses": _all_synapses(trees, projection),
    }
    return groups | _at_both_ends(trees, projection, questions)


def _lives(network: Snapshots, projection: str, questions: Questions) -> dict[str, xr.Dataset]:
    """Lives of the synapses, as far as they are known, and what of each receptive field lasts where some died."""
    trees = list(network.checkpoints.values())
    if "survival" not in questions.statistics:
        return {}
    groups = lives_of(trees, network.log, projection, ms_per_source=_scale(questions, trees[0]))
    if len(trees) > 1 and any(lives.event.any() for lives in groups.values()):
        groups["persistence"] = persistence_of(
            trees,
            groups,
            projection,
            lattice=questions.lattice,
            n_permutations=min(questions.n_permutations, DRAWS),
            alternative=questions.alternative,
            seed=questions.seed,
        )
    return groups


def _pruned(network: Snapshots, projection: str, questions: Questions) -> xr.Dataset:
    """What pruning leaves of the structure of the network that `stanalysis prune` pruned, or else of the best on validation."""
    step = max(network.checkpoints) if network.best_step is None else network.best_step
    if network.pruning is not None and network.pruning.attrs["step"] in network.checkpoints:
        step = network.pruning.attrs["step"]
    tree = network.checkpoints[step]
    found = pruned_structure(
        tree,
        projection,
        lattice=questions.lattice,
        graph=SynapseGraph(ms_per_source=_scale(questions, tree)),
        null=questions.null,
        n_permutations=questions.n_permutations,
        alternative=questions.alternative,
        seed=questions.seed,
    )
    return found.assign(pruned_step=step)


def _scale(questions: Questions, tree: xr.DataTree) -> float:
    """How many ms of delay are as far as one source."""
    return float(tree.attrs["dt"]) if questions.ms_per_source is None else questions.ms_per_source


def _with_draws(
    fields: xr.Dataset, questions: Questions, dt: float, *, joint: bool
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Every statistic of one step, what each says of the whole network, and some draws of Moran's I."""
    graph = SynapseGraph(ms_per_source=dt if questions.ms_per_source is None else questions.ms_per_source)
    lattice = list(names_of("lattice") if "lattice" in questions.statistics else ("morans_i", *PARTS))
    families = [lattice, list(names_of("graph"))] if "graph" in questions.statistics else [lattice]
    n_draw = 0 if questions.null == "untrained" else questions.n_permutations
    size = max(DRAWS_AT_ONCE // max(fields.sizes["target"] * n_draw, 1), 1)
    found, networks = [], []
    for some in (names[i : i + size] for names in families for i in range(0, len(names), size)):
        result = field_statistics(
            fields,
            statistics=some,
            lattice=questions.lattice,
            graph=graph,
            null="delays" if questions.null == "untrained" else questions.null,
            n_permutations=n_draw,
            alternative=questions.alternative,
            joint=joint,
            seed=questions.seed,
            keep_draws=True,
        )
        if "morans_i" in some:
            moran = result.sel(statistic="morans_i", drop=True).rename(value="morans_i")
            draws = moran[["morans_i", "null_draws"]].isel(draw=slice(0, DRAWS_IN_HISTOGRAM))
        if n_draw:
            networks.append(network_z(result, statistic="value"))
            result["adjusted_p_value"] = max_t(result)
        found.append(result.drop_vars(("null_draws", "null_resolution")))
    network = xr.concat(networks, "statistic") if networks else xr.Dataset()
    return xr.concat(found, "statistic", data_vars="minimal"), network, draws


def _at_both_ends(trees: Sequence[xr.DataTree], projection: str, questions: Questions) -> dict[str, xr.Dataset]:
    """What has more numbers than a table holds, at the first and the last step only, where it is asked for."""
    if not set(AT_BOTH_ENDS) & set(questions.statistics):
        return {}
    ends = trees[:1] if len(trees) == 1 else [trees[0], trees[-1]]
    fields = receptive_fields(ends, projection)
    dt = float(trees[0].attrs["dt"])
    options: dict[str, Any] = {
        "null": questions.null,
        "n_permutations": questions.n_permutations,
        "alternative": questions.alternative,
        "seed": questions.seed,
    }
    scale = dt if questions.ms_per_source is None else questions.ms_per_source
    groups = {}
    if "local" in questions.statistics:
        groups["local"] = local_morans_i(fields, lattice=questions.lattice, **options)
    if "correlogram" in questions.statistics:
        groups["correlogram"] = correlogram(fields, **options)
    if "smoothing" in questions.statistics:
        groups["smoothing"] = smoothed_morans_i(fields, lattice=questions.lattice, bandwidths=BANDWIDTHS, **options)
    if "pairs" in questions.statistics:
        groups["pairs"] = cross_k(fields, distances=DISTANCES, ms_per_source=scale, **options)
    return groups


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

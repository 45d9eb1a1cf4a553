"""One network analysed: every group of the analysis file that a run contributes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from stanalysis.checkpoint import read_checkpoint
from stanalysis.errors import BadInput
from stanalysis.lattice import Lattice
from stanalysis.receptive_field import CONTACTS, contact_index, receptive_fields
from stanalysis.run import open_run
from stanalysis.stats.autocorrelation import PARTS, as_morans_i, morans_i_distribution
from stanalysis.stats.correlogram import correlogram
from stanalysis.stats.descriptors import descriptors
from stanalysis.stats.field_statistics import MIN_SYNAPSES, against_untrained, field_statistics, untrained_draws
from stanalysis.stats.local import local_morans_i
from stanalysis.stats.measures import ON_GRAPH, ON_LATTICE
from stanalysis.stats.multiplicity import benjamini_hochberg, max_t
from stanalysis.stats.network import network_z
from stanalysis.stats.nulls import Alternative, Null
from stanalysis.stats.point_pattern import cross_k
from stanalysis.stats.smoothing import smoothed_morans_i
from stanalysis.stats.validity import doubts, shares_signs
from stanalysis.synapse_graph import SynapseGraph
from stanalysis.variables import STATISTICS, described

Statistics = Literal["lattice", "graph", "local", "correlogram", "smoothing", "pairs"]

AT_BOTH_ENDS: tuple[Statistics, ...] = ("local", "correlogram", "smoothing", "pairs")  # groups of their own

SHARED = ("delays", "weights", "signs", "source-signs")  # nulls of which one permutation can serve all targets
OF_SIGNS = ("weights", "signs", "source-signs", "cells")  # nulls that take neurons of a network for independent in sign
N_BINS = 40  # of the histogram of Moran's I
DRAWS_IN_HISTOGRAM = 999  # enough for its band, whatever the p-values need
DRAWS_AT_ONCE = 8_000_000  # numbers kept at a time: bounds the memory, changes no result
DISTANCES = (1.0, 2.0, 3.0, 5.0, 8.0, 12.0)  # of pairs of synapses, in sources
BANDWIDTHS = (0.5, 1.0, 2.0)  # in cells


@dataclass(frozen=True)
class Snapshots:
    """One network to analyse: its checkpoints by step, and which of them validation chose."""

    checkpoints: dict[int, xr.DataTree]
    files: dict[str, str]
    best_step: int | None


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


def read_network(path: Path) -> Snapshots:
    """Read a run folder (all its kept steps and the best one) or a single checkpoint file."""
    if path.is_dir():
        run = open_run(path)
        paths = [*run.steps.values(), *(p for p in (run.best,) if p.is_file())]
        if not paths:
            raise BadInput(f"{path} holds no checkpoint yet; train on with --resume.")
    else:
        paths = [path]
    trees = {p: read_checkpoint(p) for p in paths}
    by_step = {int(tree.attrs["step"]): tree for tree in trees.values()}
    best = next((int(tree.attrs["step"]) for p, tree in trees.items() if p.name == "best.nc"), None)
    hashes = {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}
    return Snapshots(dict(sorted(by_step.items())), hashes, best)


def of_network(network: Snapshots, questions: Questions) -> dict[str, xr.Dataset]:
    """All groups of one network, without its dim run."""
    trees = list(network.checkpoints.values())
    groups: dict[str, xr.Dataset] = {}
    metrics = [t["metrics"].to_dataset().expand_dims(step=[int(t.attrs["step"])]) for t in trees]
    groups["metrics"] = xr.concat(metrics, "step", data_vars="all", join="exact")
    for projection in map(str, trees[0]["projections"].children):
        groups |= {f"{name}/{projection}": group for name, group in _of_projection(trees, projection, questions).items()}
    for name, node in trees[0]["populations"].children.items():
        table = node.to_dataset()
        groups[f"populations/{name}"] = table[[v for v in ("frequency",) if v in table]]
    return groups


def doubts_of(network: Snapshots, questions: Questions) -> dict[str, list[str]]:
    """By projection, why rejecting the null would say nothing about grouping in the last checkpoint."""
    tree = list(network.checkpoints.values())[-1]
    return {
        projection: doubts(receptive_fields(tree, projection), null=questions.null, seed=questions.seed)
        for projection in map(str, tree["projections"].children)
    }


def _of_projection(trees: Sequence[xr.DataTree], projection: str, questions: Questions) -> dict[str, xr.Dataset]:
    found, networks, distributions, descriptions = [], [], [], []
    for tree in trees:  # one step at a time: fields and draws of a large network fill memory quickly
        fields = receptive_fields(tree, projection)
        joint = questions.null == "sources" or (questions.null in SHARED and _may_share_permutations(fields))
        statistics, network, draws = _with_draws(fields, questions, float(tree.attrs["dt"]), joint=joint)
        synaptic = tree[f"projections/{projection}"].attrs["delay_kind"] == "synaptic"
        if network and not joint and not (synaptic and (questions.null not in OF_SIGNS or not shares_signs(fields))):
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


def _with_draws(
    fields: xr.Dataset, questions: Questions, dt: float, *, joint: bool
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Every statistic of one step, what each says of the whole network, and some draws of Moran's I."""
    graph = SynapseGraph(ms_per_source=dt if questions.ms_per_source is None else questions.ms_per_source)
    lattice = list(ON_LATTICE if "lattice" in questions.statistics else ("morans_i", *PARTS))
    families = [lattice, list(ON_GRAPH)] if "graph" in questions.statistics else [lattice]
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


def _may_share_permutations(fields: xr.Dataset) -> bool:
    """Whether every target with an answer has one synapse from every source, of weight other than 0; and there is one."""
    answerable = fields.receptive_field.std(("source", "delay")) > 0
    if CONTACTS[0] in fields or fields.sizes["source"] < MIN_SYNAPSES or not answerable.any():
        return False
    weighted = fields.present & (fields.receptive_field != 0)  # a sign of 0 is none to move
    one = (fields.present.sum("delay") == 1) & (weighted.sum("delay") == 1)
    return bool((one.all("source") | ~answerable).all())


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

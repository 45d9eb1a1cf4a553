"""Runs in, one analysis file out: the pipeline behind ``stanalysis analyze``.

The analysis is an `xarray.DataTree`, on disk a netCDF-4 file; every group below has a dim ``run`` with the coordinates
``seed``, ``method``, ``sparsity``, ``connectivity`` and ``delays``, so that networks can be replicates::

    /                              attrs: null, permutations, …, provenance (JSON: the files read, with hashes)
    /metrics                       loss and accuracy (run, step)
    /autocorrelation/<projection>  Moran's I of every receptive field (run, step, target)
    /network/<projection>          what they say together: mean z and its p-value (run, step)
    /distribution/<projection>     its histogram over targets, and the null's (run, step, bin)
    /synapses/<projection>         the synapse tables (synapse), with their run and step
    /populations/<name>            what is known of the neurons (neuron)
    /sweep                         the table of a sweep (run), with what was asked for; only where one was given

``connectivity`` and ``delays`` are what the training's configuration says, "" where it says nothing. ``sparsity`` is measured
at the last step: 1 - synapses / (target, source) pairs of the network, not below 0. Rewiring does not change it, even where it
gives one pair several synapses.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from stanalysis.atomic import replacing
from stanalysis.checkpoint import read_checkpoint, read_tree
from stanalysis.errors import BadInput
from stanalysis.lattice import ROOK, Lattice
from stanalysis.receptive_field import contact_index, fields_of_synapses, receptive_fields
from stanalysis.run import open_run
from stanalysis.stats.autocorrelation import morans_i, morans_i_distribution
from stanalysis.stats.multiplicity import benjamini_hochberg
from stanalysis.stats.network import network_z
from stanalysis.stats.nulls import Alternative, Null
from stanalysis.sweep import GRID, is_sweep, read_sweep
from stanalysis.variables import SWEEP

SCHEMA_VERSION = 2
SIGNIFICANT = 0.05  # false discovery rate at which the summary counts neurons
N_BINS = 40  # of the histogram of Moran's I
ATTRS = ("null", "n_permutations", "alternative", "contiguity", "standardised", "seed", "dt", "runs", "best_steps")
COORDS_OF_RUN = ("seed", "method", "sparsity", "connectivity", "delays")
CONTENT = {  # of each projection, what a reader of the file relies on
    "autocorrelation": (
        *("morans_i", "expected", "z_score", "p_value", "q_value", "n_synapses", "run", "step", "target"),
        *COORDS_OF_RUN,
    ),
    "network": ("mean_z", "p_value"),
    "distribution": ("count", "null_mean", "null_lower", "null_upper", "bin_lower", "bin_upper", "n_unanswered"),
    "synapses": ("run", "step", "source", "target", "contact", "delay", "weight"),
    "populations": (),
}
DRAWS_IN_HISTOGRAM = 999  # enough for its band, whatever the p-values need
_PACKED = {"zlib": True, "complevel": 1, "shuffle": True}


@dataclass(frozen=True)
class Snapshots:
    """One network to analyse: its checkpoints by step, and which of them validation chose."""

    checkpoints: dict[int, xr.DataTree]
    files: dict[str, str]
    best_step: int | None


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


def analyze(
    paths: Sequence[Path | str],
    *,
    null: Null = "delays",
    n_permutations: int = 999,
    alternative: Alternative = "two-sided",
    lattice: Lattice = ROOK,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> xr.DataTree:
    """Analyse runs, sweeps, or single checkpoints, with every statistic of the package.

    Parameters
    ----------
    paths
        Run folders, sweep folders (their finished runs), or checkpoint files.
    null, n_permutations, alternative, lattice, seed
        As for `stanalysis.morans_i`.
    progress
        Called with the name of each network before it is read.

    Returns
    -------
    xarray.DataTree
        The analysis, as this module describes it.
    """
    places, sweeps = _places(paths)
    if n_permutations < 1:
        raise BadInput(f"{n_permutations} permutations are too few for an analysis; give at least 1.")
    if len({path.resolve() for path in places}) < len(places):
        raise BadInput("A run is given twice; name each once, for runs are replicates.")
    names = _distinct([path.resolve().name if path.is_dir() else path.stem for path in places])
    parts: dict[str, list[xr.Dataset]] = {}
    files, best_steps, steps_in_ms, data_sets = {}, {}, set(), {}
    for index, (name, path) in enumerate(zip(names, places, strict=True)):
        if progress:
            progress(name)
        network = read_network(path)
        files[name], best_steps[name] = network.files, network.best_step
        data_sets[name] = str(next(iter(network.checkpoints.values())).attrs.get("dataset", ""))
        steps_in_ms |= {float(tree.attrs["dt"]) for tree in network.checkpoints.values()}
        if len(steps_in_ms) > 1:
            raise BadInput(f"The runs differ in dt ({', '.join(f'{dt:g} ms' for dt in steps_in_ms)}); analyse them apart.")
        for group, dataset in _of_network(
            network, null=null, n_permutations=n_permutations, alternative=alternative, lattice=lattice, seed=seed
        ).items():
            own = dataset if group.startswith("populations") else _with_run(dataset, name, index, network)
            parts.setdefault(group, []).append(own)
    groups = {group: _joined(group, datasets) for group, datasets in parts.items()}
    if sweeps:
        groups["sweep"] = _sweep(sweeps, names, data_sets, groups)
    groups["/"] = xr.Dataset(
        attrs={
            "schema_version": SCHEMA_VERSION,
            "null": null,
            "n_permutations": n_permutations,
            "alternative": alternative,
            "contiguity": lattice.contiguity,
            "standardised": int(lattice.standardised),
            "seed": seed,
            "kernel": "deployed",
            "dt": steps_in_ms.pop(),
            "runs": json.dumps(names),
            "best_steps": json.dumps(best_steps),
            "provenance": json.dumps(files),
            "versions": json.dumps({p: version(p) for p in ("numpy", "numba", "scipy", "xarray")}),
        }
    )
    return xr.DataTree.from_dict(groups)


def _places(paths: Sequence[Path | str]) -> tuple[list[Path], list[xr.Dataset]]:
    """All runs and checkpoints to read, sweeps expanded; the table of each sweep, whose runs are indices into the first."""
    places: list[Path] = []
    sweeps = []
    for path in map(Path, paths):
        if is_sweep(path):
            table = read_sweep(path)
            runs = [path / str(run) for run in table.run.values]
            sweeps.append(table.assign_coords(run=len(places) + np.arange(len(runs))))
            places += runs
        else:
            places.append(path)
    return places, sweeps


def _sweep(
    sweeps: list[xr.Dataset], names: Sequence[str], data_sets: Mapping[str, str], groups: Mapping[str, xr.Dataset]
) -> xr.Dataset:
    """The tables of all sweeps as one, by the names of the runs, with their data set and the size of their output."""
    table = xr.concat(sweeps, "run")
    table = table.assign_coords(run=[names[i] for i in table.run.values])
    used = sorted({data_sets[str(run)] for run in table.run.values})
    if len(used) > 1 or len(np.unique(table.n_possible)) > 1:
        raise BadInput(f"The runs of the sweep differ in data set ({', '.join(used)}) or network size; analyse them apart.")
    synapses = {group.removeprefix("synapses/"): d for group, d in groups.items() if group.startswith("synapses/")}
    sources = {name.split("__")[0] for name in synapses}
    n_output = [int(d.attrs["n_target"]) for name, d in synapses.items() if name.split("__")[1] not in sources]
    return table.assign_attrs(dataset=used[0], n_output=n_output[0])


def _distinct(names: Sequence[str]) -> list[str]:
    """Names made distinct by a number where two folders share one."""
    return [n if names.count(n) == 1 else f"{n}-{names[:i].count(n) + 1}" for i, n in enumerate(names)]


def _of_network(network: Snapshots, *, lattice: Lattice, **options: Any) -> dict[str, xr.Dataset]:
    """All groups of one network, without its dim run."""
    trees = list(network.checkpoints.values())
    first = trees[0]
    groups: dict[str, xr.Dataset] = {}
    metrics = [t["metrics"].to_dataset().expand_dims(step=[int(t.attrs["step"])]) for t in trees]
    groups["metrics"] = xr.concat(metrics, "step", data_vars="all", join="exact")
    for projection in first["projections"].children:
        # one step at a time: fields and draws of a large network fill memory quickly
        moran: list[xr.Dataset] = []
        networks: list[xr.Dataset] = []
        some_draws: list[xr.Dataset] = []
        for tree in trees:
            result = morans_i(receptive_fields(tree, str(projection)), lattice=lattice, keep_draws=True, **options)
            together = network_z(result)
            if tree[f"projections/{projection}"].attrs["delay_kind"] != "synaptic":
                together["p_value"] = together.p_value * np.nan  # neurons that share delays are not independent
            moran.append(result.drop_vars(("null_draws", "null_resolution")))
            networks.append(together)
            some_draws.append(result[["morans_i", "null_draws"]].isel(draw=slice(0, DRAWS_IN_HISTOGRAM)))
        joined = xr.concat(moran, "step", join="exact")
        joined["q_value"] = benjamini_hochberg(joined.p_value, dim="target")
        groups[f"autocorrelation/{projection}"] = joined
        groups[f"network/{projection}"] = xr.concat(networks, "step", join="exact")
        distribution = morans_i_distribution(xr.concat(some_draws, "step", join="exact"), n_bins=N_BINS)
        # each run has its own bins: as data they stand side by side
        groups[f"distribution/{projection}"] = distribution.reset_coords().drop_vars("bin")
        groups[f"synapses/{projection}"] = _all_synapses(trees, str(projection))
    for name, node in first["populations"].children.items():
        table = node.to_dataset()
        groups[f"populations/{name}"] = table[[v for v in ("frequency",) if v in table]]
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


def _with_run(dataset: xr.Dataset, name: str, index: int, network: Snapshots) -> xr.Dataset:
    last = list(network.checkpoints.values())[-1]
    if "synapse" in dataset.dims:
        return dataset.assign(run=("synapse", np.full(dataset.sizes["synapse"], index, np.int16)))
    design = {
        "seed": int(last.attrs["seed"]),
        "method": str(last.attrs["method"]),
        "sparsity": _sparsity(last),
        **{name: _configured(last, name) for name in ("connectivity", "delays")},
    }
    return dataset.expand_dims(run=[name]).assign_coords({name: ("run", [value]) for name, value in design.items()})


def _configured(tree: xr.DataTree, name: str) -> str:
    """What the configuration of the training says of ``name``; "" where it says nothing."""
    try:
        config = json.loads(tree.attrs.get("config", "{}"))
    except ValueError:
        return ""
    return str(config.get(name, "")) if isinstance(config, dict) else ""


def _sparsity(tree: xr.DataTree) -> float:
    """1 - synapses / pairs of neurons that could have one, not below 0."""
    nodes = tree["projections"].children.values()
    n_pairs = sum(int(node.attrs["n_source"]) * int(node.attrs["n_target"]) for node in nodes)
    return max(1 - sum(node.sizes["synapse"] for node in nodes) / n_pairs, 0.0)


def _joined(group: str, datasets: list[xr.Dataset]) -> xr.Dataset:
    if group.startswith("populations"):
        if not all(d.equals(datasets[0]) for d in datasets):
            raise BadInput(f"The runs differ in the neurons or frequencies of {group[12:]}; analyse them apart.")
        return datasets[0]
    if group.startswith("synapses"):
        constant = ("n_source", "n_target", "delay_max", "rounding")
        if any(d.attrs[a] != datasets[0].attrs[a] for d in datasets for a in constant):
            raise BadInput(f"The runs differ in the size or delay range of {group[9:]}; analyse them apart.")
        return xr.concat(datasets, "synapse", combine_attrs="override")
    # runs may have kept different steps: what one lacks is NaN
    return xr.concat(
        datasets, "run", join="outer", combine_attrs="override", data_vars="all", coords="minimal", compat="override"
    )


def summary(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per run, projection and step: neurons, those without an answer, median I and its null, the network's p-value,
    share of neurons significant.
    """
    rows = []
    for projection, node in analysis["autocorrelation"].children.items():
        table, network = node.to_dataset(), analysis[f"network/{projection}"].to_dataset()
        for run in table.run.values:
            for step in kept_steps(table.sel(run=run)):
                one, together = (d.sel(run=run, step=step) for d in (table, network))
                known = one.morans_i.notnull()
                significant = int((one.q_value <= SIGNIFICANT).sum())
                rows.append(
                    {
                        "run": str(run),
                        "projection": str(projection),
                        "step": step,
                        "neurons": int(one.n_synapses.notnull().sum()),
                        "no_answer": int((one.n_synapses.notnull() & ~known).sum()),
                        "median_i": float(one.morans_i.median()),
                        "expected": float(one.expected.median()),
                        "mean_z": float(together.mean_z),
                        "network_p": float(together.p_value),
                        "significant": significant / int(known.sum()) if known.any() else np.nan,
                    }
                )
    return pd.DataFrame(rows)


def kept_steps(table: xr.Dataset) -> list[int]:
    """Steps of which a run kept a checkpoint; one that only other runs kept is NaN in its table (step, target)."""
    return [int(step) for step in table.step.values[table.n_synapses.notnull().any("target").values]]


def sweep_summary(analysis: xr.DataTree) -> pd.DataFrame:
    """The `summary` of a sweep: one row per projection, grid point and end (first and last step), means over its networks.

    Beside what `summary` gives, ``networks`` is their number and ``structured`` the share of those with a p-value whose
    p-value is up to .05; p-values themselves have no meaningful mean.
    """
    design = analysis["sweep"].to_dataset()[GRID].to_dataframe()
    rows = summary(analysis).join(design, on="run", how="inner")
    rows["structured"] = (rows["network_p"] <= SIGNIFICANT).where(rows["network_p"].notna()).astype(float)
    steps = rows.groupby(["projection", "run"])["step"]
    extremes = {"first": steps.transform("min"), "last": steps.transform("max")}
    ends = pd.concat([rows[rows["step"] == step].assign(end=name) for name, step in extremes.items()])
    by = ["projection", *GRID, "end"]
    means = ends.groupby(by)[["no_answer", "median_i", "expected", "mean_z", "structured", "significant"]].mean()
    means.insert(0, "networks", ends.groupby(by)["run"].nunique())
    return means.reset_index()


def synapses_at(analysis: xr.DataTree, projection: str, *, run: str, step: int) -> xr.Dataset:
    """Synapse table of one run, by its name, at one step."""
    table = analysis[f"synapses/{projection}"].to_dataset()
    number = json.loads(analysis.attrs["runs"]).index(run)
    return table.isel(synapse=np.flatnonzero((table.run.values == number) & (table.step.values == step)))


def fields_at(analysis: xr.DataTree, projection: str, *, run: str, step: int) -> xr.Dataset:
    """Deployed receptive fields (target, source, delay) of one run, by its name, at one step."""
    fields = fields_of_synapses(synapses_at(analysis, projection, run=run, step=step), dt=float(analysis.attrs["dt"]))
    source = analysis[f"populations/{projection.split('__')[0]}"].to_dataset()
    if "frequency" in source:
        fields = fields.assign_coords(frequency=("source", source.frequency.values, source.frequency.attrs))
    return fields


def write_analysis(analysis: xr.DataTree, path: Path | str) -> list[Path]:
    """Write the analysis file, and beside it CSV tables of the summary and of every neuron; return their paths."""
    path = Path(path)
    packed = {
        node.path: {str(v): _PACKED for v, a in node.data_vars.items() if a.ndim and a.dtype.kind in "biuf"}
        for node in analysis.subtree
    }
    with replacing(path) as temporary:
        analysis.to_netcdf(temporary, engine="h5netcdf", encoding=packed)
    written = [path]
    for name, table in (("summary", summary(analysis)), ("neurons", _neurons(analysis))):
        written.append(path.with_name(f"{path.stem}-{name}.csv"))
        with replacing(written[-1]) as temporary:
            table.to_csv(temporary, index=False)
    return written


def _neurons(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per run, step and neuron."""
    tables = []
    for projection, node in analysis["autocorrelation"].children.items():
        table = node.to_dataset()
        for index in range(table.sizes["run"]):
            one = table.isel(run=[index])
            rows = one.sel(step=kept_steps(one.isel(run=0))).to_dataframe().reset_index()
            tables.append(rows[rows.n_synapses.notna()].assign(projection=str(projection)))
    return pd.concat(tables)


def read_analysis(path: Path | str) -> xr.DataTree:
    """Load an analysis file; `BadInput` says what is wrong with one that is none."""
    analysis = read_tree(Path(path), "an analysis file (.nc)")
    complete = analysis.attrs.get("schema_version") == SCHEMA_VERSION and set(ATTRS) <= set(analysis.attrs)
    for group, variables in CONTENT.items():
        children = analysis[group].children.values() if group in analysis.children else ()
        complete &= bool(children) and all(set(variables) <= set(node.variables) for node in children)
    if "sweep" in analysis.children:
        complete &= {"run", *SWEEP} <= set(analysis["sweep"].variables)
    if not complete:
        raise BadInput(f"{path} is no whole analysis file of this version; make one with `stanalysis analyze`.")
    return analysis

"""Runs in, one analysis out: the pipeline behind ``stanalysis analyze``. `stanalysis.files.analysis` says what is in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import get_args

import numpy as np
import xarray as xr

from stanalysis.analysis.conditions import compared, conditions_of, configuration
from stanalysis.analysis.one_network import (
    AT_BOTH_ENDS,
    Questions,
    Snapshots,
    Statistics,
    doubts_of,
    of_network,
    read_snapshots,
)
from stanalysis.analysis.survival import LIVES, check_seeds, doubts_of_lives, of_conditions_with_deaths, survival_of
from stanalysis.errors import BadInput
from stanalysis.fields.lattice import ROOK, Lattice
from stanalysis.files.analysis import SCHEMA_VERSION
from stanalysis.files.checkpoint import UNKNOWN_SEED
from stanalysis.files.sweep import is_sweep, read_sweep
from stanalysis.readers.contract import Options
from stanalysis.stats.engine.nulls import Alternative, Null
from stanalysis.stats.replicates.comparison import check_replicates

DEFAULT: tuple[Statistics, ...] = ("lattice", "graph", "survival")


def analyze(
    paths: Sequence[Path | str],
    *,
    null: Null = "delays",
    n_permutations: int = 999,
    alternative: Alternative = "two-sided",
    lattice: Lattice = ROOK,
    statistics: Sequence[Statistics] = DEFAULT,
    ms_per_source: float | None = None,
    compare: str | None = None,
    replicates: str = "networks",
    seed: int = 0,
    foreign: Options | None = None,
    progress: Callable[[str], None] | None = None,
) -> xr.DataTree:
    """Analyse runs, sweeps, or single checkpoints.

    Parameters
    ----------
    paths
        Run folders, sweep folders (their finished runs), checkpoint files, or networks that another program trained.
    null, n_permutations, alternative, lattice, seed
        As for `stanalysis.field_statistics`. With ``null`` "untrained" every run needs its step 0, and nothing is drawn.
    statistics
        ``"lattice"`` and ``"graph"``: all that `stanalysis.field_statistics` names there; Moran's I in any case.
        ``"survival"``: lifetimes of the synapses and what lasts of the fields, where synapses were born or died.
        ``"pruning"``: what pruning leaves of the structure, at the step best on validation. At the first and the last kept
        step only: ``"local"`` (local Moran's I and Gi*), ``"correlogram"``, ``"smoothing"``, ``"pairs"`` (cross-K and mark
        correlation over distance).
    ms_per_source
        How many ms of delay are as far as one source, on the graph of synapses; by default one bin.
    compare
        What groups the runs into conditions to compare: ``step``, ``method``, ``sparsity``, ``connectivity``, ``delays``, or
        a name in the training's configuration.
    replicates
        As for `stanalysis.compare`: only "networks".
    foreign
        What the files of another program cannot know.
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
    _check_statistics(statistics, null)
    if compare is None and replicates != "networks":
        raise BadInput("Replicates are those of a comparison; say what to compare, too, with networks as replicates.")
    check_replicates(replicates)
    if len({path.resolve() for path in places}) < len(places):
        raise BadInput("A run is given twice; name each once, for runs are replicates.")
    names = _distinct([path.resolve().name if path.is_dir() else path.stem for path in places])
    parts: dict[str, list[xr.Dataset]] = {}
    files, best_steps, steps_in_ms, data_sets, configurations = {}, {}, set(), {}, {}
    designs: dict[str, dict[str, object]] = {}
    seeds: list[int] = []
    stale: list[str] = []
    warned: dict[tuple[str, str], list[str]] = {}
    noted: dict[str, list[str]] = {}
    contents: dict[tuple[str, ...], str] = {}  # the files of networks whose seeds are not known
    questions = Questions(tuple(statistics), null, n_permutations, alternative, lattice, ms_per_source, seed)
    for index, (name, path) in enumerate(zip(names, places, strict=True)):
        if progress:
            progress(name)
        network = read_snapshots(path, lives="survival" in statistics, foreign=foreign or Options())
        for note in network.notes:
            noted.setdefault(note, []).append(name)
        if null == "untrained" and 0 not in network.checkpoints:
            raise BadInput(
                f"The null 'untrained' compares with step 0, of which {name} has no checkpoint; give a whole run folder, or "
                "another null."
            )
        files[name], best_steps[name] = network.files, network.best_step
        data_sets[name] = str(next(iter(network.checkpoints.values())).attrs.get("dataset", ""))
        steps_in_ms |= {float(tree.attrs["dt"]) for tree in network.checkpoints.values()}
        if len(steps_in_ms) > 1:
            raise BadInput(f"The runs differ in dt ({', '.join(f'{dt:g} ms' for dt in steps_in_ms)}); analyse them apart.")
        last = list(network.checkpoints.values())[-1].attrs
        configurations[name] = str(last.get("config", ""))
        designs[name] = configuration(configurations[name]) | {"method": last["method"], "dataset": data_sets[name]}
        seeds.append(int(last["seed"]))
        content = tuple(str(tree.attrs["sha256"]) for tree in network.checkpoints.values() if "sha256" in tree.attrs)
        content = (*content, configurations[name]) if content else ()
        if seeds[-1] == UNKNOWN_SEED and content and (other := contents.setdefault(content, name)) != name:
            raise BadInput(f"{name} and {other} are of the same files: as replicates they would count twice; give one of them.")
        for projection, sentences in doubts_of(network, questions).items():
            for sentence in sentences:
                warned.setdefault((projection, sentence), []).append(name)
        if network.pruning is not None and network.pruning.attrs["step"] not in network.checkpoints:
            stale.append(name)
        try:
            found = of_network(network, questions)
        except BadInput as error:
            raise BadInput(f"{name}: {error}") from error
        for group, dataset in found.items():
            own = dataset if group.startswith("populations") else _with_run(dataset, name, index, network)
            parts.setdefault(group, []).append(own)
    groups = {group: _joined(group, datasets) for group, datasets in parts.items()}
    warnings = [f"{runs[0] if len(runs) == 1 else f'{len(runs)} runs'}: {note}" for note, runs in noted.items()]
    warnings += _warnings(warned)
    if stale:
        warnings.append(
            f"pruning.csv of {', '.join(stale)} is of a step of which no checkpoint is kept, and left out; run "
            "`stanalysis prune` again."
        )
    if sweeps:
        groups["sweep"] = _sweep(sweeps, names, data_sets, groups)
    conditions = conditions_of(designs, seeds)
    groups = of_conditions_with_deaths(groups, conditions)
    if any(group.startswith(LIVES) for group in groups):
        check_seeds(groups, conditions, names, seeds)
        groups |= survival_of(groups, conditions, seed=seed)
        warnings += doubts_of_lives(groups, conditions)
    elif "survival" in statistics and tuple(statistics) != DEFAULT:
        warnings.append("There are no lifetimes: no synapse is known to have been born or to have died in training.")
    if compare is not None:
        common = [
            g.removeprefix("statistics/") for g in groups if g.startswith("statistics/") and groups[g].run.size == len(names)
        ]
        if not common:
            raise BadInput("The runs have no projection in common; compare runs of one architecture.")
        for projection in common:
            groups[f"comparison/{projection}"] = compared(
                groups[f"statistics/{projection}"],
                compare,
                configurations,
                alternative=alternative,
                replicates=replicates,
                seed=seed,
            )
    groups["/"] = xr.Dataset(
        attrs={
            "schema_version": SCHEMA_VERSION,
            "null": null,
            "n_permutations": n_permutations,
            "alternative": alternative,
            "contiguity": lattice.contiguity,
            "standardised": int(lattice.standardised),
            "statistics": json.dumps(list(statistics)),
            "warnings": json.dumps(warnings),
            "seed": seed,
            "kernel": "deployed",
            "dt": steps_in_ms.pop(),
            "runs": json.dumps(names),
            "conditions": json.dumps({name: [names[run] for run in one.runs] for name, one in conditions.items()}),
            "best_steps": json.dumps(best_steps),
            "provenance": json.dumps(files),
            "versions": json.dumps({p: version(p) for p in ("stanalysis-workbench", "numpy", "numba", "scipy", "xarray")}),
        }
    )
    return xr.DataTree.from_dict(groups)


def _check_statistics(statistics: Sequence[str], null: Null) -> None:
    known = get_args(Statistics)
    for name in statistics:
        if name not in known:
            raise BadInput(f"The statistics name {name!r}; use some of {', '.join(known)}.")
    if null == "untrained" and (drawn := [name for name in (*AT_BOTH_ENDS, "pruning") if name in statistics]):
        raise BadInput(
            f"Statistics {', '.join(drawn)}: the null 'untrained' has no draws, which they need; leave them out, or give "
            "another null."
        )


def _warnings(warned: Mapping[tuple[str, str], Sequence[str]]) -> list[str]:
    """One sentence for each projection and reason, whatever the number of runs."""
    return [
        f"{projection} of {runs[0] if len(runs) == 1 else f'{len(runs)} runs'}, at the last step: {sentence}."
        for (projection, sentence), runs in warned.items()
    ]


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


def _with_run(dataset: xr.Dataset, name: str, index: int, network: Snapshots) -> xr.Dataset:
    last = list(network.checkpoints.values())[-1]
    for rows in ("synapse", "episode"):
        if rows in dataset.dims:
            return dataset.assign(run=(rows, np.full(dataset.sizes[rows], index, np.int16)))
    config = configuration(last.attrs.get("config", ""))  # "" where it says nothing
    design = {
        "seed": int(last.attrs["seed"]),
        "method": str(last.attrs["method"]),
        "sparsity": _sparsity(last),
        **{name: str(config.get(name, "")) for name in ("connectivity", "delays")},
    }
    return dataset.expand_dims(run=[name]).assign_coords({name: ("run", [value]) for name, value in design.items()})


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
    if group.startswith(("episodes", "sightings")):
        return xr.concat(datasets, "episode", combine_attrs="drop_conflicts")
    # runs may have kept different steps: what one lacks is NaN
    return xr.concat(
        datasets, "run", join="outer", combine_attrs="override", data_vars="all", coords="minimal", compat="override"
    )

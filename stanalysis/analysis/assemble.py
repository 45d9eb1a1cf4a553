"""What networks contribute, joined to one analysis. `stanalysis.files.analysis` says what is in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import chain
from typing import Any, Final

import numpy as np
import xarray as xr

from stanalysis.analysis.conditions import Condition, compared, conditions_of
from stanalysis.analysis.lives.by_condition import (
    LIVES,
    cautions_about_lives,
    check_seeds,
    groups_with_deaths,
    survival_of_conditions,
)
from stanalysis.analysis.one_network import NetworkResult
from stanalysis.analysis.operations import joined_operations
from stanalysis.analysis.questions import Questions
from stanalysis.errors import BadInput
from stanalysis.files.analysis import SCHEMA_VERSION, Caution, cautions_as_json
from stanalysis.files.checkpoint import UNKNOWN_SEED
from stanalysis.findings.wording_of_cautions import (
    FROM_READER,
    NO_LATTICE,
    NO_LIFETIMES,
    NOT_EXCHANGEABLE,
    STALE_OPERATIONS,
    STALE_PRUNING,
    sentence_of_caution,
)
from stanalysis.stats.engine.families import usual_families

_PACKAGES = ("stanalysis-workbench", "numpy", "numba", "scipy", "xarray")
_RANGE: Final[dict[str, Callable[[list[Any]], Any]]] = {"lowest": min, "highest": max}  # of what networks differ in
_IN_ORDER = (FROM_READER, NO_LATTICE, NOT_EXCHANGEABLE, STALE_PRUNING, STALE_OPERATIONS)  # of the cautions of networks


def assemble(
    results: Sequence[NetworkResult],
    questions: Questions,
    *,
    sweep: xr.Dataset | None = None,
    compare: str | None = None,
    replicates: str = "networks",
) -> xr.DataTree:
    """Join what networks contribute, compare conditions where that is asked, and say what it all rests on.

    Parameters
    ----------
    results
        Of every network, in the order in which they were named.
    questions
        What each was asked.
    sweep
        The tables of all sweeps as one, by the names of the runs.
    compare, replicates
        As for `stanalysis.analyze`.

    Raises
    ------
    BadInput
        Networks that cannot stand in one analysis, or be replicates of each other; nothing to compare.
    """
    check_together(results)
    asked, questions = questions.statistics, questions.of_network(results[0].dt)
    groups = _joined_groups(results)
    if sweep is not None:
        groups["sweep"] = _described_sweep(sweep, results, groups)
    conditions = conditions_of({r.name: r.design for r in results}, [r.seed for r in results])
    cautions = list(_merged(chain.from_iterable(result.cautions for result in results)))
    groups = groups_with_deaths(groups, conditions)
    if any(group.startswith(LIVES) for group in groups):
        check_seeds(groups, conditions, [r.name for r in results], [r.seed for r in results])
        groups |= survival_of_conditions(groups, conditions, seed=questions.test.seed)
        cautions += cautions_about_lives(groups, conditions)
    elif "survival" in asked and asked != usual_families():
        cautions.append(Caution(NO_LIFETIMES))
    if compare is not None:
        groups |= _comparisons(groups, results, questions, compare=compare, replicates=replicates)
    return xr.DataTree.from_dict(groups | {"/": xr.Dataset(attrs=_attributes(results, questions, conditions, cautions))})


def check_together(results: Sequence[NetworkResult]) -> None:
    """Raise `BadInput` where networks differ in their time step, or are one network given twice."""
    steps_in_ms = dict.fromkeys(result.dt for result in results)
    if len(steps_in_ms) > 1:
        raise BadInput(f"The runs differ in dt ({', '.join(f'{dt:g} ms' for dt in steps_in_ms)}); analyse them apart.")
    contents: dict[tuple[str, ...], str] = {}
    for result in results:
        if result.seed != UNKNOWN_SEED or not result.content:
            continue
        if (other := contents.setdefault(result.content, result.name)) != result.name:
            raise BadInput(
                f"{result.name} and {other} are of the same files: as replicates they would count twice; give one of them."
            )


def attributes_of_cautions(cautions: Sequence[Caution]) -> dict[str, str]:
    """Attributes of the file: records, and the same in sentences for readers of 0.6.0."""
    return {
        "warnings": json.dumps([sentence_of_caution(caution) for caution in cautions]),
        "cautions": cautions_as_json(cautions),
    }


def _attributes(
    results: Sequence[NetworkResult],
    questions: Questions,
    conditions: Mapping[str, Condition],
    cautions: Sequence[Caution],
) -> dict[str, object]:
    names = [result.name for result in results]
    return {
        "schema_version": SCHEMA_VERSION,
        "null": questions.test.null,
        "n_permutations": questions.test.n_permutations,
        "alternative": questions.test.alternative,
        "contiguity": questions.lattice.contiguity,
        "standardised": int(questions.lattice.standardised),
        "statistics": json.dumps(list(questions.statistics)),
        **attributes_of_cautions(cautions),
        "seed": questions.test.seed,
        "kernel": "deployed",
        "dt": results[0].dt,
        **({} if questions.bin_width is None else {"bin": questions.bin_width}),
        "runs": json.dumps(names),
        "conditions": json.dumps({key: [names[run] for run in condition.runs] for key, condition in conditions.items()}),
        "best_steps": json.dumps({result.name: result.best_step for result in results}),
        "provenance": json.dumps({result.name: result.files for result in results}),
        "versions": json.dumps({package: version(package) for package in _PACKAGES}),
    }


def _merged(cautions: Iterator[Caution]) -> Iterator[Caution]:
    """Cautions of single networks, one for all networks of which the same is said, sizes of any number as a range."""
    alike: dict[str, list[Caution]] = {}
    for caution in cautions:
        said = {name: value for name, value in caution.values.items() if name not in _RANGE}
        key = json.dumps([_IN_ORDER.index(caution.code), caution.projection, said])
        alike.setdefault(key, []).append(caution)
    for group in sorted(alike.values(), key=lambda group: _IN_ORDER.index(group[0].code)):
        first, networks = group[0], tuple(chain.from_iterable(caution.networks for caution in group))
        ends = {name: end([c.values[name] for c in group]) for name, end in _RANGE.items() if name in first.values}
        yield Caution(first.code, first.projection, networks, {**first.values, **ends})


def _joined_groups(results: Sequence[NetworkResult]) -> dict[str, xr.Dataset]:
    parts: dict[str, list[xr.Dataset]] = {}
    for index, result in enumerate(results):
        for group, dataset in result.groups.items():
            shared = group.startswith("populations")
            parts.setdefault(group, []).append(dataset if shared else _with_run(dataset, result, index))
    return {group: _joined(group, datasets) for group, datasets in parts.items()}


def _with_run(dataset: xr.Dataset, result: NetworkResult, index: int) -> xr.Dataset:
    for rows in ("synapse", "episode"):
        if rows in dataset.dims:
            return dataset.assign(run=(rows, np.full(dataset.sizes[rows], index, np.int16)))
    design = {
        "seed": result.seed,
        "method": result.method,
        "sparsity": result.sparsity,
        **{name: str(result.configuration.get(name, "")) for name in ("connectivity", "delays")},  # "" where it says nothing
    }
    return dataset.expand_dims(run=[result.name]).assign_coords({name: ("run", [value]) for name, value in design.items()})


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
    if group.startswith(LIVES):
        return xr.concat(datasets, "episode", combine_attrs="drop_conflicts")
    if group == "operations":
        return joined_operations(datasets)
    # runs may have kept different steps: what one lacks is NaN
    return xr.concat(
        datasets, "run", join="outer", combine_attrs="override", data_vars="all", coords="minimal", compat="override"
    )


def _described_sweep(sweep: xr.Dataset, results: Sequence[NetworkResult], groups: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """The table with the data set and the size of the output of its networks."""
    data_sets = {result.name: result.dataset for result in results}
    used = sorted({data_sets[str(run)] for run in sweep.run.values})
    if len(used) > 1 or len(np.unique(sweep.n_possible)) > 1:
        raise BadInput(f"The runs of the sweep differ in data set ({', '.join(used)}) or network size; analyse them apart.")
    synapses = {group.removeprefix("synapses/"): d for group, d in groups.items() if group.startswith("synapses/")}
    sources = {name.split("__")[0] for name in synapses}
    n_output = [int(d.attrs["n_target"]) for name, d in synapses.items() if name.split("__")[1] not in sources]
    return sweep.assign_attrs(dataset=used[0], n_output=n_output[0])


def _comparisons(
    groups: Mapping[str, xr.Dataset],
    results: Sequence[NetworkResult],
    questions: Questions,
    *,
    compare: str,
    replicates: str,
) -> dict[str, xr.Dataset]:
    """Conditions compared, in every projection that all networks have."""
    tables = {group.removeprefix("statistics/"): t for group, t in groups.items() if group.startswith("statistics/")}
    common = {projection: table for projection, table in tables.items() if table.run.size == len(results)}
    if not common:
        raise BadInput("The runs have no projection in common; compare runs of one architecture.")
    configurations = {result.name: result.config for result in results}
    return {
        f"comparison/{projection}": compared(
            table,
            compare,
            configurations,
            alternative=questions.test.alternative,
            replicates=replicates,
            seed=questions.test.seed,
        )
        for projection, table in common.items()
    }

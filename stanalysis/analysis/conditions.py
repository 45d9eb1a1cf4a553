"""Runs grouped into conditions by what differs between them, and compared with networks as replicates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from stanalysis.analysis.one_network import configuration
from stanalysis.errors import BadInput
from stanalysis.files.analysis import COORDS_OF_RUN, kept_steps
from stanalysis.stats.engine.nulls import Alternative
from stanalysis.stats.replicates.comparison import compare
from stanalysis.stats.replicates.effects import without_rounding
from stanalysis.stats.replicates.power import seeds_needed

FIXED = ["run", "step", "seed", "condition"]
DESIGN = tuple(name for name in COORDS_OF_RUN if name != "seed")
POWER = 0.8  # for which the seeds needed are given


@dataclass(frozen=True)
class Condition:
    """Networks that are replicates of each other, by their indices in order of their seeds; steps between their rewirings."""

    runs: list[int]
    spacing: int


def conditions_of(designs: Mapping[str, Mapping[str, object]], seeds: Sequence[int]) -> dict[str, Condition]:
    """The conditions of which networks are: those that differ in nothing but their seed are of one.

    A condition is named by what distinguishes it from the others; the only one is "".

    Parameters
    ----------
    designs
        Of each run, by its name, what may distinguish it: its configuration, method and data set. A run whose configuration
        is not known (no more than these two) is a replicate of no other.
    seeds
        Seed of each run.
    """
    known = {
        run: dict(design) | ({} if design.keys() - {"method", "dataset"} else {"run": run}) for run, design in designs.items()
    }
    texts = {run: {key: json.dumps(value, sort_keys=True) for key, value in design.items()} for run, design in known.items()}
    keys = dict.fromkeys(key for design in known.values() for key in design)
    differ = [key for key in keys if len({design.get(key) for design in texts.values()}) > 1]
    conditions: dict[str, Condition] = {}
    for index, run in sorted(enumerate(known), key=lambda place: (seeds[place[0]], place[1])):
        name = ", ".join(f"{key} {known[run][key]}" for key in differ if key in known[run])
        every = known[run].get("every")
        spacing = every if isinstance(every, int) and every > 0 else 1
        conditions.setdefault(name, Condition([], spacing)).runs.append(index)
    return conditions


def networks_to_compare(statistics: xr.Dataset, key: str, configurations: Mapping[str, str]) -> pd.DataFrame:
    """The networks to compare: run, step, seed, condition, and the design that the condition does not name.

    Parameters
    ----------
    statistics
        The group ``/statistics/<projection>`` of an analysis.
    key
        ``step`` compares the first kept step of every run with its last. Otherwise ``method``, ``sparsity``,
        ``connectivity``, ``delays``, or a name in the training's configuration; networks are then at their last kept step.
    configurations
        The configuration of each run, by its name, as JSON.
    """
    rows: list[dict[str, Any]] = []
    for run in map(str, statistics.run.values):
        network = statistics.sel(run=run)
        steps = kept_steps(network)
        config = configuration(configurations[run])
        design = {name: str(value) for name, value in config.items() if name not in FIXED}
        # what was asked for where that is known: seeds differ by some synapses in what they have
        measured = {name: network[name].item() for name in DESIGN}
        design |= {name: _text(value) for name, value in measured.items()}
        design["sparsity"] = _text(config.get("sparsity", measured["sparsity"]))
        if key == "step" and len(steps) < 2:
            raise BadInput(f"--compare step: the run {run} has one step only ({steps[0]}); give runs that kept two.")
        for step in (steps[0], steps[-1]) if key == "step" else steps[-1:]:
            if key == "step":
                condition = "first" if step == steps[0] else "last"
            elif key in design:
                condition = design[key]
            else:
                raise BadInput(
                    f"--compare {key}: the run {run} has no such key; use step, {', '.join(DESIGN)}, or one of its "
                    f"configuration ({', '.join(config) or 'which it lacks'})."
                )
            others = {name: value for name, value in design.items() if name != key}
            seed = int(network.seed)
            if seed < 0 and key == "step":
                seed = 2**31 + len(rows) // 2  # not known: but a network is the partner of itself
            rows.append({"run": run, "step": step, "seed": seed, "condition": condition, **others})
    return pd.DataFrame(rows).fillna("")


def _text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def compared(
    statistics: xr.Dataset,
    key: str,
    configurations: Mapping[str, str],
    *,
    alternative: Alternative,
    replicates: str,
    seed: int,
) -> xr.Dataset:
    """Every two conditions compared, in every statistic: what a network's neurons have beyond their null, on average.

    Where runs differ in more of their configuration than the key, those alike in the rest are compared with each other;
    unless each condition has one design of its own (dense against sparse).

    Returns
    -------
    xarray.Dataset
        What `stanalysis.compare` gives, dims (comparison, statistic), and ``seeds_needed`` for a power of
        .8 at the effect size found (NaN where there is none, or no number would do). Coordinates (comparison): ``a``, ``b``,
        ``paired``; ``among``, what the networks have in common where others differ in it; ``also_differ``, in what else a and
        b differ; ``synapses_a``, ``synapses_b``, the mean number of synapses of a neuron, with which counts and statistics on
        the lattice grow.
    """
    networks = networks_to_compare(statistics, key, configurations)
    if networks["condition"].nunique() < 2:
        raise BadInput(
            f"--compare {key}: all runs have the same ({networks['condition'].iloc[0]}); give runs that differ in it."
        )
    rest = [name for name in networks.columns.difference(FIXED, sort=False) if networks[name].nunique() > 1]
    alike_within = bool(rest) and (networks.groupby("condition")[rest].nunique() == 1).all(axis=None)
    groups = [("", networks)] if alike_within or not rest else [(_named(rest, v), g) for v, g in networks.groupby(rest)]
    options = {"alternative": alternative, "replicates": replicates, "seed": seed}
    parts = [part for among, group in groups for part in _pairs(statistics, group, rest, among=among, options=options)]
    if not parts:
        raise BadInput(
            f"--compare {key}: no two runs that differ in it are alike in {', '.join(rest)}; compare runs that differ "
            "in one thing."
        )
    return xr.concat(parts, "comparison", combine_attrs="override").assign_attrs(key=key, alternative=alternative, seed=seed)


def _pairs(
    statistics: xr.Dataset, group: pd.DataFrame, rest: Sequence[str], *, among: str, options: Mapping[str, Any]
) -> Iterator[xr.Dataset]:
    """Every two conditions of networks that are alike in ``rest``, or differ in it from condition to condition."""
    excess = without_rounding(statistics.value - statistics.expected, abs(statistics.value))
    places = list(zip(group["run"], group["step"], strict=True))
    values = xr.concat([excess.sel(run=run, step=step, drop=True) for run, step in places], "network")
    n_synapses = np.array([float(statistics.n_synapses.sel(run=run, step=step).mean()) for run, step in places])
    values = values.assign_coords(
        condition=("network", list(group["condition"])), seed=("network", group["seed"].to_numpy())
    ).transpose("statistic", "network", "target")
    for a, b in combinations(dict.fromkeys(group["condition"]), 2):
        result = compare(values, a=a, b=b, **options)
        paired = bool(result.attrs["paired"])
        needed = [_seeds_needed(size, paired, options["alternative"]) for size in result.effect_size.values]
        in_a, in_b = (group["condition"] == name for name in (a, b))
        differ = [name for name in rest if set(group[name][in_a]) != set(group[name][in_b])]
        names = {
            "a": a,
            "b": b,
            "among": among,
            "paired": int(paired),
            "also_differ": ", ".join(differ),
            "synapses_a": n_synapses[in_a].mean(),
            "synapses_b": n_synapses[in_b].mean(),
        }
        result = result.assign(seeds_needed=("statistic", needed)).expand_dims("comparison")
        result = result.assign_coords({name: ("comparison", [value]) for name, value in names.items()})
        yield result.drop_attrs(deep=False)


def _named(names: list[str], values: Iterable[object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True) if value)


def _seeds_needed(effect_size: float, paired: bool, alternative: Alternative) -> float:
    if not np.isfinite(effect_size):
        return np.nan
    try:
        return seeds_needed(float(effect_size), paired=paired, power=POWER, alternative=alternative)
    except BadInput:  # no effect in the direction asked for
        return np.nan

"""Did synapses live, and which: the groups of the analysis file that are made of all networks together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import xarray as xr

from stanalysis.analysis.conditions import Condition
from stanalysis.analysis.from_checkpoints import of_sightings
from stanalysis.analysis.from_log import between_projections, of_projection
from stanalysis.errors import BadInput

LIVES = ("episodes", "sightings")  # groups of the analysis file


def of_conditions_with_deaths(groups: Mapping[str, xr.Dataset], conditions: Mapping[str, Condition]) -> dict[str, xr.Dataset]:
    """The groups, with the lives of synapses of those conditions alone in which some were born or died in training.

    A network in which none happened to is a replicate of the others none the less.
    """
    found = dict(groups)
    for path, table in groups.items():
        if not path.startswith(LIVES):
            continue
        born = table["birth_step"].values > 0 if "birth_step" in table else table["absent_at"].values >= 0
        changed = np.unique(table.run.values[table.event.values | born])
        kept = [run for one in conditions.values() if np.isin(one.runs, changed).any() for run in one.runs]
        found[path] = table.isel(episode=np.flatnonzero(np.isin(table.run.values, kept)))
        if not kept:
            del found[path]
    return found


def check_seeds(
    groups: Mapping[str, xr.Dataset], conditions: Mapping[str, Condition], names: Sequence[str], seeds: Sequence[int]
) -> None:
    """Raise `BadInput` where two networks of one condition, of the lives of whose synapses is asked, have one seed."""
    asked = {int(run) for path, table in groups.items() if path.startswith(LIVES) for run in np.unique(table.run)}
    for condition in conditions.values():
        runs = [run for run in condition.runs if run in asked]
        for a, b in pairwise(runs):  # in order of their seeds
            if seeds[a] == seeds[b] and seeds[a] >= 0:
                raise BadInput(
                    f"{names[a]} and {names[b]} are alike and have the seed {seeds[a]}, too: as replicates they would count "
                    "twice; give one of them, or --statistics without survival."
                )


def doubts_of_lives(groups: Mapping[str, xr.Dataset], conditions: Mapping[str, Condition]) -> list[str]:
    """A sentence for each projection and condition of which only checkpoints tell."""
    sentences = []
    curves = groups.get("survival", xr.Dataset())
    for path, table in groups.items():
        kind, _, projection = path.partition("/")
        for name, condition in conditions.items() if kind == "sightings" else ():
            own = _of_runs(table, condition.runs)
            if not own.sizes["episode"]:
                continue
            share = "an unknown share"
            if "unseen_share" in curves:
                of = {"projection": projection, "condition": name, "grouping": "all", "among": "grown"}
                one = curves.isel(
                    curve=np.flatnonzero(np.all([curves[key].values == value for key, value in of.items()], axis=0))
                )
                if np.isfinite(one.unseen_share).any():
                    share = f"at least about {float(one.unseen_share.item()):.0%}"
            unknown = int(((own.absent_at < 0) & (own.first_seen > 0)).sum())
            where = f"{projection} ({name})" if name else projection
            sentences.append(
                f"{where}: without a rewiring log lifetimes are fitted to what the checkpoints show; {share} of the "
                "synapses grown died unseen, more where the youngest die sooner than a Weibull model has it; one born again in "
                "its place between two checkpoints counts as one that lived on; grown ones are not parted by sign where a "
                "weight of 0 tells none."
                + (f" {unknown} synapses there at the first checkpoint are left out, for their age is unknown." * (unknown > 0))
            )
    return sentences


def survival_of(groups: Mapping[str, xr.Dataset], conditions: Mapping[str, Condition], *, seed: int) -> dict[str, xr.Dataset]:
    """The groups ``survival``, ``contrasts`` and ``hazard_ratios``, from ``episodes``, ``sightings`` and ``synapses``.

    Parameters
    ----------
    groups
        Groups of the analysis, by their paths, with the runs of episodes and synapses as indices.
    conditions
        As `conditions_of` finds them.
    seed
        Of the bootstrap over networks.
    """
    found: dict[str, list[xr.Dataset]] = {"curve": [], "contrast": [], "term": []}
    targets = {path.split("__")[-1] for path in groups if path.startswith("synapses/")}
    for name, condition in conditions.items():
        watched = {}
        for path, table in groups.items():
            kind, _, projection = path.partition("/")
            if kind not in LIVES:
                continue
            own = _of_runs(table, condition.runs)
            if not own.event.any():
                continue
            if kind == "episodes":
                watched[projection] = own
                synapses = _of_runs(groups[f"synapses/{projection}"], condition.runs)
                parts = of_projection(own, synapses, from_input=projection.split("__")[0] not in targets, seed=seed)
            else:
                parts = of_sightings(own, spacing=condition.spacing)
            for part in parts:
                _note(found, part, projection=projection, condition=name)
        for part in between_projections(watched, seed=seed) if len(watched) > 1 else ():
            _note(found, part, projection="", condition=name)
    found["curve"] = _on_common_ages(found["curve"])
    names = {"curve": "survival", "contrast": "contrasts", "term": "hazard_ratios"}
    return {names[dim]: xr.concat(parts, dim, join="outer", combine_attrs="drop") for dim, parts in found.items() if parts}


def _of_runs(table: xr.Dataset, runs: Sequence[int]) -> xr.Dataset:
    """The rows of some networks, numbered anew as these are listed, so that the order in which they were given is forgotten."""
    dim = table.run.dims[0]
    chosen = table.isel({dim: np.flatnonzero(np.isin(table.run.values, runs))})
    number = np.zeros(max(runs) + 1, np.int16)
    number[list(runs)] = np.arange(len(runs))
    return chosen.assign(run=(dim, number[chosen.run.values]))


def _note(found: dict[str, list[xr.Dataset]], part: xr.Dataset, **where: str) -> None:
    """Keep a part that has rows, under its dim, with what its rows are about."""
    dim = next(name for name in found if name in part.dims)
    if part.sizes[dim]:
        found[dim].append(part.assign_coords({name: (dim, np.full(part.sizes[dim], text)) for name, text in where.items()}))


def _on_common_ages(curves: Sequence[xr.Dataset]) -> list[xr.Dataset]:
    """Curves as step functions on the ages of all of them; NaN beyond the last age of each, where nobody is at risk."""
    ages = np.unique(np.concatenate([curve.age.values for curve in curves])) if curves else np.empty(0)
    found = []
    for curve in curves:
        varying = [name for name in curve.data_vars if "age" in curve[name].dims]
        own = curve.drop_vars(varying).drop_vars("age")
        for name in varying:
            if name == "at_risk":  # who comes or goes at an age does so after it
                own[name] = curve[name].reindex(age=ages, method="bfill", fill_value=0)
            else:
                column = curve[name].reindex(age=ages, method="ffill")
                own[name] = column.where(column.age <= curve.age.max())
        found.append(own)
    return found

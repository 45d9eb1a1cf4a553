"""Did synapses live, and which: the groups of lives that are made of all networks of a condition together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import xarray as xr

from stanalysis.analysis.conditions import Condition
from stanalysis.analysis.lives.from_checkpoints import tables_of_sightings
from stanalysis.analysis.lives.from_log import tables_between_projections, tables_of_projection
from stanalysis.errors import BadInput
from stanalysis.files.analysis import Caution
from stanalysis.findings.wording_of_cautions import FROM_CHECKPOINTS

LIVES = ("episodes", "sightings")  # groups of the analysis file


def groups_with_deaths(groups: Mapping[str, xr.Dataset], conditions: Mapping[str, Condition]) -> dict[str, xr.Dataset]:
    """The groups, with the lives of synapses of those conditions alone in which some were born or died in training.

    A network in which none happened to is a replicate of the others none the less.
    """
    kept_groups = dict(groups)
    for path, table in groups.items():
        if not path.startswith(LIVES):
            continue
        born = table["birth_step"].values > 0 if "birth_step" in table else table["absent_at"].values >= 0
        changed = np.unique(table.run.values[table.event.values | born])
        kept = [run for condition in conditions.values() if np.isin(condition.runs, changed).any() for run in condition.runs]
        kept_groups[path] = table.isel(episode=np.flatnonzero(np.isin(table.run.values, kept)))
        if not kept:
            del kept_groups[path]
    return kept_groups


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


def cautions_about_lives(groups: Mapping[str, xr.Dataset], conditions: Mapping[str, Condition]) -> Iterator[Caution]:
    """One for each projection and condition of which only checkpoints tell."""
    curves = groups.get("survival", xr.Dataset())
    for path, table in groups.items():
        kind, _, projection = path.partition("/")
        for name, condition in conditions.items() if kind == "sightings" else ():
            lives = _rows_of_runs(table, condition.runs)
            if lives.sizes["episode"]:
                unknown = int(((lives.absent_at < 0) & (lives.first_seen > 0)).sum())
                values = {"condition": name, "unseen_share": _unseen_share(curves, projection, name), "unknown": unknown}
                yield Caution(FROM_CHECKPOINTS, projection, values=values)


def _unseen_share(curves: xr.Dataset, projection: str, condition: str) -> float | None:
    """The share of the synapses grown that no checkpoint saw; None where it is not known."""
    if "unseen_share" not in curves:
        return None
    where = {"projection": projection, "condition": condition, "grouping": "all", "among": "grown"}
    chosen = np.flatnonzero(np.all([curves[key].values == value for key, value in where.items()], axis=0))
    share = curves.unseen_share.values[chosen]
    return float(share.item()) if np.isfinite(share).any() else None


def survival_of_conditions(
    groups: Mapping[str, xr.Dataset], conditions: Mapping[str, Condition], *, seed: int
) -> dict[str, xr.Dataset]:
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
    tables: dict[str, list[xr.Dataset]] = {"curve": [], "contrast": [], "term": []}
    targets = {path.split("__")[-1] for path in groups if path.startswith("synapses/")}
    for name, condition in conditions.items():
        watched = {}
        for path, table in groups.items():
            kind, _, projection = path.partition("/")
            if kind not in LIVES:
                continue
            lives = _rows_of_runs(table, condition.runs)
            if not lives.event.any():
                continue
            if kind == "episodes":
                watched[projection] = lives
                synapses = _rows_of_runs(groups[f"synapses/{projection}"], condition.runs)
                parts = tables_of_projection(lives, synapses, from_input=projection.split("__")[0] not in targets, seed=seed)
            else:
                parts = tables_of_sightings(lives, spacing=condition.spacing)
            for part in parts:
                _keep(tables, part, projection=projection, condition=name)
        for part in tables_between_projections(watched, seed=seed) if len(watched) > 1 else ():
            _keep(tables, part, projection="", condition=name)
    tables["curve"] = _on_common_ages(tables["curve"])
    names = {"curve": "survival", "contrast": "contrasts", "term": "hazard_ratios"}
    return {names[dim]: xr.concat(parts, dim, join="outer", combine_attrs="drop") for dim, parts in tables.items() if parts}


def _rows_of_runs(table: xr.Dataset, runs: Sequence[int]) -> xr.Dataset:
    """The rows of some networks, numbered anew as these are listed, so that the order in which they were given is forgotten."""
    dim = table.run.dims[0]
    chosen = table.isel({dim: np.flatnonzero(np.isin(table.run.values, runs))})
    number = np.zeros(max(runs) + 1, np.int16)
    number[list(runs)] = np.arange(len(runs))
    return chosen.assign(run=(dim, number[chosen.run.values]))


def _keep(tables: dict[str, list[xr.Dataset]], part: xr.Dataset, **where: str) -> None:
    """Keep a part that has rows, under its dim, with what its rows are about."""
    dim = next(name for name in tables if name in part.dims)
    if part.sizes[dim]:
        tables[dim].append(part.assign_coords({name: (dim, np.full(part.sizes[dim], text)) for name, text in where.items()}))


def _on_common_ages(curves: Sequence[xr.Dataset]) -> list[xr.Dataset]:
    """Curves as step functions on the ages of all of them; NaN beyond the last age of each, where nobody is at risk."""
    ages = np.unique(np.concatenate([curve.age.values for curve in curves])) if curves else np.empty(0)
    aligned = []
    for curve in curves:
        varying = [name for name in curve.data_vars if "age" in curve[name].dims]
        common = curve.drop_vars(varying).drop_vars("age")
        for name in varying:
            if name == "at_risk":  # who comes or goes at an age does so after it
                common[name] = curve[name].reindex(age=ages, method="bfill", fill_value=0)
            else:
                column = curve[name].reindex(age=ages, method="ffill")
                common[name] = column.where(column.age <= curve.age.max())
        aligned.append(common)
    return aligned

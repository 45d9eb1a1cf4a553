"""Did synapses live, and which: the groups of the analysis file that are made of all networks together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr

from stanalysis.conditions import configuration
from stanalysis.episodes import alive_at, neighbours_of
from stanalysis.rewiring_log import CAUSE
from stanalysis.stats.hazards import hazard_ratios, start_stop
from stanalysis.stats.interval_censoring import Model, fit_lifetimes
from stanalysis.stats.life_tables import life_table
from stanalysis.stats.log_rank import log_rank
from stanalysis.stats.survival import lifetime_differences, survival_curves
from stanalysis.survival_variables import HAZARD_RATIOS, SURVIVAL
from stanalysis.variables import described, labelled

# What groups synapses, and the groups from first to last: the first is the one with which the others are compared.
ORIGIN: Final = ("initial", "grown")
GROUPINGS: Final[dict[str, tuple[str, ...]]] = {
    "sign": ("excitatory", "inhibitory"),
    "delay": ("short", "middle", "long"),
    "channel": ("low", "middle", "high"),
    "agreement": ("alone", "opposed", "balanced", "grouped"),
}
NEIGHBOURS: Final = ("same_sign", "opposite_sign")  # covariates that change with age


@dataclass(frozen=True)
class Condition:
    """Networks that are replicates of each other, by their indices, and the steps between their rewirings."""

    runs: list[int]
    spacing: int


def conditions_of(runs: Sequence[str], configurations: Mapping[str, str]) -> dict[str, Condition]:
    """The conditions of which networks are, those that differ in nothing but their seed being of one.

    A condition is named by what distinguishes it from the others; the only one is "".
    """
    configs = [configuration(configurations[run]) for run in runs]
    keys = list(dict.fromkeys(key for config in configs for key in config))
    differ = [key for key in keys if len({json.dumps(config.get(key)) for config in configs}) > 1]
    found: dict[str, Condition] = {}
    for index, config in enumerate(configs):
        name = ", ".join(f"{key} {config[key]}" for key in differ if key in config)
        every = config.get("every")
        spacing = every if isinstance(every, int) and every > 0 else 1
        found.setdefault(name, Condition([], spacing)).runs.append(index)
    return found


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
    for name, condition in conditions.items():
        watched = {}
        for path, table in groups.items():
            kind, _, projection = path.partition("/")
            if kind not in ("episodes", "sightings"):
                continue
            own = table.isel(episode=np.flatnonzero(np.isin(table.run.values, condition.runs)))
            if not own.event.any():
                continue
            synapses = groups[f"synapses/{projection}"]
            if kind == "episodes":
                watched[projection] = own
                parts = _of_projection(own, synapses, seed=seed)
            else:
                parts = _from_checkpoints(own, condition.spacing)
            for part in parts:
                _note(found, part, projection=projection, condition=name)
        if len(watched) > 1:
            codes = [own.assign(code=("episode", np.full(own.sizes["episode"], i))) for i, own in enumerate(watched.values())]
            every = xr.concat(codes, "episode", combine_attrs="drop_conflicts")
            for part in _curves(every, "projection", tuple(watched), seed=seed):
                _note(found, part, projection="", condition=name)
    found["curve"] = _on_common_ages(found["curve"])
    names = {"curve": "survival", "contrast": "contrasts", "term": "hazard_ratios"}
    return {names[dim]: xr.concat(parts, dim, join="outer", combine_attrs="drop") for dim, parts in found.items() if parts}


def _note(found: dict[str, list[xr.Dataset]], part: xr.Dataset, **where: str) -> None:
    """Keep a part that has rows, under its dim, with what its rows are about."""
    dim = next(name for name in found if name in part.dims)
    if part.sizes[dim]:
        found[dim].append(part.assign_coords({name: (dim, np.full(part.sizes[dim], text)) for name, text in where.items()}))


def _of_projection(own: xr.Dataset, synapses: xr.Dataset, *, seed: int) -> Iterator[xr.Dataset]:
    grown = own.birth_cause.values != CAUSE.INITIAL
    own = own.assign(grown=("episode", grown.astype(np.int8)), stratum=("episode", 2 * own.run.values + grown))
    yield from _curves(own, "all", ("all",), seed=seed)
    yield from _curves(own.assign(code=own.grown), "origin", ORIGIN, seed=seed)
    for code, origin in enumerate(ORIGIN):
        # training grows synapses elsewhere than where they were at first, and they die sooner: compare like with like
        among = own.isel(episode=np.flatnonzero(grown == code))
        for grouping, codes in _grouped(among, int(synapses.attrs["n_source"])).items() if among.event.any() else ():
            part = among.assign(code=("episode", codes))
            yield from _curves(part, grouping, GROUPINGS[grouping], among=origin, seed=seed)
    at_birth = own.assign(excitatory=own.sign > 0, delay_100_ms=own.birth_delay / 100)
    names = ["excitatory", "delay_100_ms", *NEIGHBOURS]
    yield _of_terms(hazard_ratios(at_birth, names, strata="stratum"), "at birth")
    # a neuron of many synapses has many neighbours, and may lose them sooner for other reasons
    within = at_birth.assign(stratum=own.target.astype(np.int64) * 2 * (int(own.run.max()) + 1) + own.stratum)
    yield _of_terms(hazard_ratios(within, names, strata="stratum"), "within neurons")
    yield _of_terms(hazard_ratios(_so_far(at_birth, synapses), names, strata="stratum"), "so far")


def _grouped(own: xr.Dataset, n_source: int) -> dict[str, np.ndarray]:
    """The group of each episode in each grouping, by its index."""
    same, opposite = own.same_sign.values, own.opposite_sign.values
    delay = own.birth_delay.values
    return {
        "sign": (own.sign.values < 0).astype(np.int8),
        "delay": np.searchsorted(np.quantile(delay, [1 / 3, 2 / 3]), delay).astype(np.int8),
        "channel": (3 * own.source.values.astype(np.int64) // n_source).astype(np.int8),
        "agreement": np.where(same + opposite == 0, 0, 2 + np.sign(same - opposite)).astype(np.int8),
    }


def _curves(own: xr.Dataset, grouping: str, names: Sequence[str], *, among: str = "", seed: int) -> Iterator[xr.Dataset]:
    """Survival curves of each group, ``code`` (episode) being the index of its name; and what sets the others apart from the
    first.
    """
    by = None if grouping == "all" else "code"
    groups = None if by is None else range(len(names))
    table = life_table(own, by=by, groups=groups)
    table = table.assign_coords(group=list(names))
    table = table.isel(group=np.flatnonzero((table.n_episodes.sum("run") > 0).values))
    last = (own.birth_step + own.exit).groupby(own.run).max()
    horizon = int(last.min()) // 2
    curves = survival_curves(table, horizon=horizon, seed=seed)
    labels = [str(name) for name in table.group.values]
    curves = curves.rename(group="curve").drop_vars("curve")
    curves = curves.assign_coords(horizon=("curve", np.full(len(labels), horizon)))
    yield _of_curves(curves, grouping, labels, among=among, band=curves.attrs["band"])
    if table.group.size > 1:
        test = log_rank(own, by="code", groups=groups, cluster="slot")
        differences = lifetime_differences(table, horizon=horizon, reference=table.group.values[0], seed=seed)
        n = differences.sizes["contrast"]
        yield differences.assign(p_value=("contrast", np.full(n, float(test.p_value)))).assign_coords(
            grouping=("contrast", np.full(n, grouping)), among=("contrast", np.full(n, among))
        )


def _so_far(own: xr.Dataset, synapses: xr.Dataset) -> xr.Dataset:
    """Rows in which the neighbours are those counted last: at birth, then at each kept step that a synapse lives to see."""
    episode, step = [np.arange(own.sizes["episode"])], [own.birth_step.values]
    counts = [np.stack([own[name].values for name in NEIGHBOURS])]
    for run in np.unique(own.run.values):
        mine = np.flatnonzero(own.run.values == run)
        tables = synapses.isel(synapse=np.flatnonzero(synapses.run.values == run))
        for at in np.unique(tables.step.values):
            table = tables.isel(synapse=np.flatnonzero(tables.step.values == at))
            alive = mine[alive_at(own.isel(episode=mine), table, int(at))]
            near = np.stack(
                neighbours_of(table, ms_per_source=float(own.attrs["ms_per_source"]), radius=float(own.attrs["radius"]))
            )
            older = own.birth_step.values[alive] < at
            episode.append(alive[older])
            step.append(np.full(np.count_nonzero(older), at))
            counts.append(near[:, older])
    number = np.concatenate(counts, axis=1)
    measured = xr.DataArray(
        np.arange(number.shape[1]),
        {"episode": ("measurement", np.concatenate(episode)), "step": ("measurement", np.concatenate(step))},
        ("measurement",),
    )
    rows = start_stop(own, measured, name="measurement")
    latest = number[:, rows.measurement.values]
    return rows.assign({name: ("episode", latest[i], own[name].attrs) for i, name in enumerate(NEIGHBOURS)})


def _from_checkpoints(own: xr.Dataset, spacing: int) -> Iterator[xr.Dataset]:
    """Fitted survival curves of initial and of grown synapses, of all and of either sign, and the hazard ratio of the signs."""
    own = own.assign(inhibitory=("episode", (own.sign.values < 0).astype(np.int8)))
    grown = own.absent_at.values >= 0
    for code, origin in enumerate(ORIGIN):
        part = own.isel(episode=np.flatnonzero(grown == code))
        # of grown synapses those that died young were never seen, and what is known of them comes from the model: a Weibull
        # hazard may fall steeply with age, as that of synapses does, where one in pieces is level
        models: tuple[Model, ...] = ("weibull",) if code else ("weibull", "piecewise")
        for grouping, by in {"all": None, "sign": "inhibitory"}.items() if part.event.any() else ():
            fits = [fit_lifetimes(part, by=by, spacing=spacing, model=model) for model in models]
            fit = min(fits, key=lambda one: np.nan_to_num(float(one.aic), nan=np.inf))
            names = ["all"] if by is None else [GROUPINGS["sign"][int(sign)] for sign in fit.group.values]
            yield _of_curves(_fitted(fit, n_runs=np.unique(part.run).size), grouping, names, among=origin, band="fit")
            if len(names) > 1:
                parts = {"hazard_ratio": "hazard_ratio", "lower": "hazard_ratio_lower", "upper": "hazard_ratio_upper"}
                values = {name: fit[column].values[1:] for name, column in (parts | {"p_value": "p_value"}).items()}
                n = {name: np.full(len(names) - 1, int(fit[name].sum())) for name in ("n_episodes", "n_deaths")}
                ratios = labelled(HAZARD_RATIOS, **values, **n).assign_coords(term=names[1:])
                yield _of_terms(ratios, f"checkpoints, {origin}")


def _fitted(fit: xr.Dataset, *, n_runs: int) -> xr.Dataset:
    """The curves of a fit as those of life tables, with the medians."""
    n = fit.group.size
    curves = fit[["survival", "lower", "upper", "n_episodes", "n_deaths"]].rename(group="curve").drop_vars("curve")
    for name, part in {"median": "survival", "median_lower": "lower", "median_upper": "upper"}.items():
        curves[name] = "curve", _medians(fit.age.values, fit[part].values)
    curves["n_runs"] = "curve", np.full(n, n_runs)
    curves["unseen_share"] = "curve", np.full(n, float(fit.unseen_share))
    return described(curves, SURVIVAL)


def _of_curves(curves: xr.Dataset, grouping: str, names: Sequence[str], *, among: str, band: str) -> xr.Dataset:
    same = {"grouping": grouping, "among": among, "band": band}
    coords = {name: ("curve", np.full(len(names), text)) for name, text in same.items()}
    return curves.assign_coords(coords | {"group": ("curve", np.array(names))})


def _of_terms(ratios: xr.Dataset, model: str) -> xr.Dataset:
    """With the names of the terms as ``covariate``."""
    names = [str(name) for name in ratios.term.values]
    return ratios.drop_vars("term").assign_coords(covariate=("term", names), model=("term", np.full(len(names), model)))


def _medians(ages: np.ndarray, survival: np.ndarray) -> np.ndarray:
    """First age at which each curve (group, age) is at .5 or below; infinite if none is, NaN without a curve."""
    reached = survival <= 0.5
    first = np.where(reached.any(axis=1), ages[reached.argmax(axis=1)], np.inf)
    return np.where(np.isnan(survival).all(axis=1), np.nan, first)


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

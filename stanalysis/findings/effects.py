"""What an analysis found, a row per condition: effects before and after training, accuracies, what pruning leaves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from stanalysis.files.analysis import kept_steps
from stanalysis.findings.lives import retained
from stanalysis.findings.tables import SIGNIFICANT
from stanalysis.findings.view import Analysis, rule_of
from stanalysis.stats.engine.statistics import labelled_statistics
from stanalysis.stats.lives.pruned_structure import ENOUGH
from stanalysis.stats.replicates.effects import excess, over_networks, without_rounding


def main_statistics() -> list[str]:
    """Names of the three statistics that are shown where there is no room for all."""
    return [statistic.name for statistic in labelled_statistics()[:3]]


def first_and_trained(analysis: xr.DataTree, projection: str) -> dict[str, tuple[int, int]]:
    """Of each network that has the projection, by its name, the first kept step and the trained one.

    The trained step is the one best on validation, or the last kept where that is not known.
    """
    best = Analysis(analysis).best_steps
    table = Analysis(analysis).table("statistics", projection)[["n_synapses"]]
    ends = {}
    for run in map(str, table.run.values):
        steps = kept_steps(table.sel(run=run))
        chosen = best.get(run)
        ends[run] = (steps[0], chosen if chosen in steps else steps[-1])
    return ends


def conditions_with(analysis: xr.DataTree, runs: Sequence[str]) -> dict[str, list[str]]:
    """The networks of each condition, by its name, as far as they are among ``runs``; conditions with none are left out."""
    present = {name: [run for run in every if run in runs] for name, every in Analysis(analysis).conditions.items()}
    return {name: some for name, some in present.items() if some}


def smallest_network_p(analysis: xr.DataTree | xr.Dataset) -> float:
    """The smallest p-value of a network that the draws allow; NaN without draws (null ``untrained``)."""
    if not rule_of(analysis.attrs).draws:  # a table has these attributes, too
        return np.nan
    return (2 if analysis.attrs["alternative"] == "two-sided" else 1) / (int(analysis.attrs["n_permutations"]) + 1)


def findings(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per projection, condition, statistic and moment: what its networks have beyond the null.

    Moments are ``first`` (the first kept step), ``trained`` (best on validation, else the last kept) and ``change``, from one
    to the other; of networks for which these are one step there is only ``trained``.

    Returns
    -------
    DataFrame
        ``unit``; ``networks``, those with an answer, and ``step_from`` and ``step_to``, between which their steps lie, of a
        change the earlier and the later ones;
        ``excess``, the mean over networks of `stats.replicates.effects.excess`, in the unit of the statistic, with its 95 %
        interval over networks ``lower`` and ``upper`` (NaN for one network); ``neurons_lower`` and ``neurons_upper``, the
        middle 95 % of the neurons, of a single network. Except of ``change``: ``tested``, the networks with a p-value of
        their own; ``above`` and ``below``, those of them up to .05 and on which side of the null; ``smallest_p`` and
        ``largest_p`` among them; ``significant``, ``significant_lowest`` and ``significant_highest``, the share of neurons at
        a false discovery rate of 5 %, mean and range over networks; ``neurons`` and ``answered``, sums over networks.
    """
    rows = []
    for projection, table in Analysis(analysis).tables("statistics").items():
        network = Analysis(analysis).table("network", projection)
        ends = first_and_trained(analysis, projection)
        apart = [run for run, (first, trained) in ends.items() if first < trained]
        before = _at(table, network, {run: ends[run][0] for run in apart}) if apart else None
        after = _at(table, network, {run: ends[run][1] for run in ends})
        for condition, runs in conditions_with(analysis, list(ends)).items():
            where = {"projection": projection, "condition": condition}
            both = [run for run in runs if run in apart]
            if before is not None and both:
                rows.append(_at_one_moment(before.sel(run=both), **where, moment="first"))
            rows.append(_at_one_moment(after.sel(run=runs), **where, moment="trained"))
            if before is not None and both:
                rows.append(_change(before.sel(run=both), after.sel(run=both), **where))
    return pd.concat(rows, ignore_index=True)


def accuracies_of_conditions(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per condition and moment: mean, lowest and highest test accuracy of its networks.

    Moments are ``best`` (on validation) and ``last``; none where the networks' accuracies are not known.
    """
    metrics = Analysis(analysis).table("metrics")
    if "test_accuracy" not in metrics:
        return pd.DataFrame()
    best = Analysis(analysis).best_steps
    rows = []
    for condition, runs in conditions_with(analysis, [str(run) for run in metrics.run.values]).items():
        known = {run: course for run in runs if (course := metrics.test_accuracy.sel(run=run).dropna("step")).size}
        at = {
            "best": [float(course.sel(step=best[run])) for run, course in known.items() if best.get(run) in course.step.values],
            "last": [float(course[-1]) for course in known.values()],
        }
        for moment, values in at.items():
            if values:
                row = {"mean": np.mean(values), "lowest": min(values), "highest": max(values)}
                rows.append({"condition": condition, "moment": moment, "networks": len(values), **row})
    return pd.DataFrame(rows)


def retained_means(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per projection, condition, criterion, fraction pruned and statistic: means over its networks of what is left.

    Returns
    -------
    DataFrame
        ``networks``, their number; ``with_structure``, those that have any to lose (p up to .05 when whole); ``beyond``, those
        beyond the null at that density (p up to .05); ``retained``,
        the share of the excess of the unpruned network, over these; ``mean_z``, ``overlap`` with the unpruned fields and, where
        it was measured, ``test_accuracy``, over all. ``retained`` and ``mean_z`` are NaN where fewer than half of the neurons
        still have an answer.
    """
    table = retained(analysis)
    if table.empty:
        return table
    alike = ["projection", "condition", "criterion", "statistic"]
    measured = [name for name in ("retained", "mean_z", "overlap", "test_accuracy", "answered") if name in table]
    grouped = table.groupby([*alike[:3], "fraction", "statistic"], sort=False)
    means = grouped[measured].mean()
    means.insert(0, "networks", grouped["run"].nunique())
    means.insert(1, "with_structure", grouped["retained"].count())
    means.insert(2, "beyond", grouped["p_value"].agg(lambda p: int((p <= SIGNIFICANT).sum())))
    means = means.reset_index()
    means["with_structure"] = means.groupby(alike)["with_structure"].transform("max")
    whole = means.groupby(alike)["answered"].transform("max")
    few = means["answered"] < ENOUGH * whole
    means[["retained", "mean_z"]] = means[["retained", "mean_z"]].mask(few)
    return means.drop(columns="answered")


def _at(table: xr.Dataset, network: xr.Dataset, steps: dict[str, int]) -> xr.Dataset:
    """What each network (run, statistic) has at one step of its own."""
    run = xr.DataArray(list(steps), dims="run")
    step = xr.DataArray(list(steps.values()), dims="run")
    neurons, together = (d.sel(run=run, step=step) for d in (table, network))
    networks = excess(neurons)
    size = abs(neurons.value).mean("target")
    for name in ("excess", "neurons_lower", "neurons_upper"):
        networks[name] = without_rounding(networks[name], size)
    share = (neurons.q_value <= SIGNIFICANT).sum("target") / networks.answered
    networks["significant"] = share.where(networks.answered > 0)
    networks["neurons"] = neurons.n_synapses.notnull().sum("target")
    return networks.assign(mean_z=together.mean_z, p_value=together.p_value)


def _at_one_moment(networks: xr.Dataset, **where: str) -> pd.DataFrame:
    over = over_networks(networks.excess)
    p, low = networks.p_value, networks.p_value <= SIGNIFICANT
    spread = networks if networks.sizes["run"] == 1 else networks * np.nan
    columns = {
        **_counted(networks, over),
        "neurons_lower": spread.neurons_lower.max("run"),
        "neurons_upper": spread.neurons_upper.max("run"),
        "tested": p.notnull().sum("run"),
        "above": (low & (networks.mean_z > 0)).sum("run"),
        "below": (low & (networks.mean_z < 0)).sum("run"),
        "smallest_p": p.min("run"),
        "largest_p": p.max("run"),
        "significant": networks.significant.mean("run"),
        "significant_lowest": networks.significant.min("run"),
        "significant_highest": networks.significant.max("run"),
        "neurons": networks.neurons.sum("run"),
        "answered": networks.answered.sum("run"),
    }
    return _table(networks, columns, where)


def _change(before: xr.Dataset, after: xr.Dataset, **where: str) -> pd.DataFrame:
    change = after.excess - before.excess.drop_vars("step")
    counted = _counted(after, over_networks(change)) | {"step_from": before.step.min()}
    return _table(after, counted, {**where, "moment": "change"})


def _counted(networks: xr.Dataset, over: xr.Dataset) -> dict[str, xr.DataArray]:
    steps = {"step_from": networks.step.min(), "step_to": networks.step.max(), "networks": over.n}
    return {**steps, "excess": over["mean"], "lower": over.lower, "upper": over.upper}


def _table(networks: xr.Dataset, columns: dict[str, xr.DataArray], where: dict[str, str]) -> pd.DataFrame:
    names = {"statistic": networks.statistic.values, "unit": networks.unit.values}
    return pd.DataFrame({**where, **names, **{name: column.values for name, column in columns.items()}})

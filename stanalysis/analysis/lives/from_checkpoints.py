"""Lifetimes of synapses of which only checkpoints tell: between which of them each was born and died."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from scipy import stats

from stanalysis.analysis.lives.from_log import GROUPINGS, ORIGIN, labelled_curves, labelled_terms
from stanalysis.schema.lives import HAZARD_RATIOS, SURVIVAL
from stanalysis.schema.variables import described, labelled
from stanalysis.stats.lives.interval_censoring import Model, fit_lifetimes
from stanalysis.stats.replicates.effects import errors_over_networks, interval_reach


def tables_of_sightings(lives: xr.Dataset, *, spacing: int) -> Iterator[xr.Dataset]:
    """Fitted survival curves of initial and of grown synapses, of all and of either sign, and the hazard ratio of the signs.

    Grown synapses are parted by sign only where each has one: a weight of 0 tells none, and those that died before they had
    another would be left out.

    Parameters
    ----------
    lives
        `stanalysis.stats.sightings` of all networks of a condition, with ``run``, their index. Synapses of unknown birth are
        left out.
    spacing
        Steps between rewirings.
    """
    grown = lives.absent_at.values >= 0
    known = grown | (lives.first_seen.values == 0)
    for code, origin in enumerate(ORIGIN):
        part = lives.isel(episode=np.flatnonzero(known & (grown == code)))
        if not part.event.any():
            continue
        part = part.assign(code=("episode", (part.sign.values < 0).astype(np.int8)))
        for grouping, names in {"all": ("all",), "sign": GROUPINGS["sign"]}.items():
            if grouping == "sign" and (part.sign == 0).any():
                continue
            by = None if grouping == "all" else "code"
            fit, band = _over_networks(part, by, spacing=spacing, initial=not code)
            present = [names[int(group)] if by else "all" for group in fit.group.values]
            yield labelled_curves(_curves(fit, n_runs=np.unique(part.run).size), grouping, present, among=origin, band=band)
            if len(present) > 1:
                parts = {"hazard_ratio": "hazard_ratio", "lower": "hazard_ratio_lower", "upper": "hazard_ratio_upper"}
                values = {name: fit[column].values[1:] for name, column in (parts | {"p_value": "p_value"}).items()}
                n = {name: np.full(len(present) - 1, int(fit[name].sum())) for name in ("n_episodes", "n_deaths")}
                ratios = labelled(HAZARD_RATIOS, **values, **n).assign_coords(term=present[1:])
                yield labelled_terms(ratios, among=origin, variant="from checkpoints", band=band)


def _fit(lives: xr.Dataset, by: str | None, *, spacing: int, initial: bool, ages: np.ndarray | None = None) -> xr.Dataset:
    """Births of initial synapses are known, and a hazard in pieces between checkpoints says no more than these do.

    Of grown synapses those that died young were never seen, and what is known of them comes from the model: a Weibull hazard
    may fall steeply with age, as that of synapses does, where one in pieces is level.
    """
    model: Model = "piecewise" if initial else "weibull"
    breaks = _checkpoints(lives) if initial else None  # other networks may have kept other steps
    return fit_lifetimes(
        lives, by=by, spacing=spacing, model=model, breaks=breaks, ages=None if ages is None else ages.tolist()
    )


def _checkpoints(lives: xr.Dataset) -> list[int]:
    """Ages of initial synapses at which checkpoints were kept, those after which none is known to have died left out."""
    return [int(step) for step in np.unique(lives.gone_at.values[lives.event.values])[:-1]]


def _over_networks(lives: xr.Dataset, by: str | None, *, spacing: int, initial: bool) -> tuple[xr.Dataset, str]:
    """A fit to the synapses of all networks together, with intervals from how far the networks differ if there are several;
    and where these come from.
    """
    fit, runs = _fit(lives, by, spacing=spacing, initial=initial), np.unique(lives.run)
    if runs.size < 2:
        return fit, "fit"
    parts = [lives.isel(episode=np.flatnonzero(lives.run.values == run)) for run in runs]
    fits = [_fit(part, by, spacing=spacing, initial=initial, ages=fit.age.values).reindex(group=fit.group) for part in parts]
    with np.errstate(divide="ignore", invalid="ignore"):
        together = np.log(-np.log(fit.survival.values))
        each = np.log(-np.log(np.stack([single.survival.values for single in fits])))
        ratio = np.log(fit.hazard_ratio.values)
        ratios = np.log(np.stack([single.hazard_ratio.values for single in fits]))
    reach = interval_reach(*errors_over_networks(each))
    bounds = {"lower": np.exp(-np.exp(together + reach)), "upper": np.exp(-np.exp(together - reach))}
    banded = fit.assign({name: (("group", "age"), values) for name, values in bounds.items()})
    error, freedom = errors_over_networks(ratios)
    reach = interval_reach(error, freedom)
    of_ratio = {
        "hazard_ratio_lower": np.exp(ratio - reach),
        "hazard_ratio_upper": np.exp(ratio + reach),
        "p_value": 2 * stats.t.sf(np.abs(ratio / np.where(error > 0, error, np.nan)), freedom),
    }
    return banded.assign({name: ("group", values) for name, values in of_ratio.items()}), "fits of runs"


def _curves(fit: xr.Dataset, *, n_runs: int) -> xr.Dataset:
    """The curves of a fit as those of life tables, with the medians."""
    n = fit.group.size
    curves = fit[["survival", "lower", "upper", "n_episodes", "n_deaths"]].rename(group="curve").drop_vars("curve")
    for name, part in {"median": "survival", "median_lower": "lower", "median_upper": "upper"}.items():
        curves[name] = "curve", _medians(fit.age.values, fit[part].values)
    curves["n_runs"] = "curve", np.full(n, n_runs)
    curves["unseen_share"] = "curve", np.full(n, float(fit.unseen_share))
    # what life tables tell besides
    curves["incidence"] = ("cause", "curve", "age"), np.empty((0, *curves.survival.shape))
    of_tables = {"start": ("curve", np.zeros(n)), "horizon": ("curve", np.full(n, np.nan)), "cause": np.empty(0, np.int8)}
    return described(curves, SURVIVAL).assign_coords(of_tables)


def _medians(ages: np.ndarray, survival: np.ndarray) -> np.ndarray:
    """First age at which each curve (group, age) is at .5 or below; infinite if none is, NaN without a curve."""
    reached = survival <= 0.5
    first = np.where(reached.any(axis=1), ages[reached.argmax(axis=1)], np.inf)
    return np.where(np.isnan(survival).all(axis=1), np.nan, first)

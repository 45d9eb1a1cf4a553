"""What a reader of an analysis must be warned of: what `analyze` noted, and what can be seen in the file."""

from __future__ import annotations

import json
from collections import Counter
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr

from stanalysis.fields.receptive_field import deployed_bins
from stanalysis.findings.effects import conditions_with, first_and_trained
from stanalysis.findings.tables import SIGNIFICANT, comparisons
from stanalysis.stats.engine.null_test import MIN_SYNAPSES
from stanalysis.stats.replicates.multiplicity import needed_at_the_floor
from stanalysis.stats.replicates.power import smallest_p

PILED: Final = 0.1  # share of the synapses in the first or last bin of delays from which they are called piled up,
TIMES_UNIFORM: Final = 3  # if that is also so many times what they would be were all bins alike
UNLIKE: Final = 0.05  # relative difference in the number of synapses of which a comparison is warned
_MANY: Final = 1_000_000  # permutations: the exact test


def warned(analysis: xr.DataTree) -> list[str]:
    """Warnings in sentences; none where there is nothing to warn of.

    What ``analyze`` noted, then: neurons without an answer and why, silent ones, delays piled up at their bounds; comparisons
    of unlike numbers of synapses; networks too few for a test over networks, draws too few for single neurons. Neurons and
    delays are those of the trained step, which is the one best on validation, or else the last.
    """
    projections = [str(name) for name in analysis["statistics"].children]
    found = list(json.loads(analysis.attrs["warnings"]))
    for projection in projections:
        answers = unanswered(analysis, projection)
        found += _of_answers(projection, answers) + _of_silence(projection, answers)
        found += _of_delays(projection, piled_up(analysis, projection)) + _of_draws(analysis, projection)
    return found + _of_comparisons(analysis) + _of_networks(analysis)


def unanswered(analysis: xr.DataTree, projection: str) -> pd.DataFrame:
    """One row per network, at its trained step: its neurons, those without Moran's I, and why.

    Returns
    -------
    DataFrame
        ``neurons``; ``silent``, without any synapse; ``few``, with fewer than ``min_synapses``; ``constant``, with enough of
        them and no answer all the same, as their field does not vary or has one source only. Index: the network.
    """
    table = analysis[f"autocorrelation/{projection}"].to_dataset()
    least = int(table.attrs.get("min_synapses", MIN_SYNAPSES))
    rows = {}
    for run, (_, trained) in first_and_trained(analysis, projection).items():
        one = table.sel(run=run, step=trained)
        n, no_answer = one.n_synapses, one.n_synapses.notnull() & one.morans_i.isnull()
        counts = {"silent": n == 0, "few": (n > 0) & (n < least), "constant": n >= least}
        rows[run] = {"neurons": n.notnull().sum().item(), **{k: (no_answer & v).sum().item() for k, v in counts.items()}}
    return pd.DataFrame.from_dict(rows, orient="index").assign(min_synapses=least)


def piled_up(analysis: xr.DataTree, projection: str) -> pd.DataFrame:
    """One row per network, at its trained step: the shares of its synapses in the first and in the last bin of delays.

    Returns
    -------
    DataFrame
        ``first`` and ``last``; ``uniform``, the share of a bin if all were alike; ``latest``, the last bin [ms]. Index: the
        network; without synapses there is no row, and none at all where there is one bin only.
    """
    synapses = analysis[f"synapses/{projection}"].to_dataset()
    names, dt = json.loads(analysis.attrs["runs"]), float(analysis.attrs["dt"])
    n_bins = round(float(synapses.attrs["delay_max"]) / dt) + 1
    rows = {}
    for run, (_, trained) in first_and_trained(analysis, projection).items() if n_bins > 1 else ():
        own = (synapses.run.values == names.index(run)) & (synapses.step.values == trained)
        position = synapses.delay.values[own].astype(np.float64) / dt
        bins = deployed_bins(position, str(synapses.attrs["rounding"]), n_bins)
        if bins.size:
            rows[run] = {"first": (bins == 0).mean(), "last": (bins == n_bins - 1).mean()}
    return pd.DataFrame.from_dict(rows, orient="index").assign(uniform=1 / n_bins, latest=(n_bins - 1) * dt)


def _of_answers(projection: str, answers: pd.DataFrame) -> list[str]:
    of = answers[["few", "constant"]].sum()
    n, least = int(answers["neurons"].sum()), int(answers["min_synapses"].iloc[0])
    if not of.sum():
        return []
    why = {
        f"{of['few']} have fewer than {least} synapses": of["few"],
        f"the fields of {of['constant']} do not vary, or have one source": of["constant"],
    }
    worst = ((answers["few"] + answers["constant"]) / answers["neurons"]).sort_values()
    most = (
        f"; most in {worst.index[-1]} ({_share(worst.iloc[-1])})"
        if worst.iloc[-1] > 1.5 * max(of.sum() / n, worst.iloc[0])
        else ""
    )
    return [
        f"Too few synapses in {projection}: {of.sum()} of {_neurons(n, answers)} ({_share(of.sum() / n)}) have no answer, "
        f"and are left out of every mean: {' and '.join(text for text, count in why.items() if count)}{most}."
    ]


def _of_silence(projection: str, answers: pd.DataFrame) -> list[str]:
    silent, n = int(answers["silent"].sum()), int(answers["neurons"].sum())
    if not silent:
        return []
    return [
        f"Silent neurons: {silent} of {_neurons(n, answers)} ({_share(silent / n)}) have no synapse of {projection}; they "
        "are left out of every mean."
    ]


def _of_delays(projection: str, shares: pd.DataFrame) -> list[str]:
    found = []
    for end in ("first", "last") if len(shares) else ():
        share = shares[end]
        piled = share[(share > PILED) & (share > TIMES_UNIFORM * shares["uniform"])]
        if len(piled):
            at = 0 if end == "first" else shares["latest"].iloc[0]
            between = " to ".join(dict.fromkeys(_share(share) for share in (piled.min(), piled.max())))
            found.append(
                f"Piled-up delays: {between} of the synapses of {projection} lie in the {end} bin of delays ({at:g} ms; "
                f"{_share(shares['uniform'].iloc[0])} if all bins were alike) in {len(piled)} of {_networks(len(shares))}. "
                "The bound, not the network, may have chosen these delays; `rows` and `cells` are rejected for that alone."
            )
    return found


def _of_comparisons(analysis: xr.DataTree) -> list[str]:
    table = comparisons(analysis)
    if table.empty:
        return []
    of = ["projection", "a", "b", "synapses_a", "synapses_b"]
    found = []
    for projection, a, b, in_a, in_b in table[of].drop_duplicates().itertuples(index=False):
        if abs(in_a - in_b) > UNLIKE * max(in_a, in_b):
            found.append(
                f"Unlike numbers of synapses: a neuron has {in_a:.3g} of {projection} on average in {a}, {in_b:.3g} in {b}; "
                "what each statistic has beyond its null grows with them, whatever the grouping."
            )
    return found


def _of_networks(analysis: xr.DataTree) -> list[str]:
    sizes = Counter(len(runs) for runs in conditions_with(analysis, json.loads(analysis.attrs["runs"])).values())
    alternative, several = analysis.attrs["alternative"], sum(sizes.values()) > 1
    found = []
    for size, n in sorted(sizes.items()):
        of = f"{n} of {sum(sizes.values())} conditions {'has' if n == 1 else 'have'} " if several else "there "
        least = smallest_p(size, size, paired=True, alternative=alternative, n_permutations=_MANY)
        if size == 1:
            of = of if several else "there is "
            found.append(f"Too few seeds: {of}one network, which says nothing of others; train more seeds.")
        elif least > SIGNIFICANT:
            of = of if several else "there are "
            found.append(
                f"Too few seeds: {of}{size} networks, of which no exact test (signs of differences exchanged) can reach a "
                f"p-value below {least:.3g}; intervals over networks take these for normally distributed."
            )
    return found


def _of_draws(analysis: xr.DataTree, projection: str) -> list[str]:
    null, alternative = analysis.attrs["null"], analysis.attrs["alternative"]
    n = int(analysis[f"autocorrelation/{projection}"].to_dataset().morans_i.notnull().sum("target").max())
    n_draws = n - 1 if null == "untrained" else int(analysis.attrs["n_permutations"])
    if n < 1 or n_draws < 1 or (needed := needed_at_the_floor(n, n_draws, alternative)) == 1:
        return []
    unless = f" unless at least {needed} of {n} reach the smallest p-value there is" if needed <= n else ""
    what = "other neurons to compare with" if null == "untrained" else "draws"
    do = "" if null == "untrained" else "; raise `--permutations` to see single ones"
    return [f"Too few draws: with {n_draws} {what} no neuron of {projection} can be significant alone{unless}{do}."]


def _neurons(n: int, answers: pd.DataFrame) -> str:
    return f"{n} neurons" + (f" of {len(answers)} networks together" if len(answers) > 1 else "")


def _networks(n: int) -> str:
    return f"{n} network{'s' * (n > 1)}"


def _share(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "less than 1 %"

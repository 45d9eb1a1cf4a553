"""What a reader of an analysis must be warned of: what `analyze` noted, and what can be seen in the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr

from stanalysis.fields.delay_bins import SNAP, bins_of_projection
from stanalysis.files.analysis import Caution
from stanalysis.findings.effects import conditions_with, first_and_trained
from stanalysis.findings.tables import SIGNIFICANT, answered, comparisons
from stanalysis.findings.view import Analysis
from stanalysis.findings.wording_of_cautions import (
    IMMOVABLE,
    NOT_EXCHANGEABLE,
    PILED_UP,
    SILENT,
    TOO_FEW_DRAWS,
    TOO_FEW_SEEDS,
    TOO_FEW_SYNAPSES,
    UNLIKE_SYNAPSES,
    sentence_of_caution,
)
from stanalysis.stats.engine.null_test import MIN_SYNAPSES
from stanalysis.stats.replicates.multiplicity import needed_at_the_floor
from stanalysis.stats.replicates.power import smallest_p

PILED: Final = 0.1  # share of the synapses in the first or last bin of delays from which they are called piled up,
TIMES_UNIFORM: Final = 3  # if that is also so many times what they would be were all bins alike
UNLIKE: Final = 0.05  # relative difference in the number of synapses of which a comparison is warned
_MANY: Final = 1_000_000  # permutations: the exact test


def warned(analysis: xr.DataTree) -> list[str]:
    """The `cautions` of an analysis in sentences; none where there is nothing to warn of."""
    return [sentence_of_caution(caution) for caution in cautions(analysis)]


def doubts_about(analysis: xr.DataTree, projection: str) -> list[str]:
    """In sentences, why rejecting the null needs no grouping in source and delay together in a projection."""
    noted = Analysis(analysis).noted
    return [sentence_of_caution(c) for c in noted if (c.code, c.projection) == (NOT_EXCHANGEABLE, projection)]


def cautions(analysis: xr.DataTree) -> list[Caution]:
    """What there is to warn of.

    What ``analyze`` noted, then: neurons without an answer and why, silent ones, delays piled up at their bounds; neurons in
    which no sign can move, where the null keeps margins; comparisons of unlike numbers of synapses; networks too few for a test
    over networks, draws too few for single neurons. Neurons and delays are those of the trained step, which is the one best on
    validation, or else the last.
    """
    every = Analysis(analysis).noted
    for projection in Analysis(analysis).projections:
        answers = unanswered(analysis, projection)
        every += [*_without_answers(projection, answers), *_silent(projection, answers)]
        every += [*_piled(projection, piled_up(analysis, projection)), *_with_few_draws(analysis, projection)]
        every += _immovable(analysis, projection)
    return [*every, *_with_unlike_synapses(analysis), *_with_few_seeds(analysis)]


def unanswered(analysis: xr.DataTree, projection: str) -> pd.DataFrame:
    """One row per network, at its trained step: its neurons, those without Moran's I, and why.

    Returns
    -------
    DataFrame
        ``neurons``; ``silent``, without any synapse; ``few``, with fewer than ``min_synapses``; ``constant``, with enough of
        them and no answer all the same, as their field does not vary or has one source only. Index: the network.
    """
    table = Analysis(analysis).moran(projection)
    least = int(table.attrs.get("min_synapses", MIN_SYNAPSES))
    rows = {}
    for run, (_, trained) in first_and_trained(analysis, projection).items():
        network = table.sel(run=run, step=trained)
        n, no_answer = network.n_synapses, network.n_synapses.notnull() & network.value.isnull()
        counts = {"silent": n == 0, "few": (n > 0) & (n < least), "constant": n >= least}
        rows[run] = {"neurons": n.notnull().sum().item(), **{k: (no_answer & v).sum().item() for k, v in counts.items()}}
    return pd.DataFrame.from_dict(rows, orient="index").assign(min_synapses=least)


def piled_up(analysis: xr.DataTree, projection: str) -> pd.DataFrame:
    """One row per network, at its trained step: the shares of its synapses in the first and in the last bin of delays, or of
    continuous delays at 0 and at the longest.

    Returns
    -------
    DataFrame
        ``first`` and ``last``; ``uniform``, the share of a bin if all were alike; ``latest``, the last bin [ms]. Index: the
        network; without synapses there is no row, and none at all where there is one bin, or one delay, only.
    """
    view = Analysis(analysis)
    synapses, names = view.table("synapses", projection), view.runs
    longest = float(synapses.attrs["delay_max"])
    bins = bins_of_projection(synapses.attrs, dt=view.dt) if view.dt else None
    n_bins = bins.n if bins else np.inf
    rows = {}
    for run, (_, trained) in first_and_trained(analysis, projection).items() if n_bins > 1 and longest > 0 else ():
        delay = synapses.delay.values[(synapses.run.values == names.index(run)) & (synapses.step.values == trained)]
        if delay.size:
            at = bins.of(delay) if bins else delay / longest
            last = n_bins - 1 if bins else 1 - SNAP
            rows[run] = {"first": (at <= (0 if bins else SNAP)).mean(), "last": (at >= last).mean()}
    return pd.DataFrame.from_dict(rows, orient="index").assign(uniform=1 / n_bins, latest=bins.centres[-1] if bins else longest)


def _without_answers(projection: str, answers: pd.DataFrame) -> Iterator[Caution]:
    few, constant, n = (int(answers[name].sum()) for name in ("few", "constant", "neurons"))
    if not few + constant:
        return
    worst = ((answers["few"] + answers["constant"]) / answers["neurons"]).sort_values()
    stands_out = worst.iloc[-1] > 1.5 * max((few + constant) / n, worst.iloc[0])
    values = {"few": few, "constant": constant, "neurons": n, "min_synapses": int(answers["min_synapses"].iloc[0])}
    most = {"most_in": str(worst.index[-1]) if stands_out else "", "most": float(worst.iloc[-1])}
    yield Caution(TOO_FEW_SYNAPSES, projection, tuple(answers.index), values | most)


def _silent(projection: str, answers: pd.DataFrame) -> Iterator[Caution]:
    if silent := int(answers["silent"].sum()):
        values = {"silent": silent, "neurons": int(answers["neurons"].sum())}
        yield Caution(SILENT, projection, tuple(answers.index), values)


def _immovable(analysis: xr.DataTree, projection: str) -> Iterator[Caution]:
    view = Analysis(analysis)
    if not view.keeps_margins:
        return
    table, trained = view.moran(projection), first_and_trained(analysis, projection)
    at = [table.sel(run=run, step=step) for run, (_, step) in trained.items()]
    n = sum(int(network.value.notnull().sum()) for network in at)
    still = sum(int((network.value.notnull() & network.p_value.isnull()).sum()) for network in at)
    if still:
        yield Caution(IMMOVABLE, projection, tuple(trained), {"null": view.rule.name, "still": still, "neurons": n})


def _piled(projection: str, shares: pd.DataFrame) -> Iterator[Caution]:
    for end in ("first", "last") if len(shares) else ():
        share = shares[end]
        piled = share[(share > PILED) & (share > TIMES_UNIFORM * shares["uniform"])]
        if len(piled):
            values = {
                "end": end,
                "at": 0.0 if end == "first" else float(shares["latest"].iloc[0]),
                "lowest": float(piled.min()),
                "highest": float(piled.max()),
                "uniform": float(shares["uniform"].iloc[0]),
                "of": len(shares),
            }
            yield Caution(PILED_UP, projection, tuple(piled.index), values)


def _with_unlike_synapses(analysis: xr.DataTree) -> Iterator[Caution]:
    table = comparisons(analysis)
    if table.empty:
        return
    columns = ["projection", "a", "b", "synapses_a", "synapses_b"]
    for projection, a, b, in_a, in_b in table[columns].drop_duplicates().itertuples(index=False):
        if abs(in_a - in_b) > UNLIKE * max(in_a, in_b):
            yield Caution(UNLIKE_SYNAPSES, projection, values={"a": a, "b": b, "in_a": in_a, "in_b": in_b})


def _with_few_seeds(analysis: xr.DataTree) -> Iterator[Caution]:
    view = Analysis(analysis)
    sizes = Counter(len(runs) for runs in conditions_with(analysis, view.runs).values())
    for size, n in sorted(sizes.items()):
        least = smallest_p(size, size, paired=True, alternative=view.alternative, n_permutations=_MANY)
        if size == 1 or least > SIGNIFICANT:
            values = {"networks": size, "conditions": n, "of": sum(sizes.values()), "smallest_p": float(least)}
            yield Caution(TOO_FEW_SEEDS, values=values)


def _with_few_draws(analysis: xr.DataTree, projection: str) -> Iterator[Caution]:
    view = Analysis(analysis)
    n = int(answered(view.moran(projection), view).sum("target").max())
    n_draws = view.n_permutations if view.rule.draws else n - 1
    if n < 1 or n_draws < 1 or (needed := needed_at_the_floor(n, n_draws, view.alternative)) == 1:
        return
    values = {"drawn": view.rule.draws, "draws": n_draws, "needed": needed, "neurons": n}
    yield Caution(TOO_FEW_DRAWS, projection, values=values)

"""What the captions and titles of figures of statistics say alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import xarray as xr

from stanalysis.findings.effects import smallest_network_p
from stanalysis.findings.view import Analysis, rule_of
from stanalysis.stats.engine.nulls import NullRule
from stanalysis.stats.engine.statistics import STATISTICS

CAUTION: Final = (
    "z grows with the number of synapses, whatever the grouping. p speaks of one network and is adjusted neither for the "
    "number of networks nor for that of panels; what is said of training in general rests on the networks as replicates, "
    "not on their neurons."
)


def title_of(statistic: str) -> str:
    """The label of a statistic, as it stands above a panel."""
    return STATISTICS[statistic].label.replace("Moran's I", "Moran's $I$")


def said_networks(table: xr.Dataset) -> str:
    """How many networks there are, and the seeds of their training."""
    n = table.sizes["run"]
    return f"n = {n} networks ({_seeds(table)})" if n > 1 else f"n = 1 network ({table.run.item(0)}, {_seeds(table)})"


def said_seeds(analysis: xr.DataTree, runs: Sequence[str]) -> str:
    """The seeds of the training of these networks."""
    return _seeds(analysis["metrics"].to_dataset()[["seed"]].sel(run=list(runs)))


def _seeds(table: xr.Dataset) -> str:
    n, seeds = table.sizes["run"], [int(seed) for seed in table.seed.values if seed >= 0]
    if len(seeds) < n:
        return "training seed unknown" if n == 1 else "some training seeds unknown" if seeds else "training seeds unknown"
    return f"training seed{'s' if n > 1 else ''} {', '.join(map(str, seeds))}"


def said_answers(answered: xr.DataArray, n_target: int) -> str:
    """How many neurons of a network have an answer, from fewest to most."""
    fewest, most = int(answered.min()), int(answered.max())
    return f"{fewest if fewest == most else f'{fewest}–{most}'} of {n_target} neurons"


def said_trained(analysis: xr.DataTree, trained: xr.DataArray) -> str:
    """Which steps the trained networks are at, and why these."""
    best = Analysis(analysis).best_steps
    runs = trained.run.values.tolist()
    chosen = {"best on validation" if best.get(run) == trained.sel(run=run) else "the last step kept" for run in runs}
    steps = np.unique(trained.values).tolist()
    return f"step{'s' if len(steps) > 1 else ''} {', '.join(map(str, steps))}, {' or '.join(sorted(chosen))}"


def said_null(analysis: xr.DataTree | xr.Dataset) -> str:
    """The null, its draws with their seed, and the smallest p-value that so many can give."""
    rule, n, sides = rule_of(analysis.attrs), int(analysis.attrs["n_permutations"]), analysis.attrs["alternative"]
    if not rule.draws:
        return f"null {rule.name} (no permutations, and so no p-value of a network)"
    smallest = f"smallest p {smallest_network_p(analysis):.2g}"
    return f"null {rule.name} ({n} permutations, seed {analysis.attrs['seed']}, {sides}, {smallest})"


def said_joins(*rules: NullRule) -> str:
    """What fewer E–I joins, or clusters, than the null has mean: that depends on what the null leaves in its place."""
    if all(rule.keeps_places for rule in rules):
        return "Below 0, E–I joins are fewer than the null has: like signs lie together."
    return (
        "Below 0, E–I joins, or clusters, are fewer than the null has: like signs lie together if E–E and I–I joins are not "
        "fewer, too, as where a null moves synapses to where more of them meet (see the figure of joins)."
    )


def said_meaning(rule: NullRule) -> str:
    """What rejecting the null says, as a sentence."""
    meaning = rule.meaning.replace("`", "")
    return f"{meaning[0].upper()}{meaning[1:]}."

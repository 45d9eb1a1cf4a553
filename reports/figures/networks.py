"""Which networks and steps a figure of statistics is of, their means, and how its caption says so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import numpy as np
import xarray as xr

from reports.captions import NAMES
from reports.figures.conditions import conditions, runs_of
from stanalysis.analysis_file import kept_steps
from stanalysis.errors import BadInput
from stanalysis.findings import first_and_trained, smallest_network_p
from stanalysis.stats.effects import over_networks
from stanalysis.stats.nulls import MEANING

TITLES: Final = {name: said.replace("Moran's I", "Moran's $I$") for name, said in NAMES.items()}  # above panels
_OF_SIGNS: Final = ("signs", "source-signs", "weights")  # nulls that leave every synapse in its place
CAUTION: Final = (
    "z grows with the number of synapses, whatever the grouping. p speaks of one network and is adjusted neither for the "
    "number of networks nor for that of panels; what is said of training in general rests on the networks as replicates, "
    "not on their neurons."
)


def networks_of(analysis: xr.DataTree, projection: str, condition: str) -> list[str]:
    """Names of the networks of one condition that have the projection; `BadInput` where none has."""
    if condition not in conditions(analysis):
        raise BadInput(f"The analysis has no condition {condition!r}; it has {', '.join(map(repr, conditions(analysis)))}.")
    there = analysis[f"network/{projection}"].run.values if projection in analysis["network"].children else ()
    own = [run for run in runs_of(analysis, condition) if run in there]
    if not own:
        of = f" of {condition}" if condition else ""
        raise BadInput(f"The analysis has no {projection}{of}; it has {', '.join(map(str, analysis['network'].children))}.")
    return own


def steps_of(analysis: xr.DataTree, projection: str, runs: Sequence[str]) -> list[int]:
    """Steps that one of the networks kept."""
    table = analysis[f"autocorrelation/{projection}"].to_dataset()
    return sorted({step for run in runs for step in kept_steps(table.sel(run=run))})


def ends_of(analysis: xr.DataTree, projection: str, runs: Sequence[str]) -> tuple[xr.DataArray, xr.DataArray]:
    """The first kept step of each network, and the trained one: the best on validation, without one the last; dim run."""
    ends = first_and_trained(analysis, projection)
    first, trained = ([ends[run][moment] for run in runs] for moment in (0, 1))
    return xr.DataArray(first, {"run": list(runs)}, "run"), xr.DataArray(trained, {"run": list(runs)}, "run")


def course(value: xr.DataArray, p_value: xr.DataArray | None = None, *, interval: bool = False) -> xr.Dataset:
    """One number of each network (run, step), its p-value, and where all have one their mean, which may have its interval."""
    over = over_networks(value)
    shown = [] if value.sizes["run"] == 1 else ["mean", "lower", "upper"] if interval else ["mean"]
    over = over[shown].where(over.n == value.sizes["run"])
    there = {} if p_value is None else {"p_value": p_value}
    return xr.Dataset({"value": value, **there, **over.data_vars}).drop_attrs(deep=False)


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
    best = json.loads(analysis.attrs["best_steps"])
    runs = trained.run.values.tolist()
    chosen = {"best on validation" if best.get(run) == trained.sel(run=run) else "the last step kept" for run in runs}
    steps = np.unique(trained.values).tolist()
    return f"step{'s' if len(steps) > 1 else ''} {', '.join(map(str, steps))}, {' or '.join(sorted(chosen))}"


def said_null(analysis: xr.DataTree | xr.Dataset) -> str:
    """The null, its draws with their seed, and the smallest p-value that so many can give."""
    null, n, sides = analysis.attrs["null"], int(analysis.attrs["n_permutations"]), analysis.attrs["alternative"]
    if null == "untrained":
        return "null untrained (no permutations, and so no p-value of a network)"
    smallest = f"smallest p {smallest_network_p(analysis):.2g}"
    return f"null {null} ({n} permutations, seed {analysis.attrs['seed']}, {sides}, {smallest})"


def said_joins(nulls: Sequence[str]) -> str:
    """What fewer E–I joins, or clusters, than the null has mean: that depends on what the null leaves in its place."""
    if set(nulls) <= set(_OF_SIGNS):
        return "Below 0, E–I joins are fewer than the null has: like signs lie together."
    return (
        "Below 0, E–I joins, or clusters, are fewer than the null has: like signs lie together if E–E and I–I joins are not "
        "fewer, too, as where a null moves synapses to where more of them meet (see the figure of joins)."
    )


def said_meaning(null: str) -> str:
    """What rejecting the null says, as a sentence."""
    return f"{MEANING[null][0].upper()}{MEANING[null][1:].replace('`', '')}."

"""What grouping is worth: accuracy where it was raised against where it was lowered, networks being the replicates."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr

from stanalysis.files.operations import ARMS
from stanalysis.findings.operations import ALIKE, operated
from stanalysis.stats.replicates.comparison import compare
from stanalysis.stats.replicates.effects import over_networks

FEWEST: Final = 3  # networks that an interval needs
_ARRANGEMENTS: Final = 2**16 - 1  # of up to 15 networks all signs are flipped in every way, of more so many at random


def surgery(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per comparison: what raising rather than lowering grouping does to test accuracy, networks being the replicates.

    Returns
    -------
    DataFrame
        What is compared: ``condition``, ``projection``, ``operation``, ``level``, whether doses are ``matched``, and
        ``normalisation`` and ``refit``. ``networks`` that have both arms; ``difference``, the mean over them of the test
        accuracy where grouping is raised less that where it is lowered; ``lower`` and ``upper``, its 95 % interval (Student's
        t), NaN with fewer than three networks; ``p_value`` of flips of the signs of their differences, all of them where there
        are up to 15 networks, one-sided: is accuracy higher with more grouping? ``smallest_p`` is the smallest that so many can
        reach; then of each arm the mean
        ``accuracy``, ``dose`` and ``grouping`` over the same networks, and ``dose_gap``, how far the doses of the two arms are
        apart in the network where they are farthest, relative to their mean. NaN where there is no answer.

    Examples
    --------
    >>> surgery(xr.DataTree()).empty
    True
    """
    rows = operated(analysis)
    if rows.empty:
        return rows
    chosen = rows[rows["family"] == "directed"]
    by = [*ALIKE, "operation", "level", "matched"]
    compared = [
        dict(zip(by, names, strict=True)) | _compared(arms) for names, arms in chosen.groupby(by, sort=False) if _has_both(arms)
    ]
    return pd.DataFrame(compared)


def _has_both(arms: pd.DataFrame) -> bool:
    """Whether some network has both."""
    return bool(arms[arms["arm"].isin(["raise", "lower"])].groupby("run")["arm"].nunique().eq(2).any())


def _compared(rows: pd.DataFrame) -> dict[str, Any]:
    """One comparison, of the rows of its networks and arms."""
    accuracy = rows.pivot_table(index="run", columns="arm", values="test_accuracy").dropna(subset=["raise", "lower"])
    differences = (accuracy["raise"] - accuracy["lower"]).to_numpy()
    n = len(differences)
    over = over_networks(xr.DataArray(differences, dims="run"))
    ends = {name: float(over[name]) if n >= FEWEST else math.nan for name in ("lower", "upper")}
    there = rows[rows["run"].isin(accuracy.index)]
    arms: dict[str, float] = {}
    for measured, name in (("test_accuracy", "accuracy"), ("dose", "dose"), ("grouping", "grouping")):
        means = there.groupby("arm")[measured].mean()
        arms |= {f"{name}_{arm}": float(means.get(arm, math.nan)) for arm in ARMS}
    difference = float(differences.mean()) if n else math.nan
    return {"networks": n, "difference": difference, **ends, **_flipped(accuracy), **arms, "dose_gap": _gap(there)}


def _gap(rows: pd.DataFrame) -> float:
    """How far doses of the two arms are apart within a network, at most, relative to their mean; NaN where one is not known."""
    dose = rows.pivot_table(index="run", columns="arm", values="dose", dropna=False)
    if not {"raise", "lower"} <= set(dose):
        return math.nan
    apart, mean = (dose["raise"] - dose["lower"]).abs(), (dose["raise"] + dose["lower"]) / 2
    return float((apart / mean).where(apart != 0, 0.0).max(skipna=False))


def _flipped(accuracy: pd.DataFrame) -> dict[str, float]:
    """The p-value of sign flips of the differences between two arms, from the engine of all comparisons of networks."""
    n = len(accuracy)
    if n < 2:
        return {"p_value": math.nan, "smallest_p": 1.0}
    arms = ("lower", "raise")
    values = xr.DataArray(
        np.concatenate([accuracy[arm].to_numpy() for arm in arms]),
        coords={"condition": ("network", np.repeat(arms, n)), "seed": ("network", np.tile(np.arange(n), 2))},
        dims="network",
    )
    result = compare(
        values, a=arms[0], b=arms[1], paired=True, alternative="greater", n_permutations=_ARRANGEMENTS, n_bootstrap=1
    )
    return {name: float(result[name]) for name in ("p_value", "smallest_p")}

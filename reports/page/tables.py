"""The tables of the page: those that `stanalysis analyze` writes, shortened to what a reader can take in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import pandas as pd
import xarray as xr

from reports.page.numbers import NONE, number, p_value, share
from stanalysis.files.analysis import kept_steps
from stanalysis.findings.checks import check_differences
from stanalysis.findings.effects import accuracies_of_conditions, first_and_trained, retained_means
from stanalysis.findings.lives import RETAINED_AT, explored, hazards, lasting, lifetimes
from stanalysis.findings.tables import comparisons, maps_summary, statistics_summary, sweep_summary
from stanalysis.findings.view import Analysis
from stanalysis.stats.engine.statistics import lowered_by_grouping
from stanalysis.stats.lives.exploration import SHARES as EXPLORED

MOST_ROWS: Final = 300  # of a table on the page; all are in the CSV
OPEN_ROWS: Final = 12  # a longer one is folded
_SHARES: Final = {
    *("significant", "significant_lowest", "significant_highest", "share", "structured", "test_accuracy", "mean_accuracy"),
    *("lowest_accuracy", "highest_accuracy", "retained", "overlap", "fraction", "sparsity", "unseen_share"),
    *(f"{name}{part}" for name in EXPLORED for part in ("", "_expected")),
}
_HEADINGS: Final = {
    "network_p": "network p",
    "no_answer": "no answer",
    "n_episodes": "lives",
    "n_deaths": "deaths",
    "n_runs": "networks",
}


class Column(NamedTuple):
    """Heading of a column, and whether numbers stand below it."""

    heading: str
    numeric: bool


class Table(NamedTuple):
    """A table as the page shows it; ``left_out`` rows are in the CSV alone, ``csv`` is the end of its name."""

    title: str
    note: str
    columns: list[Column]
    rows: list[list[str]]
    left_out: int
    csv: str

    @property
    def folded(self) -> bool:
        """Whether it opens on demand."""
        return len(self.rows) > OPEN_ROWS


def tables(analysis: xr.DataTree, effects: pd.DataFrame) -> list[Table]:
    """All tables that are not empty; ``effects`` are the findings of the analysis."""
    accuracy = accuracies_of_conditions(analysis)
    accuracy = accuracy.rename(columns={name: f"{name}_accuracy" for name in ("mean", "lowest", "highest")})
    kept = lasting(analysis)
    left = retained_means(analysis)
    every = [
        table_of(effects, "Effects, by condition", _EFFECTS, csv="summary"),
        table_of(accuracy, "Test accuracy", "Mean, lowest and highest of the networks of a condition."),
        _statistics(analysis),
        table_of(maps_summary(analysis), "Maps and curves, at the first and the last step", _MAPS),
        table_of(comparisons(analysis), "Conditions compared", _COMPARED, csv="comparison"),
        table_of(lifetimes(analysis), "Lifetimes", _LIFETIMES, csv="lifetimes"),
        table_of(hazards(analysis), "Hazards of dying", _HAZARDS, csv="hazards"),
        table_of(explored(analysis), "Which pairs were tried", _EXPLORED, csv="exploration"),
        table_of(
            kept.drop_duplicates(["run", "projection"]) if len(kept) else kept,
            "What lasts of the first fields",
            _LASTING,
            csv="lasting",
        ),
        table_of(
            left[left["fraction"].isin((0.0, *RETAINED_AT))] if len(left) else left,
            "What pruning leaves",
            _RETAINED,
            csv="retained",
        ),
        table_of(check_differences(analysis), "Checked against other programs", _CHECKED),
    ]
    return [table for table in every if table.rows]


def table_of(
    frame: pd.DataFrame, title: str, note: str = "", *, csv: str = "", headings: Mapping[str, str] = _HEADINGS
) -> Table:
    """A table of strings; columns without any content are left out, and rows beyond `MOST_ROWS`."""
    kept = [name for name in frame.columns if not (frame[name].isna() | frame[name].eq("")).all()]
    shown = frame[kept].head(MOST_ROWS)
    columns = [Column(headings.get(name, name.replace("_", " ")), _numeric(frame[name])) for name in kept]
    rows = [
        [cell(str(name), value) for name, value in zip(kept, row, strict=True)]
        for row in shown.itertuples(index=False, name=None)
    ]
    return Table(title, note, columns, rows, len(frame) - len(shown), csv)


def cell(name: str, value: Any) -> str:
    """A value as text, by the name of its column.

    Examples
    --------
    >>> cell("network_p", 0.002), cell("significant", 0.125), cell("step", 1157), cell("median", float("nan"))
    ('.002', '12.5 %', '1157', '–')
    """
    if isinstance(value, str):
        return "" if (name, value) == ("unit", "1") else value
    if value is None:
        return NONE
    if name == "p_value" or name.endswith("_p"):
        return p_value(float(value))
    return share(float(value)) if name in _SHARES and math.isfinite(value) else number(float(value))


def networks_table(analysis: xr.DataTree) -> Table:
    """One row per network: its seed, design, condition and steps."""
    rows: dict[str, dict[str, Any]] = {}
    condition = Analysis(analysis).condition_of_run
    for projection, table in Analysis(analysis).tables("statistics").items():
        for run, (first, trained) in first_and_trained(analysis, projection).items():
            network = table.sel(run=run)
            seed = str(int(network.seed)) if network.seed >= 0 else "unknown"
            design = {name: str(network[name].item()) for name in ("method", "connectivity", "delays")}
            last = kept_steps(network)[-1]
            row = {
                "network": run,
                "training seed": seed,
                **design,
                "sparsity": float(network.sparsity),
                "condition": condition.get(run, ""),
            }
            rows.setdefault(run, {**row, "first step": first, "trained step": trained, "last step": last})
    return table_of(pd.DataFrame(list(rows.values())), "Networks")


def _numeric(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column))


def _statistics(analysis: xr.DataTree) -> Table:
    """Of a sweep its means; otherwise every network at its first and its trained step."""
    if Analysis(analysis).has("sweep"):
        return table_of(sweep_summary(analysis), "Moran's I over the sweep", _SWEEP, csv="summary")
    every = statistics_summary(analysis)
    ends = {
        (run, projection): steps
        for projection in Analysis(analysis).projections
        for run, steps in first_and_trained(analysis, projection).items()
    }
    chosen = [step in ends[run, p] for run, p, step in zip(every["run"], every["projection"], every["step"], strict=True)]
    return table_of(every[chosen], "Statistics, by network", _statistics_note(), csv="summary")


LADDER = (
    "Networks whose p-value at the trained step is up to .05, and on which side of the null; where networks as a whole are not "
    "tested, the share of neurons that stand out by themselves."
)
CONDENSED = (
    "At the trained step: the mean excess over the null with its 95 % interval over networks; tested: networks with a p-value; "
    "above, below: those of them up to .05, on either side of the null, and how many were at the first step."
)
_EFFECTS = (
    "excess: mean over networks of what their neurons have beyond the null, in the unit of the statistic; lower, upper: its "
    "95 % interval over networks (Student's t); neurons lower, upper: the middle 95 % of the neurons of a single network, no "
    "interval of confidence; tested: networks with a p-value, above and below: those of them up to .05, on either side of "
    "the null; significant: share of neurons at a false discovery rate of 5 %."
)


def _statistics_note() -> str:
    lowered = lowered_by_grouping()
    return f"{_STATISTICS} {', '.join(lowered[:-1])} and {lowered[-1]}."


_STATISTICS = (
    "At the first kept and the trained step. median, expected: over neurons, observed and under the null; mean z, network p: "
    "the neurons of the network together; significant: share of neurons at a false discovery rate of 5 %. Grouping raises most "
    "statistics; it lowers"
)
_SWEEP = "Means over the networks of a grid point; structured: share of those with a network p whose network p is up to .05."
_MAPS = "share: of neurons that depart from the null anywhere at .05; local: of cells in clusters (q up to .05)."
_COMPARED = (
    "difference: of the mean over a network's neurons of what each statistic has beyond its null, b less a, with its 95 % "
    "interval (hierarchical bootstrap); p: arrangements of the conditions' names among networks; effect size: Hedges' g; seeds "
    "needed: for a power of 80 % at .05, were the effect as large as here."
)
_LIFETIMES = (
    "In training steps; median: ∞ where most outlive the training; difference: mean lifetime less that of the first group of "
    "its kind; p: log-rank test of all groups of a kind, neurons being independent: it speaks of these networks, not of others."
)
_HAZARDS = (
    "Above 1 those with more of the covariate die sooner, the others held fixed. p and intervals speak of these networks."
)
_EXPLORED = (
    "exploration: pairs of neurons that a synapse ever joined, of all; left: those whose last synapse was pruned; revisit "
    "rate: of these, those in which one was born again later; return share: births after step 0 in such pairs, of all births. "
    "expected: if synapses grew at random, uniformly among the places free at each rewiring, whichever die."
)
_LASTING = (
    "overlap: share of the synapses of the first kept step that live until the last; kept: correlation of the field with "
    "these alone; survivors i: their Moran's I; both beside what is expected of so many picked by age alone."
)
_CHECKED = (
    "largest difference: between what the program makes of a sample of the fields, or of the survival curves, and what stands "
    "here; – where none could be compared."
)
_RETAINED = (
    "Means over networks; retained: share of the excess over the null that is left, over the networks with structure (p up "
    "to .05 when whole); – where fewer than half of the neurons still have an answer."
)

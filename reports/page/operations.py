"""What the network can bear: how exact delays and weights must be, and what grouping is worth to it at equal dose."""

from __future__ import annotations

from typing import Final, NamedTuple

import pandas as pd
import xarray as xr

from reports.page.sentences import told_one_by_one
from reports.page.tables import Table, table_of
from stanalysis.findings.operations import ALIKE, schemes, tolerances, under_nulls
from stanalysis.findings.surgery import surgery
from stanalysis.findings.view import Analysis
from stanalysis.findings.wording_of_operations import told_tolerances
from stanalysis.findings.wording_of_surgery import told_surgery

FIGURES: Final = ("precision", "surgery")  # how the names begin of those that belong here
_MEASURED: Final = (
    "The trained networks were changed and not trained again but where that is said; draws are averaged within a network, and "
    "networks are the replicates."
)
_TOLERANCES: Final = (
    "tolerated: the harshest level that costs up to one point of test accuracy, as all milder ones do, of jitter by "
    "interpolation; bound: where that is an end of what was tried, from mildest to harshest; intact: test accuracy when "
    "nothing is done; fewest: networks that have each level."
)
_SURGERY: Final = (
    "difference: test accuracy where grouping is raised less that where it is lowered, with its 95 % interval over networks "
    "(Student's t, from three on); p: flips of the signs of the differences, one-sided, for more accuracy with more grouping, "
    "not adjusted. Where doses are unequal it may be the dose's. Controls, with "
    "normalisation re-estimated or weights trained again, are in the lines that say so."
)
_NULLS: Final = (
    "level: share of the targets. Such surgery destroys accuracy whatever becomes of grouping: read it over the dose, not null "
    "against null."
)
_SCHEMES: Final = "buffer: memory of the delay buffers, in steps × neurons; cost: test accuracy lost."


class Operations(NamedTuple):
    """The section: sentences, and the tables behind them."""

    sentences: list[str]
    tables: list[Table]


def operations_section(analysis: xr.DataTree) -> Operations | None:
    """The section; None of an analysis of networks to which nothing was done."""
    if not Analysis(analysis).has("operations"):
        return None
    sentences = [_MEASURED]
    if told_one_by_one(analysis):
        sentences += told_tolerances(analysis)
        sentences += told_surgery(analysis)
    else:
        sentences.append(f"What {len(Analysis(analysis).conditions)} conditions bear is in the tables.")
    compared = surgery(analysis)
    if not compared.empty:
        compared = compared.assign(matched=compared["matched"].map({True: "yes", False: "no"}))
    tables = [
        table_of(tolerances(analysis), "What costs up to one point of accuracy", _TOLERANCES, csv="tolerances"),
        table_of(schemes(analysis), "Schemes of delays", _SCHEMES, csv="operations"),
        table_of(compared, "Grouping raised against lowered", _SURGERY, csv="surgery"),
        table_of(_sorted(under_nulls(analysis)), "Under nulls", _NULLS, csv="operations"),
    ]
    return Operations(sentences, [table for table in tables if table.rows])


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    return table if table.empty else table.sort_values([*ALIKE, "operation", "level"], kind="stable")

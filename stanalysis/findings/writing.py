"""An analysis written for programs and for people: its file, and beside it tables as CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pandas as pd
import xarray as xr

from stanalysis.files.analysis import analysis_bytes
from stanalysis.files.atomic import written_together
from stanalysis.files.records import csv_bytes
from stanalysis.findings.grouping import beside_published, grouping, grouping_of_conditions
from stanalysis.findings.lives import accuracies, biographies, explored, hazards, lasting, lifetimes, n_lives, retained
from stanalysis.findings.operations import operated, tolerances
from stanalysis.findings.surgery import surgery
from stanalysis.findings.tables import comparisons, neurons, statistics_summary

LIVES_IN_CSV: Final = 1_000_000  # more are in the analysis file alone


def write_analysis(analysis: xr.DataTree, path: Path | str) -> list[Path]:
    """Write the analysis file, and beside it CSV tables of what is in it; return their paths.

    Biographies of more than a million synapses stay in the analysis file.
    """
    path = Path(path)
    tables = {
        "summary": statistics_summary(analysis),
        "neurons": neurons(analysis),
        "grouping": grouping(analysis),
        "grouping-conditions": grouping_of_conditions(analysis),
        "published": beside_published(analysis),
        "comparison": comparisons(analysis),
        "lifetimes": lifetimes(analysis),
        "hazards": hazards(analysis),
        "exploration": explored(analysis),
        "lasting": lasting(analysis),
        "retained": retained(analysis),
        "pruning": accuracies(analysis),
        "operations": operated(analysis),
        "tolerances": tolerances(analysis),
        "surgery": surgery(analysis),
        "episodes": biographies(analysis) if n_lives(analysis) <= LIVES_IN_CSV else pd.DataFrame(),
    }
    beside = {path.with_name(f"{path.stem}-{name}.csv"): table for name, table in tables.items()}
    written = [path, *(place for place, table in beside.items() if not table.empty)]
    with written_together() as write:
        for place in written[1:]:
            write(place, csv_bytes(beside[place]))
        write(path, analysis_bytes(analysis))
    for place in beside.keys() - set(written):  # of an analysis that this one replaces
        place.unlink(missing_ok=True)
    return written

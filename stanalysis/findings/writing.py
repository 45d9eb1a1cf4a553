"""An analysis written for programs and for people: its file, and beside it tables as CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pandas as pd
import xarray as xr

from stanalysis.files.analysis import write_analysis_file
from stanalysis.files.atomic import replacing
from stanalysis.findings.lives import accuracies, biographies, hazards, lasting, lifetimes, n_lives, retained
from stanalysis.findings.tables import comparisons, neurons, statistics_summary

LIVES_IN_CSV: Final = 1_000_000  # more are in the analysis file alone


def write_analysis(analysis: xr.DataTree, path: Path | str) -> list[Path]:
    """Write the analysis file, and beside it CSV tables of what is in it; return their paths.

    Biographies of more than a million synapses stay in the analysis file.
    """
    path = Path(path)
    write_analysis_file(analysis, path)
    written = [path]
    tables = {
        "summary": statistics_summary(analysis),
        "neurons": neurons(analysis),
        "comparison": comparisons(analysis),
        "lifetimes": lifetimes(analysis),
        "hazards": hazards(analysis),
        "lasting": lasting(analysis),
        "retained": retained(analysis),
        "pruning": accuracies(analysis),
        "episodes": biographies(analysis) if n_lives(analysis) <= LIVES_IN_CSV else pd.DataFrame(),
    }
    for name, table in tables.items():
        beside = path.with_name(f"{path.stem}-{name}.csv")
        if table.empty:
            beside.unlink(missing_ok=True)  # of an analysis that this one replaces
            continue
        written.append(beside)
        with replacing(written[-1]) as temporary:
            table.to_csv(temporary, index=False)
    return written

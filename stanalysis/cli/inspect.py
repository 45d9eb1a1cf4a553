"""The verb inspect: print what a checkpoint, a run or a foreign network holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from stanalysis.cli.foreign import Foreign
from stanalysis.cli.printing import print_notes, table_of
from stanalysis.errors import printable
from stanalysis.files.checkpoint import UNKNOWN_SEED
from stanalysis.files.contents import delay_histogram, population_table, projection_table
from stanalysis.files.opening import is_ours, newest_in, opened
from stanalysis.readers.options import Options
from stanalysis.readers.series import read_series

_BARS = " ▁▂▃▄▅▆▇█"


def _turned(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows become columns, headed by their first value: for more properties than a line can hold."""
    first, *names = rows[0]
    return [{first: name, **{row[first]: row[name] for row in rows}} for name in names]


def inspect(path: Path, /, *, foreign: Foreign = Options()) -> None:  # noqa: B008
    """Print what a checkpoint, or the last one of a run, holds.

    Parameters
    ----------
    path
        A checkpoint file, a run folder, or a network that another program trained.
    """
    notes: tuple[str, ...] = ()
    if is_ours(path):
        path = newest_in(path)
        tree = opened(path)
    else:
        network = read_series(path, foreign=foreign, last=True)
        tree, notes = list(network.checkpoints.values())[-1], network.notes
    console = Console()
    print_notes(console, notes)
    console.print(printable(str(path)), style="bold", markup=False, soft_wrap=True)
    for name in (
        "framework",
        "method",
        "dataset",
        "step",
        "epoch",
        "seed",
        "dt",
        "source_file",
        "sha256",
        "config",
        "versions",
    ):
        if name in tree.attrs:
            unit = " ms" if name == "dt" else ""
            unknown = tree.attrs[name] == {"seed": UNKNOWN_SEED, "dataset": ""}.get(name)
            value = "unknown" if unknown else tree.attrs[name]
            console.print(printable(f"  {name}: {value}{unit}"), highlight=False, markup=False)
    if "metrics" in tree.children:
        for metric, value in tree["metrics"].data_vars.items():
            console.print(f"  {metric}: {float(value):.4g}", highlight=False)
    console.print(table_of(population_table(tree), "Populations"))
    console.print(table_of(_turned(projection_table(tree)), "Projections"))
    for projection in tree["projections"].children:
        counts, edges = delay_histogram(tree, str(projection), n_bars=25)
        bars = "".join(_BARS[int(np.ceil(8 * c / max(counts.max(), 1)))] for c in counts)
        line = f"Delays of {projection}: 0 ms ▕{bars}▏ {edges[-1]:g} ms"
        console.print(printable(line), highlight=False, markup=False)

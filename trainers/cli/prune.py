"""The verb prune: parse, prune, show how much of the accuracy is left."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
from cyclopts import Parameter
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from stanalysis.files.pruning import FRACTIONS, TABLE
from stanalysis.progress import Progress
from trainers.cli.printing import say, warnings_said
from trainers.operations.pruning import prune as prune_run
from trainers.operations.trained import Choice, recordings_of


def prune(
    run: Path,
    /,
    *,
    fractions: Annotated[tuple[float, ...], Parameter(consume_multiple=True, negative="")] = FRACTIONS,
    draws: int = 5,
    checkpoint: Choice = "best",
    data: str | None = None,
    threads: int | None = None,
) -> None:
    """Prune a trained network, without training it again, and print how much of its accuracy is left.

    Every projection loses its smallest synapses, its largest, or any at random. The table is pruning.csv in the run folder.

    Parameters
    ----------
    run
        Run folder of a network that was trained here.
    fractions
        Shares of the synapses to prune, from 0 to 1.
    draws
        How many times to prune at random.
    checkpoint
        The network to prune: that of the epoch best on validation, or the last one.
    data
        The data set that the run was trained on, where it is no longer in its folder.
    threads
        Threads to run on [default: all cores]; they do not change the result.
    """
    console = Console(stderr=True)
    recordings = recordings_of(run, data)
    with warnings_said(console), Progress(console) as progress:
        progress.doing("preparing …")
        table = prune_run(
            run,
            recordings,
            fractions=fractions,
            draws=draws,
            checkpoint=checkpoint,
            threads=threads,
            progress=lambda done, total: progress.reached(done, total, f"pruned networks {done}/{total}"),
        )
    Console().print(_shown(table))
    say(console, f"Table: {run / TABLE}")


def _shown(table: pd.DataFrame) -> Table:
    """One line for each criterion and fraction; of several draws the mean, and the range on test."""
    shown = Table(title=f"Accuracy after pruning, step {table['step'].iloc[0]}", title_justify="left", box=SIMPLE_HEAD)
    for name in ("criterion", "pruned", "synapses left", "test", "validation"):
        shown.add_column(name, justify="left" if name == "criterion" else "right", no_wrap=True)
    for _, lines in table.groupby(["criterion", "fraction"], sort=False):
        first, test = lines.iloc[0], lines["test_accuracy"]
        spread = f" ({test.min():.1%}–{test.max():.1%})" if test.nunique() > 1 else ""
        validation = f"{lines['validation_accuracy'].mean():.1%}"
        shown.add_row(
            first["criterion"], f"{first['fraction']:.4g}", str(first["n_synapses"]), f"{test.mean():.1%}{spread}", validation
        )
    return shown

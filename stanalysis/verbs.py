"""The verbs of the library: parse, call one public function, write its files, print a table."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter
from rich.console import Console

from stanalysis.analyze_verb import analyze
from stanalysis.checkpoint import read_checkpoint
from stanalysis.errors import BadInput
from stanalysis.inspection import delay_histogram, population_table, projection_table
from stanalysis.run import open_run
from stanalysis.tables import table_of

_BARS = " ▁▂▃▄▅▆▇█"


def _turned(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows become columns, headed by their first value: for more properties than a line can hold."""
    first, *names = rows[0]
    return [{first: name, **{row[first]: row[name] for row in rows}} for name in names]


def inspect(path: Path, /) -> None:
    """Print what a checkpoint, or the last one of a run, holds.

    Parameters
    ----------
    path
        A checkpoint file or a run folder.
    """
    if path.is_dir():
        run = open_run(path)
        if not run.last.is_file() and not run.steps:
            raise BadInput(f"{path} holds no checkpoint yet; train on with --resume.")
        path = run.last if run.last.is_file() else list(run.steps.values())[-1]
    tree = read_checkpoint(path)
    console = Console()
    console.print(f"[bold]{path}[/bold]")
    for name in ("framework", "method", "dataset", "step", "epoch", "seed", "dt", "sha256", "config", "versions"):
        if name in tree.attrs:
            unit = " ms" if name == "dt" else ""
            console.print(f"  {name}: {tree.attrs[name]}{unit}", highlight=False)
    if "metrics" in tree.children:
        for metric, value in tree["metrics"].data_vars.items():
            console.print(f"  {metric}: {float(value):.4g}", highlight=False)
    console.print(table_of(population_table(tree), "Populations"))
    console.print(table_of(_turned(projection_table(tree)), "Projections"))
    for projection in tree["projections"].children:
        counts, edges = delay_histogram(tree, str(projection), n_bars=25)
        bars = "".join(_BARS[int(np.ceil(8 * c / max(counts.max(), 1)))] for c in counts)
        console.print(f"Delays of {projection}: 0 ms ▕{bars}▏ {edges[-1]:g} ms", highlight=False)


def demo(*, output: Annotated[Path, Parameter(alias="-o")] = Path("demo"), seed: int = 0) -> int | None:
    """Train a small network on the built-in digits, analyse it and draw the figures.

    Parameters
    ----------
    output
        Folder for the run, the analysis and the figures.
    seed
        Seed of the network.
    """
    # the applications are reached by name, so that the library depends on neither
    dense = importlib.import_module("trainers.verbs").dense
    report = importlib.import_module("reports.verbs").report
    code = dense(output=output / "run", hidden=(128,), epochs=25, seed=seed, resume=(output / "run").exists())
    if code:
        Console(stderr=True).print("The same demo command goes on, too.")
        return int(code)
    analyze([output / "run"], output=output / "analysis.nc")
    report(output / "analysis.nc", output=output / "figures")
    return None

"""The verbs of the library: parse, call one public function, write its files, print a table."""

from __future__ import annotations

import importlib
import json
import sys
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from cyclopts import Parameter
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from stanalysis.analysis import SIGNIFICANT, read_analysis, summary, sweep_summary, write_analysis
from stanalysis.analysis import analyze as analyze_runs
from stanalysis.checkpoint import read_checkpoint
from stanalysis.errors import BadInput
from stanalysis.inspection import delay_histogram, population_table, projection_table
from stanalysis.lattice import Lattice
from stanalysis.run import open_run
from stanalysis.stats.multiplicity import needed_at_the_floor
from stanalysis.stats.nulls import MEANING, Alternative, Null

_BARS = " ▁▂▃▄▅▆▇█"


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _table(rows: list[dict[str, Any]], title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name, value in rows[0].items():
        heading = name if "__" in name else name.replace("_", " ")
        table.add_column(heading, justify="left" if isinstance(value, str) else "right")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    return table


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
    console.print(_table(population_table(tree), "Populations"))
    console.print(_table(_turned(projection_table(tree)), "Projections"))
    for projection in tree["projections"].children:
        counts, edges = delay_histogram(tree, str(projection), n_bars=25)
        bars = "".join(_BARS[int(np.ceil(8 * c / max(counts.max(), 1)))] for c in counts)
        console.print(f"Delays of {projection}: 0 ms ▕{bars}▏ {edges[-1]:g} ms", highlight=False)


def analyze(
    runs: list[Path],
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    null: Null = "delays",
    permutations: int = 999,
    alternative: Alternative = "two-sided",
    contiguity: Literal["rook", "queen"] = "rook",
    seed: int = 0,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Analyse runs or checkpoints and print whether their receptive fields are clustered.

    Beside the analysis file come OUTPUT-summary.csv and OUTPUT-neurons.csv.

    Parameters
    ----------
    runs
        Run folders, sweep folders (their finished runs), or checkpoint files.
    output
        The analysis file to write (.nc).
    null
        What the null moves: the delays among one target's synapses, or all cells.
    permutations
        Draws from the null for every receptive field.
    alternative
        Which departure from the null counts.
    contiguity
        Which cells are neighbours: rook, with a common side; queen, also with a common corner.
    seed
        Seed of the permutations.
    as_json
        Print the table as JSON.
    """
    if output.suffix != ".nc":
        raise BadInput(f"The output {output} does not end in .nc; name it so.")
    if not runs:
        raise BadInput("No run is given; name at least one run folder or checkpoint file.")
    if output.exists():
        _require_analysis(output)
    errors = Console(stderr=True)
    with errors.status("reading …") as status:
        analysis = analyze_runs(
            runs,
            null=null,
            n_permutations=permutations,
            alternative=alternative,
            lattice=Lattice(contiguity),
            seed=seed,
            progress=lambda name: status.update(f"analysing {name} …"),
        )
        written = write_analysis(analysis, output)
    rows: list[dict[str, Any]] = [{str(k): v for k, v in row.items()} for row in summary(analysis).to_dict("records")]
    if as_json:
        # a median over no answer is NaN, which JSON lacks
        clean = [{k: None if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()} for row in rows]
        settings = {
            "null": null,
            "permutations": permutations,
            "alternative": alternative,
            "contiguity": contiguity,
            "seed": seed,
        }
        sys.stdout.write(json.dumps({**settings, "rows": clean}, indent=2) + "\n")
        return
    console = Console()
    console.print(f"[bold]Moran's I of the receptive fields[/bold] ({contiguity}, null {null}, {permutations} draws)")
    swept = set(analysis["sweep"].run.values) if "sweep" in analysis.children else set()
    alone = [row for row in rows if row["run"] not in swept]
    for (run, projection), part in groupby(alone, key=lambda row: (row["run"], row["projection"])):
        console.print(_table([_without(row, "run", "projection") for row in part], f"{run}: {projection}"))
    if swept:
        _print_sweep(console, sweep_summary(analysis))
    console.print(
        "expected: the median I without structure; mean z, network p: the neurons of the network together; significant: the "
        f"share of neurons that stand out alone, at a false discovery rate of 5 %; {MEANING[null]}."
    )
    n = max(row["neurons"] - row["no_answer"] for row in rows)  # fewer neurons need fewer draws
    if (needed := needed_at_the_floor(n, permutations, alternative)) > 1:
        few = f"fewer than {needed} of {n} neurons can never be" if needed <= n else f"none of {n} neurons can be"
        console.print(
            f"[yellow]With {permutations} draws {few} significant: raise --permutations to see single neurons.[/yellow]"
        )
    console.print("Written: " + ", ".join(str(p) for p in written), highlight=False, soft_wrap=True)


def _require_analysis(output: Path) -> None:
    """Raise `BadInput` unless the file is an analysis, which may be replaced; a checkpoint may not."""
    try:
        read_analysis(output)
    except BadInput as error:
        raise BadInput(f"{output} exists and is no analysis file of this version; name another, or move it away.") from error


def _without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def _print_sweep(console: Console, means: pd.DataFrame) -> None:
    """One table per projection and method, a line for each sparsity: means over its networks, first step → last step."""
    shown = {"no_answer": ".1f", "mean_z": "z.2f", "structured": ".0%", "significant": ".0%"}  # a line of 80 holds no more
    rows = [{str(k): v for k, v in row.items()} for row in means.to_dict("records")]
    for (projection, connectivity, delays), part in groupby(rows, key=itemgetter("projection", "connectivity", "delays")):
        table = []
        for _, ends in groupby(part, key=itemgetter("sparsity")):
            first, last = ends
            row = {"sparsity": f"{first['sparsity']:.4g}", "n": first["networks"]}
            for name, form in shown.items():
                before, after = ("–" if np.isnan(end[name]) else f"{end[name]:{form}}" for end in (first, last))
                row[name] = f"{before:>5} → {after:<5}"
            table.append(row)
        console.print(_table(table, f"{projection}: {connectivity} connectivity, {delays} delays"))
    console.print(
        "A sweep is shown as means over its n networks (those with an answer), at their first → last steps; structured: the "
        f"share of networks whose network p is up to {SIGNIFICANT}."
    )


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

"""The verb analyze: parse, analyse, write, and print what a person wants to know first."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
import pandas as pd
import xarray as xr
from cyclopts import Parameter
from rich.console import Console

from stanalysis.analysis.assemble import DEFAULT
from stanalysis.analysis.assemble import analyze as analyze_runs
from stanalysis.analysis.one_network import Statistics
from stanalysis.cli.foreign import Foreign
from stanalysis.cli.lives import print_survival
from stanalysis.cli.printing import table_of
from stanalysis.errors import BadInput, printable
from stanalysis.fields.lattice import Lattice
from stanalysis.files.analysis import read_analysis
from stanalysis.findings.cautions import warned
from stanalysis.findings.lives import hazards, lasting, lifetimes, n_lives, retained
from stanalysis.findings.tables import (
    LIVES_IN_CSV,
    SIGNIFICANT,
    comparisons,
    maps_summary,
    statistics_summary,
    summary,
    sweep_summary,
    write_analysis,
)
from stanalysis.readers.contract import Options
from stanalysis.stats.engine.nulls import NULLS, Alternative, Null
from stanalysis.stats.engine.statistics import lowered_by_grouping, unit_of

MANY_SEEDS = 1000  # beyond which their number says no more
MORAN = ("morans_i", "along_delay", "across_sources")  # computed in any case


def analyze(
    runs: list[Path],
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    null: Null = "delays",
    permutations: int = 999,
    alternative: Alternative = "two-sided",
    contiguity: Literal["rook", "queen"] = "rook",
    statistics: Annotated[list[Statistics], Parameter(consume_multiple=True, negative="")] = list(DEFAULT),  # noqa: B006
    ms_per_source: float | None = None,
    compare: str | None = None,
    replicates: str = "networks",
    seed: int = 0,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    foreign: Foreign = Options(),  # noqa: B008
) -> None:
    """Analyse runs or checkpoints and print whether their receptive fields are clustered.

    Beside the analysis file come its tables: OUTPUT-summary.csv, OUTPUT-neurons.csv, with --compare OUTPUT-comparison.csv;
    of networks whose synapses are born and die OUTPUT-lifetimes.csv, -hazards.csv, -lasting.csv and -episodes.csv; and of
    pruned ones OUTPUT-retained.csv and -pruning.csv.

    Parameters
    ----------
    runs
        Run folders, sweep folders (their finished runs), checkpoint files, or networks that another program trained.
    output
        The analysis file to write (.nc).
    null
        What the null moves: the delays, weights or signs among one target's synapses, the signs among its sources, whole
        sources, each source's delay drawn anew (rows), all cells; or nothing: compare with the untrained network.
    permutations
        Draws from the null for every receptive field.
    alternative
        Which departure from the null counts.
    contiguity
        Which cells are neighbours: rook, with a common side; queen, also with a common corner.
    statistics
        Which, instead of the default, the first three: lattice (Moran, Geary, join counts, clusters, E-I lead), graph (the same
        among synapses, near ones being neighbours), survival (lifetimes of synapses, and what lasts of the fields), local
        (maps), correlogram, smoothing, pairs (cross-K over distance), pruning (what it leaves of the structure).
    ms_per_source
        How many ms of delay are as far as one source, among synapses. By default one bin.
    compare
        Compare conditions, networks being the replicates: step (first with last), method, sparsity, connectivity, delays,
        or a name in the training's configuration.
    replicates
        Only networks: neurons of one network are not independent.
    seed
        Seed of the permutations.
    as_json
        Print the table as JSON.
    """
    if output.suffix != ".nc":
        raise BadInput(f"The output {output} does not end in .nc; name it so.")
    if not runs:
        raise BadInput("No run is given; name at least one run folder or checkpoint file.")
    if not statistics:
        raise BadInput(f"--statistics names none; use some of {', '.join(get_args(Statistics))}.")
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
            statistics=statistics,
            ms_per_source=ms_per_source,
            compare=compare,
            replicates=replicates,
            seed=seed,
            foreign=foreign,
            progress=lambda name: status.update(f"analysing {name} …"),
        )
        options: dict[str, Any] = {"output": output, "null": null, "permutations": permutations, "alternative": alternative}
        options |= {"contiguity": contiguity, "statistics": statistics, "ms-per-source": ms_per_source, "compare": compare}
        analysis.attrs["command"] = _command(runs, options | {"seed": seed} | foreign.given())
        written = write_analysis(analysis, output)
    if as_json:
        _print_json(analysis)
    else:
        _print_tables(analysis)
        if n_lives(analysis) > LIVES_IN_CSV:
            Console().print(
                f"The lives of more than {LIVES_IN_CSV:,} synapses are in the analysis file alone.", highlight=False
            )
        said = "Written: " + ", ".join(str(p) for p in written)
        Console().print(said, highlight=False, markup=False, soft_wrap=True)


def _command(runs: Sequence[Path], options: Mapping[str, Any]) -> str:
    """The command line that asks the same, with every option that has a value.

    Examples
    --------
    >>> _command([Path("my run")], {"null": "signs", "neurons": ("Pop0=7",), "delay_shift": False, "compare": None})
    "stanalysis analyze 'my run' --null signs --neurons Pop0=7 --no-delay-shift"
    """
    words = ["stanalysis", "analyze", *map(str, runs)]
    for name, value in options.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        elif value is not None:
            words += [f"--{option}", *map(str, value if isinstance(value, list | tuple) else [value])]
    return shlex.join(words)


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def _print_json(analysis: xr.DataTree) -> None:
    said = {name: analysis.attrs[name] for name in ("null", "alternative", "contiguity", "seed")}
    said |= {"permutations": analysis.attrs["n_permutations"], "warnings": warned(analysis)}
    tables = {"rows": summary(analysis), "statistics": statistics_summary(analysis), "maps": maps_summary(analysis)}
    tables |= {"comparison": comparisons(analysis), "lifetimes": lifetimes(analysis), "hazards": hazards(analysis)}
    tables |= {"lasting": lasting(analysis), "retained": retained(analysis)}
    # JSON lacks NaN, the answer of what has none, and infinity, the median lifetime where most live on
    plain = {name: [{k: _plain(v) for k, v in row.items()} for row in _rows(table)] for name, table in tables.items()}
    sys.stdout.write(json.dumps({**said, **plain}, indent=2) + "\n")


def _plain(value: Any) -> Any:
    if not isinstance(value, float) or np.isfinite(value):
        return value
    return None if np.isnan(value) else str(value)


def _print_tables(analysis: xr.DataTree) -> None:
    console = Console()
    null, alternative = analysis.attrs["null"], analysis.attrs["alternative"]
    n_permutations = int(analysis.attrs["n_permutations"])
    draws = "no draws" if null == "untrained" else f"{n_permutations} draws"
    console.print(f"[bold]Moran's I of the receptive fields[/bold] ({analysis.attrs['contiguity']}, null {null}, {draws})")
    swept = set(analysis["sweep"].run.values) if "sweep" in analysis.children else set()
    rows = _rows(summary(analysis))
    of_all = _rows(statistics_summary(analysis))
    alone = [row for row in rows if row["run"] not in swept]
    for (run, projection), part in groupby(alone, key=itemgetter("run", "projection")):
        steps = [_without(row, "run", "projection") for row in part]
        console.print(table_of(steps, f"{run}: {projection}"))
        if len(at_end := _at(of_all, run, projection, steps[-1]["step"])) > len(MORAN):
            console.print(table_of(at_end, f"{run}: {projection}, all statistics at step {steps[-1]['step']}"))
    if swept:
        _print_sweep(console, sweep_summary(analysis))
    console.print(
        "expected: the median without structure; mean z, network p: the neurons of the network together; significant: the "
        f"share of neurons that stand out alone, at a false discovery rate of 5 %; {NULLS[null].meaning}."
    )
    if alternative != "two-sided":
        console.print(f"Grouping raises most statistics; it lowers {', '.join(lowered_by_grouping())}.")
    if not (maps := maps_summary(analysis)).empty:
        console.print(table_of(_rows(maps), "Maps and curves, at the first and the last step (more in the file)"))
        console.print("share: of neurons that depart from the null anywhere at .05; local: of cells in clusters (q up to .05).")
    print_survival(console, analysis)
    if not (compared := comparisons(analysis)).empty:
        _print_comparison(console, compared)
    for warning in warned(analysis):
        console.print(printable(warning.replace("`", "")), style="yellow", markup=False, highlight=False)


def _at(rows: list[dict[str, Any]], run: str, projection: str, step: int) -> list[dict[str, Any]]:
    """The lines of one network at one step, with the unit beside the name."""
    lines = []
    for row in rows:
        if (row["run"], row["projection"], row["step"]) == (run, projection, step):
            line = _without(row, "run", "projection", "step", "unit", "answered", "no_answer")
            lines.append({**line, "statistic": _with_unit(row["statistic"], row["unit"]), "missing": row["no_answer"]})
    return lines


def _with_unit(name: str, unit: str) -> str:
    return name if unit == "1" else f"{name} [{unit}]"


def _few(seeds: float) -> str | None:
    if np.isnan(seeds):
        return None
    return str(int(seeds)) if seeds <= MANY_SEEDS else f">{MANY_SEEDS}"


def _print_comparison(console: Console, compared: pd.DataFrame) -> None:
    """One table per projection and pair of conditions: networks as replicates."""
    by = ["projection", "among", "a", "b", "also_differ", "synapses_a", "synapses_b", "paired", "n_a", "n_b", "smallest_p"]
    for values, part in compared.groupby(by, sort=False):
        of: dict[str, Any] = dict(zip(by, values, strict=True))
        lines = []
        for row in _rows(part):
            line = {"statistic": _with_unit(row["statistic"], unit_of(row["statistic"]))}
            line |= {name: row[name] for name in ("difference", "lower", "upper")}
            needed = _few(row["seeds_needed"])
            lines.append({**line, "effect": row["effect_size"], "p": row["p_value"], "seeds": needed})
        among = f" ({of['among']})" if of["among"] else ""
        console.print(table_of(lines, f"{of['projection']}: {of['a']} → {of['b']}{among}"))
        partners = "pairs of first and last step" if (of["a"], of["b"]) == ("first", "last") else "pairs of equal seed"
        pairs = f"{of['n_a']} {partners}; effect: Hedges' g of the differences within pairs"
        groups = f"{of['n_a']} against {of['n_b']} networks; effect: Hedges' g"
        reach = f"the smallest p-value that so many can reach is {of['smallest_p']:.4g}."
        console.print(f"{pairs if of['paired'] else groups}; {reach}")
        if of["also_differ"]:
            console.print(f"They also differ in {of['also_differ']}.", style="yellow", markup=False)
    console.print(
        "difference: of the mean over a network's neurons of what each statistic has beyond its null, with its 95 % interval "
        "(hierarchical bootstrap); p: arrangements of the conditions' names among networks, not adjusted for the number of "
        "statistics; seeds: how many would give a power of 80 % at .05, were the effect as large as here."
    )


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
        console.print(table_of(table, f"{projection}: {connectivity} connectivity, {delays} delays"))
    console.print(
        "A sweep is shown as means over its n networks (those with an answer), at their first → last steps; structured: the "
        f"share of networks whose network p is up to {SIGNIFICANT}."
    )

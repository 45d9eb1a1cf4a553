"""The verb inspect: print what a checkpoint, a run or a foreign network holds."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from stanalysis.cli.foreign import Foreign
from stanalysis.cli.printing import print_notes, table_of
from stanalysis.errors import BadInput, printable
from stanalysis.files.atomic import require_writable
from stanalysis.files.checkpoint import UNKNOWN_SEED
from stanalysis.files.contents import delay_histogram, population_table, projection_table
from stanalysis.files.opening import is_ours, newest_in, opened
from stanalysis.readers.choosing import Unrecognised
from stanalysis.readers.options import Options
from stanalysis.readers.programs.mapping_template import arrays_at, shown, write_template
from stanalysis.readers.series import read_series

MOST_SHOWN = 100  # arrays of a file
_BARS = " ▁▂▃▄▅▆▇█"


def _turned(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows become columns, headed by their first value: for more properties than a line can hold."""
    first, *names = rows[0]
    return [{first: name, **{row[first]: row[name] for row in rows}} for name in names]


def _arrays(console: Console, path: Path) -> dict[str, NDArray]:
    """The arrays of a foreign file, after they are printed as a table."""
    arrays = arrays_at(path)
    rows = [
        {"array": shown(name), "shape": str(array.shape), "type": str(array.dtype)}
        for name, array in islice(arrays.items(), MOST_SHOWN)
    ]
    console.print(table_of(rows, f"Arrays of {shown(path.name)}"))
    if len(arrays) > MOST_SHOWN:
        console.print(f"… and {len(arrays) - MOST_SHOWN} more", highlight=False)
    return arrays


def inspect(
    path: Path,
    /,
    *,
    template: Path | None = None,
    foreign: Foreign = Options(),  # noqa: B008
) -> None:
    """Print what a checkpoint, or the last one of a run, holds.

    Parameters
    ----------
    path
        A checkpoint file, a run folder, or a network that another program trained.
    template
        Print only the arrays of a network that another program trained, and begin a TOML file for --mapping of them.
    """
    console = Console()
    if template is not None:
        if is_ours(path):
            raise BadInput(f"{path} is a run or checkpoint of this program; it needs no mapping, inspect it as it is.")
        if useless := ", ".join(f"--{name.replace('_', '-')}" for name in foreign.given()):
            raise BadInput(f"{useless} cannot be used with --template, which lists a file as it is; give it with --mapping.")
        require_writable(template)
        write_template(template, _arrays(console, path), name=path.name)
        said = f"Written: {template}. Fill in its blanks, and give it with --mapping."
        console.print(printable(said), highlight=False, markup=False, soft_wrap=True)
        return
    notes: tuple[str, ...] = ()
    if is_ours(path):
        path = newest_in(path)
        tree = opened(path)
    else:
        try:
            network = read_series(path, foreign=foreign, last=True)
        except Unrecognised:
            _arrays(console, path)
            raise
        tree, notes = list(network.checkpoints.values())[-1], network.notes
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
            unit = " ms" if name == "dt" and tree.attrs[name] else ""
            unknown = tree.attrs[name] == {"seed": UNKNOWN_SEED, "dataset": ""}.get(name)
            value = "unknown" if unknown else tree.attrs[name]
            if name == "dt" and not tree.attrs[name]:
                value = "0 ms (delays are continuous)"
            console.print(printable(f"  {name}: {value}{unit}"), highlight=False, markup=False)
    if "metrics" in tree.children:
        for metric, value in tree["metrics"].data_vars.items():
            console.print(printable(f"  {metric}: {float(value):.4g}"), highlight=False, markup=False)
    console.print(table_of(population_table(tree), "Populations"))
    console.print(table_of(_turned(projection_table(tree)), "Projections"))
    for projection in tree["projections"].children:
        if not tree[f"projections/{projection}"].attrs["delay_max"]:
            console.print(printable(f"Delays of {projection}: none, the longest is 0 ms"), highlight=False, markup=False)
            continue
        counts, edges = delay_histogram(tree, str(projection), n_bars=25)
        bars = "".join(_BARS[int(np.ceil(8 * c / max(counts.max(), 1)))] for c in counts)
        line = f"Delays of {projection}: 0 ms ▕{bars}▏ {edges[-1]:g} ms"
        console.print(printable(line), highlight=False, markup=False)

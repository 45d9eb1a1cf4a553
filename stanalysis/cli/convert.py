"""The verb convert: parse, read a foreign network, write a run folder, say what was guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from stanalysis.cli.foreign import Foreign, Whole
from stanalysis.cli.printing import print_notes, table_of
from stanalysis.errors import BadInput, printable
from stanalysis.files.contents import projection_table
from stanalysis.progress import Progress
from stanalysis.readers.conversion import convert as convert_network
from stanalysis.readers.options import Options

TAKEN = ("run", "step", "seed", "method", "condition", "dataset")  # what a comparison knows of every network


def convert(
    network: Path,
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    seed: Whole = None,
    config: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)] = (),
    foreign: Foreign = Options(),  # noqa: B008
) -> None:
    """Convert a network that another program trained to a run folder.

    Parameters
    ----------
    network
        A file of one network, or a folder of its checkpoints.
    output
        Run folder to make.
    seed
        Seed of its training, where known: networks of equal seed are partners in comparisons.
    config
        What its condition is, as NAME=VALUE: names that analyze --compare can compare. Networks alike in all are replicates.
    """
    known = _parsed(config)
    with Progress(Console(stderr=True)) as progress:
        progress.doing(f"reading {network} …")

        def writing(n_done: int, n: int) -> None:
            progress.doing(f"writing checkpoint {n_done + 1} of {n} …")

        done = convert_network(network, output, options=foreign, seed=seed, config=known, progress=writing)
    console = Console()
    print_notes(console, done.notes)
    last = list(done.checkpoints.values())[-1]
    columns = ("projection", "sources", "targets", "synapses", "sparsity", "excitatory")
    table = [{name: row[name] for name in columns} for row in projection_table(last)]
    steps = list(done.checkpoints)
    kept = f"{len(steps)} checkpoints, steps {steps[0]} to {steps[-1]}, the last" if len(steps) > 1 else f"Step {steps[0]}"
    console.print(table_of(table, kept))
    console.print(printable(f"Written: {output}"), highlight=False, markup=False, soft_wrap=True)


def _parsed(config: tuple[str, ...]) -> dict[str, Any]:
    """NAME=VALUE pairs; values as numbers where they are some."""
    known: dict[str, Any] = {}
    for text in config:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise BadInput(f"--config says {text!r}; write it as NAME=VALUE, such as sparsity=0.9.")
        if name in known or name in TAKEN:
            raise BadInput(f"--config says {text!r}, but {name} is {'said twice' if name in known else 'known otherwise'}.")
        try:
            known[name] = json.loads(value)
            json.dumps(known[name], allow_nan=False)
        except ValueError:  # NaN and infinity are no JSON
            known[name] = value
    return known

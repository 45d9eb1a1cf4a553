"""The command line. A verb is imported when it is called: ``--help`` imports no numpy."""

from __future__ import annotations

import sys
from importlib.metadata import version
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path

from cyclopts import App, CycloptsError
from rich.console import Console
from rich.text import Text

from stanalysis.errors import BadInput, sentence_of

BAD_INPUT, INTERRUPTED = 2, 130

app = App(
    name="stanalysis",
    help="Spatio-temporal receptive fields of spiking networks with learnable delays.",
    version=lambda: version("stanalysis-workbench"),
    help_on_error=False,
    print_error=False,
    exit_on_error=False,
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)
# a lazy command needs its help here; it is the first line of the verb's docstring, or the help of its App
app.command("trainers.cli.train:app", name="train", help="Train a network with delays and keep its checkpoints.")
app.command(
    "trainers.cli.sweep:app",
    name="sweep",
    help="Train the networks of a grid, one on each core: sparse ones, or by the method that is named.",
)
app.command(
    "trainers.cli.work:work",
    name="work",
    help="Train runs of a sweep folder that nobody trains, beside others, on any machine.",
)
app.command(
    "trainers.cli.prune:prune",
    name="prune",
    help="Prune a trained network, without training it again, and print how much of its accuracy is left.",
)
app.command(
    "trainers.cli.operate:operate",
    name="operate",
    help="Change trained networks, without training them again, and print what accuracy is left.",
)
app.command(
    "stanalysis.cli.convert:convert", name="convert", help="Convert a network that another program trained to a run folder."
)
app.command("stanalysis.cli.inspect:inspect", name="inspect", help="Print what a checkpoint, or the last one of a run, holds.")
app.command(
    "stanalysis.cli.analyze:analyze",
    name="analyze",
    help="Analyse runs or checkpoints and print whether their receptive fields are clustered.",
)
app.command(
    "reports.cli:report",
    name="report",
    help="Write the report of an analysis: one page with all figures, tables and receptive fields, and the figures as files.",
)
app.command("reports.cli:figure", name="figure", help="Draw one kind of figure of analysis files, as PNG, SVG and PDF.")
app.command(
    "stanalysis.cli.demo:demo",
    name="demo",
    help="Train a small network on the built-in digits, analyse it and write the report.",
)
app.command(
    "stanalysis.cli.warm_up:warm_up",
    name="warm-up",
    help="Compile all that training and analyses run, so that the first of them on this machine need not.",
)


def _require_applications() -> None:
    """Raise `BadInput` if other packages of the names of ours are imported instead, as from the working directory."""
    for name in ("trainers", "reports"):
        spec = find_spec(name)
        place = Path(spec.origin if spec and spec.origin else name)
        if place.parent != Path(__file__).parents[2] / name:
            raise BadInput(f"{place} hides the package {name!r} of this program; rename it, or give the command elsewhere.")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 2 bad input, 130 Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may lack some signs
    try:
        _require_applications()
        code = app(arguments)
    except (BadInput, CycloptsError, OSError, MemoryError) as error:
        Console(stderr=True).print(Text.assemble(("Error: ", "bold red"), sentence_of(error)), soft_wrap=True)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        Console(stderr=True).print("Interrupted.")
        sys.exit(INTERRUPTED)
    sys.exit(code or 0)

"""The verb of the sweep: read the grid, train it, show which runs are under way."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from stanalysis.errors import BadInput
from stanalysis.files.run import read_metrics
from trainers.cli.train import INTERRUPTED
from trainers.methods.rewired.sparse import PRESETS
from trainers.sweep import runs as sweeps
from trainers.sweep.grid import AXES, Grid
from trainers.sweep.runs import TABLE
from trainers.sweep.workers import SweepWatcher

_EXAMPLES = {"methods": ("",), "sparsities": (0.0,), "seeds": (0,), "data": "", "gain": 0.0, "checkpoints": 0, "preset": ""}
_KINDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


class LiveTable(SweepWatcher):
    """A line for each run under way and one of totals, only where somebody looks; a line for each run that ends, always."""

    def __init__(self, console: Console, path: Path, epochs: int) -> None:
        self.console, self.path, self.epochs = console, path, epochs
        self.live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else nullcontext()
        self.first: dict[str, int] = {}  # epochs that a run under way had done when it was first seen
        self.n_epochs = 0  # done since the sweep began, by runs that are finished

    def begin(self, n_done: int, n_runs: int) -> None:
        """Start the clock."""
        self.n_done, self.n_runs, self.began = n_done, n_runs, monotonic()

    def look(self, running: Mapping[str, float]) -> None:
        """Draw the table anew."""
        if not isinstance(self.live, Live):
            return
        table = Table("run", "epoch", "validation", "time", box=None)
        done, left = self.n_epochs, (self.n_runs - self.n_done) * self.epochs
        for run, seconds in running.items():
            metrics = read_metrics(self.path / run)
            done += len(metrics) - self.first.setdefault(run, len(metrics))
            left -= len(metrics)
            accuracy = f"{metrics['validation_accuracy'].iloc[-1]:.1%}" if len(metrics) else "–"
            table.add_row(run, f"{len(metrics)}/{self.epochs}", accuracy, _duration(seconds))
        elapsed = monotonic() - self.began
        rest = f"about {_duration(elapsed / done * left)} left" if done else "time left not known yet"
        self.live.update(Group(table, f"{self.n_done}/{self.n_runs} runs, {_duration(elapsed)}, {rest}"), refresh=True)

    def finished(self, row: Mapping[str, Any]) -> None:
        """Print the accuracy reached."""
        self.n_done += 1
        self.n_epochs += self.epochs - self.first.pop(row["run"], 0)
        self._print(
            f"{row['run']}: {row['last_test_accuracy']:.1%} on test, {row['best_test_accuracy']:.1%} after epoch "
            f"{row['best_epoch']}, the best on validation; {_duration(row['seconds'])} ({self.n_done}/{self.n_runs})"
        )

    def failed(self, run: str, sentence: str) -> None:
        """Print why."""
        self.n_done += 1
        self._print(f"[bold red]Failed:[/bold red] {run}: {sentence}")

    def warned(self, text: str) -> None:
        """Print it."""
        self._print(f"[yellow]Warning:[/yellow] {text}")

    def _print(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def grid_from(file: Path | None, flags: Mapping[str, Any]) -> Grid:
    """The grid of a TOML file, with the ``flags`` that are not None instead of its entries.

    The flags are entries of the file or of its table ``config``, by name, and go before the file; both go before the preset.
    """
    stored = _read(file) if file else {}
    given = {name: value for name, value in flags.items() if value is not None}
    preset = given.pop("preset", stored.pop("preset", "default"))
    if preset not in PRESETS:
        raise BadInput(f"preset is {preset!r}; give one of {', '.join(PRESETS)}.")
    config = stored.pop("config", {}) | {name: value for name, value in given.items() if name not in _EXAMPLES}
    entries = stored | {name: value for name, value in given.items() if name in _EXAMPLES}
    return Grid(config=replace(PRESETS[preset], **config), **entries)


def _read(file: Path) -> dict[str, Any]:
    """The entries of a grid file, each known and of its kind."""
    try:
        stored = tomllib.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:  # UnicodeDecodeError, TOMLDecodeError
        raise BadInput(f"{file} is not valid TOML ({error}); mend it.") from error
    config = stored.pop("config", {})
    if not isinstance(config, dict):
        raise BadInput(f"{file}: config is {config!r}; give a table, [config].")
    fields = {name: value for name, value in asdict(PRESETS["default"]).items() if name not in AXES}
    checked = {name: _checked(file, name, value, _EXAMPLES) for name, value in stored.items()}
    return checked | {"config": {name: _checked(file, name, value, fields) for name, value in config.items()}}


def _checked(file: Path, name: str, value: Any, examples: Mapping[str, Any]) -> Any:
    """The value of an entry, if it is of the kind of its example; whole numbers serve as numbers."""
    if name not in examples:
        raise BadInput(f"{file}: {name!r} is no entry there; give some of {', '.join(examples)}.")
    example = examples[name]
    many = isinstance(example, tuple)
    kind = type(example[0]) if many else type(example)
    found = [float(v) if kind is float and type(v) is int else v for v in (value if isinstance(value, list) else [value])]
    if isinstance(value, list) != many or any(type(v) is not kind for v in found):
        raise BadInput(f"{file}: {name} is {value!r}; give {'a list, each ' if many else ''}{_KINDS[kind]}.")
    return tuple(found) if many else found[0]


def sweep(
    grid: Path | None = None,
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    methods: Annotated[
        tuple[Literal["fixed-fixed", "fixed-learned", "rewired-fixed", "rewired-learned"], ...] | None,
        Parameter(consume_multiple=True, negative=""),
    ] = None,
    sparsities: Annotated[tuple[float, ...] | None, Parameter(consume_multiple=True, negative="")] = None,
    seeds: Annotated[tuple[int, ...] | None, Parameter(consume_multiple=True, negative="")] = None,
    preset: Literal["default", "meszaros2024"] | None = None,
    hidden: Annotated[tuple[int, ...] | None, Parameter(consume_multiple=True, negative="")] = None,
    epochs: int | None = None,
    candidates: Literal["delays", "pairs"] | None = None,
    data: str | None = None,
    checkpoints: int | None = None,
    workers: int | None = None,
) -> int | None:
    """Train sparse networks of every method, sparsity and seed of a grid, one on each core.

    The same command goes on after Ctrl-C or a crash, and with more seeds, sparsities or methods: finished runs are kept. The
    table of the finished runs is sweep.csv.

    Parameters
    ----------
    grid
        TOML file with any of the entries methods, sparsities, seeds, preset, data, gain, checkpoints; and a table config with
        any other setting of the networks, by its name in Python (hidden, epochs, dropout, ...). Options go before the file,
        the file before the preset.
    output
        Sweep folder to write: sweep.json, sweep.csv and a run folder for each run.
    methods
        Synapses fixed or rewired, delays fixed or learned, e.g. rewired-learned [default: all four].
    sparsities
        Shares of the pairs of neurons without a synapse [default: 0 and 1 - 0.5 ** n for n from 1 to 9, as published].
    seeds
        Seeds of the networks and their training [default: 0 1 2].
    preset
        Configuration to start from: default; or meszaros2024, the published rewiring, which is slower.
    hidden
        Neurons of each hidden population, e.g. --hidden 256 256.
    epochs
        Passes through the training data.
    candidates
        Where synapses grow: at any free delay of any pair (delays), or between pairs that have none (pairs).
    data
        spoken_digits (built in, the default), or a folder in the layout of the Raw Heidelberg Digits.
    checkpoints
        How many checkpoints each run keeps, from step 0 to the end at equal ratios [default: 2].
    workers
        Runs at the same time, each on one core [default: all cores]; they do not change the result.
    """
    flags = {
        "methods": methods, "sparsities": sparsities, "seeds": seeds, "preset": preset, "hidden": hidden, "epochs": epochs,
        "candidates": candidates, "data": data, "checkpoints": checkpoints,
    }  # fmt: skip
    wanted = grid_from(grid, flags)
    console = Console(stderr=True)
    watcher = LiveTable(console, output, wanted.config.epochs)
    with watcher.live:
        finished = sweeps.sweep(wanted, output, workers=workers, watcher=watcher)
    if not finished:
        console.print(f"Interrupted; what is done is in {output}: the same command goes on.", highlight=False, soft_wrap=True)
        return INTERRUPTED
    console.print(f"All {len(wanted.points())} runs are finished. Table: {output / TABLE}", highlight=False, soft_wrap=True)
    return None

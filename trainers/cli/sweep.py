"""The verbs ``sweep METHOD``: read the grid, train it, show which runs are under way."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from stanalysis.errors import BadInput
from stanalysis.progress import Progress, duration, is_looked_at
from trainers.cli.options import preset_setting, verb_with_settings
from trainers.cli.printing import say, warn
from trainers.cli.train import INTERRUPTED
from trainers.methods.contract import Method
from trainers.methods.registry import METHODS
from trainers.methods.rewired.config import SPARSE
from trainers.methods.settings import Setting, head, settings
from trainers.sweep.grid import Grid, design_of, grid_of
from trainers.sweep.watcher import SweepWatcher

USUAL = SPARSE  # the method of a sweep that names none


class LiveTable(SweepWatcher):
    """A line for each run under way and one of totals on a terminal, a line of totals every half minute elsewhere; a line for
    each run that ends, always.
    """

    def __init__(self, console: Console, path: Path, epochs: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.console, self.path, self.epochs = console, path, epochs
        self.live = Live(console=console, auto_refresh=False, transient=True) if is_looked_at(console) else nullcontext()
        self.monotonic = monotonic
        self.lines = Progress(console, monotonic=monotonic)  # the table takes the place of its bar
        self.first: dict[str, int] = {}  # epochs that a run under way had done when it was first seen
        self.n_epochs = 0  # done since the sweep began, by runs that are finished

    def begin(self, n_done: int, n_runs: int) -> None:
        """Start the clock."""
        self.n_done, self.n_runs, self.began = n_done, n_runs, self.monotonic()

    def look(self, running: Mapping[str, float]) -> None:
        """Draw the table anew, or write the line of totals."""
        from stanalysis.files.run import read_metrics

        for run in running.keys() - self.first.keys():
            self.first[run] = len(read_metrics(self.path / run))
        if not isinstance(self.live, Live) and not self.lines.is_due():
            return
        table = Table("run", "epoch", "validation", "time", box=None)
        epochs = []
        done, left = self.n_epochs, (self.n_runs - self.n_done) * self.epochs
        for run, seconds in running.items():
            metrics = read_metrics(self.path / run)
            epochs.append(len(metrics))
            done += len(metrics) - self.first[run]
            left -= len(metrics)
            accuracy = f"{metrics['validation_accuracy'].iloc[-1]:.1%}" if len(metrics) else "–"
            table.add_row(run, f"{len(metrics)}/{self.epochs}", accuracy, duration(seconds))
        elapsed = self.monotonic() - self.began
        rest = f"about {duration(elapsed / done * left)} left" if done else "time left not known yet"
        totals = f"{self.n_done}/{self.n_runs} runs, {duration(elapsed)}, {rest}"
        if isinstance(self.live, Live):
            self.live.update(Group(table, totals), refresh=True)
        else:
            under_way = f"under way {len(epochs)}, at epoch {min(epochs)} to {max(epochs)} of {self.epochs}; " if epochs else ""
            self.lines.doing(f"{under_way}{totals}")

    def finished(self, row: Mapping[str, Any]) -> None:
        """Print the accuracy reached."""
        self.n_done += 1
        self.n_epochs += self.epochs - self.first.pop(row["run"], 0)
        say(
            self.console,
            f"{row['run']}: {row['last_test_accuracy']:.1%} on test, {row['best_test_accuracy']:.1%} after epoch "
            f"{row['best_epoch']}, the best on validation; {duration(row['seconds'])} ({self.n_done}/{self.n_runs})",
        )

    def failed(self, run: str, sentence: str) -> None:
        """Print why."""
        self.n_done += 1
        say(self.console, f"{run}: {sentence}", before="Failed:", style="bold red")

    def warned(self, text: str) -> None:
        """Print it."""
        warn(self.console, text)


def described(method: Method) -> tuple[dict[str, Setting], dict[str, Setting]]:
    """The entries of a grid file of a method, and those of its table config."""
    design = design_of(method)
    entries = {axis.name: axis.setting for axis in design.axes} | settings(Grid) | {"preset": preset_setting(method.presets)}
    return entries, {name: setting for name, setting in settings(method.config).items() if name not in design.fields}


def grid_from(method: Method, file: Path | None, flags: Mapping[str, Any]) -> Grid:
    """The grid of a TOML file, with the ``flags`` instead of its entries.

    The flags are entries of the file or of its table ``config``, by name, and go before the file; both go before the preset.
    """
    entries, of_networks = described(method)
    stored = _read(file, entries, of_networks) if file else {}
    preset = flags.get("preset", stored.pop("preset", next(iter(method.presets))))
    if preset not in method.presets:
        raise BadInput(f"preset is {preset!r}; give one of {', '.join(method.presets)}.")
    config = stored.pop("config", {}) | {name: value for name, value in flags.items() if name in of_networks}
    given = stored | {name: value for name, value in flags.items() if name in entries and name != "preset"}
    given.setdefault("data", method.data_of(preset))
    return grid_of(method, config=replace(method.presets[preset], **config), **given)


def _read(file: Path, entries: Mapping[str, Setting], of_networks: Mapping[str, Setting]) -> dict[str, Any]:
    """The entries of a grid file, each known and of its kind."""
    try:
        stored = tomllib.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError, TOMLDecodeError
        raise BadInput(f"{file} is not valid TOML ({error}); mend it.") from error
    config = stored.pop("config", {})
    if not isinstance(config, dict):
        raise BadInput(f"{file}: config is {config!r}; give a table, [config].")
    return _checked(file, stored, entries) | {"config": _checked(file, config, of_networks)}


def _checked(file: Path, entries: Mapping[str, Any], known: Mapping[str, Setting]) -> dict[str, Any]:
    """The values of entries that are settings, each of its kind."""
    for name in entries:
        if name not in known:
            raise BadInput(f"{file}: {name!r} is no entry there; give some of {', '.join(known)}.")
    return {name: known[name].read(value, str(file)) for name, value in entries.items()}


def _sweep(
    method: Method,
    flags: Mapping[str, Any],
    grid: Path | None = None,
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    workers: int | None = None,
) -> int | None:
    """Train the networks of a grid, one on each core: sparse ones, or by the method that is named.

    The same command goes on after Ctrl-C or a crash, and with a larger grid: finished runs are kept. The table of the finished
    runs is sweep.csv.

    Parameters
    ----------
    grid
        TOML file with any of the options as entries, by name; those of the networks (below --checkpoints and --preset) in a
        table config, as in Python (batch_size). Options go before the file, the file before the preset.
    output
        Sweep folder to write: sweep.json, sweep.csv and a run folder for each run.
    workers
        Runs at the same time, each on one core [default: all cores]; they do not change the result.
    """
    from stanalysis.files.sweep import TABLE
    from trainers.sweep.runs import sweep as train_grid

    wanted = grid_from(method, grid, flags)
    console = Console(stderr=True)
    watcher = LiveTable(console, output, wanted.config.epochs)
    with watcher.live:
        finished = train_grid(wanted, output, workers=workers, watcher=watcher)
    if not finished:
        say(console, f"Interrupted; what is done is in {output}: the same command goes on.")
        return INTERRUPTED
    say(console, f"All {len(wanted.points())} runs are finished. Table: {output / TABLE}")
    return None


def sweep_verb(method: Method, name: str, first: str) -> Callable[..., int | None]:
    """The verb that trains grids of a method: its options are the axes, what a grid has besides, and the configuration."""
    entries, of_networks = described(method)
    usual = grid_of(method)
    return verb_with_settings(
        _sweep,
        method,
        name=name,
        summary="\n\n".join((first, head(_sweep)[1])),
        described=(*entries.values(), *of_networks.values()),
        defaults={"preset": next(iter(method.presets)), **vars(method.default), **vars(usual), **usual.axes},
    )


def sentence_of_grid(method: Method) -> str:
    """What the verb of a method does, in a line."""
    axes = ", ".join(axis.name for axis in design_of(method).axes)
    return f"{method.summary.removesuffix('.')}, for every combination of {axes} and seeds."


sweep = sweep_verb(USUAL, "sweep", head(_sweep)[0])
app = App(name="sweep")
app.default(sweep)
for _method in METHODS.values():
    if _method.design is not None:
        app.command(sweep_verb(_method, _method.verb, sentence_of_grid(_method)), name=_method.verb)

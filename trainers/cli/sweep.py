"""The verb of the sweep: read the grid, train it, show which runs are under way."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from stanalysis.errors import BadInput
from stanalysis.progress import Progress, duration, is_looked_at
from trainers.cli.options import preset_setting, verb_with_settings
from trainers.cli.printing import say, warn
from trainers.cli.train import INTERRUPTED
from trainers.methods.rewired.config import SPARSE, SparseConfig
from trainers.methods.settings import Setting, head, settings
from trainers.sweep.grid import AXES, Grid
from trainers.sweep.watcher import SweepWatcher

_ENTRIES = {**settings(Grid), "preset": preset_setting(SPARSE.presets)}
_CONFIG = {name: setting for name, setting in settings(SparseConfig).items() if name not in AXES}


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


def grid_from(file: Path | None, flags: Mapping[str, Any]) -> Grid:
    """The grid of a TOML file, with the ``flags`` instead of its entries.

    The flags are entries of the file or of its table ``config``, by name, and go before the file; both go before the preset.
    """
    stored = _read(file) if file else {}
    preset = flags.get("preset", stored.pop("preset", next(iter(SPARSE.presets))))
    if preset not in SPARSE.presets:
        raise BadInput(f"preset is {preset!r}; give one of {', '.join(SPARSE.presets)}.")
    config = stored.pop("config", {}) | {name: value for name, value in flags.items() if name in _CONFIG}
    entries = stored | {name: value for name, value in flags.items() if name in _ENTRIES and name != "preset"}
    return Grid(config=replace(SPARSE.presets[preset], **config), **entries)


def _read(file: Path) -> dict[str, Any]:
    """The entries of a grid file, each known and of its kind."""
    try:
        stored = tomllib.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError, TOMLDecodeError
        raise BadInput(f"{file} is not valid TOML ({error}); mend it.") from error
    config = stored.pop("config", {})
    if not isinstance(config, dict):
        raise BadInput(f"{file}: config is {config!r}; give a table, [config].")
    return _checked(file, stored, _ENTRIES) | {"config": _checked(file, config, _CONFIG)}


def _checked(file: Path, entries: Mapping[str, Any], described: Mapping[str, Setting]) -> dict[str, Any]:
    """The values of entries that are settings, each of its kind."""
    for name in entries:
        if name not in described:
            raise BadInput(f"{file}: {name!r} is no entry there; give some of {', '.join(described)}.")
    return {name: described[name].read(value, str(file)) for name, value in entries.items()}


def _sweep(
    flags: Mapping[str, Any],
    grid: Path | None = None,
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    workers: int | None = None,
) -> int | None:
    """Train sparse networks of every method, sparsity and seed of a grid, one on each core.

    The same command goes on after Ctrl-C or a crash, and with more seeds, sparsities or methods: finished runs are kept. The
    table of the finished runs is sweep.csv.

    Parameters
    ----------
    grid
        TOML file with any of the options as entries, by name: methods, sparsities, seeds, preset, data, gain, bin, checkpoints;
        in a table config those of the networks, as in Python (n_bins). Options go before the file, the file before the preset.
    output
        Sweep folder to write: sweep.json, sweep.csv and a run folder for each run.
    workers
        Runs at the same time, each on one core [default: all cores]; they do not change the result.
    """
    from stanalysis.files.sweep import TABLE
    from trainers.sweep.runs import sweep as train_grid

    wanted = grid_from(grid, flags)
    console = Console(stderr=True)
    watcher = LiveTable(console, output, wanted.config.epochs)
    with watcher.live:
        finished = train_grid(wanted, output, workers=workers, watcher=watcher)
    if not finished:
        say(console, f"Interrupted; what is done is in {output}: the same command goes on.")
        return INTERRUPTED
    say(console, f"All {len(wanted.points())} runs are finished. Table: {output / TABLE}")
    return None


sweep = verb_with_settings(
    _sweep,
    name="sweep",
    summary="\n\n".join(filter(None, head(_sweep))),
    described=(*_ENTRIES.values(), *_CONFIG.values()),
    defaults={"preset": next(iter(SPARSE.presets)), **vars(Grid()), **vars(SPARSE.default)},
)

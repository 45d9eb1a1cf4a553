"""What a person sees of a sweep under way."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from stanalysis.progress import Progress, duration, is_looked_at
from trainers.cli.printing import say, warn
from trainers.sweep.watcher import SweepWatcher


class LiveTable(SweepWatcher):
    """A line for each run under way and one of totals on a terminal, a line of totals every half minute elsewhere; a line for
    each run that ends, always.
    """

    def __init__(
        self, console: Console, path: Path, epochs: Mapping[str, int], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.console, self.path, self.epochs = console, path, epochs  # wanted of each run
        self.live = Live(console=console, auto_refresh=False, transient=True) if is_looked_at(console) else nullcontext()
        self.monotonic = monotonic
        self.lines = Progress(console, monotonic=monotonic)  # the table takes the place of its bar
        self.first: dict[str, int] = {}  # epochs that a run under way had done when it was first seen
        self.n_epochs = 0  # done since the sweep began, by runs that are finished

    def begin(self, done: Collection[str]) -> None:
        """Start the clock."""
        self.left = {run: epochs for run, epochs in self.epochs.items() if run not in done}
        self.began = self.monotonic()

    def look(self, running: Mapping[str, float], n_elsewhere: int) -> None:
        """Draw the table anew, or write the line of totals."""
        from stanalysis.files.run import read_metrics

        for run in running.keys() - self.first.keys():
            self.first[run] = len(read_metrics(self.path / run))
        if not isinstance(self.live, Live) and not self.lines.is_due():
            return
        table = Table("run", "epoch", "validation", "time", box=None)
        epochs = []
        done, left = self.n_epochs, sum(self.left.values())
        for run, seconds in running.items():
            metrics = read_metrics(self.path / run)
            epochs.append(len(metrics))
            done += len(metrics) - self.first[run]
            left -= len(metrics)
            accuracy = f"{metrics['validation_accuracy'].iloc[-1]:.1%}" if len(metrics) else "–"
            table.add_row(run, f"{len(metrics)}/{self.epochs[run]}", accuracy, duration(seconds))
        elapsed = self.monotonic() - self.began
        rest = f"about {duration(elapsed / done * left)} left" if done else "time left not known yet"
        elsewhere = f" ({n_elsewhere} trained by others)" if n_elsewhere else ""
        totals = f"{self._counted()} runs{elsewhere}, {duration(elapsed)}, {rest}"
        if isinstance(self.live, Live):
            self.live.update(Group(table, totals), refresh=True)
        else:
            span = f", at epoch {min(epochs)} to {max(epochs)} of {max(self.epochs.values())}" if epochs else ""
            self.lines.doing(f"under way {len(epochs)}{span}; {totals}" if epochs else totals)

    def finished(self, row: Mapping[str, Any]) -> None:
        """Print the accuracy reached."""
        self.n_epochs += self.left.pop(row["run"], 0) - self.first.pop(row["run"], 0)
        say(
            self.console,
            f"{row['run']}: {row['last_test_accuracy']:.1%} on test, {row['best_test_accuracy']:.1%} after epoch "
            f"{row['best_epoch']}, the best on validation; {duration(row['seconds'])} ({self._counted()})",
        )

    def finished_elsewhere(self, run: str) -> None:
        """Count it."""
        self.left.pop(run, None)

    def failed(self, run: str, sentence: str) -> None:
        """Print why."""
        self.left.pop(run, None)
        say(self.console, f"{run}: {sentence}", before="Failed:", style="bold red")

    def lost(self, run: str, sentence: str) -> None:
        """Print why."""
        say(self.console, f"{run}: {sentence}", before="Lost:", style="yellow")

    def _counted(self) -> str:
        return f"{len(self.epochs) - len(self.left)}/{len(self.epochs)}"

    def warned(self, text: str) -> None:
        """Print it."""
        warn(self.console, text)

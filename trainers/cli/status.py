"""How far a sweep is, printed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from stanalysis.errors import printable
from stanalysis.progress import duration
from trainers.sweep.status import Status, status_of


def print_status(path: Path, *, as_json: bool) -> None:
    """Print who trains what, what failed and why, what is left, and how long that may take."""
    status = status_of(path)
    if as_json:
        print(json.dumps(asdict(status), indent=2))
        return
    console = Console()
    parts = [f"{status.n_finished} of {status.n_runs} runs finished", f"{len(status.under_way)} under way"]
    parts += [f"{status.n_left} left"] + ([f"{len(status.begun)} of them begun"] if status.begun else [])
    parts += [f"{len(status.failed)} failed"] if status.failed else []
    console.print("; ".join(parts) + "." + _left(status), soft_wrap=True, highlight=False)
    if status.under_way:
        table = Table("run", "epoch", "host", "process", "for", "last sign of life", box=None)
        for run in status.under_way:
            silent = f"{run.silent:.0f} s ago"
            table.add_row(
                run.run, f"{run.epoch}/{run.epochs}", printable(run.host), str(run.pid), duration(run.seconds), silent
            )
        console.print(table)
    for name, sentence in status.failed.items():
        console.print(f"Failed: {printable(name)}: {printable(sentence)}", soft_wrap=True, highlight=False, markup=False)


def _left(status: Status) -> str:
    if not status.seconds:
        return ""
    return f" About {duration(status.seconds)} left with {len(status.under_way)} at work."

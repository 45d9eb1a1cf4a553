"""The verb operate: parse, operate on one network after another or several side by side, say what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from cyclopts import Parameter
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from stanalysis.errors import BadInput
from stanalysis.execution import completed
from stanalysis.files.operations import INTACT, OPERATIONS, TABLE, read_lines, without_controls
from stanalysis.files.sweep import is_sweep, read_sweep
from stanalysis.progress import Progress
from trainers.cli.printing import say, warnings_said
from trainers.operations.operating import operate as operate_run
from trainers.operations.trained import Choice, recordings_of

Kind = Literal["precision", "nulls", "directed"]


@dataclass(frozen=True)
class _Task:
    run: Path
    families: tuple[Kind, ...]
    draws: int
    refit: int
    checkpoint: Choice
    data: str | None
    threads: int | None


def operate(
    runs: Annotated[list[Path], Parameter(negative="")],
    /,
    *,
    families: Annotated[tuple[Kind, ...], Parameter(consume_multiple=True, negative="")] = ("precision", "nulls", "directed"),
    draws: int = 3,
    refit: int = 3,
    checkpoint: Choice = "best",
    data: str | None = None,
    workers: int = 1,
) -> None:
    """Change trained networks, without training them again, and print what accuracy is left.

    Precision: delays and weights rounded, jittered, clipped, averaged. Nulls: synapses rearranged as the nulls of the
    statistics do. Directed: exchanges that raise, leave or lower the grouping of excitation and inhibition, at equal dose. The
    table is operations.csv in each run folder, and the same command goes on after an interruption.

    Parameters
    ----------
    runs
        Run folders of networks that were trained here, or sweep folders: their finished runs.
    families
        What to do.
    draws
        How many times to do what chance has a part in.
    refit
        Epochs in which the weights are trained again, as a control, after the largest doses of surgery; 0 for none.
    checkpoint
        The network to operate on: that of the epoch best on validation, or the last one.
    data
        The data set that the runs were trained on, where it is no longer in its folder.
    workers
        Networks to operate on at the same time; the result does not depend on it.
    """
    console = Console(stderr=True)
    if workers < 1:
        raise BadInput(f"{workers} workers are asked for; give at least 1.")
    folders = _run_folders(runs)
    tasks = [_Task(run, families, draws, refit, checkpoint, data, 1 if workers > 1 else None) for run in folders]
    with warnings_said(console), Progress(console) as progress:
        if workers == 1 or len(tasks) == 1:
            for number, task in enumerate(tasks, 1):
                where = f"{task.run.name} ({number}/{len(tasks)})"
                progress.doing(f"{where}: preparing …")
                _operated(task, partial(_reached, progress, where))
        else:
            progress.reached(0, len(tasks), f"networks 0/{len(tasks)}")
            for n_done, _ in enumerate(completed(_operated, tasks, workers=workers), 1):
                progress.reached(n_done, len(tasks), f"networks {n_done}/{len(tasks)}")
    tables = [read_lines(run) for run in folders]
    Console().print(_shown(pd.concat(tables, keys=[str(run) for run in folders], names=["run"]).reset_index("run")))
    say(console, f"Tables: {', '.join(str(run / TABLE) for run in folders)}")


def _reached(progress: Progress, where: str, done: int, total: int) -> None:
    progress.reached(done, total, f"{where}: {done}/{total}")


def _run_folders(paths: Sequence[Path]) -> list[Path]:
    """The runs themselves, and of sweeps their finished runs."""
    folders = []
    for path in paths:
        folders += [path / str(run) for run in read_sweep(path).run.values] if is_sweep(path) else [path]
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise BadInput("A run is given twice; name each once.")
    return folders


def _operated(task: _Task, progress: Callable[[int, int], None] | None = None) -> None:
    """Operate on one network."""
    operate_run(
        task.run,
        recordings_of(task.run, task.data),
        families=task.families,
        draws=task.draws,
        refit=task.refit,
        checkpoint=task.checkpoint,
        threads=task.threads,
        progress=progress,
    )


def _shown(table: pd.DataFrame) -> Table:
    """Of every operation the mean test accuracy at each level, over draws and networks."""
    n = table["run"].nunique()
    shown = Table(title=f"Test accuracy, {n} network{'s' * (n > 1)}", title_justify="left", box=SIMPLE_HEAD)
    shown.add_column("operation")
    shown.add_column("level: accuracy")
    plain = without_controls(table)
    parts = ["operation", "projection", "arm", "matched"]
    for (operation, projection, arm, matched), lines in plain.groupby(parts, sort=False):
        means = lines.groupby("level")["test_accuracy"].mean()
        where = f", {projection}" if projection != INTACT["projection"] else ""
        words = f", {arm}{' at equal dose' if matched else ''}" if arm != INTACT["arm"] else ""
        accuracies = "  ".join(f"{level:g}: {value:.1%}" for level, value in means.items())
        rule = OPERATIONS.get(str(operation))
        unit = f" ({rule.level}{', ms' * (rule.unit == 'ms')})" if rule and rule.level else ""
        shown.add_row(f"{operation}{where}{words}{unit}", accuracies if len(means) > 1 else f"{means.iloc[0]:.1%}")
    return shown

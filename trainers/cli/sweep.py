"""The verbs ``sweep METHOD``: read the grid, train it, show which runs are under way."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console

from stanalysis.cluster import RETRIES, client_of
from stanalysis.errors import BadInput
from stanalysis.files.lock import LEASE
from trainers.cli.grids import described, grids_from
from trainers.cli.live_table import LiveTable
from trainers.cli.options import verb_with_settings
from trainers.cli.printing import say
from trainers.cli.train import INTERRUPTED
from trainers.methods.contract import Method
from trainers.methods.registry import METHODS
from trainers.methods.rewired.config import SPARSE
from trainers.methods.settings import head
from trainers.sweep.grid import design_of, grid_of

USUAL = SPARSE  # the method of a sweep that names none


def _sweep(
    method: Method,
    flags: Mapping[str, Any],
    grid: Path | None = None,
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    workers: int | None = None,
    scheduler: str | None = None,
    scheduler_file: Path | None = None,
    retries: int = RETRIES,
    lease: float = LEASE,
    prepare: Annotated[bool, Parameter(negative="")] = False,
    status: Annotated[bool, Parameter(negative="")] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int | None:
    """Train the networks of a grid, one on each core: sparse ones, or by the method that is named.

    The same command goes on after Ctrl-C or a crash, and with a larger grid: finished runs are kept. The table of the finished
    runs is sweep.csv. On other machines that share the folder `stanalysis work` takes part.

    Parameters
    ----------
    grid
        TOML file with any of the options as entries, by name; those of the networks (below --checkpoints and --preset) in a
        table config, as in Python (batch_size). Options go before the file, the file before the preset. With a table in
        methods for each of several methods, with its name and what is its own, all of them are trained.
    output
        Sweep folder to write: sweep.json, sweep.csv and a run folder for each run.
    workers
        Runs at the same time, each on one core [default: all cores]; they do not change the result.
    scheduler
        Address of a dask scheduler, as tcp://10.0.0.1:8786, whose workers share the folder: they train the runs.
    scheduler_file
        File in which a dask scheduler wrote its address.
    retries
        How often a run is tried again whose process, or machine, died.
    lease
        Seconds without a sign of life after which a process of another machine is taken to be gone.
    prepare
        Only write the folder, for `stanalysis work` to train.
    status
        Only print how far the sweep is: who trains what, what failed and why, what is left.
    as_json
        Print that as JSON.
    """
    if as_json and not status:
        raise BadInput("Only the status is printed as JSON; give --status, too.")
    if workers is not None and (scheduler or scheduler_file):
        raise BadInput("Of --workers and --scheduler give one: a scheduler has workers of its own.")
    if status:
        from trainers.cli.status import print_status

        print_status(output, as_json=as_json)
        return None
    from stanalysis.files.sweep import TABLE
    from trainers.sweep.engines import engine_of
    from trainers.sweep.runs import prepare as write_folder
    from trainers.sweep.runs import sweep as train_grids

    wanted = grids_from(method, grid, flags)
    console = Console(stderr=True)
    if prepare:
        n_runs = write_folder(wanted, output, lease=lease)
        say(console, f"{n_runs} runs are to be trained: stanalysis work {shlex.quote(str(output))}")
        return None
    epochs = {point.name: int(point.config.epochs) for g in wanted for point in g.points()}
    watcher = LiveTable(console, output, epochs)
    with client_of(scheduler, scheduler_file, retries=retries) as client, watcher.live:
        engine = engine_of(workers, client)
        if client is not None:
            say(console, f"Dashboard: {client.dashboard_link}")
        finished = train_grids(wanted, output, engine=engine, retries=retries, lease=lease, watcher=watcher)
    if not finished:
        say(console, f"Interrupted; what is done is in {output}: the same command goes on.")
        return INTERRUPTED
    say(console, f"All {len(epochs)} runs are finished. Table: {output / TABLE}")
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

"""A sweep: the networks of every point of a grid, trained one process per core.

::

    sweep.json     the settings that all runs share; the grid may grow, they may not change
    sweep.csv      one line per finished run, in grid order, as `stanalysis.files.sweep` describes it
    <run>/         a run folder, as `stanalysis.files.run` describes it

The run folders are the state of a sweep: sweep.csv is made from them, and an unfinished run resumes from its own.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from stanalysis.errors import BadInput
from stanalysis.execution import completed
from stanalysis.files.checkpoint import read_checkpoint
from stanalysis.files.lock import Hold, held
from stanalysis.files.records import read_json, read_table, write_json
from stanalysis.files.run import INFO, is_free, open_run, read_metrics
from stanalysis.files.sweep import TABLE, write_sweep
from stanalysis.files.temporary import is_temporary
from trainers.datasets import Recordings, load_dataset
from trainers.methods.settings import config_from
from trainers.sweep.grid import Grid, point_of
from trainers.sweep.processes import RunProcesses
from trainers.sweep.watcher import SweepWatcher
from trainers.training.interrupts import interrupts_wait
from trainers.training.threads import available

SCHEMA_VERSION = 1
SETTINGS = "sweep.json"
BEFORE = {"dt": 10.0, "method": "sparse"}  # what was not written while all sweeps had the same


def sweep(grid: Grid, path: Path, *, workers: int | None = None, watcher: SweepWatcher | None = None) -> bool:
    """Train every run of a grid that is not finished yet, and keep the table of the finished ones.

    Call it again to go on after an interruption, or with a larger grid.

    Parameters
    ----------
    path
        The sweep folder.
    workers
        Processes that train at the same time, each on one thread; None for one per core that this process may use. No
        result depends on them.

    Returns
    -------
    bool
        Whether all runs are finished; False after Ctrl-C, when those under way have kept the state they reached. `BadInput`
        if some run failed, once the others are done.

    Notes
    -----
    The column ``seconds`` is the life of the process that finished the run: of a resumed run, only since it was resumed. It
    is empty where the table was lost.
    """
    workers = available(None) if workers is None else workers
    list(completed(str, (), workers=workers))  # the sentence, if they are too few, before anything is written
    data = load_dataset(grid.data, gain=grid.gain, content=grid.method.wants, dt=grid.bin)
    identity = {"name": data.name, "sha256": data.sha256, "gain": data.gain, "dt": data.dt}
    settings = _settings(grid, grid.config, identity, grid.checkpoints)
    _require_networks(grid, data)
    del data  # each worker loads its own
    with held(path) as hold:
        return _train(grid, path, hold, settings, workers, watcher or SweepWatcher())


def _require_networks(grid: Grid, data: Recordings) -> None:
    """Raise `BadInput` where a point of the grid has no network for these data: a sentence before the long runs."""
    rule = grid.method.rule()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its run warns
        for point in grid.points():
            if point.seed == min(grid.seeds):
                rule.init(point.config, point.seed, data.format)


def _train(grid: Grid, path: Path, hold: Hold, settings: Mapping[str, Any], workers: int, watcher: SweepWatcher) -> bool:
    """Train what is not finished in the folder."""
    _require_sweep(path, settings)
    rows = _finished_rows(grid, path, settings)
    for name in rows:
        if any(is_temporary(entry) for entry in (path / name).iterdir()):  # it died once all else was done
            with suppress(BadInput), held(path / name):  # it may be pruned right now
                pass
    if not (path / SETTINGS).exists():
        write_json(path / SETTINGS, {"schema_version": SCHEMA_VERSION, **settings})
    write_sweep(path, rows.values())
    points, design = grid.points(), grid.design
    todo = [p for p in points if p.name not in rows or not design.columns(p.config).items() <= rows[p.name].items()]
    todo.sort(key=lambda p: design.effort(p.config), reverse=True)  # long runs first: none is left alone at the end
    watcher.begin(len(points) - len(todo), len(points))
    failures: dict[str, str] = {}
    n_finished = 0
    with interrupts_wait() as interrupted:
        processes = RunProcesses(grid, path, interrupted, watcher)
        with closing(processes.ended(todo, workers)) as ended:
            for run in ended:
                name, row = run.point.name, _row(grid, path / run.point.name, settings)
                if row is not None:
                    rows[name] = row | {"seconds": round(run.seconds, 1)}
                    n_finished += 1
                    hold.require()
                    write_sweep(path, rows.values())
                    watcher.finished(rows[name])
                elif run.error or not interrupted.is_set():
                    early = f"Its process ended early, with code {run.code}; the same command goes on with it."
                    failures[name] = run.error or early
                    watcher.failed(name, failures[name])
    if failures and n_finished + len(failures) == len(todo):
        name, sentence = next(iter(failures.items()))
        raise BadInput(f"{len(failures)} of {len(points)} runs failed; the first was {name}: {sentence}")
    return n_finished == len(todo)


def _settings(grid: Grid, config: Any, dataset: Mapping[str, Any], checkpoints: int) -> dict[str, Any]:
    """What all runs of a sweep share, as sweep.json holds it."""
    shared = {name: value for name, value in json.loads(json.dumps(asdict(config))).items() if name not in grid.design.fields}
    known = {**BEFORE, **dataset}
    data = {name: known.get(key) for name, key in {"data": "name", "sha256": "sha256", "gain": "gain", "dt": "dt"}.items()}
    return {"method": grid.method.name} | data | {"checkpoints": checkpoints} | shared


def _require_sweep(path: Path, settings: Mapping[str, Any]) -> None:
    """Raise `BadInput` unless the folder is new, or holds a sweep of these settings."""
    if is_free(path):
        return
    place = path / SETTINGS
    if not place.is_file():
        raise BadInput(f"{path} exists and is no sweep folder: it holds no {SETTINGS}; name another folder.")
    stored = BEFORE | read_json(place, remedy="restore it, or start another sweep")
    if stored.get("schema_version") != SCHEMA_VERSION:
        raise BadInput(f"{place} is not of schema version {SCHEMA_VERSION}; use the program version that wrote it.")
    for name, wanted in settings.items():
        if stored.get(name) != wanted:
            raise BadInput(
                f"{path} holds a sweep with {name} {stored.get(name)}, not {wanted}; give its own settings, or another folder."
            )


def _finished_rows(grid: Grid, path: Path, settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The lines of the finished runs in the folder, in this grid or not; with the seconds that the table knows."""
    rows = {}
    for info in path.glob(f"*/{INFO}"):
        row = _row(grid, info.parent, settings)
        if row is not None:
            rows[row["run"]] = row
    seconds = {}
    with suppress(OSError, ValueError, KeyError):  # a lost or damaged table is made anew
        table = read_table(path / TABLE, remedy="").set_index("run")
        seconds = pd.to_numeric(table["seconds"], errors="coerce").to_dict()
    return {name: row | {"seconds": seconds.get(name, float("nan"))} for name, row in rows.items()}


def _row(grid: Grid, folder: Path, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """The line of a run but for its seconds; None while it is not finished."""
    if not (folder / INFO).is_file():
        return None
    run, metrics = open_run(folder), read_metrics(folder)
    if run.info.get("method") != grid.method.name:
        raise BadInput(f"{folder} holds a run of another method; move it out of the sweep.")
    config, seed = config_from(run.info.get("config"), grid.method.config), run.info.get("seed", -1)
    point = point_of(grid.design, config, tuple(axis.value(config) for axis in grid.design.axes), seed)
    held = _settings(grid, config, run.info.get("dataset") or {}, run.info.get("n_checkpoints", 0))
    if folder.name != point.name or config != point.config or held != settings:
        raise BadInput(f"{folder} holds a run of other settings; move it out of the sweep.")
    if metrics.empty or metrics["epoch"].iloc[-1] < config.epochs or not run.last.is_file():
        return None
    last, best = metrics.iloc[-1], metrics.iloc[int(metrics["validation_accuracy"].argmax())]
    network = read_checkpoint(run.last)
    if network.attrs["step"] != last["step"]:  # killed after the metrics were written, and before the network was
        return None
    tables = {tuple(name.split("__")): table.to_dataset() for name, table in network["projections"].children.items()}
    projections, counts = list(tables.values()), grid.design.n_parameters
    first = network["projections/input__hidden1"].to_dataset()
    return {
        "run": folder.name,
        **grid.design.columns(config),
        **({"n_parameters": counts(config, tables)} if counts else {}),
        "seed": point.seed,
        "n_synapses": sum(table.sizes["synapse"] for table in projections),
        "n_possible": sum(int(table.attrs["n_source"] * table.attrs["n_target"]) for table in projections),
        "in_degree": first.sizes["synapse"] / int(first.attrs["n_target"]),
        "n_input_synapses": first.sizes["synapse"],
        "epochs": config.epochs,
        "last_validation_accuracy": last["validation_accuracy"],
        "last_test_accuracy": last["test_accuracy"],
        "best_epoch": int(best["epoch"]),
        "best_validation_accuracy": best["validation_accuracy"],
        "best_test_accuracy": best["test_accuracy"],
    }

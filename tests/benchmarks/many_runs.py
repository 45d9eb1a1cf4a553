"""How long a sweep folder of many runs takes to begin, to look at and to bring up to date, without training any.

``python tests/benchmarks/many_runs.py --runs 1000 100000`` trains one tiny network, and has its files stand for all others.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from stanalysis.files.records import read_json, write_json
from stanalysis.files.run import INFO
from stanalysis.files.sweep import TABLE, write_sweep
from tests.trainers.recordings import write_rawhd
from trainers.methods.rewired.config import SPARSE, SparseConfig
from trainers.sweep.engines import Local
from trainers.sweep.folder import SweepFolder
from trainers.sweep.grid import Grid, grid_of
from trainers.sweep.loop import Loop
from trainers.sweep.plan import SETTINGS, plan_of, read_plan
from trainers.sweep.rows import row_of_run
from trainers.sweep.runs import sweep
from trainers.sweep.spec import EndedRun
from trainers.sweep.status import status_of
from trainers.sweep.watcher import SweepWatcher

UNLISTED = 20  # runs that are in no table yet
MOST_LINKS = 30_000  # to a file; some file systems have no more than 65,000


def filled(path: Path, grid: Grid, n: int) -> Grid:
    """A folder in which ``n`` runs are finished, all but a few of them in the table, all of the same numbers; their grid."""
    shutil.rmtree(path, ignore_errors=True)
    assert sweep(grid, path)
    first = path / grid.points()[0].name
    info = read_json(first / INFO, remedy="")
    many = replace(grid, seeds=tuple(range(n)))
    linked = first
    for number, point in enumerate(many.points()):
        folder = path / point.name
        if folder.exists():
            continue
        folder.mkdir()
        for name in ("metrics.csv", "last.nc", "best.nc", "step-000000.nc"):
            (os.link if number % MOST_LINKS else shutil.copy)(linked / name, folder / name)
        linked = linked if number % MOST_LINKS else folder
        write_json_quickly(folder / INFO, info | {"seed": point.seed})
    row = {**row_of_run(first), "seconds": 60.0}
    write_sweep(path, [{**row, "run": point.name, "seed": point.seed} for point in many.points()[: n - UNLISTED]])
    (path / SETTINGS).unlink()
    write_json(path / SETTINGS, plan_of([many], 60.0).content())
    return many


def write_json_quickly(path: Path, content: dict) -> None:
    """Without a digest, and without waiting for the disk."""
    path.write_text(json.dumps(content))


class Instant(Local):
    """Trains nothing: every run ends at once."""

    def __init__(self, row: dict) -> None:
        super().__init__(1)
        self._row, self._done = row, []

    def room(self) -> int:
        """For one, always."""
        return 1 - len(self._done)

    def begin(self, run, avoid=frozenset()) -> None:
        """End it."""
        self._done.append(EndedRun(run.name, "finished", 60.0, row={**self._row, "run": run.name, "seed": run.seed}))

    def n_begun(self) -> int:
        """How many are not told of yet."""
        return len(self._done)

    def ended(self, seconds: float) -> list[EndedRun]:
        """What was begun."""
        done, self._done = self._done, []
        return done


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each number of runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[1000, 100_000])
    options = parser.parse_args(arguments)
    print("| runs | look | per run not in the table | `--status` | plan | table written | per dispatch | table | sweep.json |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        config = SparseConfig(hidden=(4,), n_bins=3, epochs=1, batch_size=16)
        grid = grid_of(
            SPARSE, methods=("fixed-fixed",), sparsities=(0.5,), seeds=(0,), data=str(write_rawhd(Path(place))), config=config
        )
        for n in options.runs:
            path = Path(place) / "sweep"
            many = filled(path, grid, n)
            began = perf_counter()
            folder = SweepFolder(path)
            folder.open()
            unlisted = perf_counter() - began
            folder.write_table()
            began = perf_counter()
            folder.open()
            look = perf_counter() - began
            unlisted = (unlisted - look) / UNLISTED
            began = perf_counter()
            assert status_of(path).n_finished == n
            status = perf_counter() - began
            began = perf_counter()
            specs = read_plan(path).specs(path)
            plan = perf_counter() - began
            began = perf_counter()
            folder.rows["extra"] = {**folder.rows[specs[0].name], "run": "extra"}
            folder.write_table()
            table = perf_counter() - began
            more = replace(many, seeds=tuple(range(n, n + 500)))
            row = folder.rows[specs[0].name]
            loop = Loop(folder, plan_of([more], 60.0).specs(path), Instant(row), SweepWatcher(), retries=0, leads=False)
            began = perf_counter()
            loop.train()
            dispatch = (perf_counter() - began) / 500
            sizes = [(path / name).stat().st_size / 1e6 for name in (TABLE, SETTINGS)]
            cells = [
                f"{n:,}",
                f"{look:.2f} s",
                f"{1e3 * unlisted:.0f} ms",
                f"{status:.2f} s",
                f"{plan:.2f} s",
                f"{table:.2f} s",
            ]
            cells += [f"{1e3 * dispatch:.1f} ms", f"{sizes[0]:.1f} MB", f"{sizes[1]:.2f} MB"]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

"""How much of the time of workers is training: a sweep on one and on two workers of a dask scheduler, in turns.

``python tests/benchmarks/cluster.py --runs 60`` takes a quarter of an hour on two cores. ``--networks 300`` times `analyze` of
so many networks instead, first and from what is kept.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter

from distributed import Client, LocalCluster

from stanalysis.analysis.analyze import analyze
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.files.records import read_table
from stanalysis.files.run import step_path, write_info
from stanalysis.findings.writing import write_analysis
from stanalysis.synthetic.network import small_network
from trainers.methods.rewired.config import SPARSE, SparseConfig
from trainers.sweep.engines import engine_of
from trainers.sweep.grid import grid_of
from trainers.sweep.runs import sweep


def swept(n: int, workers: int, place: Path) -> tuple[float, float]:
    """Seconds of a sweep of ``n`` runs, and those of all its runs together."""
    config = SparseConfig(hidden=(64,), epochs=2)
    grid = grid_of(SPARSE, methods=("rewired-learned",), sparsities=(0.9,), seeds=tuple(range(n)), config=config)
    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        sweep(replace(grid, seeds=tuple(range(n, n + workers))), place, engine=engine_of(None, client))
        began = perf_counter()
        assert sweep(grid, place, engine=engine_of(None, client))
        seconds = perf_counter() - began
    table = read_table(place / "sweep.csv", remedy="")
    return seconds, float(table.seconds[table.seed < n].sum())


def analysed(n: int, place: Path) -> None:
    """Print how long `analyze` takes of ``n`` networks, anew and from what is kept."""
    runs = []
    for seed in range(n):
        runs.append(place / f"run-{seed}")
        for step in (0, 10):
            write_checkpoint(small_network(step=step, seed=seed, n_source=40, n_target=16), step_path(runs[-1], step))
        write_info(runs[-1], {"method": "sparse", "seed": seed})
    for what in ("anew", "from what is kept"):
        began = perf_counter()
        analysis = analyze(runs, n_permutations=19, cache=place / "kept", workers=2)
        write_analysis(analysis, place / "a.nc")
        print(f"{n} networks, {what}: {perf_counter() - began:.1f} s", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--networks", type=int)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        if options.networks:
            analysed(options.networks, Path(name))
            return
        ratios = []
        for repeat in range(options.repeats):
            times = {}
            for workers in (1, 2):
                seconds, trained = swept(options.runs, workers, Path(name) / f"{workers}-{repeat}")
                idle = (seconds * workers - trained) / options.runs
                times[workers] = seconds
                said = f"{workers} workers: {options.runs} runs in {seconds:.1f} s, each {trained / options.runs:.2f} s"
                print(f"{said}; between two {idle:.2f} s, {idle / 60:.2%} of a run of 60 s", flush=True)
            ratios.append(times[1] / times[2])
        print(f"two workers: {median(ratios):.2f} times as fast as one")


if __name__ == "__main__":
    main()

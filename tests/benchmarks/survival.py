"""Lifetimes from a long rewiring log: reading, biographies and survival curves, with lifelines beside the curves.

    python tests/benchmarks/survival.py [--events 10000000]

The log is of one projection with 40 living synapses for each target, neighbours within 5 sources counted at every birth. One
thread. Each part runs in a process of its own, whose peak memory is printed; the curves of either sign are computed by
`stanalysis.stats.survival_curves` from counts, and by `lifelines.KaplanMeierFitter` from the episodes.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

LIVES = 50  # of each slot
EVERY = 10  # steps between rewirings


def make_log(path, n_events, seed=0):
    """Slots that die and are born again at once: LIVES lives each, the last one censored."""
    from stanalysis.files.rewiring_log import CAUSE, KIND, append_events, start_log
    from stanalysis.schema.network import EVENTS
    from stanalysis.schema.variables import labelled

    random = np.random.default_rng(seed)
    n_slots = max(n_events // (2 * LIVES), 1)
    n_source = 40
    lifetime = EVERY * random.geometric(0.1, (n_slots, LIVES)).astype(np.int64)
    ends = np.cumsum(lifetime, axis=1)
    births, deaths = np.hstack([np.zeros((n_slots, 1), np.int64), ends[:, :-1]]), ends[:, :-1]
    slot = np.concatenate([np.repeat(np.arange(n_slots), LIVES), np.repeat(np.arange(n_slots), LIVES - 1)])
    kind = np.repeat([KIND.BIRTH, KIND.DEATH], [births.size, deaths.size]).astype(np.int8)
    step = np.concatenate([births.ravel(), deaths.ravel()])
    order = np.lexsort([-kind, step])  # within a step deaths come first
    step, kind, slot = step[order], kind[order], slot[order]
    del order
    n = step.size
    sign = np.where(random.random(n) < 0.5, -1, 1).astype(np.int8)
    columns = {
        "step": step,
        "projection": np.zeros(n, np.int32),
        "kind": kind,
        "cause": np.where(kind == KIND.DEATH, CAUSE.MAGNITUDE, np.where(step == 0, CAUSE.INITIAL, CAUSE.REGROWN_AT_RANDOM)),
        "source": (slot % n_source).astype(np.int32),
        "target": (slot // n_source).astype(np.int32),
        "contact": np.zeros(n, np.int32),
        "delay": 10.0 * random.integers(0, 25, n),
        "weight": sign * 0.5,
        "gradient": np.full(n, np.nan),
        "rank": np.zeros(n, np.int32),
        "sign": sign,
    }
    start_log(path, ["input__hidden1"])
    append_events(path, labelled(EVENTS, **columns), continues=0, complete_to_step=int(step[-1]))


def biographies(path):
    from stanalysis.files.rewiring_log import read_log
    from stanalysis.stats.lives.episodes import episodes

    return episodes(read_log(path), "input__hidden1", ms_per_source=10.0)


def ours(path):
    from stanalysis.stats.lives.life_tables import life_table
    from stanalysis.stats.lives.survival import survival_curves

    start = perf_counter()
    found = biographies(path)
    read = perf_counter()
    curves = survival_curves(life_table(found, by="sign"), horizon=1000, seed=0)
    return {"biographies": read - start, "curves": perf_counter() - read}, curves.survival.values[:, 1]


def of_lifelines(path):
    from lifelines import KaplanMeierFitter

    found = biographies(path)
    start = perf_counter()
    share = []
    for sign in (-1, 1):
        own = found.sign.values == sign
        fitter = KaplanMeierFitter().fit(found.exit.values[own], found.event.values[own], entry=found.entry.values[own])
        share.append(float(fitter.survival_function_.iloc[1, 0]))
    return {"lifelines curves": perf_counter() - start}, np.array(share)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--part", choices=["ours", "lifelines"], help=argparse.SUPPRESS)
    parser.add_argument("--log", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.part:
        import numba

        numba.set_num_threads(1)
        times, first = {"ours": ours, "lifelines": of_lifelines}[given.part](given.log)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        for name, seconds in times.items():
            print(f"{name:18s} {seconds:8.2f} s")
        print(f"{'  S at first age':18s} {first[0]:8.6f}, {first[1]:.6f}; peak memory of the process {peak:.0f} MiB")
        return
    with TemporaryDirectory() as folder:
        log = Path(folder) / "rewiring.nc"
        make_log(log, given.events)
        print(f"{given.events} events, {log.stat().st_size / 2**20:.0f} MiB on disk")
        for part in ("ours", "lifelines"):
            command = [sys.executable, __file__, "--part", part, "--log", str(log)]
            print(subprocess.run(command, check=True, capture_output=True, text=True).stdout, end="")


if __name__ == "__main__":
    main()

"""Time of a training step over sparsity, against a float32 matrix product of numpy run beside it.

    python tests/benchmarks/sparse_step.py [--repeats 20] [--threads 2] [--sparsities 0 0.5 0.9 0.99 0.998]

Each program runs in a process of its own and they take turns, as in training_step.py. "narrow" is a step after the kernels
have narrowed (sigma .5, 6 taps a synapse), "fixed" one with fixed delays (1 tap); "rewiring" is what a step that rewires
costs more, spread over the 10 steps from one to the next. "floor" is a step of the same network with four synapses: neuron
dynamics, normalisation and loss.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter, sleep

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

SIZES = {"n_batch": 256, "n_time": 100, "n_source": 40, "n_hidden": 256, "n_bins": 25, "gemm": 2048}
SMALLEST = {"n_batch": 4, "n_time": 9, "n_source": 4, "n_hidden": 6, "n_bins": 4, "gemm": 16}
BURST, PAUSE = 3, 0.15  # runs in a turn; seconds between turns
NARROW = 100  # an epoch in which sigma has fallen
FLOOR = "floor"
EVERY = 10  # steps between rewirings


def training(sizes, threads, sparsity, delays):
    """A function that takes one training step and returns its seconds, rewiring or not."""
    from trainers.datasets import DataFormat
    from trainers.methods.rewired import sparse
    from trainers.methods.rewired.config import SparseConfig
    from trainers.training.threads import single_threaded_blas

    config = SparseConfig(hidden=(sizes["n_hidden"],), n_bins=sizes["n_bins"], delays=delays, sparsity=sparsity, every=EVERY)
    state = sparse.init(config, 0, DataFormat(sizes["n_source"], 20, dt=10.0, duration=10.0 * sizes["n_time"]))
    random = np.random.default_rng(0)
    x = random.random((sizes["n_source"], sizes["n_time"], sizes["n_batch"]), np.float32)
    label = random.integers(0, 20, sizes["n_batch"])
    numbers = iter(range(10**9))

    def step(rewires):
        number = next(n for n in numbers if ((n + 1) % config.every == 0) == rewires)
        with single_threaded_blas(threads):
            start = perf_counter()
            sparse.step(state, x, label, step=number, epoch=NARROW)
            return perf_counter() - start

    return step


def product(sizes):
    """A function that multiplies two square float32 matrices."""
    a = np.random.default_rng(0).random((sizes["gemm"], sizes["gemm"]), np.float32)
    out = np.empty_like(a)

    def multiply(_rewires):
        start = perf_counter()
        np.matmul(a, a, out=out)
        return perf_counter() - start

    return multiply


def serve(what, sizes, threads):
    """Answer each line of standard input with the mean seconds of some steps without, and of one with, rewiring."""
    if what == "gemm":
        run = product(sizes)
    else:
        delays, sparsity = what.split()
        most = 1 - 1.5 / (min(sizes["n_source"], 20) * sizes["n_hidden"])  # one synapse in the smaller projection
        run = training(sizes, threads, most if sparsity == FLOOR else float(sparsity), delays)
    for _ in range(2):
        run(False), run(True)
    print("ready", flush=True)
    for _ in sys.stdin:
        print(np.mean([run(False) for _ in range(BURST)]), run(True), flush=True)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--sparsities", nargs="+", default=["0", "0.5", "0.9", "0.99", "0.998"])
    parser.add_argument("--smallest", action="store_true")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    sizes = SMALLEST if given.smallest else SIZES
    if given.serve:
        serve(given.serve, sizes, given.threads)
        return
    environment = os.environ | {"OPENBLAS_NUM_THREADS": str(given.threads)}
    sparsities = [*given.sparsities, FLOOR]
    programs = ["gemm", *(f"{delays} {sparsity}" for delays in ("learned", "fixed") for sparsity in sparsities)]
    options = ["--threads", str(given.threads), *(["--smallest"] if given.smallest else [])]
    workers = {
        what: subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, "--serve", what, *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )
        for what in programs
    }  # fmt: skip
    for worker in workers.values():
        worker.stdout.readline()
    rows = {what: [] for what in workers}
    for _ in range(given.repeats):
        for what, worker in workers.items():
            sleep(PAUSE)
            worker.stdin.write("\n")
            worker.stdin.flush()
            rows[what].append([float(v) for v in worker.stdout.readline().split()])
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
        worker.stdout.close()
    table = {what: np.array(values) for what, values in rows.items()}
    gemm = table.pop("gemm")[:, 0]
    print(f"float32 product of {sizes['gemm']}³ on {given.threads} threads: {1e3 * np.median(gemm):.1f} ms")
    print("delays   sparsity  step [ms]  × product (5–95 %)   rewiring, per step [ms]")
    for what, values in table.items():
        delays, sparsity = what.split()
        low, middle, high = np.percentile(values[:, 0] / gemm, [5, 50, 95])
        rewiring = np.median(values[:, 1] - values[:, 0]) / EVERY
        print(
            f"{delays:8s} {sparsity:>8s}  {1e3 * np.median(values[:, 0]):9.1f}  {middle:.2f} ({low:.2f}–{high:.2f})"
            f"  {1e3 * rewiring:20.2f}"
        )


if __name__ == "__main__":
    main()

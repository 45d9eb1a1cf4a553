"""Time and memory of a training step, against a float32 matrix product of numpy run beside it.

    python tests/benchmarks/training_step.py [--repeats 30] [--threads 2]

Each program runs in a process of its own, so that their thread pools do not disturb each other, and they take turns, with
a pause in which the threads of the one before fall asleep. "late" is the same network after it has learned one batch by
heart, when its gradients vanish: subnormal numbers would slow it.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path
from time import perf_counter, sleep

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

SIZES = {"n_batch": 256, "n_time": 100, "n_source": 40, "n_hidden": 256, "n_bins": 25, "gemm": 2048, "learn": 300}
BURST, PAUSE = 3, 0.15  # runs in a turn; seconds between turns
SMALLEST = {"n_batch": 4, "n_time": 9, "n_source": 3, "n_hidden": 5, "n_bins": 4, "gemm": 16, "learn": 3}


def training(sizes, threads, late):
    """A function that takes one training step."""
    from trainers.datasets import DataFormat
    from trainers.methods.dcls import dense as dcls
    from trainers.methods.dcls.config import DclsConfig
    from trainers.training.threads import single_threaded_blas

    config = DclsConfig(hidden=(sizes["n_hidden"],), n_bins=sizes["n_bins"], dropout=0.0 if late else 0.4, l1=0.0)
    state = dcls.init(config, 0, DataFormat(sizes["n_source"], 20, dt=10.0, duration=10.0 * sizes["n_time"]))
    random = np.random.default_rng(0)
    x = random.random((sizes["n_source"], sizes["n_time"], sizes["n_batch"]), np.float32)
    label = random.integers(0, 20, sizes["n_batch"])

    def step(number):
        with single_threaded_blas(threads):
            start = perf_counter()
            losses, _ = dcls.step(state, x, label, step=number, epoch=45 if late else 0)
            return perf_counter() - start, float(losses.mean())

    step(0)
    if late:
        for number in range(1, sizes["learn"]):
            step(number)
    return step


def product(sizes):
    """A function that multiplies two square float32 matrices."""
    a = np.random.default_rng(0).random((sizes["gemm"], sizes["gemm"]), np.float32)
    out = np.empty_like(a)

    def multiply(_number):
        start = perf_counter()
        np.matmul(a, a, out=out)
        return perf_counter() - start, 0.0

    multiply(0)
    return multiply


def serve(what, sizes, threads):
    """Answer each line of standard input with the seconds of one more run, the loss and the peak memory."""
    run = product(sizes) if what == "gemm" else training(sizes, threads, what == "late")
    print("ready", flush=True)
    for turn, _ in enumerate(sys.stdin, start=1):
        runs = [run(BURST * turn + k) for k in range(BURST)]
        seconds, loss = np.mean(runs, axis=0)
        print(seconds, loss, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, flush=True)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--smallest", action="store_true")
    parser.add_argument("--serve", choices=["gemm", "early", "late"], help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    sizes = SMALLEST if given.smallest else SIZES
    if given.serve:
        serve(given.serve, sizes, given.threads)
        return
    options = ["--threads", str(given.threads), *(["--smallest"] if given.smallest else [])]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": str(given.threads)}
    workers = {
        what: subprocess.Popen(
            [sys.executable, __file__, "--serve", what, *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )
        for what in ("gemm", "early", "late")
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
    gemm = table["gemm"][:, 0]
    print(f"float32 product of {sizes['gemm']}³ on {given.threads} threads: {1e3 * np.median(gemm):.1f} ms")
    for what in ("early", "late"):
        seconds, losses, memory = table[what].T
        ratio = seconds / gemm
        low, middle, high = np.percentile(ratio, [5, 50, 95])
        print(
            f"{what:5s} step {1e3 * np.median(seconds):6.1f} ms = {middle:.2f} x the product (5-95 %: {low:.2f}-{high:.2f}); "
            f"loss {np.median(losses):.3g}; peak memory {memory.max():.0f} MiB"
        )
    print(f"late / early: {np.median(table['late'][:, 0] / table['early'][:, 0]):.2f}")


if __name__ == "__main__":
    main()

"""Time and memory of an EventProp training step over the range of delays, beside our own DCLS trainer at the same size.

    python tests/benchmarks/eventprop_step.py [--bins 25 64 512] [--repeats 5] [--threads 1] [--skip-dcls] [--table FILE]

Batch 256, 700 channels, 1000 steps of 1 ms, about 8,000 input spikes, 256 hidden neurons, 20 classes; DCLS is given the same
spikes as frames of 1 ms. Each program runs in a process of its own, and they take turns. Then the time of the kernels forward
and backward, by synaptic event, and DCLS at the resolution it is used at: 140 channels, 100 steps of 10 ms, 25 bins.
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

SIZES = {"n_batch": 256, "n_time": 1000, "n_source": 700, "n_hidden": 256, "n_spikes": 8000, "n_class": 20}
COARSE = {"n_batch": 256, "n_time": 100, "n_source": 140, "n_hidden": 256, "n_spikes": 8000, "n_class": 20}
SMALLEST = {"n_batch": 4, "n_time": 40, "n_source": 6, "n_hidden": 5, "n_spikes": 60, "n_class": 3}
WEIGHTS = (0.03, 0.03)  # about 14 spikes of a hidden neuron
PAUSE = 0.15  # seconds between turns


def spikes(sizes, dt):
    """Spike lists of a batch at random, and classes."""
    from trainers.datasets.recordings import Events

    random = np.random.default_rng(0)
    counts = random.poisson(sizes["n_spikes"], sizes["n_batch"])
    begin = np.concatenate([[0], np.cumsum(counts)])
    time = np.concatenate([np.sort(random.integers(0, sizes["n_time"], n)) for n in counts]) * dt
    channel = random.integers(0, sizes["n_source"], begin[-1]).astype(np.int32)
    return Events(begin, channel, time), random.integers(0, sizes["n_class"], sizes["n_batch"])


def eventprop(sizes, n_bins):
    """The rule, its state, and a batch."""
    from trainers.datasets import DataFormat
    from trainers.methods.eventprop.config import EventPropConfig
    from trainers.methods.eventprop.rule import RULE

    config = EventPropConfig(
        hidden=(sizes["n_hidden"],), max_delay=n_bins - 1.0, start_delay=n_bins - 1.0, input_weights=WEIGHTS, weight_rate=1e-5
    )
    state = RULE.init(config, 0, DataFormat(sizes["n_source"], sizes["n_class"], dt=1.0, duration=float(sizes["n_time"])))
    return RULE, state, *spikes(sizes, 1.0)


def dcls(sizes, n_bins):
    """The same of DCLS: counts of spikes in frames."""
    from trainers.datasets import DataFormat
    from trainers.methods.dcls.config import DclsConfig
    from trainers.methods.dcls.operated import RULE

    events, label = spikes(sizes, 1.0)
    x = np.zeros((sizes["n_source"], sizes["n_time"], sizes["n_batch"]), np.float32)
    sample = np.repeat(np.arange(len(label)), np.diff(events.begin))
    np.add.at(x, (events.channel, events.time.astype(int), sample), 1)
    config = DclsConfig(hidden=(sizes["n_hidden"],), n_bins=n_bins, dropout=0.0, l1=0.0)
    data = DataFormat(sizes["n_source"], sizes["n_class"], dt=1.0, duration=float(sizes["n_time"]))
    return RULE, RULE.init(config, 0, data), x, label


def serve(what, sizes, n_bins, threads):
    """Answer each line of standard input with the seconds of one more training step, and the peak memory."""
    from trainers.training.threads import single_threaded_blas

    rule, state, batch, label = {"eventprop": eventprop, "dcls": dcls}[what](sizes, n_bins)
    with single_threaded_blas(threads):
        rule.step(state, batch, label, step=0, epoch=0)
        print("ready", flush=True)
        for number, _ in enumerate(sys.stdin, start=1):
            start = perf_counter()
            rule.step(state, batch, label, step=number, epoch=0)
            seconds = perf_counter() - start
            print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, flush=True)


def kernels(sizes, n_bins, threads, repeats):
    """Print how long a synaptic event takes on its way to a hidden population, and back."""
    from trainers.methods.eventprop.passes import backward, forward
    from trainers.methods.eventprop.records import SLICES, Guards
    from trainers.methods.eventprop.spikes import counts, input_spikes
    from trainers.training.threads import single_threaded_blas

    _, state, events, _ = eventprop(sizes, n_bins)
    entered = input_spikes(events, sizes["n_source"], state.network.grid, between=False)
    widths, seconds = {}, []
    guards = Guards(0.0, np.inf, np.zeros(SLICES, np.int64), np.zeros(SLICES, np.int64))
    with single_threaded_blas(threads):
        for _ in range(repeats + 1):
            start = perf_counter()
            done = forward(state.network, state.arrays, entered, widths)
            middle = perf_counter()
            drive = np.full(done.spikes[-1].step.shape, 1e-6, np.float32)
            backward(state.network, done, drive, [np.zeros(sizes["n_hidden"], np.float32)], guards)
            seconds.append((middle - start, perf_counter() - middle))
    ahead, back = np.median(seconds[1:], axis=0) / (len(events.channel) * sizes["n_hidden"]) * 1e9
    fired = counts(done.spikes[-1]).mean()
    print(
        f"K = {n_bins}: {ahead:.2f} ns per synaptic event forward, {back:.2f} backward; {fired:.1f} spikes of a hidden neuron"
    )


def started(what, n_bins, given, name):
    """A process that serves, once it is ready."""
    command = [
        sys.executable,
        __file__,
        "--serve",
        what,
        "--sizes",
        name,
        "--bins",
        str(n_bins),
        "--threads",
        str(given.threads),
    ]
    worker = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    )
    worker.stdout.readline()
    return worker


def compared(names, n_bins, given, sizes):
    """Seconds (run) and peak memory in MiB of each program, in turns."""
    workers = {what: started(what, n_bins, given, sizes) for what in names}
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
    return {what: np.array(values).T for what, values in rows.items()}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bins", type=int, nargs="+", default=[25, 64, 512])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--skip-dcls", action="store_true")
    parser.add_argument("--table", type=Path, help="CSV file to write, which eventprop_figures.py draws")
    parser.add_argument("--smallest", action="store_true")
    parser.add_argument("--serve", choices=["eventprop", "dcls"], help=argparse.SUPPRESS)
    parser.add_argument("--sizes", choices=["usual", "coarse", "smallest"], default="usual", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    name = "smallest" if given.smallest else given.sizes
    sizes = {"usual": SIZES, "coarse": COARSE, "smallest": SMALLEST}[name]
    if given.serve:
        serve(given.serve, sizes, given.bins[0], given.threads)
        return
    names, n_batch, lines = ["eventprop"] if given.skip_dcls else ["eventprop", "dcls"], sizes["n_batch"], []
    for n_bins in given.bins:
        rows = compared(names, n_bins, given, name)
        for what, (seconds, memory) in rows.items():
            each = 1e3 * np.median(seconds) / n_batch
            lines.append(f"{what},{n_bins},{each:.4g},{memory.max():.0f}")
            print(f"K = {n_bins}, {what}: {each:.2f} ms a sample, peak memory {memory.max():.0f} MiB", flush=True)
        if len(rows) == 2:
            ratio = rows["dcls"][0] / rows["eventprop"][0]
            less = rows["dcls"][1].max() / rows["eventprop"][1].max()
            low, middle, high = ratio.min(), np.median(ratio), ratio.max()
            print(f"K = {n_bins}: EventProp {middle:.1f} x as fast ({low:.1f}-{high:.1f}), memory 1/{less:.1f}")
        kernels(sizes, n_bins, given.threads, given.repeats)
    if given.table:
        given.table.write_text("\n".join(["program,n_bins,milliseconds,memory", *lines]) + "\n")
    if not given.skip_dcls and not given.smallest:
        seconds, memory = compared(["dcls"], 25, given, "coarse")["dcls"]
        each = 1e3 * np.median(seconds) / n_batch
        print(f"DCLS of 140 channels, 100 steps of 10 ms, 25 bins: {each:.2f} ms a sample, peak memory {memory.max():.0f} MiB")


if __name__ == "__main__":
    main()

"""Time of a DelGrad epoch, and of its passes by sample, beside the same in whole arrays.

    python tests/benchmarks/delgrad_step.py [--repeats 7] [--smallest]

First epochs of 5,000 Yin-Yang points in batches of 150 with validation on 1,000, on one thread, by kind of delays. Then forward
and backward of one population over its inputs (4 × 30, 40 × 100, 784 × 350), interleaved with the forward pass as the published
code does it: all prefixes of the sorted arrivals solved at once, in numpy instead of torch; both find the same times.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

SHAPES = ((4, 30, 5000), (40, 100, 500), (784, 350, 8))  # sources, targets, samples
KINDS = {"synaptic": "goltz2025-ws", "axonal": "goltz2025-wa", "dendritic": "goltz2025-wd", "none": "goltz2025-w"}


def epoch_of(preset, n_samples):
    """A function that trains an epoch and evaluates on validation."""
    from trainers.datasets import load_dataset
    from trainers.methods.delgrad.config import PRESETS
    from trainers.methods.delgrad.rule import RULE
    from trainers.training.evaluation import evaluate

    config, data = PRESETS[preset], load_dataset("yin_yang")
    state, random = RULE.init(config, 0, data.format), np.random.default_rng(0)

    def epoch():
        order = random.permutation(len(data.training))[:n_samples]
        for number, begin in enumerate(range(0, len(order), config.batch_size)):
            batch, label = data.training.batch(order[begin : begin + config.batch_size])
            RULE.step(state, batch, label, step=number, epoch=0)
        evaluate(RULE, state, data.validation, config.batch_size)

    return epoch


def all_prefixes(time, weight, delay, threshold):
    """Spike times (sample, target) for time constants 2 and 1, every prefix solved at once."""
    arrival = time[:, None, :] + delay
    order = np.argsort(arrival, axis=2)
    arrival, weights = np.take_along_axis(arrival, order, 2), np.take_along_axis(np.broadcast_to(weight, order.shape), order, 2)
    m = np.exp(arrival / 2)
    a2, a1 = np.cumsum(weights * m, axis=2), np.cumsum(weights * m * m, axis=2)
    with np.errstate(all="ignore"):
        u = 2 * a1 / (a2 + np.sqrt(a2 * a2 - 4 * threshold * a1))
        spike = np.where((a1 > 0) & (a2 > 0) & np.isfinite(u), 2 * np.log(u), np.inf)
    end = np.concatenate([arrival[:, :, 1:], np.full((*arrival.shape[:2], 1), np.inf)], axis=2)
    return np.where((spike >= arrival) & (spike <= end), spike, np.inf).min(axis=2)


def passes_of(n_source, n_target, n_sample):
    """Functions: ours forward, ours backward, and forward in whole arrays; and whether both forward ones agree."""
    from trainers.datasets.recordings import Events
    from trainers.methods.delgrad.backward import adjoints
    from trainers.methods.delgrad.passes import forward, input_spikes, synapses_of
    from trainers.methods.delgrad.records import SLICES, Owed

    random = np.random.default_rng(0)
    time = random.uniform(0.15, 2, (n_sample, n_source))
    time -= time.min(axis=1, keepdims=True)
    weight, delay = (
        random.normal(1, 1, (n_target, n_source)) * np.sqrt(4 / n_source),
        random.uniform(0, 1, (n_target, n_source)),
    )
    order = np.argsort(time, axis=1)
    sorted_time = np.take_along_axis(time, order, 1).ravel()
    events = Events(np.arange(n_sample + 1) * n_source, order.astype(np.int32).ravel(), sorted_time)
    spikes = input_spikes(events, 2.0, 1.0, 1, None)
    spikes = spikes._replace(slot=spikes.source)
    synapses, c = synapses_of(weight, delay, 2.0), np.full(n_target, 0.5)
    fired = forward(2.0, spikes, synapses, c, 1)
    with np.errstate(invalid="ignore"):
        apart = np.abs(2 * np.log(fired.slow[:, :, 0]) - all_prefixes(time, weight, delay, 0.5))
    assert np.nanmax(apart) < 1e-9  # NaN where both are silent; infinite where one is

    def back():
        shape = (SLICES, n_target, n_source)
        owed = Owed(np.zeros(shape), np.zeros(shape), np.zeros((n_sample, n_source)), np.zeros(SLICES, np.int64))
        adjoints(2.0, spikes, synapses, c, *fired, np.ones(fired.slow.shape), np.inf, *owed)

    back()
    return lambda: forward(2.0, spikes, synapses, c, 1), back, lambda: all_prefixes(time, weight, delay, 0.5)


def timed(functions, repeats):
    """Median seconds of each, interleaved."""
    seconds = [[] for _ in functions]
    for _ in range(repeats):
        for function, into in zip(functions, seconds, strict=True):
            start = perf_counter()
            function()
            into.append(perf_counter() - start)
    return [median(times) for times in seconds]


def main(arguments=None):
    from trainers.training.threads import single_threaded_blas

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--smallest", action="store_true")
    given = parser.parse_args(arguments)
    with single_threaded_blas(1):
        for kind, preset in KINDS.items():
            epoch, cpu = epoch_of(preset, 300 if given.smallest else 5000), []
            epoch()
            for _ in range(given.repeats):
                start = process_time()
                epoch()
                cpu.append(process_time() - start)
            print(f"4-30-3 {kind:9}: {median(cpu):.3f} CPU s per epoch with validation")
        for n_source, n_target, n_sample in SHAPES:
            n_sample = min(n_sample, 3) if given.smallest else n_sample
            ours, back, whole = timed(passes_of(n_source, n_target, n_sample), given.repeats)
            unit = 1e9 / (n_sample * n_source * n_target)
            print(
                f"{n_source} x {n_target}: forward {ours / n_sample * 1e6:.2f} µs a sample ({ours * unit:.1f} ns a synapse), "
                f"backward {back / n_sample * 1e6:.2f} µs; whole arrays forward {whole / ours:.0f} times as long"
            )


if __name__ == "__main__":
    main()

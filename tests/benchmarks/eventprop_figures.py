"""Draws two figures of event-based learning, which no analysis holds.

    python tests/benchmarks/eventprop_figures.py sequence -o reports/gallery/sequence.png
    python tests/benchmarks/eventprop_figures.py costs TABLE -o reports/gallery/costs.png

``sequence``: two leaky integrators learn by their delays to tell two spikes 10 ms apart from the same in the other order (after
Fig 3 of Mészáros, Knight & Nowotny 2025). ``costs``: what ``eventprop_step.py --table TABLE`` measured.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

GAP, END, STEPS, TAU, TAU_SYN = 10.0, 60.0, 40, 10.0, 5.0  # ms but for the steps


def learned():
    """Delays (step, output, channel) of two leaky integrators that learn the order of two spikes, and their accuracy."""
    from trainers.datasets.recordings import DataFormat, Events
    from trainers.methods.eventprop.config import EventPropConfig
    from trainers.methods.eventprop.rule import RULE

    config = EventPropConfig(
        hidden=(), readout="maximum", readout_delays="learned", tau_mem=TAU, tau_out=TAU, tau_syn=TAU_SYN, trial=END,
        max_delay=15.0, start_delay=0.0, readout_weights=(1.0, 0.0), weight_rate=0.0, readout_rate=0.0, delay_rate=1.0,
        schedule="constant", batch_size=2, epochs=STEPS,
    )  # fmt: skip
    state = RULE.init(config, 0, DataFormat(2, 2, dt=1.0, duration=END))
    events = Events(np.array([0, 2, 4]), np.array([0, 1, 1, 0], np.int32), np.array([0.0, GAP, 0.0, GAP]))
    delays, label = [state.arrays["input__output_delay"].copy()], np.array([0, 1])
    for number in range(STEPS):
        RULE.step(state, events, label, step=number, epoch=0)
        delays.append(state.arrays["input__output_delay"].copy())
    right = (RULE.evaluate(state, events, label).prediction == label).mean()
    return xr.Dataset({"delay": (("step", "output", "channel"), np.array(delays))}, {"step": range(STEPS + 1)}), right


def traces(delay):
    """Membranes and adjoints of both outputs while they hear the first sequence, with these delays (output, channel)."""
    time = np.arange(0, END, 0.02)
    arrival = np.array([0.0, GAP]) + delay
    ratio = TAU_SYN / (TAU - TAU_SYN)
    since = time[None, None] - arrival[..., None]
    effects = np.where(since > 0, ratio * (np.exp(-since / TAU) - np.exp(-since / TAU_SYN)), 0)
    voltage = effects.sum(axis=1)
    at, peak = time[voltage.argmax(axis=1)], voltage.max(axis=1)
    softmax = np.exp(peak) / np.exp(peak).sum()
    push = -(softmax - [1, 0]) / TAU  # the first sequence is of the first class
    left = at[:, None] - time
    fading = np.where(left > 0, np.exp(-left / TAU), 0), np.where(left > 0, np.exp(-left / TAU_SYN), 0)
    columns = {
        "voltage": (("output", "time"), voltage),
        "peak_time": ("output", at),
        "peak": ("output", peak),
        "arrival": (("output", "channel"), arrival),
        "lambda_v": (("output", "time"), push[:, None] * fading[0]),
        "lambda_i": (("output", "time"), push[:, None] * TAU / (TAU - TAU_SYN) * (fading[0] - fading[1])),
    }
    return xr.Dataset(columns, {"time": time})


def sequence():
    """The figure of sequence detection."""
    from matplotlib import pyplot

    from reports.panels.learning import draw_adjoints, draw_delays, draw_voltages

    training, right = learned()
    figure, axes = pyplot.subplots(2, 3, figsize=(7.1, 3.6), layout="constrained")
    for row, step in enumerate((0, STEPS)):
        here = traces(training.delay.sel(step=step).values)
        draw_voltages(axes[row, 0], here)
        draw_adjoints(axes[row, 1], here)
        axes[row, 0].set_title(f"step {step}: membranes")
        axes[row, 1].set_title(f"step {step}: adjoints")
    draw_delays(axes[0, 2], training)
    axes[0, 2].set_title("delays through training")
    axes[0, 0].legend()
    axes[1, 2].axis("off")
    axes[1, 2].legend(*axes[0, 2].get_legend_handles_labels(), loc="upper left")
    print(
        f"both sequences told apart: {right:.0%} right; delays (output x channel) {training.delay.values[-1].round(1).tolist()}"
    )
    return figure


def costs(table):
    """The figure of time and memory over the range of delays."""
    from matplotlib import pyplot

    from reports.panels.learning import draw_costs

    measured = pd.read_csv(table).set_index(["program", "n_bins"]).to_xarray()
    figure, axes = pyplot.subplots(1, 2, figsize=(4.7, 2.2), layout="constrained")
    for ax, what in zip(axes, ("milliseconds", "memory"), strict=True):
        draw_costs(ax, measured, what)
    axes[0].legend()
    return figure


def main(arguments=None):
    import matplotlib

    matplotlib.use("agg")
    from reports.style import STYLE

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figure", choices=["sequence", "costs"])
    parser.add_argument("table", nargs="?")
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args(arguments)
    with matplotlib.rc_context(STYLE):
        figure = sequence() if given.figure == "sequence" else costs(given.table)
        figure.savefig(given.output)


if __name__ == "__main__":
    main()

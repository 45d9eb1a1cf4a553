"""Draws two figures of networks that fire once, which no analysis holds.

    python tests/benchmarks/delgrad_figures.py delays RUN ... -o reports/gallery/delays.png
    python tests/benchmarks/delgrad_figures.py spikes RUN -o reports/gallery/spikes.png

``delays``: how long the delays of runs of `stanalysis train delgrad`, one of each kind, are before training and after it.
``spikes``: the spikes of the first test sample of a class, at those two times, and when they arrive.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import xarray as xr

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

PROJECTIONS = {"input__hidden1": "from the input", "hidden1__output": "to the output"}


def networks(run):
    """The first and the last checkpoint of a run, and its configuration."""
    from stanalysis.files.checkpoint import read_checkpoint
    from stanalysis.files.run import open_run
    from trainers.methods.delgrad.config import DelGradConfig
    from trainers.methods.settings import config_from

    opened = open_run(run)
    trees = {"before": read_checkpoint(opened.steps[0]), "after": read_checkpoint(opened.last)}
    return trees, config_from(opened.info["config"], DelGradConfig)


def distributions(trees, projection):
    """The delays by length, before and after, each counted once."""
    tables = {when: tree[f"projections/{projection}"].to_dataset() for when, tree in trees.items()}
    delay = [np.unique(table.delay.values) for table in tables.values()]  # axonal and dendritic ones stand in many rows
    share = np.arange(1, len(delay[0]) + 1) / len(delay[0])
    attrs = {"longest": tables["after"].attrs["delay_max"]}
    return xr.Dataset({"delay": (("when", "rank"), delay), "share": ("rank", share)}, {"when": list(tables)}, attrs)


def delays(runs):
    """The figure of delays before and after."""
    from matplotlib import pyplot

    from reports.panels.learning import draw_delay_distributions

    figure, axes = pyplot.subplots(
        2, len(runs), figsize=(2.4 * len(runs), 3.6), sharex="col", sharey="row", squeeze=False, layout="constrained"
    )
    for column, run in zip(axes.T, runs, strict=True):
        trees, config = networks(run)
        for ax, (projection, words) in zip(column, PROJECTIONS.items(), strict=True):
            here = distributions(trees, projection)
            draw_delay_distributions(ax, here, config.delays)
            ax.set_title(f"{config.delays}, {words}")
            ax.label_outer()
            spread = {when: f"{here.delay.sel(when=when).std().item():.2f} ms" for when in ("before", "after")}
            print(f"{config.delays} {projection}: standard deviation {spread['before']} before, {spread['after']} after")
        column[0].legend()
    return figure


def sample_of(label):
    """The first test sample of a class: its events, which are those of a batch of one, and the class."""
    from trainers.datasets import load_dataset

    data = load_dataset("yin_yang")
    return *data.test.batch([int(np.flatnonzero(data.test.y == label)[0])]), data.format


def spikes_of(tree, config, events, label, data, order=None):
    """Times of all neurons for one sample, and the arrivals of their spikes, in ms after its beginning.

    Hidden neurons lie in this ``order``, by default that of their spikes.
    """
    from trainers.methods.delgrad import rule

    arrays = {str(name): array.values for name, array in tree["trainer_state"].data_vars.items()}
    state = rule.RULE.restored(rule.init(config, 0, data), arrays)
    done, _ = rule.run(state, events)
    unit, start = config.ms_per_unit, float(events.time[0])
    inputs = np.full(data.n_channels, np.nan)
    inputs[events.channel] = events.time
    times = [inputs] + [start + unit * done.times(k, config.tau_mem)[0, :, 0] for k in range(2)]
    times = [np.where(np.isfinite(time), time, np.nan) for time in times]
    marked = [int(np.nanargmin(times[1])), int(label[0])]
    columns = {name: [] for name in ("time", "last", "marked", "weight")}
    for time, synapses, target in zip(times[:2], state.projections, marked, strict=True):
        arrival = time + unit * state.delay(synapses)
        parts = (time, arrival.max(axis=0), arrival[target], state.weight(synapses)[target])
        for name, part in zip(columns, parts, strict=True):
            columns[name].append(part)
    for name, into in columns.items():
        into.append(times[2] if name == "time" else np.full(data.n_classes, np.nan))
    sizes = [len(time) for time in times]
    names = np.repeat(["input", "hidden1", "output"], sizes)
    order = np.argsort(times[1]) if order is None else order
    places = [np.arange(sizes[0]), np.argsort(order), np.arange(sizes[2])]
    height = np.concatenate([place * step for place, step in zip(places, (3, 1, 3), strict=True)]).astype(float)
    height += np.repeat([0, 3 * sizes[0] + 2, 3 * sizes[0] + sizes[1] + 6], sizes)
    table = {name: ("neuron", np.concatenate(parts)) for name, parts in columns.items()}
    table |= {"population": ("neuron", names), "height": ("neuron", height)}
    return xr.Dataset(table, attrs={"answer": int(label[0]), "order": order})


def spikes(run, label):
    """The figure of the spikes of one sample."""
    from matplotlib import pyplot

    from reports.panels.learning import draw_spikes

    trees, config = networks(run)
    figure, axes = pyplot.subplots(1, 2, figsize=(7.1, 3.8), sharex=True, sharey=True, layout="constrained")
    sample = sample_of(label)
    order = spikes_of(trees["after"], config, *sample).attrs["order"]
    for ax, (when, tree) in zip(axes, trees.items(), strict=True):
        here = spikes_of(tree, config, *sample, order)
        draw_spikes(ax, here)
        ax.set_title(f"{when} training")
        output = here.time.values[here.population.values == "output"]
        print(f"{when}: outputs fire at {output.round(2).tolist()} ms; the class is output {label}")
    return figure


def main(arguments=None):
    import matplotlib

    matplotlib.use("agg")
    from reports.style import STYLE

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figure", choices=["delays", "spikes"])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--label", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args(arguments)
    with matplotlib.rc_context(STYLE):
        figure = delays(given.runs) if given.figure == "delays" else spikes(given.runs[0], given.label)
        figure.savefig(given.output)


if __name__ == "__main__":
    main()

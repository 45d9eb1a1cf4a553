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


def distributions(trees, projection, kind):
    """The delays by length, before and after: of each synapse, source or target."""
    ends = []
    for tree in trees.values():
        table = tree[f"projections/{projection}"].to_dataset()
        rows = {"axonal": table.target == 0, "dendritic": table.source == 0, "synaptic": table.target >= 0}[kind]
        ends.append(np.sort(table.delay.values[rows.values]))
    longest = float(table.attrs["delay_max"])
    delay = np.pad(np.array(ends), ((0, 0), (1, 1)), constant_values=((0, 0), (0, longest)))
    n = len(ends[0])
    share = np.concatenate([[0], np.arange(1, n + 1) / n, [1]])
    return xr.Dataset(
        {"delay": (("when", "rank"), delay), "share": ("rank", share)}, {"when": list(trees)}, {"longest": longest}
    )


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
            here = distributions(trees, projection, config.delays)
            draw_delay_distributions(ax, here, config.delays)
            ax.set_title(f"{config.delays}, {words}")
            ax.label_outer()
            delay = here.delay.isel(rank=slice(1, -1))
            spread = {when: f"{delay.sel(when=when).std().item():.2f} ms" for when in ("before", "after")}
            print(f"{config.delays} {projection}: standard deviation {spread['before']} before, {spread['after']} after")
        column[0].legend()
    return figure


def sample_of(label):
    """The first test sample of a class: its events, which are those of a batch of one, and the class."""
    from trainers.datasets import load_dataset

    data = load_dataset("yin_yang")
    return *data.test.batch([int(np.flatnonzero(data.test.y == label)[0])]), data.format


def times_and_arrivals(tree, config, events, label, data):
    """Times of input, hidden population and output in ms; of the first two last arrivals, marked ones and their weights."""
    from trainers.methods.delgrad import rule

    arrays = {str(name): array.values for name, array in tree["trainer_state"].data_vars.items()}
    state = rule.RULE.restored(rule.init(config, 0, data), arrays)
    done, _ = rule.run(state, events)
    unit, start = config.ms_per_unit, float(events.time[0])
    inputs = np.full(data.n_channels, np.nan)
    inputs[events.channel] = events.time
    times = [inputs] + [start + unit * done.times(k, config.tau_mem)[0, :, 0] for k in range(2)]
    times = [np.where(np.isfinite(time), time, np.nan) for time in times]
    heard = []
    for time, synapses, target in zip(times, state.projections, (int(np.nanargmin(times[1])), int(label[0])), strict=False):
        arrival = time + unit * state.delay(synapses)
        heard.append((arrival.max(axis=0), arrival[target], state.weight(synapses)[target]))
    return times, heard


def laid_out(times, heard, order):
    """What `draw_spikes` draws: one neuron above the other, hidden ones in this order."""
    sizes = [len(time) for time in times]
    last, marked, weight = (np.concatenate([*parts, np.full(sizes[2], np.nan)]) for parts in zip(*heard, strict=True))
    places = [3 * np.arange(sizes[0]), np.argsort(order), 3 * np.arange(sizes[2])]
    floors = np.cumsum([0, 3 * sizes[0] + 2, sizes[1] + 4])
    columns = {
        "time": np.concatenate(times),
        "last": last,
        "marked": marked,
        "weight": weight,
        "population": np.repeat(["input", "hidden1", "output"], sizes),
        "height": np.concatenate([place + floor for place, floor in zip(places, floors, strict=True)]).astype(float),
    }
    return xr.Dataset({name: ("neuron", values) for name, values in columns.items()})


def spikes(run, label):
    """The figure of the spikes of one sample."""
    from matplotlib import pyplot

    from reports.panels.learning import draw_spikes

    trees, config = networks(run)
    if config.copies > 1 or len(config.hidden) != 1:
        raise SystemExit("Only networks of one hidden population and one synapse for each pair are drawn; give such a run.")
    events, labels, data = sample_of(label)
    drawn = {when: times_and_arrivals(tree, config, events, labels, data) for when, tree in trees.items()}
    order = np.argsort(drawn["after"][0][1])
    figure, axes = pyplot.subplots(1, 2, figsize=(7.1, 3.8), sharex=True, sharey=True, layout="constrained")
    for ax, (when, (times, heard)) in zip(axes, drawn.items(), strict=True):
        draw_spikes(ax, laid_out(times, heard, order).assign_attrs(answer=label))
        ax.set_title(f"{when} training")
        print(f"{when}: outputs fire at {times[2].round(2).tolist()} ms; the class is output {label}")
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

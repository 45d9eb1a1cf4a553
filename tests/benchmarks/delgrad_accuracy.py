"""Yin-Yang accuracies of the published recipes of DelGrad, over seeds, at the last epoch.

    python tests/benchmarks/delgrad_accuracy.py [--seeds 0 1 2 3 4 5 6 7] [--networks 30-synaptic 5-synaptic 30-none 60-none …]
        [--schedule cosine] [--rate-factor 2.5] [--most-silent 0.1] [--spikes 1] [--epochs 300] [--workers 2] [--table FILE]

A network is its hidden size and its kind of delays, with the rates and first weights published for that kind (for 5-synaptic,
those published for it); hardware-axonal and hardware-none are the chip in simulation. Each is trained on 5,000 points; test and
validation have 1,000 each. Prints a line for each network, and writes one for each seed to FILE.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import pandas as pd

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

PRESETS_OF_SIZE = {"5-synaptic": "goltz2025-5ws"}
PRESETS_OF_KIND = {"synaptic": "goltz2025-ws", "axonal": "goltz2025-wa", "dendritic": "goltz2025-wd", "none": "goltz2025-w"}
NETWORKS = ("30-synaptic", "5-synaptic", "30-none", "60-none")


def config_of(network, changes):
    """The configuration of a network by its name."""
    from trainers.methods.delgrad.config import PRESETS

    size, kind = network.split("-")
    if size == "hardware":
        return replace(PRESETS["goltz2025-hardware"], delays=kind, **changes)
    return replace(PRESETS[PRESETS_OF_SIZE.get(network, PRESETS_OF_KIND[kind])], hidden=(int(size),), **changes)


def trained(job, changes):
    """Train a network from a seed; accuracies at the last epoch."""
    from stanalysis.files.run import read_metrics
    from trainers.datasets import load_dataset
    from trainers.methods.delgrad.config import DELGRAD
    from trainers.training.loop import train

    network, seed = job
    config, start = config_of(network, changes), perf_counter()
    with TemporaryDirectory() as folder:
        train(DELGRAD, config, load_dataset("yin_yang"), Path(folder) / "run", seed=seed, threads=1, n_checkpoints=2)
        last = read_metrics(Path(folder) / "run").iloc[-1]
    accuracies = {part: last[f"{part}_accuracy"] for part in ("validation", "test")}
    return {"network": network, "seed": seed, **accuracies, "seconds": perf_counter() - start}


def n_parameters(config):
    """Weights and delays that a network learns."""
    from trainers.methods.delgrad.network import projections

    joins = projections((4, *config.hidden, 3), config.delays, config.copies)
    return sum(np.prod(synapses.shape) + np.prod(synapses.shape_of_delays) for synapses in joins)


def main(arguments=None):
    from stanalysis.execution import completed

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(8)))
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--schedule", default="steps")
    parser.add_argument("--rate-factor", type=float, default=1.0)
    parser.add_argument("--most-silent", type=float, help="as published where not given")
    parser.add_argument("--spikes", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--table", type=Path)
    given = parser.parse_args(arguments)
    names = ("schedule", "rate_factor", "most_silent", "spikes", "epochs")
    changes = {name: getattr(given, name) for name in names if getattr(given, name) is not None}
    jobs = [(network, seed) for network in given.networks for seed in given.seeds]
    rows = [None] * len(jobs)
    for place, row in completed(partial(trained, changes=changes), jobs, workers=given.workers):
        rows[place] = row
    table = pd.DataFrame(rows)
    if given.table:
        table.round(4).to_csv(given.table, index=False)
    print("network           parameters  seeds  test mean ± sd (range)         validation   s per epoch")
    for network, here in table.groupby("network", sort=False):
        test, validation = 100 * here.test, 100 * here.validation
        spread = test.std(ddof=1) if len(test) > 1 else np.nan
        print(
            f"{network:16}  {n_parameters(config_of(network, changes)):10}  {len(test):5}  {test.mean():5.2f} ± {spread:4.2f} "
            f"({test.min():4.1f} to {test.max():4.1f})   {validation.mean():10.2f}   {here.seconds.mean() / given.epochs:8.3f}"
        )


if __name__ == "__main__":
    main()

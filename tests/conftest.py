"""Fake sweeps, for the tests of the library and of the reports."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pandas as pd
import pytest

from stanalysis.checkpoint import write_checkpoint
from stanalysis.run import step_path, write_info
from stanalysis.synthetic import small_network


def sparse_network(*, connectivity, delays, sparsity, seed, step, **sizes):
    """A `small_network` whose synapses, and their delays, stay those of step 0 where they are fixed."""
    tree, first = (small_network(step=s, seed=seed, **sizes) for s in (step, 0))
    config = {"connectivity": connectivity, "delays": delays, "sparsity": sparsity}
    tree.attrs.update(method="sparse", config=json.dumps(config))
    for name in tree["projections"].children:
        table = tree[f"projections/{name}"].to_dataset()
        if delays == "fixed":
            table["delay"] = first[f"projections/{name}"].to_dataset().delay
        random = np.random.default_rng([seed, step if connectivity == "rewired" else 0])
        n = table.sizes["synapse"]
        kept = np.sort(random.choice(n, round((1 - sparsity) * n), replace=False))
        tree[f"projections/{name}"].dataset = table.isel(synapse=kept)
    return tree


def write_fake_sweep(
    folder,
    *,
    connectivity=("fixed", "rewired"),
    delays=("fixed", "learned"),
    sparsities=(0.0, 0.5, 0.95),
    seeds=(0, 1),
    steps=(0, 5),
    **sizes,
):
    """Write a sweep folder; the accuracy of a network is planted: .9 - sparsity / 2 + seed / 100, more by .05 at best."""
    rows = []
    for kind, delay, sparsity, seed in product(connectivity, delays, sparsities, seeds):
        name = f"{kind}-{delay}-{sparsity:g}-{seed}"
        write_info(folder / name, {"method": "sparse", "seed": seed})
        for step in steps:
            design = {"connectivity": kind, "delays": delay, "sparsity": sparsity, "seed": seed}
            tree = sparse_network(**design, step=step, **sizes)
            write_checkpoint(tree, step_path(folder / name, step))
        projections = [node.to_dataset() for node in tree["projections"].children.values()]
        accuracy = 0.9 - sparsity / 2 + seed / 100
        rows.append(
            {
                "run": name,
                **design,
                "n_synapses": sum(p.sizes["synapse"] for p in projections),
                "n_possible": sum(p.n_source * p.n_target for p in projections),
                "in_degree": projections[0].sizes["synapse"] / projections[0].n_target,
                "n_input_synapses": projections[0].sizes["synapse"],
                "epochs": 5,
                "last_validation_accuracy": accuracy,
                "last_test_accuracy": accuracy,
                "best_epoch": 4,
                "best_validation_accuracy": accuracy + 0.05,
                "best_test_accuracy": accuracy + 0.05,
                "seconds": 1.5,
            }
        )
    pd.DataFrame(rows).to_csv(folder / "sweep.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def write_sweep():
    """`write_fake_sweep`."""
    return write_fake_sweep

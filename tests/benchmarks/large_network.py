"""The whole of `analyze` on large networks: time and peak memory over synapses and draws, and what was foretold of them.

    python tests/benchmarks/large_network.py [--sizes 700x64x250 700x256x250 700x1024x250] [--draws 999] [--memory 2G]

Each size, sources x targets x bins of delay, is one checkpoint of an untrained dense projection with one synapse a pair; lattice
and graph, null ``delays``, one thread. Each analysis is a process of its own, as from the command line, without the check against
other programs; its peak memory is that of the whole process. "foretold" is what the bar said was left when a tenth was done.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

SIZES = ("700x64x250", "700x256x250", "700x1024x250")


def write_network(path, n_source, n_target, n_bins, seed=0):
    """A checkpoint of one dense projection with random weights and delays."""
    from stanalysis.files.checkpoint import checkpoint_tree, population, projection, write_checkpoint

    random = np.random.default_rng(seed)
    target, source = np.indices((n_target, n_source), np.int32).reshape(2, -1)
    synapses = projection(
        n_source=n_source,
        n_target=n_target,
        delay_max=n_bins - 1.0,
        rounding="half even",
        source=source,
        target=target,
        delay=random.integers(0, n_bins, source.size).astype(float),
        weight=random.normal(size=source.size).astype(np.float32),
    )
    tree = checkpoint_tree(
        populations={"input": population(n_source), "hidden1": population(n_target)},
        projections={("input", "hidden1"): synapses},
        metrics={},
        framework="stanalysis",
        method="dcls",
        dataset="none",
        dt=1.0,
        step=0,
        epoch=0.0,
        seed=seed,
    )
    write_checkpoint(tree, path)

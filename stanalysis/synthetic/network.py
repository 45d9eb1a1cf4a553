"""A small network that was never trained, as a checkpoint."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from stanalysis.files.checkpoint import checkpoint_tree, population, projection


def small_network(*, step: int = 0, seed: int = 0, n_source: int = 6, n_target: int = 4) -> xr.DataTree:
    """Checkpoint of a dense, random network ``n_source`` -> ``n_target`` -> 2 with delays of 0 to 40 ms on a 10 ms grid.

    Its first hidden neuron is silent and has a negative gain.

    Examples
    --------
    >>> list(small_network()["projections"].children)
    ['input__hidden1', 'hidden1__output']
    """
    random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(step,)))

    def dense(n_source: int, n_target: int) -> xr.Dataset:
        target, source = np.indices((n_target, n_source), np.int32).reshape(2, -1)
        return projection(
            n_source=n_source,
            n_target=n_target,
            delay_max=40.0,
            rounding="half even",
            source=source,
            target=target,
            delay=random.uniform(0, 40, source.size),
            weight=random.normal(size=source.size).astype(np.float32),
            sigma=np.full(source.size, 5.0),
        )

    gain = np.ones(n_target)
    gain[0] = -2.0
    return checkpoint_tree(
        populations={
            "input": population(n_source, frequency=np.geomspace(100, 1000, n_source)),
            "hidden1": population(
                n_target,
                gain=gain,
                bias=np.zeros(n_target),
                variance=np.full(n_target, 4.0),
                rate=np.arange(n_target) * 1.0,
            ),
            "output": population(2),
        },
        projections={("input", "hidden1"): dense(n_source, n_target), ("hidden1", "output"): dense(n_target, 2)},
        metrics={"validation_accuracy": 0.5, "test_accuracy": 0.5},
        framework="stanalysis",
        method="dcls",
        dataset="none",
        dt=10.0,
        step=step,
        epoch=float(step),
        seed=seed,
        config=json.dumps({"hidden": [n_target]}),
    )


def event_based_network(*, dt: float = 0.0, step: int = 0, seed: int = 0, n_source: int = 12, n_hidden: int = 6) -> xr.DataTree:
    """Checkpoint of a random recurrent network input -> hidden1 -> output with delays of 0 to 30 ms, which nothing rounds.

    Delays are continuous, unless a time step ``dt`` [ms] is given; the synapses to the output have none.

    Examples
    --------
    >>> {name: node.attrs["delay_max"] for name, node in event_based_network()["projections"].children.items()}
    {'input__hidden1': 30.0, 'hidden1__hidden1': 30.0, 'hidden1__output': 0.0}
    """
    random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(step,)))

    def dense(n_source: int, n_target: int, longest: float) -> xr.Dataset:
        target, source = np.indices((n_target, n_source), np.int32).reshape(2, -1)
        return projection(
            n_source=n_source,
            n_target=n_target,
            delay_max=longest,
            rounding="none",
            source=source,
            target=target,
            delay=random.uniform(0, longest, source.size),
            weight=random.normal(size=source.size).astype(np.float32),
        )

    return checkpoint_tree(
        populations={"input": population(n_source), "hidden1": population(n_hidden), "output": population(3)},
        projections={
            ("input", "hidden1"): dense(n_source, n_hidden, 30.0),
            ("hidden1", "hidden1"): dense(n_hidden, n_hidden, 30.0),
            ("hidden1", "output"): dense(n_hidden, 3, 0.0),
        },
        metrics={"validation_accuracy": 0.5, "test_accuracy": 0.5},
        framework="stanalysis",
        method="events",
        dataset="none",
        dt=dt,
        step=step,
        epoch=float(step),
        seed=seed,
    )

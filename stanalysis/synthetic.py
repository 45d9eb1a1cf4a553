"""Receptive fields whose answer is known: nothing, or patches of excitation and inhibition."""

from __future__ import annotations

import json
from typing import Literal, get_args

import numpy as np
import xarray as xr

from stanalysis.checkpoint import checkpoint_tree, population, projection
from stanalysis.errors import BadInput

Delays = Literal["uniform", "short", "clamped"]
Signs = Literal["mixed", "one"]


def noise_fields(
    n_target: int,
    *,
    n_source: int = 40,
    n_delay: int = 25,
    delays: Delays = "uniform",
    signs: Signs = "mixed",
    bin_width: float = 1.0,
    seed: int,
) -> xr.DataArray:
    """Receptive fields without structure: one synapse per source, its delay and weight drawn independently.

    Parameters
    ----------
    delays
        "uniform" over the bins; "short": geometric, with a mean of an eighth of the bins, the tail in the last bin;
        "clamped": uniform over twice the range, a quarter of the delays thus at either bound.
    signs
        "mixed": normal weights; "one": their absolute values.
    bin_width
        Width of a delay bin in ms.
    seed
        A target has the same field whatever ``n_target``.

    Returns
    -------
    DataArray, dims (target, source, delay), dimensionless weights, ``delay`` in ms.

    Examples
    --------
    >>> field = noise_fields(3, n_source=6, n_delay=4, seed=0)
    >>> dict(field.sizes), int((field != 0).sum())
    ({'target': 3, 'source': 6, 'delay': 4}, 18)
    """
    for name, value, known in (("delays", delays, get_args(Delays)), ("signs", signs, get_args(Signs))):
        if value not in known:
            raise BadInput(f"{name} is {value!r}; use one of {', '.join(known)}")
    planes = np.zeros((n_target, n_source, n_delay))
    for target in range(n_target):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(target,)))
        if delays == "uniform":
            bins = rng.integers(n_delay, size=n_source)
        elif delays == "short":
            bins = np.minimum(rng.geometric(min(1, 8 / n_delay), size=n_source) - 1, n_delay - 1)
        else:
            bins = np.clip(np.floor(rng.uniform(-0.5, 1.5, n_source) * n_delay), 0, n_delay - 1).astype(int)
        weight = rng.standard_normal(n_source)
        planes[target, np.arange(n_source), bins] = np.abs(weight) if signs == "one" else weight
    return _labelled(planes, bin_width)


def planted_fields(
    n_target: int,
    *,
    n_source: int = 40,
    n_delay: int = 25,
    patch_sources: int = 5,
    bin_width: float = 1.0,
    seed: int,
) -> xr.DataArray:
    """Receptive fields of excitatory and inhibitory patches: adjacent sources share sign and, nearly, delay.

    Every source has one synapse. Each run of ``patch_sources`` sources is one patch with a sign and a delay bin of its own,
    at random; its synapses lie in that bin or one next to it, with normal magnitudes.

    Parameters
    ----------
    patch_sources
        Sources of a patch; the last patch may have fewer.
    bin_width
        Width of a delay bin in ms.
    seed
        A target has the same field whatever ``n_target``.

    Returns
    -------
    DataArray, dims (target, source, delay), dimensionless weights, ``delay`` in ms.

    Examples
    --------
    >>> planted_fields(1, n_source=4, n_delay=6, patch_sources=2, seed=1).squeeze().round(1).values
    array([[ 0. ,  0. ,  0. ,  0. ,  0. , -2.7],
           [ 0. ,  0. ,  0. ,  0. , -1.1,  0. ],
           [ 0. ,  0.3,  0. ,  0. ,  0. ,  0. ],
           [ 1.2,  0. ,  0. ,  0. ,  0. ,  0. ]])
    """
    planes = np.zeros((n_target, n_source, n_delay))
    patch = np.arange(n_source) // patch_sources
    for target in range(n_target):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(target,)))
        sign = rng.choice([-1.0, 1.0], size=patch[-1] + 1)
        centre = rng.integers(n_delay, size=patch[-1] + 1)
        bins = np.clip(centre[patch] + rng.integers(-1, 2, size=n_source), 0, n_delay - 1)
        planes[target, np.arange(n_source), bins] = sign[patch] * np.abs(rng.standard_normal(n_source))
    return _labelled(planes, bin_width)


def _labelled(planes: np.ndarray, bin_width: float) -> xr.DataArray:
    n_target, n_source, n_delay = planes.shape
    return xr.DataArray(
        planes,
        {
            "target": np.arange(n_target),
            "source": np.arange(n_source),
            "delay": ("delay", np.arange(n_delay) * bin_width, {"long_name": "delay", "units": "ms"}),
        },
        ("target", "source", "delay"),
        "receptive_field",
        {"long_name": "weight", "units": "1", "kernel": "deployed"},
    )


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

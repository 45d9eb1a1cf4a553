"""Receptive fields whose answer is known: nothing, patches of one sign, sweeps, or excitation beside inhibition.

Each target's field is drawn by itself, as if it came from a network of its own, and is the same whatever ``n_target``.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput

Delays = Literal["uniform", "short", "clamped"]
Signs = Literal["mixed", "one", "dale"]
Gain = Literal["flat", "smooth"]
Placement = Literal["sources", "slots"]

_EXCITATORY = 0.8  # share of the sources that excite under Dale's law

_Random = np.random.Generator


def noise_fields(
    n_target: int,
    *,
    n_source: int = 40,
    n_delay: int = 25,
    delays: Delays = "uniform",
    signs: Signs = "mixed",
    gain: Gain = "flat",
    placement: Placement = "sources",
    sparsity: float = 0.0,
    bin_width: float = 1.0,
    seed: int = 0,
) -> xr.DataArray:
    r"""Receptive fields without structure: the delays and weights of their synapses are drawn independently.

    Parameters
    ----------
    delays
        "uniform" over the bins; "short": geometric, with a mean of an eighth of the bins, the tail in the last bin;
        "clamped": uniform over twice the range, a quarter of the delays thus at either bound.
    signs
        "mixed": normal weights; "one": their absolute values; "dale": absolute values times the sign of the source, which
        excites with probability 0.8 and otherwise inhibits.
    gain
        "flat": sources are alike; "smooth": the weights of source :math:`s` are multiplied by
        :math:`\exp \cos(2 \pi c s / n_{source} + \varphi)`, of one to two cycles :math:`c` and any phase, so that the
        largest gain is about seven times the smallest. Weights of adjacent sources are then alike in magnitude: this is
        noise to a null that keeps each weight at its source, and structure to one that moves it to another.
    placement
        "sources": one synapse per source, as in a dense network; "slots": as many synapses on as many different cells, any
        cell equally likely, as where a network regrows at random delays: a source may have several or none. Slots have
        uniform delays.
    sparsity
        Probability that a synapse is left out, each by itself; what remains is part of the field of sparsity 0.
    bin_width
        Width of a delay bin in ms.
    seed
        A target has the same field whatever ``n_target``.

    Returns
    -------
    DataArray, dims (target, source, delay), dimensionless weights, ``delay`` in ms.

    Raises
    ------
    BadInput
        An unknown name, an impossible number, or slots with delays that are not uniform.

    Notes
    -----
    No two synapses share a slot. The nulls ``delays`` and ``rows`` keep the synapses of a source apart, too, so that slots are
    noise to them exactly.

    Examples
    --------
    >>> field = noise_fields(3, n_source=6, n_delay=4, seed=0)
    >>> dict(field.sizes), int((field != 0).sum())
    ({'target': 3, 'source': 6, 'delay': 4}, 18)
    >>> noise_fields(1, n_source=4, n_delay=3, placement="slots", seed=1).squeeze().round(1).values
    array([[-2.7,  0. ,  1.2],
           [ 0. ,  0. ,  0. ],
           [-0.3,  0. ,  0. ],
           [-1.1,  0. ,  0. ]])
    """
    _check_names(delays=(delays, Delays), signs=(signs, Signs), gain=(gain, Gain), placement=(placement, Placement))
    if placement == "slots" and delays != "uniform":
        raise BadInput(f"delays is {delays!r}, but slots are taken uniformly; use delays='uniform' or placement='sources'")
    if not 0 <= sparsity < 1:
        raise BadInput(f"sparsity is {sparsity}; give a share from 0 to below 1")
    field = _silent_fields(n_target, n_source, n_delay, bin_width=bin_width)
    for plane, rng in zip(field.values, _randoms(n_target, seed), strict=True):
        if placement == "slots":
            source, bins = np.divmod(rng.choice(n_source * n_delay, n_source, replace=False), n_delay)
        else:
            source, bins = np.arange(n_source), _delay_bins(rng, delays, n_source, n_delay)
        weight = rng.standard_normal(n_source)
        if signs != "mixed":
            weight = np.abs(weight)
        if signs == "dale":
            weight *= np.where(rng.random(n_source) < _EXCITATORY, 1.0, -1.0)[source]
        if gain == "smooth":
            weight *= _smooth_gain(rng, n_source)[source]
        kept = rng.random(n_source) >= sparsity
        plane[source[kept], bins[kept]] = weight[kept]
    return field


def planted_fields(
    n_target: int,
    *,
    n_source: int = 40,
    n_delay: int = 25,
    patch_sources: int = 5,
    bin_width: float = 1.0,
    seed: int = 0,
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

    Raises
    ------
    BadInput
        An impossible number.

    Examples
    --------
    >>> planted_fields(1, n_source=4, n_delay=6, patch_sources=2, seed=1).squeeze().round(1).values
    array([[ 0. ,  0. ,  0. ,  0. ,  0. , -2.7],
           [ 0. ,  0. ,  0. ,  0. , -1.1,  0. ],
           [ 0. ,  0.3,  0. ,  0. ,  0. ,  0. ],
           [ 1.2,  0. ,  0. ,  0. ,  0. ,  0. ]])
    """
    if patch_sources < 1:
        raise BadInput(f"patch_sources is {patch_sources}; use at least 1")
    field = _silent_fields(n_target, n_source, n_delay, bin_width=bin_width)
    source = np.arange(n_source)
    patch = source // patch_sources
    for plane, rng in zip(field.values, _randoms(n_target, seed), strict=True):
        sign = rng.choice([-1.0, 1.0], size=patch[-1] + 1)
        centre = rng.integers(n_delay, size=patch[-1] + 1)
        bins = np.clip(centre[patch] + rng.integers(-1, 2, size=n_source), 0, n_delay - 1)
        plane[source, bins] = sign[patch] * np.abs(rng.standard_normal(n_source))
    return field


def planted_sweeps(
    n_target: int,
    *,
    n_source: int = 40,
    n_delay: int = 25,
    jitter: float = 1.0,
    bin_width: float = 1.0,
    seed: int = 0,
) -> xr.DataArray:
    """Receptive fields of sweeps: the delays follow a straight line over the sources; weights and signs are random.

    Every source has one synapse, on a line from one corner of the plane to the opposite one, with a normal weight. The
    structure is in where synapses sit: more of them are neighbours, and what neighbours weigh stays unrelated.

    Parameters
    ----------
    jitter
        Standard deviation of the delays around the line, in bins; delays beyond the bounds are put at them.
    bin_width
        Width of a delay bin in ms.
    seed
        A target has the same field whatever ``n_target``.

    Returns
    -------
    DataArray, dims (target, source, delay), dimensionless weights, ``delay`` in ms. The coordinate ``sweep`` (target) is 1
        for an upward sweep, where delays fall from the first source to the last, and -1 for a downward one, equally
        likely: a longer delay carries an earlier input, so that the first sources come first in an upward sweep.

    Raises
    ------
    BadInput
        An impossible number.

    Examples
    --------
    >>> field = planted_sweeps(2, n_source=4, n_delay=4, jitter=0.0, seed=1)
    >>> field.sweep.values.tolist(), (field != 0).argmax("delay").values.tolist()
    ([-1, 1], [[0, 1, 2, 3], [3, 2, 1, 0]])
    """
    if not 0 <= jitter < np.inf:
        raise BadInput(f"jitter is {jitter}; give a number of bins, 0 or more")
    field = _silent_fields(n_target, n_source, n_delay, bin_width=bin_width)
    downward = np.linspace(0, n_delay - 1, n_source)
    sweep = np.ones(n_target, int)
    for target, rng in enumerate(_randoms(n_target, seed)):
        sweep[target] = rng.choice([-1, 1])
        line = downward[:: -sweep[target]] + jitter * rng.standard_normal(n_source)
        bins = np.clip(np.rint(line), 0, n_delay - 1).astype(int)
        field.values[target, np.arange(n_source), bins] = rng.standard_normal(n_source)
    return field.assign_coords(sweep=("target", sweep, {"long_name": "direction of the sweep", "units": "1"}))


def planted_segregation(
    n_target: int,
    *,
    n_source: int = 40,
    n_delay: int = 25,
    strength: float = 0.5,
    bin_width: float = 1.0,
    seed: int = 0,
) -> xr.DataArray:
    """Receptive fields with excitation on one side of a straight line and inhibition on the other.

    Every source has one synapse, at a uniformly drawn delay, with a normal magnitude. The line passes through the centre of
    the plane, at any angle, each target's its own: excitation may sit at short delays, at the first sources, or at both.
    Structure is in the signs only; where synapses sit, and how large they are, is the same at any ``strength``.

    Parameters
    ----------
    strength
        Probability that a synapse has the sign of its side; otherwise its sign is random. At 0 there is no structure, at 1
        no overlap.
    bin_width
        Width of a delay bin in ms.
    seed
        A target has the same field whatever ``n_target``.

    Returns
    -------
    DataArray, dims (target, source, delay), dimensionless weights, ``delay`` in ms.

    Raises
    ------
    BadInput
        An impossible number.

    Examples
    --------
    >>> planted_segregation(1, n_source=5, n_delay=4, strength=1.0, seed=1).squeeze().round(1).values
    array([[ 1.1,  0. ,  0. ,  0. ],
           [ 0. ,  0. ,  2.7,  0. ],
           [ 0. ,  0. ,  0. ,  1.1],
           [-0.3,  0. ,  0. ,  0. ],
           [ 0. ,  0. ,  0. , -1.2]])
    """
    if not 0 <= strength <= 1:
        raise BadInput(f"strength is {strength}; give a share from 0 to 1")
    field = _silent_fields(n_target, n_source, n_delay, bin_width=bin_width)
    source = np.arange(n_source)
    for plane, rng in zip(field.values, _randoms(n_target, seed), strict=True):
        bins = rng.integers(n_delay, size=n_source)
        magnitude = np.abs(rng.standard_normal(n_source))
        angle = rng.uniform(0, 2 * np.pi)
        across = np.cos(angle) * ((source + 0.5) / n_source - 0.5) + np.sin(angle) * ((bins + 0.5) / n_delay - 0.5)
        sign = rng.choice([-1.0, 1.0], size=n_source)
        sided = rng.random(n_source) < strength
        plane[source, bins] = np.where(sided, np.where(across < 0, -1.0, 1.0), sign) * magnitude
    return field


def _delay_bins(rng: _Random, delays: Delays, n: int, n_delay: int) -> np.ndarray:
    if delays == "uniform":
        return rng.integers(n_delay, size=n)
    if delays == "short":
        return np.minimum(rng.geometric(min(1, 8 / n_delay), size=n) - 1, n_delay - 1)
    return np.clip(np.floor(rng.uniform(-0.5, 1.5, n) * n_delay), 0, n_delay - 1).astype(int)


def _smooth_gain(rng: _Random, n_source: int) -> np.ndarray:
    cycles, phase = rng.uniform(1, 2), rng.uniform(0, 2 * np.pi)
    return np.exp(np.cos(2 * np.pi * cycles * np.arange(n_source) / n_source + phase))


def _check_names(**options: tuple[str, object]) -> None:
    for name, (value, known) in options.items():
        if value not in get_args(known):
            raise BadInput(f"{name} is {value!r}; use one of {', '.join(get_args(known))}")


def _randoms(n_target: int, seed: int) -> list[_Random]:
    if seed < 0:
        raise BadInput(f"the seed is {seed}; use a whole number, 0 or more")
    return [np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(target,))) for target in range(n_target)]


def _silent_fields(n_target: int, n_source: int, n_delay: int, *, bin_width: float) -> xr.DataArray:
    if n_target < 0 or n_source < 1 or n_delay < 1:
        raise BadInput(
            f"{n_target} targets with {n_source} sources and {n_delay} delays cannot be drawn; use 0 or more targets, and at "
            "least one source and one delay"
        )
    if not 0 < bin_width < np.inf:
        raise BadInput(f"bin_width is {bin_width}; give the width of a delay bin in ms, above 0")
    return xr.DataArray(
        np.zeros((n_target, n_source, n_delay)),
        {
            "target": np.arange(n_target),
            "source": np.arange(n_source),
            "delay": ("delay", np.arange(n_delay) * bin_width, {"long_name": "delay", "units": "ms"}),
        },
        ("target", "source", "delay"),
        "receptive_field",
        {"long_name": "weight", "units": "1", "kernel": "deployed"},
    )

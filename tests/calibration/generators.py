"""Receptive fields and networks of noise, fields of planted structure, and which nulls the noise satisfies by construction.

A null holds of a generator where its rearrangements are as likely as the field drawn. `GENERATORS` declares for each where
it does not, and why; all other nulls hold.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import xarray as xr

from stanalysis.synthetic.fields import noise_fields, planted_fields, planted_segregation, planted_sweeps

Data = xr.DataArray | xr.Dataset

MOST_CONTACTS = 6  # of 40 synapses in one of 1000 cells; more have a chance of 1e-11 per field
MOST_SLOTS = 12  # of 40 synapses at one of 40 sources; more have a chance of 1e-8 per field

ONE_PER_SOURCE = "each source has at most one synapse, which cells drawn anew do not keep"
NO_SIGN = "sources excite and inhibit one target: there is no sign of a source to move (refused)"
SMOOTH = "weights of adjacent sources are alike in magnitude, which another order does not keep"
PILED_UP = "delays are not uniform"
ONE_SIGN = "the synapses of one source share a sign, which {} does not keep"
BY_DELAY = "{} depend on the delay, which another one of the synapse does not keep"
BY_SOURCE = "signs of adjacent sources are alike, which another order does not keep"
BY_BOTH = "{} depend on source and delay, each by itself, which another place does not keep"
CROWDED = "adjacent sources have alike numbers of synapses, which another order does not keep"


class Generator(NamedTuple):
    """Independent fields, dims (target, source, delay), from a number of them and a seed."""

    draw: Callable[..., Data]
    fails: dict[str, str]  # null: why it does not hold


def contact_fields(n_target: int, *, n_source: int = 40, n_delay: int = 25, seed: int) -> xr.Dataset:
    """As many synapses as sources, each at a source and a delay of its own, so that two may meet in a cell."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))
    source, delay = rng.integers(n_source, size=(n_target, n_source)), rng.integers(n_delay, size=(n_target, n_source))
    target = np.indices(source.shape)[0]
    contact = np.zeros_like(source)
    cell = source * n_delay + delay
    for k in range(n_source):  # the contacts of a cell are counted from 0
        contact[:, k] = (cell[:, :k] == cell[:, k : k + 1]).sum(axis=1)
    weight = np.zeros((n_target, MOST_CONTACTS, n_source, n_delay))
    weight[target, contact, source, delay] = rng.standard_normal(source.shape)
    dims = ("target", "contact", "source", "delay")
    each = xr.DataArray(weight, {"target": np.arange(n_target), "delay": np.arange(float(n_delay))}, dims)
    return xr.Dataset(
        {
            "receptive_field": each.sum("contact"),
            "present": (each != 0).any("contact"),
            "contact_field": each,
            "contact_present": each != 0,
        }
    )


def cells_apart(n_target: int, **options: int) -> xr.Dataset:
    """The slots of `noise_fields`, each of a source's synapses its own contact, no two in one cell."""
    field = noise_fields(n_target, placement="slots", **options)
    target, source, delay = np.nonzero(field.values)
    pair = target * field.sizes["source"] + source
    contact = np.arange(pair.size) - np.searchsorted(pair, pair)
    each = np.zeros((n_target, MOST_SLOTS, *field.shape[1:]))
    each[target, contact, source, delay] = field.values[target, source, delay]
    contacts = xr.DataArray(each, field.coords, ("target", "contact", "source", "delay"))
    data = {"receptive_field": field, "present": field != 0, "contact_field": contacts, "contact_present": contacts != 0}
    return xr.Dataset(data)


def drawn_fields(
    n_target: int,
    weights: Callable[..., np.ndarray],
    *,
    n_source: int = 40,
    n_delay: int = 25,
    delays: Literal["uniform", "bimodal"] = "uniform",
    seed: int,
) -> xr.DataArray:
    """One synapse per source, at a delay of its own; ``weights`` of a generator of random numbers, source and delay, both as
    shares of the plane, shape (target, source).
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(4,)))
    if delays == "uniform":
        at = rng.integers(n_delay, size=(n_target, n_source))
    else:
        modes = np.where(rng.random((n_target, n_source)) < 0.5, 0.2, 0.8)
        at = np.clip(np.rint(n_delay * (modes + 0.08 * rng.standard_normal(modes.shape))), 0, n_delay - 1).astype(int)
    source = np.broadcast_to((np.arange(n_source) + 0.5) / n_source, at.shape)
    weight = weights(rng, source, (at + 0.5) / n_delay)
    field = np.where(np.arange(n_delay) == at[:, :, None], weight[:, :, None], 0.0)
    coords = {"target": np.arange(n_target), "delay": np.arange(float(n_delay))}
    return xr.DataArray(field, coords, ("target", "source", "delay"))


def _wave(rng: np.random.Generator, place: np.ndarray) -> np.ndarray:
    """A smooth curve over places (target, synapse), each target its own: half a cycle to one and a half, any phase."""
    cycles, phase = rng.uniform(0.5, 1.5, (len(place), 1)), rng.uniform(0, 2 * np.pi, (len(place), 1))
    return np.cos(2 * np.pi * cycles * place + phase)


def _signs(rng: np.random.Generator, excitatory: np.ndarray | float, shape: tuple[int, ...]) -> np.ndarray:
    return np.where(rng.random(shape) < excitatory, 1.0, -1.0)


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return np.abs(rng.standard_normal(shape))


def _logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def short_is_strong(rng, source, delay, *, excitatory=0.5):
    return _signs(rng, excitatory, delay.shape) * _normal(rng, delay.shape) * np.exp(-2 * delay)


def early_excites(rng, source, delay):
    return _signs(rng, np.where(delay < 0.5, 0.8, 0.2), delay.shape) * _normal(rng, delay.shape)


def sign_of_source(rng, source, delay, *, own=True):
    wave = _wave(rng, source) if own else _wave(rng, source[:1])
    return _signs(rng, _logistic(3 * wave), source.shape) * _normal(rng, source.shape)


def sign_of_both(rng, source, delay):
    odds = 2 * _wave(rng, source) + 2 * _wave(rng, delay)
    return _signs(rng, _logistic(odds), source.shape) * _normal(rng, source.shape)


def sum_of_both(rng, source, delay):
    return _wave(rng, source) + _wave(rng, delay) + rng.standard_normal(source.shape)


def log_normal(rng, source, delay):
    return _signs(rng, 0.5, source.shape) * np.exp(rng.standard_normal(source.shape))


def heavy_tailed(rng, source, delay):
    return rng.standard_t(2, source.shape)


def normal(rng, source, delay):
    return rng.standard_normal(source.shape)


def smooth_in_degree(n_target: int, *, n_source: int = 40, n_delay: int = 25, seed: int) -> xr.DataArray:
    """As many synapses as sources, in cells apart, more of them at some sources than at others, smoothly."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(5,)))
    source = np.broadcast_to((np.arange(n_source) + 0.5) / n_source, (n_target, n_source))
    # the largest of chances with Gumbel noise: drawn one after the other without replacement
    chances = _wave(rng, source)[:, :, None] + rng.gumbel(size=(n_target, n_source, n_delay))
    chosen = np.argpartition(-chances.reshape(n_target, -1), n_source, axis=1)[:, :n_source]
    field = np.zeros((n_target, n_source * n_delay))
    np.put_along_axis(field, chosen, rng.standard_normal(chosen.shape), axis=1)
    coords = {"target": np.arange(n_target), "delay": np.arange(float(n_delay))}
    return xr.DataArray(field.reshape(chances.shape), coords, ("target", "source", "delay"))


_CORNERS = ((0.25, 0.25, 1), (0.25, 0.75, -1), (0.75, 0.25, -1), (0.75, 0.75, 1))  # (source, delay, sign)


def four_blobs(rng, source, delay):
    """Discs of one sign, alike across the diagonals and unlike along the sides: neither source nor delay tells the sign."""
    turned = rng.choice([-1.0, 1.0], (len(source), 1))
    sign = _signs(rng, 0.5, source.shape)
    for s, d, one in _CORNERS:
        sign = np.where(np.hypot(source - s, delay - d) < 0.25, one * turned, sign)
    return sign * _normal(rng, source.shape)


def two_blobs(rng, source, delay):
    """A disc of excitation beside one of inhibition, both of doubled magnitudes."""
    centre, angle = rng.uniform(0.35, 0.65, (2, len(source), 1)), rng.uniform(0, 2 * np.pi, (len(source), 1))
    weight = rng.standard_normal(source.shape)
    for side in (1, -1):
        away = side * 0.25 * np.array([np.cos(angle), np.sin(angle)])
        within = np.hypot(source - centre[0] - away[0], delay - centre[1] - away[1]) < 0.25
        weight = np.where(within, 2 * side * np.abs(weight), weight)
    return weight


def _fails(why: str, *nulls: str) -> dict[str, str]:
    return dict.fromkeys(nulls, why) | {"cells": ONE_PER_SOURCE}


_MOVED_TO_DELAYS = ("delays", "weights", "rows")
_MAGNITUDES = _fails(BY_DELAY.format("magnitudes"), *_MOVED_TO_DELAYS)
_EVERY = ("delays", "weights", "signs", "source-signs", "sources", "rows")

GENERATORS = {
    "dense": Generator(noise_fields, {"cells": ONE_PER_SOURCE}),
    "positive": Generator(partial(noise_fields, signs="one"), {"cells": ONE_PER_SOURCE}),
    "smooth gain": Generator(
        partial(noise_fields, gain="smooth"), {"weights": SMOOTH, "sources": SMOOTH, "cells": ONE_PER_SOURCE}
    ),
    "clamped": Generator(partial(noise_fields, delays="clamped"), {"rows": PILED_UP, "cells": ONE_PER_SOURCE}),
    "short": Generator(partial(noise_fields, delays="short"), {"rows": PILED_UP, "cells": ONE_PER_SOURCE}),
    "Dale": Generator(partial(noise_fields, signs="dale"), {"cells": ONE_PER_SOURCE}),
    "Dale slots": Generator(
        partial(noise_fields, signs="dale", placement="slots"),
        {
            "weights": ONE_SIGN.format("another order of weights"),
            "signs": ONE_SIGN.format("another order of signs"),
            "interaction": ONE_SIGN.format("another order of signs"),
            "cells": ONE_SIGN.format("another place"),
        },
    ),
    "slots": Generator(partial(noise_fields, placement="slots"), {"source-signs": NO_SIGN}),
    "contacts": Generator(
        contact_fields, {"source-signs": NO_SIGN, "cells": "synapses meet in a cell, which cells drawn anew never do"}
    ),
    "sparse 90 %": Generator(partial(noise_fields, n_source=140, sparsity=0.9), {"cells": ONE_PER_SOURCE}),
    "sparse 99 %": Generator(partial(noise_fields, n_source=700, sparsity=0.99), {"cells": ONE_PER_SOURCE}),
    "contacts apart": Generator(partial(cells_apart, n_delay=5), {"source-signs": NO_SIGN}),  # so dense that many would meet
    "log-normal": Generator(partial(drawn_fields, weights=log_normal), {"cells": ONE_PER_SOURCE}),
    "t2": Generator(partial(drawn_fields, weights=heavy_tailed), {"cells": ONE_PER_SOURCE}),
    "bimodal delays": Generator(
        partial(drawn_fields, weights=normal, delays="bimodal"), {"rows": PILED_UP, "cells": ONE_PER_SOURCE}
    ),
    "smooth in-degree": Generator(smooth_in_degree, {"source-signs": NO_SIGN, "sources": CROWDED, "cells": CROWDED}),
    "magnitude ~ delay": Generator(partial(drawn_fields, weights=short_is_strong), _MAGNITUDES),
    "magnitude ~ delay, 80/20": Generator(partial(drawn_fields, weights=partial(short_is_strong, excitatory=0.8)), _MAGNITUDES),
    "magnitude ~ delay, positive": Generator(
        partial(drawn_fields, weights=partial(short_is_strong, excitatory=1.0)), _MAGNITUDES
    ),
    "sign ~ delay": Generator(
        partial(drawn_fields, weights=early_excites),
        _fails(BY_DELAY.format("signs"), *_MOVED_TO_DELAYS, "signs", "source-signs"),
    ),
    "sign ~ source": Generator(
        partial(drawn_fields, weights=sign_of_source), _fails(BY_SOURCE, "weights", "signs", "source-signs", "sources")
    ),
    "sign ~ delay + source": Generator(partial(drawn_fields, weights=sign_of_both), _fails(BY_BOTH.format("signs"), *_EVERY)),
    "weight ~ delay + source": Generator(
        partial(drawn_fields, weights=sum_of_both), _fails(BY_BOTH.format("weights"), *_EVERY)
    ),
}

PLANTED: dict[str, Callable[..., Data]] = {
    "patches of one sign": planted_fields,
    "sweeps": planted_sweeps,
    "excitation apart from inhibition": planted_segregation,
    "exclusive-or of four blobs": partial(drawn_fields, weights=four_blobs),
    "E blob beside I blob": partial(drawn_fields, weights=two_blobs),
}


def arranged(fields: Data, **sizes: int) -> Data:
    """Fields (target, …) with the targets laid out along several dims."""
    if isinstance(fields, xr.Dataset):
        return fields.map(lambda each: arranged(each, **sizes))
    rest = fields.dims[1:]
    coords = {name: np.arange(n) for name, n in sizes.items()} | {"delay": fields["delay"]}
    return xr.DataArray(
        fields.transpose("target", ...).to_numpy().reshape(*sizes.values(), *fields.shape[1:]), coords, (*sizes, *rest)
    )


def shared_sources(n_network: int, n_target: int, *, n_source: int = 40, n_delay: int = 25, seed: int) -> xr.DataArray:
    """Networks (run, target, source, delay) whose neurons share delay and sign of each source; magnitudes are their own."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(3,)))
    delay = rng.integers(n_delay, size=(n_network, 1, n_source, 1))
    sign = rng.choice([-1.0, 1.0], size=delay.shape)
    weight = sign * np.abs(rng.standard_normal((n_network, n_target, n_source, 1)))
    dims = ("run", "target", "source", "delay")
    coords = {"run": np.arange(n_network), "target": np.arange(n_target), "delay": np.arange(float(n_delay))}
    return xr.DataArray(np.where(np.arange(n_delay) == delay, weight, 0.0), coords, dims)


def networks_of(noise: Callable[..., Data], n_network: int, n_target: int, *, seed: int) -> Data:
    """Networks (run, target, ...) whose neurons are independent fields."""
    return arranged(noise(n_network * n_target, seed=seed), run=n_network, target=n_target)


class Networks(NamedTuple):
    """Networks from their number, that of their neurons, and a seed; and how the nulls are tested on them."""

    name: str
    draw: Callable[..., Data]
    nulls: tuple[str, ...]
    joint: bool  # whether neurons share their permutations, as `analyze` has it but where a test is to fail
    holds: bool = True


_DENSE = partial(networks_of, noise_fields)
_SPARSE = partial(networks_of, partial(noise_fields, sparsity=0.75))  # ten of 40 synapses; some neurons have no answer
_SHARED = ("delays", "signs", "sources")

NETWORKS = (
    Networks("dense", _DENSE, ("delays", "weights", "signs", "source-signs", "sources"), joint=True),
    Networks("dense", _DENSE, ("rows",), joint=False),
    Networks("slots", partial(networks_of, GENERATORS["slots"].draw), ("cells",), joint=False),
    Networks("sparse 75 %", _SPARSE, ("sources",), joint=True),
    Networks("sparse 75 %", _SPARSE, ("delays", "weights", "signs", "rows"), joint=False),
    Networks("shared delays and signs", shared_sources, _SHARED, joint=True),
    Networks("shared delays and signs", shared_sources, _SHARED, joint=False, holds=False),
)

"""Receptive fields and networks of noise, fields of planted structure, and which nulls the noise satisfies by construction.

A null holds of a generator where its rearrangements are as likely as the field drawn. `GENERATORS` declares for each where
it does not, and why; all other nulls hold.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import xarray as xr

from stanalysis.synthetic.fields import noise_fields, planted_fields, planted_segregation, planted_sweeps

Data = xr.DataArray | xr.Dataset

MOST_CONTACTS = 6  # of 40 synapses in one of 1000 cells; more have a chance of 1e-11 per field

ONE_PER_SOURCE = "each source has at most one synapse, which cells drawn anew do not keep"
NO_SIGN = "sources excite and inhibit one target: there is no sign of a source to move (refused)"
SMOOTH = "weights of adjacent sources are alike in magnitude, which another order does not keep"
PILED_UP = "delays are not uniform"
ONE_SIGN = "the synapses of one source share a sign, which {} does not keep"


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
            "cells": ONE_SIGN.format("another place"),
        },
    ),
    "slots": Generator(partial(noise_fields, placement="slots"), {"source-signs": NO_SIGN}),
    "contacts": Generator(
        contact_fields, {"source-signs": NO_SIGN, "cells": "synapses meet in a cell, which cells drawn anew never do"}
    ),
    "sparse 90 %": Generator(partial(noise_fields, n_source=140, sparsity=0.9), {"cells": ONE_PER_SOURCE}),
    "sparse 99 %": Generator(partial(noise_fields, n_source=700, sparsity=0.99), {"cells": ONE_PER_SOURCE}),
}

PLANTED: dict[str, Callable[..., Data]] = {
    "patches of one sign": planted_fields,
    "sweeps": planted_sweeps,
    "excitation apart from inhibition": planted_segregation,
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

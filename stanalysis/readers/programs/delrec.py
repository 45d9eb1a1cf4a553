"""Networks with learned recurrent delays by DelRec, and the DCLS layers that may feed them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.readers.arrays import dense_projection, network_tree
from stanalysis.readers.contract import ForeignNetwork, require, step_of
from stanalysis.readers.formats.containers import Container, epoch_in
from stanalysis.readers.options import Options
from stanalysis.readers.programs.dcls import (
    BY_EPOCH,
    chain_note,
    feedforward_layers,
    left_out,
    needed_options,
    projections,
)
from stanalysis.readers.programs.dcls_layers import RECURRENT, dcls_layers, network_arrays, real_numbers
from stanalysis.readers.programs.torch_layers import NORM, Layer, layer_name, normalisations, sized_and_wired, torch_arrays

DELAYS = "recurrent_delays"


def recognises(container: Container) -> bool:
    """Whether some module of a torch file has recurrent weights and recurrent delays."""
    return bool(_prefixes(torch_arrays(container)))


def read(container: Container, options: Options) -> ForeignNetwork:
    """The network of a DelRec state dict: one checkpoint, its step the epoch.

    A spike that neuron i sends at t reaches neuron j at t + 1 + d: the table has 1 + d. Recurrent weights are (post, pre).
    """
    arrays, about_file = network_arrays(container)
    prefixes = _prefixes(arrays)
    if not prefixes:
        raise BadInput(f"No module has {RECURRENT!r} and {DELAYS!r}; name the arrays in a mapping.")
    modules = [_module(arrays, prefix) for prefix in prefixes]
    feeding = dcls_layers(arrays)
    needs = {"dt": "the time step in ms"} | (needed_options(feeding, options) if feeding else {})
    longest = max(float(delay.max()) for _, delay in modules)
    needs["max_delay"] = (
        f"the longest recurrent delay in ms: at least {1 + math.ceil(longest)} steps, 1 more than the longest found"
    )
    require(options, container, needs)
    dt, delay_max = float(options.dt or 0), float(options.max_delay or 0)

    places = {name: place for place, name in enumerate(arrays)}
    recurrent = [
        Layer(layer_name(prefix), places[f"{prefix}{RECURRENT}"], len(weight), len(weight), recurrent=True)
        for prefix, (weight, _) in zip(prefixes, modules, strict=True)
    ]
    layers = feedforward_layers(arrays, feeding) + recurrent
    edges, about_sizes = sized_and_wired(layers, arrays, options)
    tables: dict[tuple[str, str], xr.Dataset] = {}
    notes: list[str] = []
    if feeding:
        tables, notes = projections(feeding, edges, options)
    for layer, (weight, delay) in zip(recurrent, modules, strict=True):
        lag = (1 + delay) * dt
        if lag.max() > delay_max * (1 + 1e-6):
            raise BadInput(f"--max-delay is {delay_max:g} ms, but {layer.name} has delays up to {lag.max():g} ms; give more.")
        kind = "axonal" if delay.shape[0] == 1 < len(weight) else "synaptic"
        # the network rounds d half to even, and the delay is 1 more
        population = edges[layer.place].target
        tables[population, population] = dense_projection(
            weight, lag, delay_max=delay_max, rounding="half odd", delay_kind=kind
        )
    notes = [*about_file, chain_note(layers, edges), *about_sizes, *notes, *left_out(arrays, feeding, layers, edges)]
    if norms := list(dict.fromkeys(normalisations(arrays, layers).values())):
        arrays.take(f"{prefix}{part}" for prefix in norms for part in NORM)
        listed = ", ".join(prefix.rstrip(".") for prefix in norms)
        notes.append(f"Normalisations are left out: they do not act on what comes through recurrent synapses ({listed}).")
    epoch = epoch_in(container.record)
    step, about_step = step_of(options, epoch, known_by=BY_EPOCH)
    tree = network_tree(tables, reader="delrec", framework="DelRec", dt=dt, step=step, epoch=epoch, files=container.files)
    return ForeignNetwork({step: tree}, (*notes, *about_step), container.files)


def _prefixes(arrays: Mapping[str, NDArray]) -> list[str]:
    """What the names of each recurrent module begin with, in the order of the file."""
    prefixes = [name.removesuffix(RECURRENT) for name in arrays if name.rpartition(".")[2] == RECURRENT]
    return [prefix for prefix in prefixes if f"{prefix}{DELAYS}" in arrays]


def _module(arrays: Mapping[str, NDArray], prefix: str) -> tuple[NDArray, NDArray]:
    """Weights (target, source) and delays (target or 1, source) of a module, in steps, clamped at 0 as in the network.

    One delay for all neurons is spread over them, as the network does.
    """
    name = f"{prefix}{DELAYS}"
    weight = real_numbers(arrays, f"{prefix}{RECURRENT}", ndim=2)
    delay = real_numbers(arrays, name, ndim=min(arrays[name].ndim, 2)).astype(np.float64)
    if delay.size == 1:
        delay = np.broadcast_to(delay.ravel(), weight.shape[:1])
    if weight.shape[0] != weight.shape[1] or delay.shape not in (weight.shape, weight.shape[:1]):
        raise BadInput(
            f"'{prefix}{RECURRENT}' has the shape {weight.shape}, {name!r} {delay.shape}; "
            "expected (n, n), and (n, n), (n,) or (1,)."
        )
    return weight, np.atleast_2d(delay).clip(min=0)

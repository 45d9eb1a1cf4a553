"""Networks of snnTorch with layers of `SynapticDelay`, as in its development version after 1.0.0 (pull request 453, 07dfa18).

A `SynapticDelay` holds its channels back by ``delay`` steps, one for each channel or one for all: clamped to [0, max_delay],
never rounded, for what falls between two steps is shared by both. Behind the weights it delays their targets, before them
their sources. A state dict has ``delay`` and no more of it; where it lies the order of the file tells, that of the modules.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.readers.arrays import dense_projection, network_tree
from stanalysis.readers.contract import ForeignNetwork, require, step_of
from stanalysis.readers.formats.containers import Container, epoch_in
from stanalysis.readers.formats.inert_pickle import Inert
from stanalysis.readers.formats.recording import Recording
from stanalysis.readers.options import Options
from stanalysis.readers.programs.dcls import A_STEP, BY_EPOCH, chain_note
from stanalysis.readers.programs.dcls_layers import MOST_LAYERS, real_numbers
from stanalysis.readers.programs.torch_layers import (
    NORM,
    Edge,
    Layer,
    follows,
    layer_name,
    normalisations,
    normalised_population,
    torch_arrays,
    wired,
)

WEIGHTS = ("weight", "weight_ih_l0")  # of a Linear, and of LeakyParallel
RECURRENT = "recurrent.weight"  # of RLeaky and RSynaptic: no delay lies on these
BIASES = ("bias", "bias_ih_l0", "bias_hh_l0")
ASK = "name the arrays in a mapping"
End = Literal["target", "source"]  # of which population of a layer some delays are


def recognises(container: Container) -> bool:
    """Whether a torch file has neurons of snnTorch, weights, and delays of channels."""
    arrays = torch_arrays(container)
    return bool(_delays(arrays) and _weights(arrays) and _neurons(arrays))


def read(container: Container, options: Options) -> ForeignNetwork:
    """The network of a state dict with layers of `SynapticDelay`: one checkpoint, its step the epoch.

    A layer with delays behind and before it has their sum, so that its longest delay is twice ``max_delay``.

    Raises
    ------
    BadInput
        The order of the file does not tell what a delay lies on, or sizes do not fit; options are missing.
    """
    arrays = _network(container)
    weights, delays = _weights(arrays), _delays(arrays)
    if not (weights and delays and _neurons(arrays)):
        raise BadInput(f"There are no neurons of snnTorch with weights and a SynapticDelay; {ASK}.")
    if len(weights) > MOST_LAYERS:
        raise BadInput(f"The file has {len(weights)} layers; at most {MOST_LAYERS} are read.")
    delayed = _delayed(arrays, weights, delays)
    stored = {name: real_numbers(arrays, name, ndim=arrays[name].ndim).astype(np.float64) for name in delays}
    reach = max(float(delay.max()) for delay in stored.values())
    least = max(math.ceil(reach - A_STEP), 1)
    longest = f"max_delay of SynapticDelay in ms: most likely at least {least} steps, for delays reach {reach:g}"
    require(options, container, {"dt": "the time step in ms", "max_delay": longest})
    dt, most = float(options.dt or 0), _most_steps(options)

    layers = _layers(arrays, weights, delayed)
    edges = wired(layers, n_input=None)
    if astray := [layer.name for layer in layers if layer.place not in edges or edges[layer.place].n_source != layer.n_in]:
        raise BadInput(f"{astray[0]} does not fit between the layers before and after it, which form no chain; {ASK}.")
    clamped = {name: delay.clip(0, most) for name, delay in stored.items()}
    tables = {}
    for layer, (name, ends) in zip([layer for layer in layers if layer.delayed], delayed.items(), strict=True):
        edge = edges[layer.place]
        weight = real_numbers(arrays, name, ndim=2)
        tables[edge.source, edge.target] = _table(weight, {end: clamped[d] for end, d in ends.items()}, dt=dt, most=most)
    populations, about_norms = _populations(arrays, layers, edges)
    epoch = epoch_in(container.record)
    step, about_step = step_of(options, epoch, known_by=BY_EPOCH)
    tree = network_tree(
        tables,
        populations=populations,
        reader="snntorch",
        framework="snnTorch",
        dt=dt,
        step=step,
        epoch=epoch,
        files=container.files,
    )
    notes = [chain_note(layers, edges), *_about_delays(delayed, stored, most), *_left_out(arrays, layers, delayed)]
    return ForeignNetwork({step: tree}, (*notes, *about_norms, *about_step), container.files)


def _network(container: Container) -> Recording:
    """The arrays of the network, without what its training saved beside it."""
    arrays = container.arrays
    entries = container.content if isinstance(container.content, dict) else {}
    nested = {str(key) for key, value in entries.items() if isinstance(value, dict | Inert)}
    networks = list(dict.fromkeys(key for name in _delays(arrays) if (key := name.partition(".")[0]) in nested))
    if len(networks) > 1:
        raise BadInput(f"The file holds several networks ({', '.join(map(repr, networks))}); save one of them by itself.")
    return arrays.only([name for name in arrays if name.startswith(f"{networks[0]}.")]) if networks else arrays


def _delays(arrays: Mapping[str, NDArray]) -> list[str]:
    """Names of the delays of all modules, one of each channel or one for all."""
    return [name for name, a in arrays.items() if name.endswith(".delay") and a.ndim < 2 and a.size and a.dtype.kind == "f"]


def _weights(arrays: Mapping[str, NDArray]) -> list[str]:
    """Names of the weights that lead on, in the order of the file."""
    return [
        name
        for name, array in arrays.items()
        if name.rpartition(".")[2] in WEIGHTS and array.ndim == 2 and array.size and not name.endswith(RECURRENT)
    ]


def _neurons(arrays: Mapping[str, NDArray]) -> list[int]:
    """Where each group of neurons ends in the order of the file: some have weights of their own before."""
    ends: list[int] = []
    stem = None
    for place, name in enumerate(arrays):
        if stem is not None and name.startswith(stem):
            ends[-1] = place
        elif name.rpartition(".")[2] == "threshold" and f"{name.removesuffix('threshold')}graded_spikes_factor" in arrays:
            stem = name.removesuffix("threshold")
            ends.append(place)
    return ends


def _delayed(arrays: Mapping[str, NDArray], weights: Sequence[str], delays: Sequence[str]) -> dict[str, dict[End, str]]:
    """Which delays are those of the targets, and of the sources, of which weights.

    Modules are stored in the order in which they were made, as a rule that in which they act. Between two layers must lie
    neurons; else the order is another, such as that of all layers before all neurons.
    """
    places, neurons = {name: place for place, name in enumerate(arrays)}, _neurons(arrays)

    def fire(first: int, last: int) -> bool:
        return bisect_right(neurons, first) < bisect_left(neurons, last)

    for before, after in pairwise(weights):
        if not fire(places[before], places[after]):
            raise BadInput(f"No neurons lie between {before!r} and {after!r}, so that their order tells nothing; {ASK}.")
    starts = [places[name] for name in weights]
    ends: dict[str, dict[End, str]] = {}
    for name in delays:
        k = bisect_right(starts, places[name])
        end: End = "target" if k and not fire(starts[k - 1], places[name]) else "source"
        if end == "source" and k == len(weights):
            raise BadInput(f"{name!r} comes after all layers and their neurons, so that what it delays is unclear; {ASK}.")
        layer = weights[k - 1 if end == "target" else k]
        if end in ends.setdefault(layer, {}):
            raise BadInput(f"Both {ends[layer][end]!r} and {name!r} seem to delay the {end}s of {layer!r}; {ASK}.")
        n = arrays[layer].shape[0 if end == "target" else 1]
        if arrays[name].shape not in ((), (n,)):
            raise BadInput(f"{name!r} has {arrays[name].size} delays, but {layer!r} has {n} {end}s by its side; {ASK}.")
        ends[layer][end] = name
    if weights[-1] in ends and not fire(starts[-1], len(arrays)):
        raise BadInput(f"No neurons lie behind {weights[-1]!r}, so that its order among delays tells nothing; {ASK}.")
    return {name: ends[name] for name in weights if name in ends}


def _most_steps(options: Options) -> int:
    """The ``max_delay`` of the modules, which is a whole number of steps."""
    steps = float(options.max_delay or 0) / float(options.dt or 1)
    if round(steps) < 1 or abs(steps - round(steps)) > 1e-6 * steps:
        raise BadInput(
            f"--max-delay is {options.max_delay:g} ms, {steps:g} steps of --dt; SynapticDelay takes whole steps, at least 1: "
            "give max_delay times dt."
        )
    return round(steps)


def _module(name: str) -> str:
    """What an array belongs to."""
    return name.rpartition(".")[0]


def _layers(arrays: Mapping[str, NDArray], weights: Sequence[str], delayed: Mapping[str, object]) -> list[Layer]:
    places = {name: place for place, name in enumerate(arrays)}
    return [
        Layer(layer_name(_module(name)), places[name], n_in, n_out, delayed=name in delayed)
        for name in weights
        for n_out, n_in in [arrays[name].shape]
    ]


def _table(weight: NDArray, ends: Mapping[End, NDArray], *, dt: float, most: int) -> xr.Dataset:
    """Synapse table of a layer, of its delays in steps by the end that they are of."""
    behind, before = (ends.get(end, np.zeros(1)) for end in ("target", "source"))
    kind = "synaptic" if len(ends) > 1 else "dendritic" if "target" in ends else "axonal"
    delay = (np.atleast_1d(behind)[:, None] + np.atleast_1d(before)[None, :]) * dt
    return dense_projection(weight, delay, delay_max=len(ends) * most * dt, rounding="none", delay_kind=kind)


def _about_delays(delayed: Mapping[str, Mapping[End, str]], stored: Mapping[str, NDArray], most: int) -> list[str]:
    """Notes on what delays lie on, and what the file does not tell of them."""
    lie = [f"{name} on the {end}s of {layer}" for layer, ends in delayed.items() for end, name in ends.items()]
    notes = [f"Where delays lie is told by the order of the file: {', '.join(lie)}."]
    if len(stored) > 1:
        notes.append("All modules of delays are taken to have one max_delay.")
    if n_clamped := sum(int(((delay < 0) | (delay > most)).sum()) for delay in stored.values()):
        notes.append(f"{n_clamped} delays lie beyond 0 to {most} steps and are clamped, as when the network runs.")
    notes.append("The kernel is in no file: delays are its centre, around which it spreads each spike, if Gaussian by sigma.")
    return notes


def _left_out(arrays: Recording, layers: Sequence[Layer], delayed: Mapping[str, object]) -> list[str]:
    """Notes on what acts in the network and is not shown."""
    modules = {_module(name) for name in delayed}
    biases = [name for name in arrays if name.rpartition(".")[2] in BIASES and _module(name) in modules]
    graded = [name for name, a in arrays.items() if name.endswith("graded_spikes_factor") and (a != 1).any()]
    recurrent = [name for name in arrays if name.endswith(RECURRENT)]
    undelayed = [layer.name for layer in layers if not layer.delayed]
    arrays.take([*biases, *recurrent])
    arrays.take(name for name in arrays if _module(name) and layer_name(_module(name)) in undelayed)
    named = {
        "Layers without delays are left out": undelayed,
        "Recurrent weights, which have no delay, are left out": recurrent,
        "Biases are left out": biases,
        "Spikes are graded, which is not folded into the weights behind": graded,
    }
    return [f"{what}: {', '.join(names)}." for what, names in named.items() if names]


def _populations(
    arrays: Mapping[str, NDArray], layers: Sequence[Layer], edges: Mapping[int, Edge]
) -> tuple[dict[str, xr.Dataset], list[str]]:
    """Populations with a normalisation, and notes."""
    tables: dict[str, xr.Dataset] = {}
    notes = []
    norms = normalisations(arrays, layers)
    for layer in [layer for layer in layers if layer.delayed and layer.place in norms]:
        stem, target = norms[layer.place], edges[layer.place].target
        if not follows(layer.name, stem):
            notes.append(f"{stem.rstrip('.')} does not follow {layer.name} directly: it is not taken for its normalisation.")
            continue
        tables[target] = normalised_population({part: real_numbers(arrays, f"{stem}{part}", ndim=1) for part in NORM})
        notes.append(f"{stem.rstrip('.')} is taken for the normalisation of {target}; a negative gain flips its weights.")
    return tables, notes

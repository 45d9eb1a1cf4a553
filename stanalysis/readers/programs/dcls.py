"""Networks with delays learned by DCLS: SNN-delays, spatiotemporal, AxDenSynDelaySNN, any other with ``weight`` and ``P``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import xarray as xr
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.readers.arrays import network_tree
from stanalysis.readers.contract import ForeignNetwork, require, step_of
from stanalysis.readers.formats.containers import Container, epoch_in
from stanalysis.readers.formats.recording import Recording
from stanalysis.readers.options import Options
from stanalysis.readers.programs.dcls_layers import (
    RECURRENT,
    DclsLayer,
    dcls_layers,
    layer_prefixes,
    layer_synapses,
    linear_of,
    network_arrays,
    real_numbers,
    signs_lost,
)
from stanalysis.readers.programs.torch_layers import (
    NORM,
    Edge,
    Layer,
    follows,
    linear_layers,
    normalisations,
    normalised_population,
    sized_and_wired,
    torch_arrays,
)

A_STEP = 0.25  # how far one step of training may take positions beyond the kernel, before they are clamped
BY_EPOCH = "the epoch stored in the file; if that counts from 0, step 0 is not the untrained network"


def recognises(container: Container) -> bool:
    """Whether some layer of a torch file has weights and positions of one shape, and none is recurrent."""
    arrays = torch_arrays(container)
    return bool(layer_prefixes(arrays)) and not any(name.rpartition(".")[2] == RECURRENT for name in arrays)


def read(container: Container, options: Options) -> ForeignNetwork:
    """The network of a DCLS state dict: one checkpoint.

    Delays are those learned; ``rounding`` is that of the deployed network, which rounds positions half to even. Populations
    have the normalisation that follows each layer, for `stanalysis.receptive_fields` with ``fold_gain``.
    """
    arrays, about_file = network_arrays(container)
    delayed = dcls_layers(arrays)
    if not delayed:
        raise BadInput("No layer has 'weight' (out, in, kernel) and 'P' (axis, out, in, kernel); name the arrays in a mapping.")
    require(options, container, needed_options(delayed, options))
    layers = feedforward_layers(arrays, delayed)
    edges, about_sizes = sized_and_wired(layers, arrays, options)
    tables, notes = projections(delayed, edges, options)
    populations, more = _populations(arrays, layers, edges)
    epoch = epoch_in(container.record)
    step, about_step = step_of(options, epoch, known_by=BY_EPOCH)
    tree = network_tree(
        tables,
        populations=populations,
        reader="dcls",
        framework="DCLS",
        dt=float(options.dt or 0),
        step=step,
        epoch=epoch,
        files=container.files,
    )
    notes = [*about_file, chain_note(layers, edges), *about_sizes, *notes, *left_out(arrays, delayed, layers, edges)]
    return ForeignNetwork({step: tree}, (*notes, *more, *about_step), container.files)


def needed_options(delayed: Sequence[DclsLayer], options: Options) -> dict[str, str]:
    """What DCLS layers do not say, and why it is needed; `BadInput` if what was given cannot be."""
    needs = {"dt": "the time step in ms"}
    axes = [layer.positions.shape[0] for layer in delayed if layer.positions.shape[0] > 1]
    axis = options.time_axis if axes else None
    if axes:
        needs["time_axis"] = f"which of the {min(axes)} axes of positions is time, from 0"
        if axis is not None and axis >= min(axes):
            raise BadInput(f"--time-axis is {axis}, but positions have {min(axes)} axes; count from 0.")
    size_of = "dilated_kernel_size of the layers in steps, in SNN-delays config.max_delay"
    if not axes or axis is not None:
        reach = max(float(abs(layer.positions[_time_axis(layer, options)]).max()) for layer in delayed)
        likely = 2 * math.ceil(reach - A_STEP)
        bound = f"at least {likely} steps, {likely + 1} if it is odd, for positions reach {reach:g}"
        needs["kernel_size"] = f"{size_of}: {bound}"
        if options.kernel_size is not None and options.kernel_size < 2 * round(reach):
            raise BadInput(f"--kernel-size is {options.kernel_size}; give {bound}.")
    else:
        needs["kernel_size"] = f"{size_of}, along the axis of time"
    needs["left_padding"] = "steps of zeros in front of the input, in the published networks the kernel size less 1"
    return needs


def _time_axis(layer: DclsLayer, options: Options) -> int:
    return options.time_axis or 0 if layer.positions.shape[0] > 1 else 0


def feedforward_layers(arrays: Mapping[str, NDArray], delayed: Sequence[DclsLayer]) -> list[Layer]:
    """All layers that lead on, those without delays, too."""
    pure_delays = [name for prefix in layer_prefixes(arrays) if (name := linear_of(arrays, prefix)) is not None]
    leading = [Layer(layer.name, layer.place, layer.weight.shape[1], layer.weight.shape[0]) for layer in delayed]
    return leading + linear_layers(arrays, besides=pure_delays)


def projections(
    delayed: Sequence[DclsLayer], edges: Mapping[int, Edge], options: Options
) -> tuple[dict[tuple[str, str], xr.Dataset], list[str]]:
    """Synapse tables of the DCLS layers by (source population, target population), and notes."""
    dt, size, padding = float(options.dt or 0), int(options.kernel_size or 0), int(options.left_padding or 0)
    magnitudes = signs_lost(delayed)
    tables: dict[tuple[str, str], xr.Dataset] = {}
    notes: list[str] = []
    for layer in delayed:
        edge, axis = edges[layer.place], _time_axis(layer, options)
        table, more = layer_synapses(
            layer, n_source=edge.n_source, dt=dt, kernel_size=size, left_padding=padding, time_axis=axis,
            magnitudes=magnitudes,
        )  # fmt: skip
        tables[edge.source, edge.target] = table
        n_in = layer.weight.shape[1]
        if edge.n_source > n_in:
            more.append(
                f"Its {edge.n_source} sources are taken as {edge.n_source // n_in} groups, each with targets of its own."
            )
        if layer.positions.shape[0] > 1:
            more.append("Positions along the other axes are left out: synapses of one pair are told apart by delay alone.")
        if layer.delay_kind == "axonal":
            more.append("Delays are axonal; a mask of sources without delay (sparsity_p_delay) would be in no file.")
        notes += [f"{layer.name} ({edge.source} to {edge.target}): {note}" for note in more]
    if any("sigma" in table for table in tables.values()):
        notes.append("The training kernel is taken as Gaussian; the file does not tell it from the triangular one ('max').")
        if padding != size - 1:
            notes.append(
                "The left padding is not the kernel size less 1: training kernels are cut at other steps than in training."
            )
    if any(layer.spread is None for layer in delayed):
        notes.append("Layers without SIG (versions v0 and v1) are taken to interpolate between steps when deployed, too.")
    return tables, notes


def chain_note(layers: Sequence[Layer], edges: Mapping[int, Edge]) -> str:
    """A note that says what leads where."""
    chain = [layer for layer in sorted(layers, key=lambda layer: layer.place) if layer.place in edges]
    told = ", ".join(f"{layer.name} from {edges[layer.place].source} to {edges[layer.place].target}" for layer in chain)
    square = any(layer.n_in == layer.n_out and layer.delayed and not layer.recurrent for layer in chain)
    unsure = "; one with as many sources as targets could be recurrent, which a mapping would say" if square else ""
    return f"Layers are taken for a chain in the order of the file: {told}{unsure}."


def left_out(arrays: Recording, delayed: Sequence[DclsLayer], layers: Sequence[Layer], edges: Mapping[int, Edge]) -> list[str]:
    """Notes that name the layers without delays, and those whose biases are not shown."""
    names = []
    for layer in layers:
        if not layer.delayed:
            edge = edges.get(layer.place)
            names.append(layer.name if edge is None else f"{layer.name} ({edge.source} to {edge.target})")
            arrays.take(f"{stem}{part}" for stem in _stems(layer.name) for part in ("weight", "bias"))
    notes = [f"Layers without delays are left out: {', '.join(names)}."] if names else []
    biases = {f"{stem}bias": layer.name for layer in delayed for stem in _stems(layer.name) if f"{stem}bias" in arrays}
    biased = list(dict.fromkeys(biases.values()))
    arrays.take(biases)
    return notes + ([f"Biases are left out: those of {', '.join(biased)}."] if biased else [])


def _stems(layer: str) -> tuple[str, str]:
    """What the names of a layer's arrays can begin with."""
    return f"{layer}.", layer


def _populations(
    arrays: Recording, layers: Sequence[Layer], edges: Mapping[int, Edge]
) -> tuple[dict[str, xr.Dataset], list[str]]:
    """Populations with a normalisation, and notes."""
    tables: dict[str, xr.Dataset] = {}
    notes: list[str] = []
    delayed = [layer for layer in layers if layer.delayed]
    norms = normalisations(arrays, layers)
    for layer in [layer for layer in delayed if layer.place in norms]:
        prefix = norms[layer.place]
        target = edges[layer.place].target
        if not follows(layer.name, prefix):
            arrays.take(f"{prefix}{part}" for part in NORM)
            notes.append(f"{prefix.rstrip('.')} does not follow {layer.name} directly: it is not taken for its normalisation.")
            continue
        tables[target] = normalised_population({part: real_numbers(arrays, f"{prefix}{part}", ndim=1) for part in NORM})
        notes.append(f"{prefix.rstrip('.')} is taken for the normalisation of {target}.")
        if n_negative := int((tables[target].gain < 0).sum()):
            notes.append(
                f"{n_negative} neurons of {target} have a negative gain: in the deployed network their excitation and "
                "inhibition are flipped, as in receptive fields with the gain folded in."
            )
    return tables, notes

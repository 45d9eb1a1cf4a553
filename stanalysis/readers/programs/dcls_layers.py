r"""Layers of dilated convolutions with learnable spacings (DCLS) -> synapse tables; only here positions are centred.

A kernel of ``size`` steps slides over an input with ``left_padding`` zeros in front, so that a synapse at position P acts after

.. math:: d = \mathrm{left\_padding} - (P + \lfloor \mathrm{size} / 2 \rfloor) \quad \text{steps.}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import projection
from stanalysis.readers.arrays import MOST_SYNAPSES, delay_kind, real_array
from stanalysis.readers.formats.containers import Container
from stanalysis.readers.formats.inert_pickle import Inert
from stanalysis.readers.formats.recording import Recording
from stanalysis.readers.programs.torch_layers import layer_name

WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
MASKS = ("delay_scores", "m")
MOST_LAYERS = 200
MOST_ENTRIES = 50  # of a file that are looked through for networks
RECURRENT = "recurrent_weights"  # of DelRec, whose networks may have DCLS layers, too
NARROWEST = 0.27  # DCLS adds it to the spread, in steps
FEW_NEGATIVE = 0.01


@dataclass(frozen=True)
class DclsLayer:
    """A layer as it is stored.

    ``weight`` and ``sign`` (out, in of one group, kernel); ``positions`` and ``spread`` (axis, out, in, kernel) in steps,
    with 1 for out or in where all share a delay; ``place`` in the order of the file.
    """

    name: str
    place: int
    weight: NDArray
    positions: NDArray
    spread: NDArray | None
    sign: NDArray | None = None
    delay_kind: str = "synaptic"


def network_arrays(container: Container) -> tuple[Recording, list[str]]:
    """The arrays of the network by name, without those that its training saved beside it; notes.

    Raises
    ------
    BadInput
        Several entries of the file are networks, and none has a usual name.
    """
    arrays = container.arrays
    entries = container.content.items() if isinstance(container.content, dict) else ()
    keys = [str(key) for key, value in entries if isinstance(value, dict | list | tuple | Inert)]
    networks = {}
    for key in keys[:MOST_ENTRIES]:
        inside = arrays.only(name for name in arrays if name.startswith(f"{key}."))
        if has_layers(inside):
            networks[key] = inside
    if len(networks) < 2:
        return next(iter(networks.values()), arrays), []
    wanted = next((key for key in WRAPPERS if key in networks), None)
    if wanted is None:
        raise BadInput(f"The file holds several networks ({', '.join(map(repr, networks))}); save one of them by itself.")
    others = [key for key in networks if key != wanted]
    for key in others:
        networks[key].take_all()
    listed = ", ".join(map(repr, others))
    note = f"The network is that of the entry {wanted!r}; other networks in the file are left out: {listed}."
    return networks[wanted], [note]


def has_layers(arrays: Mapping[str, NDArray]) -> bool:
    """Whether some layer among these arrays has delays."""
    return bool(layer_prefixes(arrays)) or any(name.rpartition(".")[2] == RECURRENT for name in arrays)


def layer_prefixes(arrays: Mapping[str, NDArray]) -> list[str]:
    """What the names of the arrays of each DCLS layer begin with, in the order of the file."""
    shapes = {name: array.shape for name, array in arrays.items()}
    names = [name for name, shape in shapes.items() if name.rpartition(".")[2] == "P" and len(shape) == 4]
    return [name[:-1] for name in names if _spreads(shapes[name][1:], shapes.get(f"{name[:-1]}weight", ()))]


def _spreads(shape: tuple[int, ...], weights: tuple[int, ...]) -> bool:
    """Whether positions are those of the weights, or of whole rows, columns or planes of them, as the layer spreads them."""
    return len(weights) == 3 and shape[2] == weights[2] and all(n in (1, m) for n, m in zip(shape, weights, strict=True))


def real_numbers(arrays: Mapping[str, NDArray], name: str, *, ndim: int) -> NDArray:
    """An array of finite real numbers along so many axes, float64 if it was that, else float32; `BadInput` if it is none."""
    array = real_array(arrays[name], f"The values of {name!r}", ndim=ndim)
    return array.astype(np.float64 if array.dtype == np.float64 else np.float32)


def dcls_layers(arrays: Mapping[str, NDArray]) -> list[DclsLayer]:
    """The DCLS layers of a network, in the order of its file."""
    places = {name: place for place, name in enumerate(arrays)}
    prefixes = layer_prefixes(arrays)
    if len(prefixes) > MOST_LAYERS:
        raise BadInput(f"The file has {len(prefixes)} layers with delays; at most {MOST_LAYERS} are read.")
    return [_layer(arrays, prefix, places) for prefix in prefixes]


def linear_of(arrays: Mapping[str, NDArray], prefix: str) -> str | None:
    """Name of the weights that a layer of pure delays belongs to: axonal if it comes before them, dendritic if after."""
    stem, _, leaf = prefix.rstrip(".").rpartition(".")
    name = f"{stem}.W.weight" if stem else "W.weight"
    return name if leaf == "delay_layer" and name in arrays else None


def _layer(arrays: Mapping[str, NDArray], prefix: str, places: Mapping[str, int]) -> DclsLayer:
    positions = real_numbers(arrays, f"{prefix}P", ndim=4).astype(np.float64)
    if positions.shape[0] > 3:
        raise BadInput(f"'{prefix}P' has positions along {positions.shape[0]} axes; a DCLS layer has 1 to 3.")
    if masks := [name for name in MASKS if f"{prefix}{name}" in arrays]:
        raise BadInput(
            f"'{prefix}{masks[0]}' scores which delays are used, but what the scores are compared with is in no file; apply "
            "the mask to the positions, and save the network without it."
        )
    spread = real_numbers(arrays, f"{prefix}SIG", ndim=4).astype(np.float64) if f"{prefix}SIG" in arrays else None
    weight = real_numbers(arrays, f"{prefix}weight", ndim=3)
    if spread is not None and spread.shape not in (positions.shape, (len(positions), *weight.shape)):
        raise BadInput(f"'{prefix}SIG' has the shape {spread.shape}, '{prefix}P' {positions.shape}; expected the same.")
    layer = DclsLayer(layer_name(prefix), places[f"{prefix}P"], weight, positions, spread)
    if f"{prefix}sign" in arrays:
        ndim = min(max(arrays[f"{prefix}sign"].ndim, 1), 3)
        return replace(layer, sign=_sign(real_numbers(arrays, f"{prefix}sign", ndim=ndim), layer))
    name = linear_of(arrays, prefix)
    return layer if name is None else _with_linear(layer, real_numbers(arrays, name, ndim=2), places[name])


def _sign(sign: NDArray, layer: DclsLayer) -> NDArray:
    """Signs by source, by pair or by synapse -> a shape that broadcasts to the weights."""
    sign = sign[:, None] if sign.ndim == 1 else sign[..., None] if sign.ndim == 2 else sign
    try:
        return np.broadcast_to(sign, layer.weight.shape)
    except ValueError as error:
        raise BadInput(f"The signs of {layer.name} do not fit its weights of the shape {layer.weight.shape}.") from error


def _with_linear(layer: DclsLayer, linear: NDArray, place: int) -> DclsLayer:
    axonal = layer.place < place
    n = layer.weight.shape[0]
    if layer.weight.shape[1] != 1 or linear.shape[1 if axonal else 0] != n:
        raise BadInput(
            f"{layer.name} delays {n} channels {'before' if axonal else 'after'} weights of the shape {linear.shape}; the "
            "sizes do not fit. Name the weights and delays in a mapping."
        )
    if linear.size * layer.weight.shape[2] > MOST_SYNAPSES:
        raise BadInput(f"{layer.name} has {linear.size * layer.weight.shape[2]} synapses; at most {MOST_SYNAPSES} are read.")
    gain, positions, spread = layer.weight, layer.positions, layer.spread
    if axonal:
        gain, positions = gain.swapaxes(0, 1), positions.swapaxes(1, 2)
        spread = None if spread is None else spread.swapaxes(1, 2)
    weight = _finite_product(linear[..., None], gain, layer.name)
    kind = "axonal" if axonal else "dendritic"
    return replace(layer, weight=weight, positions=positions, spread=spread, delay_kind=kind)


def _finite_product(weight: NDArray, factor: NDArray, name: str) -> NDArray:
    with np.errstate(over="ignore"):
        product = (weight * factor).astype(weight.dtype)
    if not np.isfinite(product).all():
        raise BadInput(f"The weights of {name} are too large for their type; mend the file.")
    return product


def signs_lost(layers: Sequence[DclsLayer]) -> bool:
    """Whether layers without signs most likely hold magnitudes: some are exactly zero, and next to none negative."""
    weights = [layer.weight for layer in layers if layer.sign is None and layer.delay_kind == "synaptic"]
    n_zero, n_negative, n = (sum(int(count(w)) for w in weights) for count in (_zeros, _negatives, np.size))
    return n_zero > 0 and n > n_zero and (n_negative == 0 or n_negative < FEW_NEGATIVE * (n - n_zero))


def _zeros(weight: NDArray) -> int:
    return int((weight == 0).sum())


def _negatives(weight: NDArray) -> int:
    return int((weight < 0).sum())


def layer_synapses(
    layer: DclsLayer, *, n_source: int, dt: float, kernel_size: int, left_padding: int, time_axis: int, magnitudes: bool
) -> tuple[xr.Dataset, list[str]]:
    """Synapse table of a layer, and what is to be said about it.

    Parameters
    ----------
    layer
        Its weights and positions.
    n_source
        Size of the population it listens to: as many as its weights, or a multiple, one for each group.
    dt
        Time step in ms.
    kernel_size, left_padding
        Steps of the kernel, and of zeros in front of the input.
    time_axis
        Which axis of positions is time.
    magnitudes
        Whether weights without signs are magnitudes, so that only those above 0 are synapses.
    """
    weight, present, notes = _effective(layer, magnitudes)
    half = kernel_size // 2
    position = layer.positions[time_axis].clip(-half, half)
    if n_clamped := int((abs(layer.positions[time_axis]) > half * (1 + 1e-6)).sum()):
        notes.append(f"{n_clamped} positions lie beyond the kernel and are clamped to ±{half}, as in the deployed network.")
    rounds = layer.spread is not None
    first, last = (np.rint(position),) * 2 if rounds else (np.floor(position), np.ceil(position))
    outside = first + half >= kernel_size
    if n_outside := int((present & outside).sum()):
        present = present & ~outside
        notes.append(f"{n_outside} synapses lie beyond the end of the kernel: silent when deployed, hence left out.")
    rows = np.nonzero(present)
    earliest = np.broadcast_to(left_padding - np.minimum(last + half, kernel_size - 1), weight.shape)[rows]
    if earliest.size and earliest.min() < 0:
        raise BadInput(
            f"With --kernel-size {kernel_size} and --left-padding {left_padding} synapses of {layer.name} would act "
            f"{-earliest.min():g} steps before their spikes; give a left padding of at least {left_padding - earliest.min():g}."
        )
    delay = np.broadcast_to(left_padding - half - position, weight.shape)[rows]
    if n_late := int((delay < 0).sum()):
        notes.append(f"{n_late} synapses lie less than a step beyond the last step of the kernel: their delay is taken as 0.")
    columns: dict[str, NDArray] = {"source": _source(rows, weight, n_source), "target": rows[0].astype(np.int32)}
    columns |= {"delay": delay.clip(0, left_padding) * dt, "weight": weight[rows]}
    if weight.shape[2] > 1:
        columns["contact"] = rows[2].astype(np.int32)
    if layer.spread is not None and layer.spread[time_axis].any():
        spread = np.broadcast_to(abs(layer.spread[time_axis]) + NARROWEST, weight.shape)[rows]
        columns["sigma"] = spread * dt
    # the delay is a whole number less P: a tie that goes to an even P goes to an odd delay where that number is odd
    rule = "half odd" if (left_padding - half) % 2 else "half even"
    table = projection(
        n_source=n_source,
        n_target=weight.shape[0],
        delay_max=float(left_padding * dt),
        rounding=rule if rounds else "none",
        delay_kind=delay_kind(position, weight) if layer.delay_kind == "synaptic" else layer.delay_kind,
        **columns,
    )
    return table, notes


def _effective(layer: DclsLayer, magnitudes: bool) -> tuple[NDArray, NDArray, list[str]]:
    """Effective weights, where there is a synapse, and notes."""
    weight = layer.weight
    if layer.sign is not None:
        product = _finite_product(weight, layer.sign, layer.name)
        if not _zeros(weight):  # masks leave zeros behind: without one, negative weights have not died
            return product, np.ones(weight.shape, bool), ["Weights are stored weights times signs; none is masked."]
        notes = ["Weights are magnitudes times signs; those of 0 or below have died and are left out."]
        return product, weight > 0, notes
    if magnitudes and layer.delay_kind == "synaptic":
        n_dead, notes = _negatives(weight), [f"{_zeros(weight)} weights are exactly 0: taken as absent."]
        notes.append(
            "Most likely it was rewired by code that did not save the signs: weights are magnitudes, whether they excite or "
            f"inhibit is lost, and {n_dead} negative ones have just died and are left out."
        )
        return weight, weight > 0, notes
    n_zero = _zeros(weight)
    return weight, weight != 0, [f"{n_zero} weights are exactly 0: taken as masked, hence absent."] if n_zero else []


def _source(rows: tuple[NDArray, ...], weight: NDArray, n_source: int) -> NDArray[np.int32]:
    n_out, n_in = weight.shape[:2]
    groups = n_source // n_in
    return (rows[1] + rows[0] // (n_out // groups) * n_in).astype(np.int32)

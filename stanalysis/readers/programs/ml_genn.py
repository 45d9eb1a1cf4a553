"""ml_genn, deventprop and spatialdelays: folders of files ``{keys}-{connection}-{variable}.npy``.

Weights ``g`` and delays ``d`` (in steps, as learned, not clamped) are flat: of dense connections (source, target) row by row,
of sparse ones along ``pre_ind`` and ``post_ind``. The network rounds its delays half up and clamps them to 0 … max_delay_steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import population, projection
from stanalysis.readers.arrays import dense_projection, network_tree, plane_without_delays, population_name
from stanalysis.readers.contract import ForeignNetwork, require
from stanalysis.readers.formats.containers import Container
from stanalysis.readers.options import Options
from stanalysis.readers.programs.ml_genn_folder import Moment, is_weights, moments_by_step, vector
from stanalysis.readers.programs.ml_genn_sizes import Ends, ends_of, solve_sizes, unknown_sizes

ROUNDING = "half up"


def recognises(container: Container) -> bool:
    """A folder with weights of a connection."""
    return container.kind == "folder" and any(is_weights(name) for name in container.content)


def read(container: Container, options: Options) -> ForeignNetwork:
    """Checkpoints of an ml_genn folder, one per epoch."""
    moments, notes = moments_by_step(container, options)
    first = next(iter(moments.values()))
    given = options.sizes()
    ends, guesses = ends_of(first.connections, given)
    names = dict.fromkeys(name for pair in ends.values() for name in pair)
    if len({population_name(name) for name in names}) < len(names):
        raise BadInput(f"Two of the populations {', '.join(names)} would have the same name; rename the files of one.")
    if strange := sorted(set(given) - {name for pair in ends.values() for name in pair}):
        raise BadInput(
            f"--neurons names {strange[0]!r}, but the populations are {_populations(ends)}; give the size of one of them."
        )
    notes += guesses
    placed, more = _placed(moments, ends)
    notes += more
    n_weights, least = _counts(first, ends)
    if placed is not None:
        path = next(iter(first.positions.values()))
        given = {placed: vector(path).size} | given
    sizes = solve_sizes(ends, n_weights, given)
    unknown = unknown_sizes(ends, n_weights, least, sizes)
    delayed = placed is not None or any("d" in files for files in first.connections.values())
    needs = {"dt": "the time step in ms, in which its delays count"}
    if delayed:
        needs["max_delay"] = "max_delay_steps × dt in ms: longer delays are clamped to it"
        if options.max_delay is None and any("d" in files for files in first.connections.values()):
            needs["max_delay"] += f"; the longest found is {_longest(moments):g} steps"
    if unknown:
        needs["neurons"] = unknown
    require(options, container, needs)
    if unknown:
        raise BadInput(f"The sizes of populations that --neurons says are not enough; give also {unknown}.")
    for name, files in first.connections.items():
        if "d" not in files and not (placed is not None and ends[name] == (placed, placed)):
            notes.append(f"The folder holds no delays of the connection {name} (fixed ones are not saved): taken as 0.")
    if delayed:
        notes.append(f"Delays are clamped to 0 to {options.max_delay:g} ms, as the network does at deployment.")
    dt = float(options.dt or 0)
    network = _Network(ends, sizes, placed, dt, plane_without_delays(dt, options.max_delay), delayed)
    checkpoints = {step: _checkpoint(moment, network, step) for step, moment in moments.items()}
    return ForeignNetwork(checkpoints, tuple(notes), tuple(path for moment in moments.values() for path in moment.files))


def _placed(moments: dict[int, Moment], ends: Ends) -> tuple[str | None, list[str]]:
    """The population whose neurons have positions: the recurrent one."""
    axes = [set(moment.positions) for moment in moments.values()]
    if not any(axes):
        return None, []
    recurrent = sorted({source for source, target in ends.values() if source == target})
    if len(recurrent) != 1:
        return None, [f"The positions are left out: {len(recurrent)} populations are recurrent, and they are those of one."]
    if any(some != axes[0] for some in axes):
        raise BadInput("Not all epochs have the same files of positions; was the folder copied whole?")
    return recurrent[0], [
        f"The positions are taken for those of {recurrent[0]}, the recurrent population; their unit is a step."
    ]


def _counts(moment: Moment, ends: Ends) -> tuple[dict[str, int], dict[str, int]]:
    """Number of weights of each dense connection, and the least sizes of the ends of sparse ones."""
    n_weights, least = {}, dict[str, int]()
    for name, files in moment.connections.items():
        if "pre_ind" not in files:
            n_weights[name] = vector(files["g"]).size
            continue
        for end, variable in zip(ends[name], ("pre_ind", "post_ind"), strict=True):
            least[end] = max(least.get(end, 1), int(vector(files[variable]).max()) + 1)
    return n_weights, least


def _longest(moments: dict[int, Moment]) -> float:
    delays = [files["d"] for moment in moments.values() for files in moment.connections.values() if "d" in files]
    return max((float(vector(path).max()) for path in delays), default=0.0)


def _populations(ends: Ends) -> str:
    return ", ".join(dict.fromkeys(name for pair in ends.values() for name in pair))


@dataclass(frozen=True)
class _Network:
    """What all epochs share; ``dt`` and ``max_delay`` in ms, ``placed`` the population with positions, and whether there are
    delays at all.
    """

    ends: Ends
    sizes: dict[str, int]
    placed: str | None
    dt: float
    max_delay: float
    delayed: bool


def _checkpoint(moment: Moment, network: _Network, step: int) -> xr.DataTree:
    position = {}
    if network.placed is not None:
        position = {axis: vector(moment.positions[axis]).astype(float) for axis in sorted(moment.positions)}
        if wrong := [axis for axis, values in position.items() if values.size != network.sizes[network.placed]]:
            raise BadInput(
                f"The positions along {wrong[0]} at step {step} are {position[wrong[0]].size}, but {network.placed} has "
                f"{network.sizes[network.placed]} neurons; are they those of another population?"
            )
    tables = {}
    for name, files in moment.connections.items():
        pair = network.ends[name]
        if (names := (population_name(pair[0]), population_name(pair[1]))) in tables:
            raise BadInput(f"Two connections join {names[0]} and {names[1]}; keep one of them in the folder.")
        tables[names] = _table(name, files, network, position if pair == (network.placed, network.placed) else {})
    columns = {axis: values * network.dt for axis, values in position.items()}
    known = {population_name(network.placed): population(network.sizes[network.placed], **columns)} if network.placed else {}
    return network_tree(
        tables,
        populations=known,
        reader="ml_genn",
        framework="ml_genn",
        dt=network.dt,
        step=step,
        epoch=moment.epoch,
        files=moment.files,
    )


def _table(name: str, files: dict[str, Path], network: _Network, position: dict[str, NDArray]) -> xr.Dataset:
    n_source, n_target = (network.sizes[end] for end in network.ends[name])
    arrays = {variable: vector(path) for variable, path in files.items()}
    weight = arrays["g"]
    if uneven := [variable for variable, values in arrays.items() if values.size != weight.size]:
        raise BadInput(
            f"{name} has {weight.size} weights and {arrays[uneven[0]].size} of {uneven[0]}; was the folder copied whole?"
        )
    sparse = "pre_ind" in arrays
    if sparse:
        source, target = (_index(arrays[v], n, f"{name}-{v}") for v, n in (("pre_ind", n_source), ("post_ind", n_target)))
    elif weight.size != n_source * n_target:
        raise BadInput(f"{name} has {weight.size} weights, but its populations have {n_source} and {n_target} neurons.")
    else:
        source, target = np.divmod(np.arange(weight.size), n_target)
    has_its_own = "d" in arrays or bool(position) or not network.delayed
    delay_max = network.max_delay if has_its_own else plane_without_delays(network.dt, None)
    steps = arrays.get("d", np.zeros(weight.size))
    if "d" not in arrays and position:
        steps = np.sqrt(sum((values[source] - values[target]) ** 2 for values in position.values()))
    delay = np.minimum(steps.astype(float).clip(0, delay_max / network.dt) * network.dt, delay_max)
    if not sparse:
        shape = (n_source, n_target)
        return dense_projection(weight.reshape(shape).T, delay.reshape(shape).T, delay_max=delay_max, rounding=ROUNDING)
    order = np.lexsort((source, target))
    pair = (target.astype(np.int64) * n_source + source)[order]
    columns: dict[str, NDArray] = {"source": source[order].astype(np.int32), "target": target[order].astype(np.int32)}
    columns |= {"delay": delay[order], "weight": weight[order].astype(np.float64 if weight.dtype == np.float64 else np.float32)}
    contact = np.arange(pair.size) - np.searchsorted(pair, pair)
    if contact.any():
        columns["contact"] = contact.astype(np.int32)
    return projection(
        n_source=n_source, n_target=n_target, delay_max=delay_max, rounding=ROUNDING, delay_kind="synaptic", **columns
    )


def _index(values: NDArray, n: int, what: str) -> NDArray:
    if values.dtype.kind not in "iu" or values.min() < 0 or values.max() >= n:
        raise BadInput(
            f"The indices {what} run from {values.min()} to {values.max()}; expected whole numbers from 0 to {n - 1}."
        )
    return values

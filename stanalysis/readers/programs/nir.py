"""The reader of NIR, the Neuromorphic Intermediate Representation: graphs of nodes in HDF5 (``.nir``).

Neurons, inputs and outputs are nodes, and so are weights and delays. A projection is a path from one population to another
with one node of weights on it: delays before that node belong to the sources (axonal), those after it to the targets
(dendritic). The unit of delays is not stored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.readers.arrays import MOST_IN_ALL, MOST_SYNAPSES, dense_projection, network_tree, population_name, real_array
from stanalysis.readers.contract import ForeignNetwork, require, step_of
from stanalysis.readers.formats.containers import Container
from stanalysis.readers.options import Options
from stanalysis.readers.programs.nir_graph import MANY, Graph, flat_graph, paths

NEURONS = ("LIF", "LI", "IF", "CubaLIF", "CubaLI", "I", "Threshold")
POPULATIONS = (*NEURONS, "Input", "Output")
WEIGHTS = ("Linear", "Affine")
PASSING = ("Delay", "Scale", "Flatten", "Port")  # what leaves neurons apart; a port leads into or out of a graph in the graph
MOST_PAIRS = 200  # of populations
LISTED = 20  # nodes in a sentence


@dataclass(frozen=True)
class _Path:
    """One path between two populations: its weights (target, source), and the delays of each source and of each target, in
    the unit of the file.
    """

    weight: NDArray
    delays: tuple[NDArray, NDArray]
    axonal: bool
    dendritic: bool


def recognises(container: Container) -> bool:
    """Whether it is HDF5 of a graph with a version."""
    content = container.content
    if container.kind != "hdf5" or not isinstance(content, dict) or "version" not in content:
        return False
    node = content.get("node")
    return isinstance(node, dict) and isinstance(node.get("nodes"), dict)


def read(container: Container, options: Options) -> ForeignNetwork:
    """The projections of a NIR graph; several paths between two populations are several contacts.

    Raises
    ------
    BadInput
        No path from one population to another with one node of weights and nothing but delays, factors and flattening around
        it; shapes that do not fit; missing options.
    """
    if not recognises(container):
        raise BadInput(f"{container.path} is no NIR graph: it has no group node/nodes and version; give a .nir file.")
    notes: list[str] = []
    content = container.record["node"]
    container.record.take(["version"])
    content.take(["type"])
    graph = flat_graph(content)
    joined = _paths(graph, notes)
    delayed = any(path.axonal or path.dendritic for several in joined.values() for path in several)
    longest = max(sum(float(d.max()) for d in path.delays) for several in joined.values() for path in several)
    unit = options.ms_per_unit if delayed else 1.0
    in_ms = f"{longest * unit:g} ms" if unit is not None else f"{longest:g} in the unit of the file"
    needs = {
        "dt": "the time step in ms: the width of a bin of the receptive fields",
        "max_delay": f"the longest delay in ms that a synapse can have; the longest here is {in_ms}",
    }
    if delayed:
        needs["ms_per_unit"] = f"how many ms the unit of its delays is, 1000 if they are in seconds; they go up to {longest:g}"
    else:
        notes.append("The graph has no delays on its projections: all are 0.")
    require(options, container, needs)
    step, about_step = step_of(options, None)
    tables = {}
    for pair, several in joined.items():
        if len({path.weight.shape for path in several}) > 1:
            raise BadInput(f"The weights from {pair[0]!r} to {pair[1]!r} are of different shapes; mend the graph.")
        if len(several) > 1:
            notes.append(
                f"There are {len(several)} paths from {pair[0]!r} to {pair[1]!r}: each pair of neurons has as many synapses."
            )
        # with delays on both sides neurons still share them: the null that takes delays for a synapse's own would not hold
        kind = "dendritic" if all(path.dendritic and not path.axonal for path in several) else "axonal"
        tables[pair] = dense_projection(
            _contacts([path.weight for path in several]),
            _contacts([(path.delays[0] + path.delays[1][:, None]) * float(unit or 0) for path in several]),
            delay_max=float(options.max_delay or 0),
            rounding="none",
            delay_kind=kind,
        )
    dt = float(options.dt or 0)
    tree = network_tree(tables, reader="nir", framework="NIR", dt=dt, step=step, files=container.files)
    return ForeignNetwork({step: tree}, (*about_step, *notes), container.files)


def _paths(graph: Graph, notes: list[str]) -> dict[tuple[str, str], list[_Path]]:
    """All paths through one node of weights, by the names of their populations."""
    populations: dict[str, str] = {}
    for name in graph.nodes:
        if graph.kind(name) in POPULATIONS:
            known_as = population_name(name)
            if known_as in populations.values():
                raise BadInput(f"Two nodes would both be the population {known_as!r}; rename the node {name!r}.")
            populations[name] = known_as
    joined: dict[tuple[str, str], list[_Path]] = defaultdict(list)
    in_the_way: set[str] = set()
    n_synapses = n_paths = 0
    for name in graph.nodes:
        if graph.kind(name) not in WEIGHTS:
            continue
        before, after = (paths(graph, name, neighbours, PASSING) for neighbours in (graph.before, graph.after))
        in_the_way |= {path[-1] for path in before + after if path[-1] not in populations}
        before, after = ([path for path in several if path[-1] in populations] for several in (before, after))
        size = getattr(dict(graph.nodes[name].items()).get("weight"), "size", 0)  # which is looked at, not yet taken
        n_paths += len(before) * len(after)
        n_synapses += max(len(before) * len(after), 1) * size  # nodes can share an array
        if size > MOST_SYNAPSES or n_synapses > MOST_IN_ALL or n_paths > MANY:
            raise BadInput(
                f"The graph has more than {MANY} paths with weights, {MOST_SYNAPSES} synapses in one or {MOST_IN_ALL} in all, "
                f"up to the node {name!r}; give one of fewer."
            )
        if not (before and after):
            continue
        weight = real_array(graph.nodes[name].get("weight"), f"The weights of the node {name!r}", ndim=2)
        for sources, targets in product(before, after):
            path = _path(graph, name, weight, sources[:-1], targets[:-1])
            joined[populations[sources[-1]], populations[targets[-1]]].append(path)
        if len(joined) > MOST_PAIRS:
            raise BadInput(f"The graph has weights between more than {MOST_PAIRS} pairs of populations; give one of fewer.")
    others = _listed(f"{name!r} ({graph.kind(name)!r})" for name in sorted(in_the_way))
    for name in in_the_way:
        graph.nodes[name].take_all()
    if not joined:
        reason = f"; in the way: {others}" if others else ""
        raise BadInput(f"The graph has no path from one population to another through one node of weights{reason}.")
    if others:
        notes.append(f"Paths through these nodes are left out, for they are no tables of synapses: {others}.")
    for name, known_as in populations.items():
        reached = sorted({path[-1] for path in paths(graph, name, graph.after, PASSING)} & populations.keys())
        if direct := _listed(repr(end) for end in reached if graph.kind(end) != "Output"):
            notes.append(f"{known_as!r} leads to {direct} without weights: that is left out.")
    return joined


def _contacts(arrays: list[NDArray]) -> NDArray:
    """Arrays (target, source) as one (target, source, contact), a single one as it is."""
    return arrays[0] if len(arrays) == 1 else np.stack(arrays, axis=2)


def _listed(names: Iterable[str]) -> str:
    """Names as a part of a sentence, the first of them if they are many."""
    first = list(islice(names, LISTED + 1))
    return ", ".join(first[:LISTED]) + (" and others" if len(first) > LISTED else "")


def _path(graph: Graph, name: str, weight: NDArray, before: list[str], after: list[str]) -> _Path:
    """Weights and delays of the path through the node ``name``; ``before`` and ``after`` name the nodes around it."""
    delays: list[NDArray] = []
    for nodes, axis in ((before, 1), (after, 0)):
        n = weight.shape[axis]
        delay, scale = np.zeros(n), np.ones(n)
        for node in nodes:
            kind = graph.kind(node)
            if kind in ("Delay", "Scale"):
                along = _per_neuron(graph.nodes[node].get(kind.lower()), f"The values of the node {node!r}", n)
                delay, scale = (delay + along, scale) if kind == "Delay" else (delay, scale * along)
                real_array(scale, f"The factors beside the node {name!r}, multiplied,", ndim=1)
        delays.append(delay)
        if any(graph.kind(node) == "Scale" for node in nodes):
            weight = weight * (scale[None, :] if axis == 1 else scale[:, None])
            real_array(weight, f"The weights of the node {name!r} times the factors beside it", ndim=2)
    kinds = [{graph.kind(node) for node in nodes} for nodes in (before, after)]
    return _Path(weight, (delays[0], delays[1]), axonal="Delay" in kinds[0], dendritic="Delay" in kinds[1])


def _per_neuron(value: Any, what: str, n: int) -> NDArray:
    """One number for each of ``n`` neurons, of an array of any shape or of one number for all."""
    if isinstance(value, np.ndarray) and value.size not in (0, 1, n):
        raise BadInput(f"{what} are {value.size}, the weights beside it are of {n} neurons; mend the graph.")
    flat = value.ravel() if isinstance(value, np.ndarray) else np.array([value]) if isinstance(value, int | float) else value
    return np.broadcast_to(real_array(flat, what, ndim=1).astype(np.float64), (n,))

"""NIR graphs as nodes and edges: graphs inside graphs unfolded, and the paths through them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from stanalysis.errors import BadInput
from stanalysis.readers.formats.recording import Recording

PORTS = ("Input", "Output")  # of a graph inside a graph they are no populations but where its edges end
MANY = 1000  # nodes of a graph, and paths from a node
MANY_EDGES = 10_000
LONG = 32  # nodes of a path
LONG_NAME = 200  # letters, with those of the graphs around the node


@dataclass(frozen=True)
class Graph:
    """Nodes and their kinds, such as Linear, by name, and which nodes come before and after each."""

    nodes: dict[str, Recording]
    kinds: dict[str, str]
    before: Mapping[str, list[str]]
    after: Mapping[str, list[str]]

    def kind(self, name: str) -> str:
        """What a node is."""
        return self.kinds[name][:LONG_NAME]


def flat_graph(content: Recording) -> Graph:
    """The graph that ``content`` holds, as `stanalysis.readers.formats.hdf5_file.read_hdf5` gives it.

    The nodes of a graph inside it are named ``graph.node``; the inputs and outputs of that graph are of the kind ``Port``.

    Raises
    ------
    BadInput
        Nodes or edges that are none.
    """
    nodes: dict[str, Recording] = {}
    kinds: dict[str, str] = {}
    edges = _unfolded(content, "", nodes, kinds)
    before, after = defaultdict(list), defaultdict(list)
    for start, end in dict.fromkeys(edges):
        for name in (start, end):
            if name not in nodes:
                raise BadInput(f"The graph has an edge from {start!r} to {end!r}, but no node {name!r}; mend the graph.")
        before[end].append(start)
        after[start].append(end)
    return Graph(nodes, kinds, before, after)


def _unfolded(content: Recording, prefix: str, nodes: dict[str, Recording], kinds: dict[str, str]) -> list[tuple[str, str]]:
    """Put the nodes of a graph, and their kinds, under their full names; its edges between full names."""
    inner = content.get("nodes")
    where = f"The graph {prefix[:-1]!r}" if prefix else "The graph"
    if not isinstance(inner, Recording):
        raise BadInput(f"{where} has no group of nodes; mend the graph.")
    edges = [(f"{prefix}{start}", f"{prefix}{end}") for start, end in _edges(content.get("edges"), where)]
    starts: dict[str, str] = {}
    ends: dict[str, str] = {}
    for name, node in inner.items():
        full = f"{prefix}{name}"
        if len(full) > LONG_NAME:
            raise BadInput(f"{where} has a node whose name is longer than {LONG_NAME} letters; rename it.")
        if not isinstance(node, Recording) or not isinstance(node.get("type"), str) or full in nodes:
            raise BadInput(f"{where} has a node {name!r} without a type, or twice; mend the graph.")
        if node["type"] != "NIRGraph":
            nodes[full], kinds[full] = node, "Port" if prefix and node["type"] in PORTS else node["type"]
            continue
        edges += _unfolded(node, f"{full}.", nodes, kinds)
        ports = {kind: [n for n, port in node["nodes"].items() if port.get("type") == kind] for kind in PORTS}
        if any(len(names) > 1 for names in ports.values()):
            raise BadInput(
                f"The graph {full!r} has several inputs or outputs, and edges do not say which they mean; give it one each."
            )
        for places, kind in ((ends, "Input"), (starts, "Output")):
            if ports[kind]:
                places[full] = f"{full}.{ports[kind][0]}"
    if len(nodes) > MANY or len(edges) > MANY_EDGES:
        raise BadInput(f"The graph has more than {MANY} nodes or {MANY_EDGES} edges; give one of fewer.")
    return [(starts.get(start, start), ends.get(end, end)) for start, end in edges]


def _edges(value: Any, where: str) -> list[tuple[str, str]]:
    """Pairs of names; a graph without edges has an array of numbers without any in it."""
    pairs = value if isinstance(value, list) else list(value) if getattr(value, "size", None) == 0 else [None]
    edges = [tuple(pair) if isinstance(pair, list) else () for pair in pairs]
    if not all(len(pair) == 2 and all(isinstance(name, str) for name in pair) for pair in edges):
        raise BadInput(f"{where} has edges that are no pairs of names; mend the graph.")
    return [(start, end) for start, end in edges]


def paths(graph: Graph, start: str, neighbours: Mapping[str, list[str]], passing: Collection[str]) -> list[list[str]]:
    """Every way from a node through nodes of the kinds ``passing`` to the first of another kind, which ends it.

    The node itself is not part of it, and no node comes twice.
    """
    whole: list[list[str]] = []
    growing = [[name] for name in neighbours.get(start, [])]
    steps = 0
    while growing:
        path = growing.pop(0)
        steps += 1
        if steps + len(growing) > MANY or len(path) > LONG:
            raise BadInput(
                f"The paths from the node {start!r} are more than {MANY}, or longer than {LONG} nodes; simplify the graph."
            )
        if graph.kind(path[-1]) not in passing:
            whole.append(path)
        else:
            growing += [[*path, name] for name in neighbours.get(path[-1], []) if name not in path]
    return whole

"""The order of the layers in a state dict: which population feeds which, and which normalisation follows."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import population
from stanalysis.readers.formats.containers import Container
from stanalysis.readers.formats.recording import Recording
from stanalysis.readers.options import Options

NORM = ("weight", "bias", "running_mean", "running_var")
EPSILON = 1e-5  # what torch adds to the variance
RECURRENCE = {"rec", "recurrent", "recurrence", "lateral", "feedback"}
SIDES = {"exc", "excitatory", "inh", "inhibitory"}


@dataclass(frozen=True)
class Layer:
    """A layer: its ``place`` in the order of the file, ``n_in`` channels of one group, and ``n_out`` neurons."""

    name: str
    place: int
    n_in: int
    n_out: int
    delayed: bool = True
    recurrent: bool = False

    def takes(self, n: int) -> bool:
        """Whether a population of ``n`` neurons can be its source, in several groups if it has delays."""
        if not self.delayed or self.recurrent:
            return n == self.n_in
        return n % self.n_in == 0 and self.n_out % (n // self.n_in) == 0


@dataclass(frozen=True)
class Edge:
    """Where a layer leads: names of populations, and the size of its source."""

    source: str
    target: str
    n_source: int


def torch_arrays(container: Container) -> Recording:
    """The arrays of a torch file; none of another kind, or of one that cannot be read, for who recognises must not raise."""
    try:
        if container.kind == "torch":
            return container.arrays
    except BadInput:
        pass
    return Recording({}, set(), separator=".")


def layer_name(prefix: str) -> str:
    """What messages call the layer whose arrays have names with this prefix."""
    return prefix.rstrip(".") or "the layer"


def linear_layers(arrays: Mapping[str, NDArray], *, besides: Iterable[str]) -> list[Layer]:
    """Layers without delays: weights of two axes, but for those named in ``besides``."""
    taken = set(besides)
    return [
        Layer(layer_name(name.removesuffix("weight")), place, array.shape[1], array.shape[0], delayed=False)
        for place, (name, array) in enumerate(arrays.items())
        if name.rpartition(".")[2] == "weight" and array.ndim == 2 and array.size and name not in taken
    ]


def sized_and_wired(
    layers: Sequence[Layer], arrays: Mapping[str, NDArray], options: Options
) -> tuple[dict[int, Edge], list[str]]:
    """`wired`, with the size of the input if it is given; a note names the sizes that were given and are of no use.

    Raises
    ------
    BadInput
        The sizes of the layers, or the names in the file, say that they are no chain.
    """
    require_chain(layers, arrays)
    sizes = options.sizes()
    edges = wired(layers, n_input=sizes.get("input"))
    useful = {"input"} if any(edge.source == "input" for edge in edges.values()) else set()
    useless = ", ".join(name for name in sizes if name not in useful)
    return edges, [f"Of --neurons only the size of the input could be of use: not used for {useless}."] if useless else []


def wired(layers: Sequence[Layer], *, n_input: int | None) -> dict[int, Edge]:
    """What each layer connects, by its place: targets of one are the sources of the next, in the order of the file.

    Layers without delays that do not fit in are passed over.

    Parameters
    ----------
    layers
        In any order.
    n_input
        Size of the input, where known.
    """
    order = sorted(layers, key=lambda layer: layer.place)
    edges: dict[int, Edge] = {}
    name, size, n_hidden = "input", n_input, 0
    recurrent_already = False
    for k, layer in enumerate(order):
        if layer.recurrent:
            if name == "input" or recurrent_already or layer.n_out != size:
                n_hidden += 1
                name, size = f"hidden{n_hidden}", layer.n_out
            edges[layer.place] = Edge(name, name, layer.n_out)
            recurrent_already = True
            continue
        fits = size is None or layer.takes(size)
        if not layer.delayed and not (fits and all(after.takes(layer.n_out) for after in order[k + 1 : k + 2])):
            continue
        if not fits:
            raise BadInput(
                f"{layer.name} takes {layer.n_in} channels, but {name}, before it in the file, has {size}: the layers form no "
                "chain. Name them and their populations in a mapping."
            )
        n_hidden += 1
        edges[layer.place] = Edge(name, f"hidden{n_hidden}", layer.n_in if size is None else size)
        name, size, recurrent_already = f"hidden{n_hidden}", layer.n_out, False
    if n_hidden > 1 and not recurrent_already:
        edges = {key: Edge(e.source, "output" if e.target == name else e.target, e.n_source) for key, e in edges.items()}
    return edges


def require_chain(layers: Sequence[Layer], arrays: Mapping[str, NDArray]) -> None:
    """Raise `BadInput` where names say that layers are branches or recurrent, though their sizes would make a chain."""
    modules: dict[tuple[str, bool], list[Layer]] = defaultdict(list)
    for layer in layers:
        if not layer.recurrent and layer.n_in == layer.n_out and _words(layer.name) & RECURRENCE:
            raise BadInput(
                f"{layer.name} is recurrent by its name, hence no link of a chain. Name the layers and their populations in a "
                "mapping."
            )
        if layer.delayed:
            modules[layer.name.rpartition(".")[0], layer.recurrent].append(layer)
    leaves = {key: frozenset(layer.name.rpartition(".")[2] for layer in inside) for key, inside in modules.items()}
    for key, inside in modules.items():
        numbered = {(_numbered(leaf) or (leaf,))[0] for leaf in leaves[key]}
        again = sum(names == leaves[key] for names in leaves.values()) > 1
        sides = all(_words(leaf) & SIDES for leaf in leaves[key])
        if len(numbered) > 1 and (again or sides or _matrix_of(key[0], inside, arrays)):
            raise BadInput(
                f"{' and '.join(layer.name for layer in inside)} lie side by side in one module: by their names they are "
                "branches rather than a chain. Name them and their populations in a mapping."
            )


def _words(name: str) -> set[str]:
    """The words of the last part of a name, in small letters."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name.rpartition(".")[2])}


def _matrix_of(module: str, inside: Sequence[Layer], arrays: Mapping[str, NDArray]) -> bool:
    """Whether a module has a matrix of its own between the targets of the layers in it."""
    sizes = {layer.n_out for layer in inside}
    matrices = (array for name, array in arrays.items() if array.ndim == 2 and name.rpartition(".")[0] == module)
    return any(sizes.issuperset(matrix.shape) for matrix in matrices)


def normalisations(arrays: Mapping[str, NDArray], layers: Sequence[Layer]) -> dict[int, str]:
    """What the names of the batch normalisation of a layer's targets begin with, by the place of the layer.

    That of the same number, such as ``bn1`` of ``conv1``; else the first after the layer and before the next.
    """
    places = {name: place for place, name in enumerate(arrays)}
    shape_of = {name: array.shape for name, array in arrays.items()}
    stems = [name.removesuffix("running_mean") for name in arrays if name.endswith("running_mean")]
    norms = [stem for stem in stems if all(f"{stem}{part}" in arrays for part in NORM)]
    starts = [places[f"{stem}running_mean"] for stem in norms]
    fitting: dict[tuple[int, int], list[str]] = defaultdict(list)  # by size and number
    for stem in norms:
        shapes = {shape_of[f"{stem}{part}"] for part in NORM}
        if len(shapes) == 1 and len(shape := shapes.pop()) == 1:
            fitting[shape[0], -1].append(stem)
            if (numbered := _numbered(stem)) is not None:
                fitting[shape[0], numbered[1]].append(stem)
    sound = {stem for (_, number), some in fitting.items() if number < 0 for stem in some}
    ends = [*sorted(layer.place for layer in layers), len(places)]
    stem_of = {}
    for layer in layers if norms else ():
        parts = _numbered(layer.name)
        alike = [stem for stem in fitting.get((layer.n_out, parts[1]), ()) if _numbered(stem) != parts] if parts else []
        k = bisect_right(starts, layer.place)
        after = norms[k] if k < len(norms) and starts[k] < ends[bisect_right(ends, layer.place)] else None
        if len(alike) == 1:
            stem_of[layer.place] = alike[0]
        elif after in sound and shape_of[f"{after}running_mean"] == (layer.n_out,):
            stem_of[layer.place] = str(after)
    return stem_of


def follows(layer: str, norm: str) -> bool:
    """Whether nothing lies between a layer and a normalisation, as far as their numbers tell.

    Those of one sequence, such as ``model.0`` and ``model.1``, must follow each other; those of two must be equal.
    """
    before, after = _numbered(layer), _numbered(norm)
    if before is None or after is None:
        return True
    return after[1] == before[1] + (before[0] == after[0])


def _numbered(name: str) -> tuple[str, int] | None:
    """What a name is but for the number at its end, and that."""
    match = re.fullmatch(r"(.*?)(\d{1,9})", name.rstrip("."))
    return (match[1], int(match[2])) if match else None


def normalised_population(columns: Mapping[str, NDArray]) -> xr.Dataset:
    """Population of neurons with the gain, bias, mean and variance of their normalisation, given by the names of torch."""
    gain, bias, mean, variance = (columns[part] for part in NORM)
    if (variance < 0).any():
        raise BadInput("A running variance is negative; mend the file.")
    return population(len(gain), gain=gain, bias=bias, mean=mean, variance=variance.astype(np.float64) + EPSILON)

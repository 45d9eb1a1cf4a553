"""What a reader does not use it names: over all readers, by changing each option and each array and looking for an effect."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest

from stanalysis.errors import BadInput
from stanalysis.readers import choosing
from stanalysis.readers.choosing import read_with
from stanalysis.readers.formats.containers import Container, open_container
from stanalysis.readers.formats.numpy_file import read_npy
from stanalysis.readers.options import Options
from tests.stanalysis.readers.networks import COMMON, networks

OTHER = {
    "dt": 2.0,
    "max_delay": 120.0,
    "kernel_size": 29,
    "left_padding": 30,
    "time_axis": 1,
    "ms_per_unit": 2.0,
    "delay_shift": False,
    "neurons": ("Pop9=6",),
    "network_step": 5,
    "checkpoints": 3,
}
UNUSED = ("Not used", "In the file, but not used")
CHAIN = "taken for a chain"  # it names what is used


def answer(path, options):
    """All that a reader says of a network, but for what it does not use; or its sentence."""
    try:
        network = read_with(path, options)
    except BadInput as error:
        return str(error), ()
    trees = []
    for step, tree in network.checkpoints.items():
        values = {f"{node.path}/{k}": v.values.tobytes() for node in tree.subtree for k, v in node.dataset.variables.items()}
        attrs = {f"{node.path}/{k}": v for node in tree.subtree for k, v in node.attrs.items() if k != "sha256"}
        trees.append((step, values, attrs))
    return (trees, [note for note in network.notes if not note.startswith(UNUSED)]), network.notes


@pytest.fixture(params=networks())
def network(request, tmp_path):
    path, options = networks()[request.param](tmp_path)
    return path, COMMON | options


def test_read_with__every_option_has_an_effect_or_is_named(network):
    path, given = network
    usual, notes = answer(path, Options(**given))
    assert notes, usual
    for name, value in OTHER.items():
        changed = answer(path, Options(**given | {name: ("Pop0=6",) if "Pop0=5" in str(given[name]) else value}))[0] != usual
        option = f"--{name.replace('_', '-')}"
        named = any(option in note for note in notes if note.startswith(UNUSED) or "not used for" in note)
        assert changed != named, f"{option}: an effect: {changed}, named: {named}"


def copied(container):
    """A container of the same content, to be changed."""
    return Container(container.path, container.kind, copy.deepcopy(container.content))


def numbers_of(container):
    """Names of all numbers and arrays of numbers that a container holds, with their values and what sets them in it."""
    if container.kind == "folder":
        return {name: (read_npy(path), lambda value, p=path: np.save(p, value)) for name, path in container.content.items()}
    if container.kind in ("torch", "npz"):
        return {name: (a.copy(), lambda value, a=a: a.__setitem__(..., value)) for name, a in container.arrays.items()}
    return dict(_inside(container.content, "", "/" if container.kind == "hdf5" else "."))


def _inside(values, before, separator):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _inside(value, f"{before}{key}{separator}", separator)
        elif np.asarray(value).dtype.kind in "fiu":
            yield f"{before}{key}", (value, lambda new, d=values, k=key: d.__setitem__(k, new))


def others(value):
    """Values of the same form: in another order, smaller, larger."""
    array = np.asarray(value)
    return [np.roll(array.ravel(), 1).reshape(array.shape), (array * 0.9).astype(array.dtype), (array + 1).astype(array.dtype)]


def is_named(name, separator, notes):
    """Whether a note names a value, or the layer, block, node or moment that it belongs to, as left out."""
    parts = name.split(separator)
    words = [re.escape(separator.join(parts[:k])) for k in range(1, len(parts) + 1)]
    words += [f"'{re.escape(part)}'" for part in [*parts, *name.split("-")]]
    words += [f"block,? {re.escape(parts[1])}"] if parts[0] == "layer" else []
    said = [note for note in notes if CHAIN not in note and re.search("left out|not used|not folded", note)]
    return any(re.search(rf"(?i)(?<![\w.]){word}(?![\w/]|\.\w)", note) for word in words for note in said)


def test_read_with__every_array_has_an_effect_or_is_named(network, monkeypatch):
    path, given = network
    options = Options(**given | {"checkpoints": 1000})
    if path.name == "series":
        path = min(path.iterdir())
    usual, notes = answer(path, options)
    opened = open_container(path)
    separator = "/" if opened.kind in ("hdf5", "folder") else "."
    for name, (original, _) in numbers_of(opened).items():
        effect = False
        for value in others(original):
            changed = copied(opened)
            numbers_of(changed)[name][1](value)
            with monkeypatch.context() as patch:
                patch.setattr(choosing, "open_container", lambda _, changed=changed: changed)
                effect |= answer(path, options)[0] != usual
        if opened.kind == "folder":
            np.save(opened.content[name], original)
        assert effect or is_named(name, separator, notes), f"{name} has no effect and is named in none of {notes}"

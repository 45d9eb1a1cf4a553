"""Folders of ml_genn: which file is of which epoch, connection and variable, and whether all are there."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.readers.arrays import real_array
from stanalysis.readers.contract import chosen_steps, step_of
from stanalysis.readers.formats.containers import Container
from stanalysis.readers.formats.numpy_file import read_npy
from stanalysis.readers.options import Options

_VARIABLE = re.compile(r"(?:(?P<key>.+)-)?(?P<connection>[^-]+)-(?P<variable>g|d|pre_ind|post_ind)")
_POSITION = re.compile(r"(?:(?P<key>.+)-)?(?:Pos(?P<number>[012])|(?P<axis>[XYZ])Pos)")
_EPOCH = re.compile(r"\d{1,15}")


@dataclass
class Moment:
    """Files of one key: by connection and variable, and by axis those of positions; epochs trained, where known."""

    key: str
    connections: dict[str, dict[str, Path]] = field(default_factory=lambda: defaultdict(dict))
    positions: dict[str, Path] = field(default_factory=dict)
    epoch: int | None = None

    @property
    def files(self) -> list[Path]:
        """All of them."""
        return [path for files in self.connections.values() for path in files.values()] + list(self.positions.values())

    @property
    def names(self) -> list[str]:
        """Their names without suffix."""
        return [path.stem for path in self.files]


def is_weights(name: str) -> bool:
    """Whether a file of this name, without suffix, holds the weights of a connection."""
    return (match := _VARIABLE.fullmatch(name)) is not None and match["variable"] == "g"


def by_key(names: Mapping[str, Path]) -> dict[str, Moment]:
    """What a folder holds, by what stands before the names; other files are ignored."""
    moments: dict[str, Moment] = {}
    for name, path in names.items():
        if (match := _VARIABLE.fullmatch(name) or _POSITION.fullmatch(name)) is not None:
            moments.setdefault(match["key"] or "", Moment(match["key"] or ""))
        if (match := _VARIABLE.fullmatch(name)) is not None:
            moments[match["key"] or ""].connections[match["connection"]][match["variable"]] = path
        elif (match := _POSITION.fullmatch(name)) is not None:
            axis = "xyz"[int(match["number"])] if match["number"] else match["axis"].lower()
            moments[match["key"] or ""].positions[axis] = path
    return moments


def moments_by_step(container: Container, options: Options) -> tuple[dict[int, Moment], list[str]]:
    """What is read, by step: the epochs, or the one other key; and notes about what is left out.

    Files that are read, that a note names, or that ``options`` leave out, are taken from the container.
    """
    every = by_key(container.content)
    keys = [key for key, moment in every.items() if any("g" in files for files in moment.connections.values())]
    if not keys:
        raise BadInput("The folder has no weights ({connection}-g.npy); is it of another format?")
    words = [key for key in keys if not _EPOCH.fullmatch(key)]
    epochs = sorted((int(key), key) for key in keys if _EPOCH.fullmatch(key))
    if len({epoch for epoch, _ in epochs}) < len(epochs):
        raise BadInput("Two numbers at the beginning of the files' names are the same epoch; remove one of the two.")
    if epochs:
        moments = {epoch + 1: replace(every[key], epoch=epoch + 1) for epoch, key in epochs}
        notes = ["Files are numbered by epoch from 0 and saved at its end: those of 0 are step 1, after one epoch."]
        for word in words:
            container.record.take(every[word].names)
            notes.append(f"The files of {word!r} are left out, for their epoch is not known.")
    elif len(words) > 1:
        raise BadInput(
            f"The folder has the checkpoints {', '.join(map(repr, words))} and no epochs; put each into its own folder."
        )
    else:
        step, notes = step_of(options, None)
        moments = {step: every[words[0]]}
    if len(moments) == 1:
        only = next(iter(moments.values()))
        only.positions = only.positions or every.get("", Moment("")).positions  # older scripts save them without the key
    elif every.get("", Moment("")).positions:
        container.record.take(path.stem for path in every[""].positions.values())
        notes.append("The positions without an epoch in their names are left out, for it is not known whose they are.")
    connections = list(dict.fromkeys(name for m in moments.values() for name, files in m.connections.items() if "g" in files))
    sparse = {name for m in every.values() for name, files in m.connections.items() if files.keys() & {"pre_ind", "post_ind"}}
    placeless = [step for step, m in moments.items() if any(not _indices(m, name) for name in sparse.intersection(connections))]
    if placeless:
        notes.append(
            f"{len(placeless)} of {len(moments)} epochs are left out, for the connectivity of "
            f"{', '.join(sorted(sparse.intersection(connections)))} was not saved in them (pre_ind, post_ind)."
        )
        container.record.take(name for step in placeless for name in moments[step].names)
        moments = {step: moment for step, moment in moments.items() if step not in placeless}
    if not moments:
        raise BadInput(
            f"The connectivity of {min(sparse)} (pre_ind, post_ind) is not saved with its weights; save both together."
        )
    _require_all(moments, connections)
    for moment in moments.values():
        moment.connections = {name: moment.connections[name] for name in connections}
        container.record.take(moment.names)
    moments = {step: moments[step] for step in chosen_steps(moments, options)}
    return moments, notes


def _require_all(moments: dict[int, Moment], connections: list[str]) -> None:
    """Raise `BadInput` unless each moment has the weights of each connection, and delays of it if another moment does."""
    for name in connections:
        with_delays = [step for step, moment in moments.items() if "d" in moment.connections[name]]
        for step, moment in moments.items():
            if "g" not in moment.connections[name] or (with_delays and step not in with_delays):
                variable = "d" if "g" in moment.connections[name] else "g"
                raise BadInput(f"The file {moment.key}-{name}-{variable}.npy is missing; was the folder copied whole?")


def _indices(moment: Moment, name: str) -> bool:
    there = moment.connections[name].keys() & {"pre_ind", "post_ind"}
    if len(there) == 1:
        raise BadInput(f"The connection {name} has only one of pre_ind and post_ind; was the folder copied whole?")
    return bool(there)


def vector(path: Path) -> NDArray:
    """The numbers of one file."""
    return real_array(read_npy(path), f"The numbers in {path.name}", ndim=1)

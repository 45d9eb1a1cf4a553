"""Which reader reads a foreign network, and reading it."""

from __future__ import annotations

import importlib
import re
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

from stanalysis.errors import BadInput
from stanalysis.readers.containers import TORCH_SUFFIXES, Container, open_container
from stanalysis.readers.foreign import ForeignNetwork, Options, Reader, chosen_steps

BUILT_IN = ("dcls", "delgrad", "delrec", "lava", "ml_genn", "nir")
MAPPING = "mapping"  # never guessed: it is chosen by its file
GROUP = "stanalysis.readers"  # the entry point of other packages


def known_readers() -> dict[str, Reader]:
    """Every reader by name: those of this package, and those that other packages offer under the same entry point."""
    found = {name: cast(Reader, importlib.import_module(f"stanalysis.readers.{name}")) for name in (*BUILT_IN, MAPPING)}
    for entry in entry_points(group=GROUP):
        if entry.name in found:
            raise BadInput(f"Two packages bring a reader called {entry.name!r} ({entry.value}); uninstall one.")
        found[entry.name] = entry.load()
    return found


def read_foreign(path: Path | str, **options: Any) -> ForeignNetwork:
    """Read a network that another program trained.

    Parameters
    ----------
    path
        A file of one network, a folder of its checkpoints, or a folder of torch files with a number each in their names: the
        steps.
    options
        What no file can know; see `stanalysis.readers.foreign.Options`.

    Returns
    -------
    ForeignNetwork
        ``checkpoints`` by step, as `stanalysis.read_checkpoint` would give them; ``notes``; ``files``.

    Raises
    ------
    BadInput
        No reader knows the file, or several do, or it is damaged, or an option is missing: the sentence says which.
    """
    return read_with(Path(path), Options(**options))


def read_with(path: Path, options: Options) -> ForeignNetwork:
    """`read_foreign` with the options as one object."""
    container = open_container(path)
    if container.kind == "folder" and not container.content:
        return _series(path, options)
    reader, note = _choose(container, options)
    try:
        network = reader.read(container, options)
    except BadInput as error:
        sentence = str(error)
        raise BadInput(sentence if str(path) in sentence else f"{path}: {sentence}") from error
    return replace(network, notes=(note, *network.notes))


def _choose(container: Container, options: Options) -> tuple[Reader, str]:
    readers = known_readers()
    wanted = MAPPING if options.mapping is not None and options.reader is None else options.reader
    if wanted is not None:
        if wanted not in readers:
            raise BadInput(f"There is no reader {wanted!r}; use one of {', '.join(readers)}.")
        return readers[wanted], f"Read by the reader {wanted}."
    fitting = [name for name, reader in readers.items() if name != MAPPING and reader.recognises(container)]
    if len(fitting) == 1:
        return readers[fitting[0]], f"Read by the reader {fitting[0]}, as guessed from its content."
    if fitting:
        raise BadInput(f"{container.path} could be read by {' and by '.join(fitting)}; say which with --reader.")
    raise BadInput(
        f"{container.path} is of no kind that a reader knows ({', '.join(n for n in readers if n != MAPPING)}); name its "
        "weights and delays in a TOML file and give that with --mapping."
    )


def _series(folder: Path, options: Options) -> ForeignNetwork:
    """Checkpoints of one network in one folder, a file each."""
    paths = sorted(p for p in folder.iterdir() if p.is_file() and p.suffix in TORCH_SUFFIXES)
    if not paths:
        raise BadInput(f"{folder} holds no network: no run.json, no checkpoints (step-*.nc), no .npy, .pt or .pth files.")
    by_step = {int(found[-1][:15]): path for path in paths if (found := re.findall(r"\d+", path.stem))}
    if len(by_step) < len(paths):
        raise BadInput(
            f"The files in {folder} do not tell their steps of training: the last number in each name must be one of its own; "
            "give one file, or rename them."
        )
    steps = chosen_steps(by_step, options)
    networks = [read_with(by_step[step], replace(options, network_step=step)) for step in steps]
    notes = ["The last number in the name of each file is taken for its step of training."]
    notes += dict.fromkeys(note for network in networks for note in network.notes)
    return ForeignNetwork(
        {step: tree for network in networks for step, tree in network.checkpoints.items()},
        tuple(notes),
        tuple(file for network in networks for file in network.files),
    )

"""Which reader reads a foreign network, and reading it."""

from __future__ import annotations

import importlib
import re
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

from stanalysis.errors import BadInput
from stanalysis.readers.containers import TORCH_SUFFIXES, Container, epoch_in, open_container
from stanalysis.readers.foreign import ForeignNetwork, Options, Reader, chosen_steps

BUILT_IN = ("dcls", "delgrad", "delrec", "lava", "ml_genn", "nir")
MAPPING = "mapping"  # never guessed: it is chosen by its file
NAMED = (  # how a file's name tells the step of training
    (r"epoch[=_-]?(\d{1,15})", "the epoch in its name"),
    (r"(?:step|iter)[=_-]?(\d{1,15})", "the step in its name"),
    (r"(\d{1,15})(?!.*\d)", "the last number in its name"),
)
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
    if container.kind == "folder":
        files = sorted(p for p in path.iterdir() if p.is_file() and p.suffix in TORCH_SUFFIXES)
        if files and not _is_one(container, options):
            return _series(path, files, options)
        if not container.content:
            raise BadInput(f"{path} holds no network: no run.json, no checkpoints (step-*.nc), no .npy, .pt or .pth files.")
    reader, note = _choose(container, options)
    try:
        network = reader.read(container, options)
    except BadInput as error:
        sentence = str(error)
        raise BadInput(sentence if str(path) in sentence else f"{path}: {sentence}") from error
    return replace(network, notes=(note, *network.notes))


def _wanted(options: Options) -> str | None:
    """The name of the reader that the options ask for."""
    return MAPPING if options.mapping is not None and options.reader is None else options.reader


def _is_one(folder: Container, options: Options) -> bool:
    """Whether a folder as a whole is what a reader reads, rather than the files in it."""
    wanted = _wanted(options)
    if wanted == MAPPING:
        return bool(folder.content)
    return any(reader.recognises(folder) for name, reader in known_readers().items() if wanted in (None, name))


def _choose(container: Container, options: Options) -> tuple[Reader, str]:
    readers = known_readers()
    wanted = _wanted(options)
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


def _series(folder: Path, files: list[Path], options: Options) -> ForeignNetwork:
    """Checkpoints of one network in one folder, a file each."""
    by_step, known_by = _steps_of(files)
    if not by_step:
        raise BadInput(f"The files in {folder} do not tell their steps of training; give one file, or rename them.")
    steps = chosen_steps(by_step, options)
    networks = [read_with(by_step[step], replace(options, network_step=step)) for step in steps]
    notes = [f"The step of each file is {known_by}; if that counts from 0, step 0 is not the untrained network."]
    if others := sorted({path.name for path in files} - {path.name for path in by_step.values()}):
        notes.append(f"Files that do not tell their step are left out: {', '.join(others)}.")
    if len(steps) > 1:
        notes.append(f"What follows is said of the last checkpoint, {by_step[steps[-1]].name}.")
    return ForeignNetwork(
        {step: tree for network in networks for step, tree in network.checkpoints.items()},
        (*notes, *networks[-1].notes),
        tuple(file for network in networks for file in network.files),
    )


def _steps_of(files: list[Path]) -> tuple[dict[int, Path], str]:
    """Files by step, of those that tell it, and how they do: the epoch inside, or a number in the name."""
    epochs = [epoch_in(open_container(path).content) for path in files]
    if None not in epochs and len(set(epochs)) == len(files):
        return {epoch: path for epoch, path in zip(epochs, files, strict=True) if epoch is not None}, "the epoch stored in it"
    for pattern, known_by in NAMED:
        by_step: dict[int, Path] = {}
        for path in files:
            match = re.search(pattern, path.stem, re.IGNORECASE)
            if match and (other := by_step.setdefault(int(match[1]), path)) is not path:
                raise BadInput(
                    f"{path} and {other.name} seem to be of the same step, {known_by}; give one of them, or rename them."
                )
        if by_step:
            return by_step, known_by
    return {}, ""

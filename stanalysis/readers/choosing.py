"""Which reader reads a foreign network, and reading it."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, cast

import numpy as np

from stanalysis.errors import BadInput, printable
from stanalysis.files.checkpoint import validate_checkpoint
from stanalysis.readers.arrays import source_attrs
from stanalysis.readers.contract import BUILT_IN, MAPPING, ForeignNetwork, Reader, chosen_steps
from stanalysis.readers.formats.containers import SERIES_SUFFIXES, Container, epoch_in, open_container
from stanalysis.readers.options import Options

LAST = r"(?<!\d)(\d{1,15})(?!.*\d)"
NAMED = (  # how a file's name tells the step of training
    (r"epoch[=_-]?(\d{1,15})", "the epoch in its name"),
    (r"(?:step|iter)[=_-]?(\d{1,15})", "the step in its name"),
    (LAST, "the last number in its name"),
)
LISTED = 50  # names of what a file holds in a sentence
GROUP = "stanalysis.readers"  # the entry point of other packages


class Unrecognised(BadInput):
    """No reader recognises a file or folder, or several do; its arrays may tell a person more."""


def known_readers() -> list[str]:
    """Names of all readers: those of this package, and those that other packages offer under the same entry point."""
    names = [*BUILT_IN, MAPPING]
    for entry in _offered():
        if entry.name in names:
            raise BadInput(f"Two packages bring a reader called {entry.name!r} ({entry.value}); uninstall one.")
        names.append(entry.name)
    return names


def _offered() -> list[EntryPoint]:
    return list(entry_points(group=GROUP))


def reader_of(name: str) -> Reader:
    """The reader of a name; `BadInput` if there is none, or it cannot be loaded."""
    if name in (*BUILT_IN, MAPPING):
        return cast(Reader, importlib.import_module(f"stanalysis.readers.programs.{name}"))
    if name not in (names := known_readers()):
        raise BadInput(f"There is no reader {name!r}; use one of {', '.join(names)}.")
    entry = next(entry for entry in _offered() if entry.name == name)
    try:
        reader = entry.load()
        if not (callable(reader.recognises) and callable(reader.read)):
            raise TypeError("it has no functions recognises and read")
    except Exception as error:  # of another package: it may raise anything
        raise BadInput(
            f"The reader {name!r} ({entry.value}) cannot be loaded ({type(error).__name__}: {error}); uninstall or mend it."
        ) from error
    return cast(Reader, reader)


def _recognises(name: str, container: Container) -> bool:
    if name in BUILT_IN:
        return reader_of(name).recognises(container)
    try:
        return name != MAPPING and bool(reader_of(name).recognises(container))
    except Exception:  # the fault of another package must not keep others from reading
        return False


def read_foreign(path: Path | str, **options: Any) -> ForeignNetwork:
    """Read a network that another program trained.

    Parameters
    ----------
    path
        A file of one network, a folder of its checkpoints, or a folder of torch files with a number each in their names: the
        steps.
    options
        What no file can know; see `stanalysis.readers.contract.Options`. ``neurons`` may be sizes by population.

    Returns
    -------
    ForeignNetwork
        ``checkpoints`` by step, as `stanalysis.read_checkpoint` would give them; ``notes``; ``files``.

    Raises
    ------
    BadInput
        No reader knows the file, or several do, or it is damaged, or an option is missing: the sentence says which.
    """
    neurons, mapping = options.get("neurons", ()), options.get("mapping")
    if isinstance(neurons, str):
        options["neurons"] = (neurons,)
    elif isinstance(neurons, Mapping):
        options["neurons"] = tuple(f"{name}={size}" for name, size in neurons.items())
    if mapping is not None:
        options["mapping"] = Path(mapping)
    return read_with(Path(path), Options(**{k: v.item() if isinstance(v, np.generic) else v for k, v in options.items()}))


def read_with(path: Path, options: Options, *, given: Options | None = None) -> ForeignNetwork:
    """`read_foreign` with the options as one object.

    Its notes name what the file holds and what was given but not used: of ``options``, or of ``given`` if a person gave those.
    """
    given = given or options
    options.check()
    container = open_container(path)
    if container.kind == "folder":
        files = sorted(p for p in path.iterdir() if p.is_file() and p.suffix in SERIES_SUFFIXES)
        if files and not _is_one(container, options):
            return read_with(files[0], options, given=given) if len(files) == 1 else _series(path, files, options, given)
        if not container.content:
            raise BadInput(f"{path} holds no network: no run.json, no checkpoints (step-*.nc), no .npy, .pt or .pth files.")
    name, note = _choose(container, options)
    asked = {"reader"}
    container.taken.clear()  # of what readers looked up that were asked whether they recognise it
    network = _read_by(name, container, options.watched(asked))
    notes = [note, *network.notes, *_not_used(given, asked), *_not_taken(container)]
    return replace(network, notes=tuple(map(printable, notes)))


def _not_used(options: Options, asked: set[str]) -> list[str]:
    """A note that names the options that were given and never looked at, if there are any."""
    useless = ", ".join(f"--{name.replace('_', '-')}" for name in options.given() if name not in asked)
    return [f"Not used by this reader: {useless}."] if useless else []


def _not_taken(container: Container) -> list[str]:
    """A note that names what the file holds and no one took; none if the reader takes nothing by its name."""
    if not container.taken or not (names := container.left_over()):
        return []
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return [f"In the file, but not used: {', '.join(names[:LISTED])}{more}."]


def _read_by(name: str, container: Container, options: Options) -> ForeignNetwork:
    """The network, with the name of its reader and of its files, whoever wrote the reader."""
    reader = reader_of(name)
    try:
        network = reader.read(container, options)
        if not network.checkpoints:
            raise BadInput(f"The reader {name!r} gives no checkpoint; give another file.")
        for step, tree in network.checkpoints.items():
            tree.attrs |= {"reader": name, "step": int(step)}
            if "sha256" not in tree.attrs:
                tree.attrs = {**tree.attrs, **source_attrs(network.files)}
            validate_checkpoint(tree)
        return ForeignNetwork(dict(sorted(network.checkpoints.items())), tuple(map(str, network.notes)), tuple(network.files))
    except BadInput as error:
        sentence = str(error)
        if not _recognises(name, container) and name != MAPPING:
            sentence = f"it does not look like what the reader {name!r} reads: {sentence}"
        raise BadInput(sentence if str(container.path) in sentence else f"{container.path}: {sentence}") from error
    except Exception as error:
        if name in (*BUILT_IN, MAPPING):
            raise
        raise BadInput(
            f"{container.path}: the reader {name!r} of another package failed ({type(error).__name__}: {error}); tell its "
            "authors."
        ) from error


def _wanted(options: Options) -> str | None:
    """The name of the reader that the options ask for."""
    return MAPPING if options.mapping is not None and options.reader is None else options.reader


def _is_one(folder: Container, options: Options) -> bool:
    """Whether a folder as a whole is what a reader reads, rather than the files in it."""
    wanted = _wanted(options)
    return wanted != MAPPING and any(_recognises(name, folder) for name in known_readers() if wanted in (None, name))


def _choose(container: Container, options: Options) -> tuple[str, str]:
    wanted = _wanted(options)
    if wanted is not None:
        return wanted, f"Read by the reader {wanted}."
    names = known_readers()
    fitting = [name for name in names if _recognises(name, container)]
    if len(fitting) == 1:
        return fitting[0], f"Read by the reader {fitting[0]}, as guessed from its content."
    if fitting:
        raise Unrecognised(f"{container.path} could be read by {' and by '.join(fitting)}; say which with --reader.")
    raise Unrecognised(
        f"{container.path} is of no kind that a reader knows ({', '.join(n for n in names if n != MAPPING)}); name its "
        "weights and delays in a TOML file, which stanalysis inspect --template begins, and give that with --mapping."
    )


def _series(folder: Path, files: list[Path], options: Options, given: Options) -> ForeignNetwork:
    """Checkpoints of one network in one folder, a file each."""
    by_step, known_by = _steps_of(files)
    if not by_step:
        raise BadInput(
            f"The files in {folder} do not tell their steps of training, inside or in their names (epoch_3.pt); give "
            "one file, or rename them."
        )
    asked: set[str] = set()
    steps = chosen_steps(by_step, options.watched(asked))
    networks = [read_with(by_step[step], replace(options, network_step=step, checkpoints=None)) for step in steps]
    notes = [
        f"The files are taken for one training; the step of each is {known_by}. If that counts from 0, step 0 is not the "
        "untrained network."
    ]
    if options.network_step is not None:
        notes.append("Not used, for the files tell their steps: --network-step.")
    if given.checkpoints is not None and "checkpoints" not in asked:
        notes.append("Not used, for there are no more checkpoints than that: --checkpoints.")
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
    epochs = [_epoch_of(path) for path in files]
    if None not in epochs and len(set(epochs)) == len(files):
        return {epoch: path for epoch, path in zip(epochs, files, strict=True) if epoch is not None}, "the epoch stored in it"
    for pattern, known_by in NAMED:
        by_step: dict[int, Path] = {}
        for path in files if pattern != LAST or _are_one_series(files) else ():
            match = re.search(pattern, path.stem, re.IGNORECASE)
            if match and (other := by_step.setdefault(int(match[1]), path)) is not path:
                raise BadInput(
                    f"{path} and {other.name} seem to be of the same step, {known_by}; give one of them, or rename them."
                )
        if by_step:
            return by_step, known_by
    return {}, ""


def _epoch_of(path: Path) -> int | None:
    try:
        return epoch_in(open_container(path).content)
    except BadInput:  # whether it is needed is not known yet
        return None


def _are_one_series(files: list[Path]) -> bool:
    """Whether names differ in their last number alone, and that is no number of a network."""
    stems = {re.sub(LAST, "#", path.stem) for path in files if re.search(LAST, path.stem)}
    return len(stems) == 1 and not any(re.search(r"(seed|run|fold|trial|rep)[=_-]?#", stem, re.IGNORECASE) for stem in stems)

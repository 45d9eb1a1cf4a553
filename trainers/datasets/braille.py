"""Braille letters read by a finger: files of spikes of twelve touch sensors, as they were published, or as arrays."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.readers.formats.inert_pickle import MAX_WORK, Global, Inert, load
from stanalysis.readers.formats.numpy_file import MAX_BYTES, REBUILD, read_npz, require_small_file
from trainers.datasets.recordings import Recordings
from trainers.datasets.spike_lists import SpikeLists, spike_lists
from trainers.datasets.splits import digest_of, every_tenth

NAME = "braille"
PATTERN, SUFFIXES = "data_braille_letters*", (".pkl", ".npz")
N_TAXELS, N_POLARITIES = 12, 2
N_INPUTS = N_TAXELS * N_POLARITIES
LETTERS = ("Space", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
COLUMNS = ("events", "letter")
ARRAYS = ("begin", "channel", "time", "letter")


def load_braille(file: Path, *, copies: int = 1) -> Recordings:
    """Recordings of Braille letters from one file: the space and the letters A to Z, classes 0 to 26.

    The file is ``data_braille_letters_th_*.pkl`` as published, a dict of lists or a table of pandas, read without executing
    anything: ``events[trial][taxel][polarity]`` has times in s, of 12 taxels (touch sensors), when the pressure rose (polarity
    0) and fell (1), and ``letter[trial]`` the letter; a list of such pairs is read, too. Or it is an .npz of arrays, which is
    read at once where a pickle takes seconds: ``begin`` (trial + 1), where each trial begins among the spikes; of every spike
    ``channel``, taxel + 12 polarity, and ``time`` in ms; ``letter`` (trial), the class.

    Of each letter every tenth trial in the order of the file is for validation, beginning with the second, and every tenth for
    test, beginning with the third. The published split is a random one of the same trials: accuracies compare roughly.

    Parameters
    ----------
    file
        The .pkl or .npz.
    copies
        How often the inputs are repeated, as the published networks had them: channel taxel + 12 polarity + 24 copy.

    References
    ----------
    Müller-Cleve et al. (2022), https://doi.org/10.3389/fnins.2022.951164
    """
    if copies < 1:
        raise BadInput(f"{copies} copies of the inputs are none: give 1 or more.")
    lists = _from_arrays(file) if file.suffix == ".npz" else _from_pickle(file)
    if lists.y.max() >= len(LETTERS):
        raise BadInput(f"{file} holds the class {lists.y.max()}: expected 0 for the space to 26 for Z.")
    if copies > 1:
        lists = _copied(lists, copies)
    validation, test = every_tenth(lists.y, first=1), every_tenth(lists.y, first=2)
    if not (validation.any() and test.any()):
        raise BadInput(f"{file} has fewer than three trials of each letter: give more, because two are held out.")
    training = lists.subset(np.flatnonzero(~(validation | test)))
    return Recordings(
        name=NAME if copies == 1 else f"{NAME}-{copies}-copies",
        training=training,
        validation=lists.subset(np.flatnonzero(validation)),
        test=lists.subset(np.flatnonzero(test)),
        dt=0.0,
        duration=float(np.floor(lists.time.max(initial=0.0))) + 1,  # the first whole ms after the last spike
        n_classes=len(LETTERS),
        frequency=None,
        gain=1.0,
        source=str(file),
        sha256=digest_of([file]),
    )


def _copied(lists: SpikeLists, copies: int) -> SpikeLists:
    """The same spikes in as many groups of channels."""
    channel = lists.channel[:, None] + np.arange(copies, dtype=np.int32) * lists.n_channels
    return replace(
        lists,
        begin=lists.begin * copies,
        channel=channel.ravel(),
        time=lists.time.repeat(copies),
        n_channels=lists.n_channels * copies,
    )


def _from_arrays(file: Path) -> SpikeLists:
    arrays = read_npz(file)
    for name in ARRAYS:
        if name not in arrays:
            raise BadInput(f"{file} has no array of numbers {name!r}: expected {', '.join(ARRAYS)}.")
    begin, channel, time, letter = (arrays[name] for name in ARRAYS)
    return spike_lists(begin, channel, time, letter, n_channels=N_INPUTS, where=str(file))


def _from_pickle(file: Path) -> SpikeLists:
    try:
        size = require_small_file(file, MAX_BYTES)
        content = load(io.BytesIO(file.read_bytes()), rebuild=REBUILD, most=max(MAX_WORK, 2 * size))  # a time is a step or two
    except BadInput as error:
        raise BadInput(f"{file} cannot be read: {error}") from error
    except OSError as error:
        raise BadInput(f"{file} cannot be read ({error.strerror}): give a file of Braille letters.") from error
    events, letters = _columns(content, file)
    label = np.array([_letter(letter, file) for letter in letters], np.int64)
    times: list[NDArray[np.float64]] = []
    n_values = 0
    for trial, sensors in enumerate(events):
        for polarities in _parts(sensors, N_TAXELS, trial, file):
            for spikes in _parts(polarities, N_POLARITIES, trial, file):
                times.append(_times(spikes, trial, file))
                n_values += 1 + len(times[-1])
        if n_values > size:  # a pickle can say the same list again and again
            raise BadInput(f"{file} holds more spikes than bytes: save the events themselves, or an .npz.")
    n_spikes = np.array([len(spikes) for spikes in times], np.int64)
    taxel, polarity = np.divmod(np.arange(N_INPUTS), N_POLARITIES)
    with np.errstate(over="ignore"):  # what is beyond float32 becomes inf, and is refused
        time = (np.concatenate([np.empty(0), *times]) * 1000).astype(np.float32)
    return spike_lists(
        np.concatenate([[0], np.cumsum(n_spikes)])[::N_INPUTS],
        np.repeat(np.tile(taxel + N_TAXELS * polarity, len(events)), n_spikes),
        time,
        label,
        n_channels=N_INPUTS,
        where=str(file),
    )


def _columns(content: Any, file: Path) -> tuple[Sequence[Any], Sequence[Any]]:
    """The events and the letters of all trials, from a dict of columns, a table of pandas, or a list of rows."""
    if isinstance(content, Inert) and content.kind == Global("pandas.core.frame", "DataFrame"):
        content = _table(content)
    elif isinstance(content, list) and all(isinstance(row, dict) and all(key in row for key in COLUMNS) for row in content):
        content = {key: [row[key] for row in content] for key in COLUMNS}
    events, letters = (content.get(key) if isinstance(content, dict) else None for key in COLUMNS)
    if not isinstance(events, list | tuple) or not isinstance(letters, list | tuple) or len(events) != len(letters):
        raise BadInput(
            f"{file} does not hold as many events as letters: expected the pickle of a dict with the lists 'events' and "
            "'letter', or an .npz."
        )
    return events, letters


def _table(frame: Inert) -> dict[str, list[Any]]:
    """The two columns of a table of pandas 1.3 or later: what is text are the letters, what is a list the events."""
    manager = frame.state.get("_mgr") if isinstance(frame.state, dict) else None
    blocks = manager.args[0] if isinstance(manager, Inert) and manager.args else ()
    contents = [block.args[0] for block in blocks if isinstance(block, Inert) and block.args] if type(blocks) is tuple else []
    values = [value for content in contents if isinstance(content, list) for value in content]
    return {
        "events": [value for value in values if isinstance(value, list | tuple)],
        "letter": [value for value in values if isinstance(value, str)],
    }


def _letter(letter: Any, file: Path) -> int:
    if not isinstance(letter, str) or letter not in LETTERS:
        shown = repr(letter[:20]) if isinstance(letter, str) else f"of type {type(letter).__name__}"
        raise BadInput(f"{file} holds a letter {shown}: expected Space or A to Z.")
    return LETTERS.index(letter)


def _parts(values: Any, n: int, trial: int, file: Path) -> Sequence[Any]:
    if not isinstance(values, list | tuple) or len(values) != n:
        raise BadInput(
            f"{file} has other events in trial {trial} than {N_TAXELS} taxels with {N_POLARITIES} lists of times each."
        )
    return values


def _times(spikes: Any, trial: int, file: Path) -> NDArray[np.float64]:
    is_list = isinstance(spikes, list | tuple) and all(type(time) in (int, float) and abs(time) < 2**63 for time in spikes)
    if not is_list and not (isinstance(spikes, np.ndarray) and spikes.ndim == 1 and spikes.dtype.kind in "iuf"):
        raise BadInput(f"{file} has events in trial {trial} that are no list of times: expected numbers, in s.")
    return np.asarray(spikes, np.float64)

"""The layout of the Spiking Heidelberg Digits and the Spiking Speech Commands: HDF5 files of spikes in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.readers.formats.hdf5_file import NumberLists, read_hdf5
from trainers.datasets.recordings import Recordings
from trainers.datasets.spike_lists import SpikeLists, spike_lists
from trainers.datasets.splits import digest_of, every_fifth_speaker, every_tenth, require_known

NAMES, SUFFIXES = ("shd", "ssc"), (".h5", ".hdf5")
N_CHANNELS = 700
CUT = 1000.0  # ms
REMEDY = "download the file again"


def shd_files(folder: Path) -> dict[str, dict[str, Path]]:
    """The files in a folder that are named as those of SHD or SSC, by data set and part: train, valid, test.

    Examples
    --------
    >>> shd_files(Path("no such folder"))
    {}
    """
    files: dict[str, dict[str, Path]] = {}
    for name in NAMES:
        for part in ("train", "valid", "test"):
            for suffix in reversed(SUFFIXES):
                if (file := folder / f"{name}_{part}{suffix}").is_file():
                    files.setdefault(name, {})[part] = file
    return files


def load_shd(
    folder: Path,
    *,
    name: Literal["shd", "ssc"] | None = None,
    validation: Literal["speakers", "samples"] = "speakers",
) -> Recordings:
    """Recordings from a folder in the layout of the Spiking Heidelberg Digits or the Spiking Speech Commands.

    The folder holds ``shd_train.h5`` and ``shd_test.h5``, or ``ssc_train.h5``, ``ssc_valid.h5`` and ``ssc_test.h5`` (or
    ``.hdf5``), each with the lists ``spikes/times`` in s and ``spikes/units``, with ``labels``, and perhaps ``extra/speaker``.
    Units are channels from 0 to 699. Spikes at 1 s and later are dropped, as in the published experiments. How long recordings
    are, and how many classes there are, is read from the files, for it differs between their releases. Everything is read into
    memory, for a moment about twice.

    Parameters
    ----------
    folder
        Where the files are.
    name
        Which of the two, where the folder holds both.
    validation
        Where there is no file for it, what is held out from training. ``speakers``: all samples of the second, seventh, …
        training speaker by number (of the released SHD, speakers 1 and 8 of ten), so that validation is on unseen speakers as
        the test is in part. ``samples``: every tenth of each class, beginning with the second, so that they share speakers.
    """
    present = shd_files(folder)
    if name is None and len(present) > 1:
        raise BadInput(f"{folder} holds {' and '.join(present)}: give a folder, or a file, of one of them.")
    chosen: str = name if name else [*present, *NAMES][0]
    files = present.get(chosen, {})
    for part in ("train", "test"):
        if part not in files:
            raise BadInput(
                f"{folder / f'{chosen}_{part}.h5'} does not exist: expected a training and a test file in the folder."
            )
    contents = {part: read_hdf5(file, lists=True) for part, file in files.items()}
    parts = {part: _lists(contents[part], file) for part, file in files.items()}
    training, where = parts["train"], files["train"]
    if training.y.max() >= len(training):
        raise BadInput(f"{where} holds the class {training.y.max()} for {len(training)} samples: expected classes from 0.")
    kind = chosen
    if "valid" not in parts:
        held_out = _held_out(contents["train"], training.y, where, validation)
        parts["train"], parts["valid"] = (training.subset(np.flatnonzero(mask)) for mask in (~held_out, held_out))
        kind = chosen if validation == "speakers" else f"{chosen}-by-{validation}"  # another data set: its parts differ
    for part in ("valid", "test"):
        require_known(parts[part].y, parts["train"].y, where=str(files.get(part, where)), training="training")
    return Recordings(
        name=kind,
        training=parts["train"],
        validation=parts["valid"],
        test=parts["test"],
        dt=0.0,
        duration=CUT,
        n_classes=int(parts["train"].y.max()) + 1,
        frequency=None,
        gain=1.0,
        source=str(folder if len(present) == 1 else where),
        sha256=digest_of(files.values()),
    )


def _lists(content: dict[str, Any], file: Path) -> SpikeLists:
    """The spikes of one file before the cut."""
    spikes = content.get("spikes")
    times, units = (_read(spikes, name, f"spikes/{name}", NumberLists, file) for name in ("times", "units"))
    label = _read(content, "labels", "labels", np.ndarray, file)
    if times.begin.tolist() != units.begin.tolist():
        raise BadInput(f"{file} has other numbers of spikes/times than of spikes/units: {REMEDY}.")
    with np.errstate(over="ignore"):  # what is beyond float32 is beyond the cut
        time = (times.values.astype(np.float64) * 1000).astype(np.float32)
    kept = ~(time >= CUT)  # what is no number stays, and is found
    n_before = np.concatenate([[0], np.cumsum(kept)])
    return spike_lists(n_before[times.begin], units.values[kept], time[kept], label, n_channels=N_CHANNELS, where=str(file))


def _read(group: Any, name: str, path: str, kind: type[Any], file: Path) -> Any:
    """What a group holds by this name, if it is of this kind."""
    value = group.get(name) if isinstance(group, dict) else None
    if not isinstance(value, kind):
        raise BadInput(f"{file} has no {path} as the Spiking Heidelberg Digits have them: {REMEDY}.")
    return value


def _held_out(content: dict[str, Any], label: NDArray[np.int64], file: Path, validation: str) -> NDArray[np.bool_]:
    """Mask of the training samples that are for validation."""
    if validation == "samples":
        mask = every_tenth(label)
        if not mask.any():
            raise BadInput(f"{file} has one sample per class: give at least two, because one is held out for validation.")
        return mask
    extra = content.get("extra")
    speaker = extra.get("speaker") if isinstance(extra, dict) else None
    if not isinstance(speaker, np.ndarray) or speaker.shape != label.shape or speaker.dtype.kind not in "iu":
        raise BadInput(f"{file} does not say who speaks, in extra/speaker: give a file for validation, or hold out samples.")
    mask = every_fifth_speaker(speaker)
    if not mask.any():
        raise BadInput(f"{file} has one speaker: give a file for validation, or hold out samples.")
    return mask

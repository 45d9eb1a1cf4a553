"""Which data set a name, a folder or a file is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from stanalysis.errors import BadInput
from trainers.datasets import BUILT_IN
from trainers.datasets.braille import PATTERN, load_braille
from trainers.datasets.braille import SUFFIXES as BRAILLE
from trainers.datasets.conversions import binned
from trainers.datasets.rawhd import FILES, load_rawhd
from trainers.datasets.recordings import Recordings
from trainers.datasets.shd import SUFFIXES as HDF5
from trainers.datasets.shd import load_shd, shd_files
from trainers.datasets.spike_lists import SpikeLists
from trainers.datasets.spoken_digits import load_spoken_digits
from trainers.datasets.spoken_digits_spikes import load_spoken_digits_spikes
from trainers.datasets.yin_yang import load_yin_yang

LAYOUTS = f"{FILES[0]} and so on, shd_train.h5 or ssc_train.h5 and so on, or {PATTERN}{BRAILLE[0]}"


def opened(name_or_folder: str | Path, gain: float | None) -> Recordings:
    """The data set as it is stored, with a gain where it holds frames."""
    options = {} if gain is None else {"gain": float(gain)}
    if name_or_folder == "spoken_digits":
        return load_spoken_digits(**options)
    if name_or_folder == "spoken_digits_spikes":
        return load_spoken_digits_spikes()
    if name_or_folder == "yin_yang":
        return load_yin_yang()
    path = Path(name_or_folder)
    if path.is_file():
        return _from_file(path)
    if not path.is_dir():
        raise BadInput(f"{name_or_folder} is not a data set: give {', '.join(BUILT_IN)}, or a folder that holds {LAYOUTS}.")
    if shd_files(path):
        return load_shd(path)
    letters = sorted(file for suffix in BRAILLE for file in path.glob(PATTERN + suffix))
    if len(letters) > 1:
        raise BadInput(f"{path} holds {len(letters)} files of Braille letters: give one of them, such as {letters[0].name}.")
    if letters:
        return load_braille(letters[0])
    if not any((path / name).exists() for name in FILES):
        raise BadInput(f"{path} holds no data set: give a folder that holds {LAYOUTS}.")
    return load_rawhd(path, **options)


def _from_file(file: Path) -> Recordings:
    if file.suffix in BRAILLE:
        return load_braille(file)
    if file.suffix in HDF5:
        for name, files in shd_files(file.parent).items():
            if file in files.values():
                return load_shd(file.parent, name=name)  # type: ignore[arg-type]
    raise BadInput(f"{file} is not a data set: give a file of Braille letters, or the folder of one that has several files.")


def as_frames(data: Recordings, dt: float, gain: float) -> Recordings:
    """Recordings of spikes as counts in bins of ``dt`` ms."""
    parts: dict[str, Any] = {}
    for name in ("training", "validation", "test"):
        part = getattr(data, name)
        assert isinstance(part, SpikeLists)
        parts[name] = binned(part, dt=dt, duration=data.duration, gain=gain)
    return replace(data, **parts, dt=float(dt), gain=gain)

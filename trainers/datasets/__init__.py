"""Data sets to train on: one built in, and the user's own in the layout of the Raw Heidelberg Digits.

What is imported here is imported for ``--help``, which must not wait for numpy.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import lazy_loader

from stanalysis.errors import BadInput

if TYPE_CHECKING:
    from trainers.datasets.recordings import DataFormat, Frames, Recordings

__all__ = ["BUILT_IN", "DataFormat", "Frames", "Recordings", "load_dataset"]

BUILT_IN = "spoken_digits"
__getattr__, _, _ = lazy_loader.attach(__name__, submod_attrs={"recordings": ["DataFormat", "Frames", "Recordings"]})


def load_dataset(name_or_folder: str | Path, *, gain: float | None = None) -> Recordings:
    """Recordings to train on, by name or from a folder.

    Parameters
    ----------
    name_or_folder
        ``"spoken_digits"`` for the built-in data set, or a folder in the layout of the Raw Heidelberg Digits.
    gain
        Factor between the recorded values and the input; None leaves it to the data set (spoken digits 1, Raw
        Heidelberg Digits 20).

    Examples
    --------
    >>> digits = load_dataset("spoken_digits")
    >>> digits.n_classes, digits.n_channels, digits.duration, digits.dt
    (20, 40, 800.0, 10.0)
    """
    from trainers.datasets.rawhd import FILES, load_rawhd
    from trainers.datasets.spoken_digits import load_spoken_digits

    if gain is not None and not (math.isfinite(gain) and gain > 0):
        raise BadInput(f"The gain {gain} is not a number above 0: give one, or none for the default of the data set.")
    options = {} if gain is None else {"gain": float(gain)}
    if name_or_folder == BUILT_IN:
        return load_spoken_digits(**options)
    folder = Path(name_or_folder)
    if not folder.is_dir():
        raise BadInput(f"{name_or_folder} is not a data set: give {BUILT_IN}, or a folder that holds {', '.join(FILES)}.")
    return load_rawhd(folder, **options)

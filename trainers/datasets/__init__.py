"""Data sets to train on: built in, and the user's own in the layout of published ones.

What is imported here is imported for ``--help``, which must not wait for numpy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import lazy_loader

from stanalysis.errors import BadInput

if TYPE_CHECKING:
    from trainers.datasets.recordings import Content, DataFormat, Events, Frames, Recordings
    from trainers.datasets.spike_lists import SpikeLists

__all__ = ["BUILT_IN", "DEFAULTS", "DataFormat", "Events", "Frames", "Recordings", "SpikeLists", "load_dataset"]

BUILT_IN = ("spoken_digits", "spoken_digits_spikes", "yin_yang")
DEFAULTS: Mapping[Content, str] = {"frames": "spoken_digits", "events": "spoken_digits_spikes"}  # by what a method wants
BIN = 10.0  # ms
DATA_IDENTITY = ("name", "sha256", "gain", "dt")  # what tells one data set from another, wherever it lies

__getattr__, _, _ = lazy_loader.attach(
    __name__,
    submod_attrs={"recordings": ["DataFormat", "Events", "Frames", "Recordings"], "spike_lists": ["SpikeLists"]},
)


def load_dataset(
    name_or_folder: str | Path,
    *,
    gain: float | None = None,
    content: Content | None = None,
    dt: float | None = None,
) -> Recordings:
    """Recordings to train on, by name or from a folder or file.

    Parameters
    ----------
    name_or_folder
        ``"spoken_digits"``, ``"spoken_digits_spikes"`` or ``"yin_yang"``, which are built in; a folder in the layout of the Raw
        Heidelberg Digits, the Spiking Heidelberg Digits or the Spiking Speech Commands; a file of Braille letters or the folder
        that holds it.
    gain
        Factor between the recorded values and the input; None leaves it to the data set (spoken digits 1, Raw Heidelberg Digits
        20, spikes counted in bins 1). Spikes have none but 1.
    content
        What is wanted, frames or events; None for what the data set holds. Where frames are wanted, spikes are counted in bins;
        frames are not made spikes.
    dt
        Width of the bins in ms; None for 10. Of data that are not binned it can only be what they have.

    Examples
    --------
    >>> digits = load_dataset("spoken_digits")
    >>> digits.n_classes, digits.n_channels, digits.duration, digits.dt
    (20, 40, 800.0, 10.0)
    >>> binned = load_dataset("spoken_digits_spikes", content="frames", dt=20.0)
    >>> binned.content, binned.n_channels, binned.training.x.shape, binned.dt
    ('frames', 80, (3200, 40, 80), 20.0)
    """
    from trainers.datasets.choosing import as_frames, opened

    if gain is not None and not (math.isfinite(gain) and gain > 0):
        raise BadInput(f"The gain {gain} is not a number above 0: give one, or none for the default of the data set.")
    data = opened(name_or_folder, gain)
    if content == "frames" and data.content == "events":
        return as_frames(data, BIN if dt is None else dt, 1.0 if gain is None else float(gain))
    if content == "events" and data.content == "frames":
        raise BadInput(
            f"{data.source} holds frames of values, which are no spikes: give {DEFAULTS['events']}, or other data of spikes."
        )
    if data.content == "events" and gain not in (None, 1):
        raise BadInput(f"Spikes have no gain, and {data.source} holds spikes: leave it out.")
    if dt is not None and dt != data.dt:
        raise BadInput(f"Only spikes that a method wants as frames are put in bins: leave out the bins of {dt:g} ms.")
    return data

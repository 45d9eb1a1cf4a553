"""What no foreign file can know, and so a person must say. Light to import, for the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from stanalysis.errors import BadInput

LEAST = {
    "dt": 1e-12,
    "ms_per_unit": 1e-12,
    "max_delay": 0.0,
    "kernel_size": 1,
    "left_padding": 0,
    "time_axis": 0,
    "network_step": 0,
    "checkpoints": 2,
}
BEYOND = 1e12


@dataclass(frozen=True)
class Options:
    """What a foreign checkpoint does not say. Which of these a network needs its reader tells.

    Parameters
    ----------
    reader
        Which reader reads a foreign network, instead of the one that recognises it: dcls, delgrad, delrec, lava, ml_genn, nir,
        snntorch, mapping, or one that another package brings.
    mapping
        TOML file that names the weights and delays of a network that no reader knows.
    dt
        Time step of a foreign network in ms.
    max_delay
        Longest delay that a synapse of a foreign network can have, in ms.
    kernel_size
        Length of the kernel of a DCLS layer in steps.
    left_padding
        Steps of zeros in front of the input of a DCLS layer.
    time_axis
        Which axis of the positions of a DCLS layer in two or three dimensions is time, from 0.
    ms_per_unit
        How many ms the unit of a foreign network's delays is.
    delay_shift
        Whether every block of a lava-dl network delays its spikes by one more step.
    neurons
        Sizes of populations, such as Pop0=700.
    network_step
        Step of the training at which a single foreign checkpoint was kept.
    checkpoints
        How many checkpoints of a series to read: the first, the last, and some between, denser at the beginning. By default
        all of them.
    """

    reader: str | None = None
    mapping: Path | None = None
    dt: float | None = None
    max_delay: float | None = None
    kernel_size: int | None = None
    left_padding: int | None = None
    time_axis: int | None = None
    ms_per_unit: float | None = None
    delay_shift: bool | None = None
    neurons: tuple[str, ...] = ()
    network_step: int | None = None
    checkpoints: int | None = None

    def check(self) -> None:
        """Raise `BadInput` unless every number that is given makes sense."""
        for name, least in LEAST.items():
            value = getattr(self, name)
            kind, what = (Integral, "a whole number") if isinstance(least, int) else (Real, "a number")
            is_number = isinstance(value, kind) and not isinstance(value, bool)
            sound = is_number and bool(least <= value < BEYOND)
            if value is not None and not sound:
                raise BadInput(f"--{name.replace('_', '-')} is {value}; give {what} of at least {least:g}.")

    def given(self) -> dict[str, Any]:
        """Those that are given, by name."""
        return {name: value for name, value in vars(self).items() if value not in (None, ())}

    def watched(self, asked: set[str]) -> Options:
        """The same options; the name of each that is looked at goes into ``asked``.

        Examples
        --------
        >>> asked = set()
        >>> Options(dt=1.0, max_delay=5.0).watched(asked).dt, asked
        (1.0, {'dt'})
        """
        known = frozenset(vars(self))

        class Watched(Options):
            def __getattribute__(self, name: str) -> Any:
                if name in known:
                    asked.add(name)
                return super().__getattribute__(name)

        return Watched(**vars(self))

    def sizes(self) -> dict[str, int]:
        """``neurons`` as numbers by population."""
        sizes = {}
        for text in self.neurons:
            match = re.fullmatch(r"(.+)=(\d+)", text)
            if match is None or int(match[2]) < 1:
                raise BadInput(f"--neurons says {text!r}; write it as POPULATION=NUMBER, such as Pop0=700.")
            sizes[match[1]] = int(match[2])
        return sizes

"""What a reader is, and which there are: a foreign checkpoint and what no file can know in, checkpoints of ours out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.files.run import steps_said
from stanalysis.readers.formats.containers import Container
from stanalysis.readers.options import Options

BUILT_IN = ("dcls", "delgrad", "delrec", "lava", "ml_genn", "nir", "snntorch")  # modules of `stanalysis.readers.programs`
MAPPING = "mapping"  # the reader that a TOML file directs: never guessed, it is chosen by its file
MANY = 1000  # checkpoints of a series: more are read only if asked for


@dataclass(frozen=True)
class ForeignNetwork:
    """A network as its reader gives it.

    ``checkpoints`` by step; ``notes``, whole sentences about what was guessed, left out or taken for granted; ``files``, all
    that were read.
    """

    checkpoints: dict[int, xr.DataTree]
    notes: tuple[str, ...]
    files: tuple[Path, ...]

    def __repr__(self) -> str:
        return f"ForeignNetwork({steps_said(self.checkpoints)})"


class Reader(Protocol):
    """What a package offers under the entry point ``stanalysis.readers``: a module, or any object, with these two.

    Options that ``read`` does not look at are said to be of no use, and so is what it does not look up in
    ``container.arrays`` or ``container.record``: it looks at what has an effect, and no more.
    """

    def recognises(self, container: Container) -> bool:
        """Whether this file or folder is one that ``read`` can read, in all likelihood; it must not raise."""

    def read(self, container: Container, options: Options) -> ForeignNetwork:
        """The network; `BadInput` names what is missing or wrong."""


def require(options: Options, container: Container, needs: Mapping[str, str]) -> None:
    """Raise one `BadInput` that names every option that is missing.

    ``needs`` says of each option why it is needed and what is known of it, as half a sentence.
    """
    missing = {name: why for name, why in needs.items() if getattr(options, name) in (None, ())}
    if missing:
        listed = "; ".join(f"--{name.replace('_', '-')} ({why})" for name, why in missing.items())
        raise BadInput(f"{container.path} does not say all that is needed; give {listed}.")


def step_of(options: Options, told: int | None, *, known_by: str = "") -> tuple[int, list[str]]:
    """The step of a single checkpoint, and notes: the one given, else the one that the file ``told``, else 1.

    ``known_by`` says what told it, if that is not beyond doubt.
    """
    if options.network_step is not None:
        return options.network_step, []
    if told is not None:
        return told, [f"The step is {known_by}."] if known_by else []
    return 1, ["The file does not say at which step of training it was kept: taken as 1 (--network-step tells)."]


def chosen_steps(steps: Iterable[int], options: Options) -> list[int]:
    """The steps of a series that are read, ascending: all, or ``checkpoints`` of them at even logarithms of the step."""
    every = np.unique(np.fromiter(steps, np.int64))
    given = options.given().get("checkpoints")
    if given is None and every.size > MANY:
        raise BadInput(f"The series has {every.size} checkpoints; --checkpoints says how many of them to read, such as 20.")
    if given is None or given >= every.size:
        return every.tolist()
    wanted = options.checkpoints or every.size  # looked at only where it has an effect
    since = np.log(every - every[0] + 1)
    near = abs(since[:, None] - np.linspace(0, since[-1], wanted)).argmin(axis=0)
    rank = np.arange(wanted)
    apart = np.maximum.accumulate(near - rank) + rank  # each once: those that fall together move on
    return every[np.minimum(apart, every.size - wanted + rank)].tolist()

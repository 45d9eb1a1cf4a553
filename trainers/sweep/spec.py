"""What is said between the processes of a sweep: which run to train, and how it ended. Nothing here imports numpy."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

BEGUN, WARNING, STOP = "begun", "warning", "stop"
# finished, or kept after "stop"; bad input, or it diverged, and would again; another has it; it died, or the machine is full
End = Literal["finished", "kept", "refused", "held", "lost"]


@dataclass(frozen=True)
class RunSpec:
    """What to train, as JSON has it: of a `trainers.sweep.grid.Grid` one point, and where.

    ``module`` is one that registers the method where it is imported, ``sha256`` that of the data, ``lease`` as
    `stanalysis.files.lock.held` takes it.
    """

    method: str
    module: str
    config: dict[str, Any]
    data: str
    sha256: str
    gain: float | None
    bin: float | None
    path: str
    seed: int
    checkpoints: int
    lease: float

    @property
    def name(self) -> str:
        """That of its folder."""
        return Path(self.path).name

    def line(self) -> str:
        """For standard input."""
        return json.dumps(asdict(self)) + "\n"


@dataclass(frozen=True)
class EndedRun:
    """How a run ended, where, the sentence that says why, and its line of sweep.csv once it is finished."""

    name: str
    end: End
    seconds: float
    sentence: str = ""
    row: dict[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)
    where: str = ""

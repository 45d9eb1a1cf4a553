"""What is asked of every network, and whether it can be asked. Light to import: the command line offers its choices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from stanalysis.errors import BadInput

if TYPE_CHECKING:
    from stanalysis.fields.lattice import Lattice
    from stanalysis.readers.options import Options
    from stanalysis.stats.engine.nulls import Alternative, Null

Statistics = Literal["lattice", "graph", "survival", "local", "correlogram", "smoothing", "pairs", "pruning"]

DEFAULT: tuple[Statistics, ...] = ("lattice", "graph", "survival")
AT_BOTH_ENDS: tuple[Statistics, ...] = ("local", "correlogram", "smoothing", "pairs")  # groups of their own


@dataclass(frozen=True)
class Questions:
    """What is asked of every network, as for `stanalysis.analyze`; `BadInput` where it cannot be."""

    statistics: tuple[Statistics, ...]
    null: Null
    n_permutations: int
    alternative: Alternative
    lattice: Lattice
    ms_per_source: float | None  # None: one bin of delay is as far as one source
    seed: int
    foreign: Options

    def __post_init__(self) -> None:
        if self.n_permutations < 1:
            raise BadInput(f"{self.n_permutations} permutations are too few for an analysis; give at least 1.")
        known = get_args(Statistics)
        for name in self.statistics:
            if name not in known:
                raise BadInput(f"The statistics name {name!r}; use some of {', '.join(known)}.")
        if self.null == "untrained" and (drawn := [name for name in (*AT_BOTH_ENDS, "pruning") if name in self.statistics]):
            raise BadInput(
                f"Statistics {', '.join(drawn)}: the null 'untrained' has no draws, which they need; leave them out, or give "
                "another null."
            )

    def scale(self, dt: float) -> float:
        """How many ms of delay are as far as one source, in a network of time step ``dt`` [ms]."""
        return dt if self.ms_per_source is None else self.ms_per_source

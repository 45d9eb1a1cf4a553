"""What is asked of every network, and whether it can be asked. Light to import: the command line offers its choices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stanalysis.errors import BadInput
from stanalysis.stats.engine.families import FAMILIES
from stanalysis.stats.engine.null_test import KNOWN_TO_PROCESSES, NullTest
from stanalysis.stats.engine.statistics import STATISTICS

if TYPE_CHECKING:
    from stanalysis.fields.lattice import Lattice
    from stanalysis.readers.options import Options


@dataclass(frozen=True)
class Questions:
    """What is asked of every network, as for `stanalysis.analyze`; `BadInput` where it cannot be."""

    statistics: tuple[str, ...]  # names of families
    test: NullTest
    lattice: Lattice
    ms_per_source: float | None  # None: one bin of delay is as far as one source
    foreign: Options
    registered: frozenset[str] = field(default_factory=lambda: frozenset(STATISTICS))  # where it is asked

    def require_registered(self) -> None:
        """Raise `BadInput` in a process that knows other statistics than that in which it was asked."""
        if other := self.registered ^ STATISTICS.keys():
            raise BadInput(f"The statistics {', '.join(sorted(other))} are not known to every process; {KNOWN_TO_PROCESSES}.")

    def __post_init__(self) -> None:
        if self.test.n_permutations < 1:
            raise BadInput(f"{self.test.n_permutations} permutations are too few for an analysis; give at least 1.")
        for name in self.statistics:
            if name not in FAMILIES:
                raise BadInput(f"The statistics name {name!r}; use some of {', '.join(FAMILIES)}.")
        drawn = [name for name, family in FAMILIES.items() if family.needs_draws and name in self.statistics]
        if drawn and not self.test.rule.draws:
            raise BadInput(
                f"Statistics {', '.join(drawn)}: the null {self.test.null!r} has no draws, which they need; leave them out, or "
                "give another null."
            )

    def scale(self, dt: float) -> float:
        """How many ms of delay are as far as one source, in a network of time step ``dt`` [ms]."""
        return dt if self.ms_per_source is None else self.ms_per_source

"""What is asked of every network, and whether it can be asked. Light to import: the command line offers its choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from stanalysis.errors import BadInput
from stanalysis.stats.engine.families import BUILT_IN_FAMILIES, FAMILIES, usual_families
from stanalysis.stats.engine.null_test import KNOWN_TO_PROCESSES, NullTest
from stanalysis.stats.engine.nulls import BUILT_IN_NULLS
from stanalysis.stats.engine.statistics import BUILT_IN_STATISTICS, STATISTICS

if TYPE_CHECKING:
    from stanalysis.fields.delay_bins import DelayBins
    from stanalysis.fields.lattice import Lattice
    from stanalysis.readers.options import Options

MS_PER_SOURCE: Final = 1.0  # where delays are continuous, and neither a scale nor a width of bins is given


@dataclass(frozen=True)
class Questions:
    """What is asked of every network, as for `stanalysis.analyze`; `BadInput` where it cannot be."""

    statistics: tuple[str, ...]  # names of families
    test: NullTest
    lattice: Lattice
    ms_per_source: float | None  # None: one bin of delay is as far as one source, and where there are no bins 1 ms
    foreign: Options
    bin_width: float | None = None  # ms, of the lattices; None: the time step of the network
    cells: bool = True  # whether there are lattices
    memory: float = float("inf")  # bytes that the analysis of one network may take
    registered: frozenset[str] = field(default_factory=lambda: frozenset(STATISTICS))  # where it is asked

    def require_registered(self) -> None:
        """Raise `BadInput` in a process that knows other statistics than that in which it was asked."""
        if other := self.registered ^ STATISTICS.keys():
            raise BadInput(f"The statistics {', '.join(sorted(other))} are not known to every process; {KNOWN_TO_PROCESSES}.")

    def are_built_in(self) -> bool:
        """Whether all that is asked is known from its name alone, and nothing of it was registered by a user."""
        asked = self.registered <= BUILT_IN_STATISTICS and set(self.statistics) <= BUILT_IN_FAMILIES
        return asked and self.test.null in BUILT_IN_NULLS

    def __post_init__(self) -> None:
        if self.bin_width is not None and not 0 < self.bin_width < float("inf"):
            raise BadInput(f"The width of a bin of delay is {self.bin_width:g} ms; give a number of ms above 0.")
        if not self.memory > 0:
            raise BadInput(f"The memory that an analysis may take is {self.memory:g} bytes; give a number above 0.")
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
        holding = [name for name, family in FAMILIES.items() if family.holds_cells and name in self.statistics]
        if holding and self.test.rule.keeps:
            raise BadInput(
                f"Statistics {', '.join(holding)}: the null {self.test.null!r} keeps margins and cannot hold a single cell; "
                "leave them out, or use the null 'signs'."
            )

    def scale(self, dt: float) -> float:
        """How many ms of delay are as far as one source, in a network of time step ``dt`` [ms]."""
        return self.bin_width or dt or MS_PER_SOURCE if self.ms_per_source is None else self.ms_per_source

    def bins(self, projection: Mapping[Any, Any], dt: float) -> DelayBins | None:
        """The bins of delay of a lattice, by the attributes of a projection; None where delays are continuous and no width of
        bins is declared.
        """
        from stanalysis.fields.delay_bins import bins_of_projection

        return None if dt == 0 and self.bin_width is None else bins_of_projection(projection, dt=dt, width=self.bin_width)

    def of_network(self, dt: float) -> Questions:
        """What of it is asked of a network of time step ``dt`` [ms].

        Where delays are continuous and no width of bins is declared there are no cells: the usual families without those about
        them, and `BadInput` where such were asked for.
        """
        if dt > 0 or self.bin_width is not None:
            return self
        without = tuple(name for name in self.statistics if not FAMILIES[name].needs_lattice)
        if self.statistics not in (usual_families(), without):
            cells = ", ".join(name for name in self.statistics if name not in without)
            raise BadInput(
                f"Statistics {cells}: they are about cells of a lattice, which continuous delays (dt 0) have only with a "
                "declared width of bins; give --bin MS, or leave them out."
            )
        return replace(self, statistics=without, cells=False)

"""What can be asked of receptive fields: families of statistics, of each one record. Light to import, for the command line.

To add a curve or map: its function and kernel in `stanalysis.stats.spatial`, its variables in `stanalysis.schema.statistics`,
its record here, its test.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stanalysis.stats.engine.statistics import STATISTICS

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Family:
    """Statistics that are asked for together.

    Attributes
    ----------
    name
        As users call it, and as the group of the analysis file is called.
    holds
        What it is, for the help.
    usual
        Whether it is computed where no family is named.
    needs_draws
        Whether it has no answer under a null without draws.
    curve
        ``module:function`` of a statistic that is many numbers, a curve or map: a function of receptive fields and of the
        options of a test against a null. It is computed at the first and the last step only; "" for all else.
    needs_lattice
        Whether it is about cells: of continuous delays it has an answer only with a declared width of bins. A curve that is not
        is given lists of synapses instead of receptive fields.
    own_nulls
        Whether it has nulls of its own, whatever is asked, with `MOST_DRAWS` draws of each at most.
    holds_cells
        Whether its draws hold a single cell, which a null that keeps margins cannot do.
    takes
        What else the function takes: ``lattice``, ``ms_per_source``, ``delay_kind`` of the projection, ``alternative``.
    steps
        About how often the statistics of lattice and graph of a step could be computed meanwhile: those who wait are told how
        much is done. Of a curve at each of both ends, of survival and pruning of all steps together.
    whole_planes
        How many numbers for each cell of all fields it holds in memory.
    """

    name: str
    holds: str
    usual: bool = False
    needs_draws: bool = False
    curve: str = ""
    needs_lattice: bool = True
    takes: tuple[str, ...] = ()
    holds_cells: bool = False
    own_nulls: bool = False
    steps: float = 0.0
    whole_planes: int = 0

    @property
    def function(self) -> Callable[..., xr.Dataset]:
        """The function of a curve or map, imported now."""
        module, _, name = self.curve.partition(":")
        function: Callable[..., xr.Dataset] = getattr(importlib.import_module(module), name)
        return function


FAMILIES: Final[dict[str, Family]] = {}


def register_family(family: Family) -> Family:
    """Make a family known by its name."""
    if family.name in FAMILIES:
        raise ValueError(f"There are two families called {family.name!r}; give each a name of its own.")
    FAMILIES[family.name] = family
    return family


def usual_families() -> tuple[str, ...]:
    """Names of those that are computed where none are named."""
    return tuple(name for name, family in FAMILIES.items() if family.usual)


def curve_families() -> list[Family]:
    """Curves and maps."""
    return [family for family in FAMILIES.values() if family.curve]


def help_of_families() -> str:
    """What there is to ask for, in one sentence; the statistics of a field that are one number by their names."""
    said = []
    for name, family in FAMILIES.items():
        scalars = ", ".join(statistic.name for statistic in STATISTICS.values() if statistic.family == name)
        said.append(f"{name} ({family.holds}{f': {scalars}' if scalars else ''})")
    return f"Which to compute, instead of {', '.join(usual_families())}: {'; '.join(said)}."


MOST_DRAWS: Final = 199  # of families with nulls of their own: a mean over them is off by 1/14 of their deviation
_SPATIAL: Final = "stanalysis.stats.spatial"
_GROUPING: Final = "stanalysis.stats.grouping"

for _family in (
    Family("lattice", "of cells and their neighbours", usual=True),
    Family("graph", "of synapses, near ones being neighbours", usual=True, needs_lattice=False),
    Family("survival", "lifetimes of synapses, and what lasts of the fields", usual=True, needs_lattice=False, steps=1),
    Family(
        "local",
        "maps",
        needs_draws=True,
        curve=f"{_SPATIAL}.local:local_morans_i",
        takes=("lattice",),
        holds_cells=True,
        steps=3,
        whole_planes=12,
    ),
    Family(
        "correlogram",
        "alike at which lags of source and delay",
        needs_draws=True,
        curve=f"{_SPATIAL}.correlogram:correlogram",
        steps=5,
    ),
    Family(
        "smoothing",
        "Moran's I of smoothed fields",
        needs_draws=True,
        curve=f"{_SPATIAL}.smoothing:smoothed_morans_i",
        takes=("lattice",),
        steps=12,
    ),
    Family(
        "pairs",
        "cross-K and mark correlation over distance",
        needs_draws=True,
        curve=f"{_SPATIAL}.point_pattern:cross_k",
        needs_lattice=False,
        takes=("ms_per_source",),
        steps=3,
    ),
    Family(
        "published",
        f"the published test, Moran's I of cells that are shuffled, in at most {MOST_DRAWS} draws",
        usual=True,
        curve=f"{_GROUPING}.published:published_test",
        takes=("lattice",),
        own_nulls=True,
        steps=0.5,
    ),
    Family(
        "parts",
        "how much of the grouping of signs is owed to the delay alone, to the source alone, and to both jointly, in at most "
        f"{MOST_DRAWS} draws",
        usual=True,
        curve=f"{_GROUPING}.parts:grouping_parts",
        needs_lattice=False,
        takes=("ms_per_source", "delay_kind", "alternative"),
        own_nulls=True,
        steps=10,
    ),
    Family("pruning", "what it leaves of the structure", needs_draws=True, steps=10, whole_planes=12),
):
    register_family(_family)

BUILT_IN_FAMILIES: Final = frozenset(FAMILIES)

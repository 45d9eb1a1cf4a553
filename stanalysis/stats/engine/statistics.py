"""The statistics of a field that are one number: of each, one record of what it is, and which way grouping moves it.

Tables, help, sentences and captions derive from these records. To add one: its sums in a kernel, or a function of planes; its
record here; its test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    import numpy as np

ScalarFamily = Literal["lattice", "graph"]


@dataclass(frozen=True)
class Statistic:
    """What a statistic of one field is.

    Attributes
    ----------
    name
        As users and files call it.
    meaning
        What it is, in a few words.
    asks
        The question that it answers, for tables of the docs.
    family
        Whether its neighbours are cells of the ``lattice``, or synapses of the ``graph``.
    unit
        "1" where it has none.
    grouping
        Which way grouping of like synapses moves it: it ``raises`` or ``lowers`` it; "" for neither.
    sums
        The constants of its kernel, `stanalysis.kernels.lattice_totals` or ``graph_sums``, that name what adds up to it.
    of_planes
        Instead of a kernel: a function of receptive fields (plane, source, delay) to values (plane,), NaN where there is no
        answer. Slower, for every draw is then made as a plane; weights come in an unknown unit.
    label
        For headings; "" for statistics that stand in tables alone.
    above, below
        What it says of a neuron to lie above, and below, the null, before "than the null gives"; "" for no sentence.
    rank
        Its place among those that have a label, in figures and sentences.
    weighs
        Whether magnitudes count in it, and not signs alone.
    is_margin
        Whether it says what weights owe to the delay alone, or to the source alone; a null that keeps this has no answer.
    """

    name: str
    meaning: str
    asks: str
    family: ScalarFamily
    unit: str = "1"
    grouping: Literal["raises", "lowers", ""] = "raises"
    sums: tuple[str, ...] = ()
    of_planes: Callable[[np.ndarray], np.ndarray] | None = None
    label: str = ""
    above: str = ""
    below: str = ""
    rank: int = 99
    weighs: bool = True
    is_margin: bool = False


STATISTICS: Final[dict[str, Statistic]] = {}


def register_statistic(statistic: Statistic) -> Statistic:
    """Make a statistic known by its name; it is then computed wherever its family is."""
    if statistic.name in STATISTICS:
        raise ValueError(f"There are two statistics called {statistic.name!r}; give each a name of its own.")
    STATISTICS[statistic.name] = statistic
    return statistic


def names_of(family: ScalarFamily) -> tuple[str, ...]:
    """The names of the statistics of a family, in order."""
    return tuple(name for name, statistic in STATISTICS.items() if statistic.family == family)


def unit_of(name: str) -> str:
    """The unit of a statistic; "1" where it has none, or is not known."""
    return STATISTICS[name].unit if name in STATISTICS else "1"


def labelled_statistics() -> list[Statistic]:
    """Those that figures draw, in the order in which they matter."""
    return sorted((statistic for statistic in STATISTICS.values() if statistic.label), key=lambda s: s.rank)


def told_statistics() -> dict[str, Statistic]:
    """Those of which sentences speak, by name, in the order in which they matter."""
    return {statistic.name: statistic for statistic in labelled_statistics() if statistic.above}


def lowered_by_grouping() -> list[str]:
    """Names of the statistics that grouping lowers."""
    return [name for name, statistic in STATISTICS.items() if statistic.grouping == "lowers"]


for _statistic in (
    Statistic(
        "morans_i",
        "Moran's I",
        "are neighbouring cells alike?",
        "lattice",
        sums=("ALONG", "ACROSS"),
        label="Moran's I",
        above="neighbouring cells of a field are more alike in weight",
        below="neighbouring cells of a field are less alike in weight",
        rank=1,
    ),
    Statistic(
        "along_delay",
        "part of Moran's I from neighbours within one source",
        "of it, the part along the delays of one source",
        "lattice",
        sums=("ALONG",),
    ),
    Statistic(
        "across_sources",
        "part of Moran's I from neighbours in different sources",
        "of it, the part across sources",
        "lattice",
        sums=("ACROSS",),
    ),
    Statistic("gearys_c", "Geary's C", "do neighbouring cells differ?", "lattice", sums=("GEARY",), grouping="lowers"),
    Statistic(
        "joins_ee",
        "neighbouring cells that both excite",
        "how often do neighbouring cells both excite?",
        "lattice",
        sums=("EE",),
        weighs=False,
    ),
    Statistic(
        "joins_ei",
        "neighbouring cells of which one excites and one inhibits",
        "how often do they differ in sign?",
        "lattice",
        sums=("EI",),
        weighs=False,
        grouping="lowers",
        label="E–I joins",
        above="excitatory cells have inhibitory neighbours more often",
        below="excitatory cells have inhibitory neighbours less often",
        rank=4,
    ),
    Statistic(
        "joins_ii", "neighbouring cells that both inhibit", "how often do both inhibit?", "lattice", sums=("II",), weighs=False
    ),
    Statistic(
        "weighted_joins_like",
        "neighbouring cells of one sign, each pair by the product of its magnitudes",
        "how often do they share a sign, where weights are strong?",
        "lattice",
        sums=("LIKE",),
    ),
    Statistic(
        "weighted_joins_unlike",
        "neighbouring cells that differ in sign, each pair by the product of its magnitudes",
        "how often do they differ in sign, where weights are strong?",
        "lattice",
        sums=("UNLIKE",),
        grouping="lowers",
    ),
    Statistic(
        "bivariate_i",
        "bivariate Moran's I of excitation and inhibition",
        "is inhibition strong beside excitation?",
        "lattice",
        sums=("BIVARIATE",),
        grouping="lowers",
    ),
    Statistic(
        "n_clusters",
        "connected sets of cells of one sign",
        "how many connected sets of cells of one sign are there?",
        "lattice",
        sums=("CLUSTERS",),
        weighs=False,
        grouping="lowers",
        label="clusters of one sign",
        rank=5,
    ),
    Statistic(
        "largest_cluster",
        "cells in the largest connected set of one sign",
        "how large is the largest?",
        "lattice",
        sums=("LARGEST",),
        weighs=False,
    ),
    Statistic(
        "lead",
        "mean delay of inhibition less that of excitation, weighted",
        "does excitation have shorter delays than inhibition? [ms]",
        "lattice",
        unit="ms",
        sums=("LEAD",),
        is_margin=True,
        grouping="",
        label="lead of excitation",
        above="excitation has shorter delays, relative to inhibition,",
        below="excitation has longer delays, relative to inhibition,",
        rank=6,
    ),
    Statistic(
        "graph_morans_i",
        "Moran's I among synapses",
        "Moran's I among synapses, the nearest four in (source, delay) being neighbours",
        "graph",
        sums=("MORAN",),
        label="Moran's I among synapses",
        above="neighbouring synapses are more alike in weight",
        below="neighbouring synapses are less alike in weight",
        rank=2,
    ),
    Statistic(
        "graph_gearys_c", "Geary's C among synapses", "Geary's C among them", "graph", sums=("GEARY",), grouping="lowers"
    ),
    Statistic(
        "graph_joins_ee",
        "neighbouring synapses that both excite",
        "how often do neighbouring synapses both excite?",
        "graph",
        sums=("EE",),
        weighs=False,
    ),
    Statistic(
        "graph_joins_ei",
        "neighbouring synapses of which one excites and one inhibits",
        "how often do they differ in sign?",
        "graph",
        sums=("EI",),
        weighs=False,
        grouping="lowers",
        label="E–I joins among synapses",
        above="excitatory synapses have inhibitory neighbours more often",
        below="excitatory synapses have inhibitory neighbours less often",
        rank=3,
    ),
    Statistic(
        "graph_joins_ii",
        "neighbouring synapses that both inhibit",
        "how often do both inhibit?",
        "graph",
        sums=("II",),
        weighs=False,
    ),
    Statistic(
        "graph_weighted_joins_like",
        "neighbouring synapses of one sign, each pair by the product of its magnitudes",
        "how often do they share a sign, where weights are strong?",
        "graph",
        sums=("LIKE",),
    ),
    Statistic(
        "graph_weighted_joins_unlike",
        "neighbouring synapses that differ in sign, each pair by the product of its magnitudes",
        "how often do they differ in sign, where weights are strong?",
        "graph",
        sums=("UNLIKE",),
        grouping="lowers",
        label="weighted E–I joins among synapses",
        above="strong excitatory synapses have strong inhibitory neighbours more often",
        below="strong excitatory synapses have strong inhibitory neighbours less often",
        rank=7,
    ),
):
    register_statistic(_statistic)

BUILT_IN_STATISTICS: Final = frozenset(STATISTICS)

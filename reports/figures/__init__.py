"""Figures: panels arranged, with a caption that says what was computed, over how many neurons, against which null.

Each module has a function that draws one figure, and ``plans``, which figures an analysis has the numbers for; `BadInput` says
what is missing where it has none.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from reports.drawn import Plan
from reports.figures import (
    correlogram,
    figure_1a,
    figure_1bc,
    figure_2,
    figure_3,
    film,
    hazards,
    joins,
    ladder,
    parts,
    precision,
    pruning,
    sizes,
    surgery,
    survival,
    training,
)  # fmt: skip

# by the name that the command line knows, in the order of the report
FIGURES: Final[Mapping[str, Callable[..., list[Plan]]]] = {
    "fig1a": figure_1a.plans,
    "fig1b": partial(figure_1bc.plans, figure_letter="b"),
    "fig1c": partial(figure_1bc.plans, figure_letter="c"),
    "fig2": figure_2.plans,
    "fig3": figure_3.plans,
    "sizes": sizes.plans,
    "ladder": ladder.plans,
    "joins": joins.plans,
    "parts": parts.plans,
    "correlogram": correlogram.plans,
    "training": training.plans,
    "film": film.plans,
    "survival": survival.plans,
    "hazards": hazards.plans,
    "pruning": pruning.plans,
    "precision": precision.plans,
    "surgery": surgery.plans,
}
OF_TABLES: Final = frozenset({"fig3", "sizes"})  # figures that need no more than the table of a sweep
OF_SEVERAL: Final = frozenset({"ladder"})  # figures that several analyses make together

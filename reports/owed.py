"""What grouping may be owed to, as the report says and draws it: one record for each part, and one for all together."""

from __future__ import annotations

from typing import Final, NamedTuple


class Owed(NamedTuple):
    """A part: its ``name`` in the tables, what it is owed to in ``words``, a ``short`` word for an axis, and its ``colour``."""

    name: str
    words: str
    short: str
    colour: str


# dark, middle and light in grey print, and none of them a colour of weights
OWED: Final = (
    Owed("delay", "the delay alone", "delay", "#56B4E9"),
    Owed("source", "the source alone", "source", "#F5E27A"),
    Owed("interaction", "both jointly", "jointly", "#00664B"),
)
TOTAL: Final = Owed("total", "all parts together", "all", "0.6")
RESOLUTION: Final = "at the resolution of the margins, a quarter of the plane"  # of what is called joint
WITHOUT_ORDER: Final = "Its sources have no order: what is owed to the source, and jointly, means little there."

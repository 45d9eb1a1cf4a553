"""What a doubt is: why rejecting a null says less than it seems. Light to import, for the words of cautions."""

from __future__ import annotations

from typing import Final, NamedTuple

DOUBTFUL: Final = 0.001  # p-value below which a property of the network as a whole is taken for real


class Doubt(NamedTuple):
    """A clause, and where it is a matter of degree, its size."""

    reason: str
    measure: str | None = None  # what the size is; None where there is none
    size: float = 0.0

    @property
    def sentence(self) -> str:
        """Both as one clause.

        Examples
        --------
        >>> Doubt("the delays are odd", "correlation", 0.317).sentence
        'the delays are odd (correlation 0.32)'
        """
        return self.reason if self.measure is None else f"{self.reason} ({self.measure} {said_size(self.size)})"


def said_size(size: float) -> str:
    """A size as sentences give it."""
    return f"{size:.2f}"

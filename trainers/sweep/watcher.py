"""Who hears how a sweep goes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


class SweepWatcher:
    """Hears how a sweep goes; this one keeps quiet."""

    def begin(self, done: Collection[str]) -> None:
        """The sweep starts; these runs were finished before."""

    def look(self, running: Mapping[str, float], n_elsewhere: int) -> None:
        """Called every half second with the runs in progress and the seconds each has taken, and how many others train."""

    def finished(self, row: Mapping[str, Any]) -> None:
        """A run is finished; ``row`` is its line of sweep.csv."""

    def finished_elsewhere(self, run: str) -> None:
        """A run is finished that another process trained."""

    def failed(self, run: str, sentence: str) -> None:
        """A run ended before its end; the others go on."""

    def lost(self, run: str, sentence: str) -> None:
        """The process of a run died, or its machine had no room for it; it is tried again, if it was not too often."""

    def warned(self, text: str) -> None:
        """Some run warned; the same text is heard once."""

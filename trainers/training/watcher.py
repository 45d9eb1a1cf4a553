"""Who hears how training goes."""

from __future__ import annotations

from collections.abc import Mapping


class Watcher:
    """Hears how training goes; this one keeps quiet."""

    def begin(self, step: int, n_steps: int) -> None:
        """Training starts at ``step`` of ``n_steps``."""

    def batch(self, epoch: int, loss: float) -> None:
        """One more batch is done, with the mean ``loss`` of the epoch so far."""

    def epoch(self, row: Mapping[str, float]) -> None:
        """An epoch is done and written; ``row`` is its line of metrics.csv."""

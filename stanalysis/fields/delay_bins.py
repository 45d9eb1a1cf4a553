"""Bins of delay: which delay of a projection a network computes with, and in which column of a lattice it lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput

SNAP: Final = 1e-6  # of a delay: what float32 loses
MOST_BINS: Final = 100_000  # of a lattice


@dataclass(frozen=True)
class DelayBins:
    """The bins of delay of a projection.

    Parameters
    ----------
    width
        Of a bin in ms: the time step of the network, unless another was declared.
    dt
        Time step in ms to which the network rounds its delays; 0 where they are continuous.
    rounding
        How it rounds them: one of `stanalysis.files.checkpoint.ROUNDINGS`.
    longest
        The longest possible delay in ms.

    Examples
    --------
    >>> bins = DelayBins(width=2.0, dt=0.0, rounding="none", longest=7.0)
    >>> bins.n, bins.centres, bins.of(np.array([0.9, 1.1, 6.9]))
    (5, array([0., 2., 4., 6., 8.]), array([0, 1, 3]))
    """

    width: float
    dt: float
    rounding: str
    longest: float

    def __post_init__(self) -> None:
        if not 0 < self.width < np.inf:
            raise BadInput(f"The width of a bin of delay is {self.width} ms; give a number of ms above 0.")
        if not self.longest / self.width <= MOST_BINS and self.width != self.dt:
            raise BadInput(
                f"Up to the longest delay, {self.longest:g} ms, there are more than {MOST_BINS} bins of {self.width:g} ms; "
                "give wider ones."
            )

    @property
    def n(self) -> int:
        """How many there are: from that of 0 ms to that of the longest delay."""
        if self.width == self.dt:
            return round(self.longest / self.dt) + 1
        return int(np.floor(self.longest / self.width + 0.5)) + 1

    @property
    def centres(self) -> NDArray[np.float64]:
        """In ms."""
        return np.arange(self.n, dtype=np.float64) * self.width

    def of(self, delay: NDArray[np.floating]) -> NDArray[np.intp]:
        """The bin of each delay [ms]: that to which the network rounds it, or else the nearest, of two as near the later."""
        delay = delay.astype(np.float64)
        if self.dt > 0:
            steps = deployed_bins(delay / self.dt, self.rounding, round(self.longest / self.dt) + 1)
            if self.width == self.dt:
                return steps
            delay = steps * self.dt
        return deployed_bins(delay / self.width, "half up", self.n)


def bins_of_projection(attrs: Mapping[Any, Any], *, dt: float, width: float | None = None) -> DelayBins:
    """Of a projection with these attributes in a network of time step ``dt`` [ms]; without a ``width`` [ms] that of the step.

    Raises
    ------
    BadInput
        A network of continuous delays without a width; one that is not above 0.
    """
    if width is None and dt == 0:
        raise BadInput(
            "The network has continuous delays (its dt is 0), of which a lattice is made with a declared width of bins only; "
            "give bin_width in ms."
        )
    return DelayBins(dt if width is None else float(width), float(dt), str(attrs["rounding"]), float(attrs["delay_max"]))


def deployed_bins(position: NDArray[np.floating], rounding: str, n_bins: int) -> NDArray[np.intp]:
    """Bins of delays after training; ``position`` is the delay in bins, ``rounding`` the network's own rule."""
    # a delay in ms over dt misses whole and half bins by the rounding of its file: put it back there first
    half = np.rint(2 * position) / 2
    position = np.where(abs(position - half) < SNAP * (1 + half), half, position)
    match rounding:
        case "half up":
            rounded = np.floor(position + 0.5)
        case "floor":
            rounded = np.floor(position)
        case "half odd":
            rounded = np.rint(position + 1) - 1
        case _:
            rounded = np.rint(position)
    bins: NDArray[np.intp] = np.clip(rounded, 0, n_bins - 1).astype(np.intp)
    return bins

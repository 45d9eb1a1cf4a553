"""What the browser gets of one network: its synapses in few bytes, sorted, and what is known of its neurons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr

from reports.style import LIMIT_QUANTILE
from stanalysis.fields.lattice import Lattice
from stanalysis.schema.lives import EPISODES
from stanalysis.schema.variables import validate

LARGEST: Final = 32768.0  # of the half floats as which weights travel: they miss it by up to .05 % over 9 decades


@dataclass(frozen=True)
class Rows:
    """Cells with a synapse, sorted by step, target, source and delay; those of a field lie between two of its ``start``."""

    source: np.ndarray  # (row) uint8 or uint16
    bin: np.ndarray  # (row) uint8 or uint16, index of the delay
    weight: np.ndarray  # (row) uint16, the bits of a half float, in units of ``scale``
    n_synapses: np.ndarray  # (row) uint32, in the cell
    start: np.ndarray  # (step * target + 1) int32
    scale: float
    limit: float  # |weight| of the last colour

    @property
    def n_row(self) -> int:
        return int(self.source.size)


@dataclass(frozen=True)
class Lives:
    """Lives of synapses, sorted by target; those of a target lie between two of its ``start``."""

    source: np.ndarray  # (life) uint8 or uint16
    birth: np.ndarray  # (life) int32, training step
    end: np.ndarray  # (life) int32, training step at which it died or was last watched
    died: np.ndarray  # (life) uint8
    sign: np.ndarray  # (life) int8
    start: np.ndarray  # (target + 1) int32


@dataclass(frozen=True)
class AtlasNetwork:
    """One projection of one network, as the atlas shows it."""

    name: str
    sources: np.ndarray  # (source) their own numbers
    targets: np.ndarray  # (target) likewise
    delay: np.ndarray  # (delay) ms
    steps: np.ndarray  # (step)
    rows: Rows
    numbers: dict[str, np.ndarray]  # (step, target), by key
    lattice: Lattice
    min_synapses: int
    frequency: np.ndarray | None = None  # (source) Hz
    lives: Lives | None = None
    lives_said: str = ""  # why there are none
    best: int | None = None  # index of the step that was best on validation
    continuous: bool = False  # whether a delay may lie beside the one of its bin

    @property
    def n_source(self) -> int:
        return int(self.sources.size)

    @property
    def n_target(self) -> int:
        return int(self.targets.size)

    def sent(self) -> dict[str, Any]:
        """As the browser reads it (`rows.js`); arrays travel as typed buffers."""
        rows, lives = self.rows, self.lives
        several = np.flatnonzero(rows.n_synapses > 1).astype(np.int32)
        return {
            "name": self.name,
            "n_source": self.n_source,
            "n_target": self.n_target,
            "sources": self.sources.tolist(),
            "targets": self.targets.tolist(),
            "delay": self.delay.astype(np.float64),
            "frequency": None if self.frequency is None else self.frequency.astype(np.float64),
            "steps": [int(step) for step in self.steps],
            "source": rows.source,
            "bin": rows.bin,
            "weight": rows.weight,
            "all_finite": bool(np.isfinite(rows.weight.view(np.float16)).all()),
            "several": {"row": several, "n_synapses": rows.n_synapses[several]},
            "start": rows.start,
            "scale": rows.scale,
            "limit": rows.limit,
            "numbers": {key: values.astype(np.float64).ravel() for key, values in self.numbers.items()},
            "lives": None if lives is None else vars(lives),
            "lives_said": self.lives_said,
            "contiguity": self.lattice.contiguity,
            "standardised": self.lattice.standardised,
            "min_synapses": self.min_synapses,
            "best": self.best,
            "continuous": self.continuous,
        }


def packed_rows(
    field: np.ndarray, source: np.ndarray, delay: np.ndarray, weight: np.ndarray, *, n_field: int, n_source: int, n_delay: int
) -> Rows:
    """Rows of synapses, those of one cell added up, their weights as half floats.

    Parameters
    ----------
    field
        Index of each synapse's receptive field: step index times targets, plus target.
    source, delay
        Its source, and the bin of its delay.
    weight
        Its weight. A sum of weights that is not 0 stays so, be it ever so small.

    Examples
    --------
    >>> ones = np.array([0, 0, 1])
    >>> rows = packed_rows(ones, ones, ones, np.array([1.0, 0.5, -0.75]), n_field=2, n_source=2, n_delay=2)
    >>> rows.weight.view(np.float16).astype(float) * rows.scale, rows.n_synapses, rows.start
    (array([ 1.5 , -0.75]), array([2, 1], dtype=uint32), array([0, 1, 2], dtype=int32))
    """
    cell = (field.astype(np.int64) * n_source + source) * n_delay + delay
    order = np.argsort(cell, kind="stable")
    cells, first = np.unique(cell[order], return_index=True)
    with np.errstate(over="ignore", invalid="ignore"):  # a sum that is not finite is shown as such
        total = np.add.reduceat(weight[order].astype(np.float64), first) if cells.size else np.zeros(0)
    size = np.abs(total[np.isfinite(total)])
    scale = float(size.max(initial=0)) / LARGEST or 1.0
    return Rows(
        source=_narrow(cells // n_delay % n_source, n_source),
        bin=_narrow(cells % n_delay, n_delay),
        weight=_halves(total / scale),
        n_synapses=np.diff(first, append=cell.size).astype(np.uint32),
        start=np.searchsorted(cells, np.arange(n_field + 1) * n_source * n_delay).astype(np.int32),
        scale=scale,
        limit=float(np.quantile(size, LIMIT_QUANTILE)) or scale * LARGEST if size.size else 1.0,
    )


def _halves(weight: np.ndarray) -> np.ndarray:
    """Bits of half floats: what is not 0 never becomes 0, what is not finite stays as it is."""
    with np.errstate(under="ignore"):
        half = weight.astype(np.float16)
    least = np.copysign(np.finfo(np.float16).smallest_subnormal, weight).astype(np.float16)
    return np.where((half == 0) & (weight != 0), least, half).view(np.uint16)


def packed_lives(episodes: xr.Dataset, *, n_source: int, n_target: int) -> Lives:
    """Lives of the synapses of one network, from its EPISODES."""
    validate(episodes, EPISODES, required=("target", "source", "sign", "birth_step", "exit", "event"), where="the lives")
    target = episodes["target"].to_numpy()
    order = np.argsort(target, kind="stable")
    birth = episodes["birth_step"].to_numpy()
    return Lives(
        source=_narrow(episodes["source"].to_numpy()[order], n_source),
        birth=birth[order].astype(np.int32),
        end=(birth + episodes["exit"].to_numpy())[order].astype(np.int32),
        died=episodes["event"].to_numpy()[order].astype(np.uint8),
        sign=episodes["sign"].to_numpy()[order].astype(np.int8),
        start=np.searchsorted(target[order], np.arange(n_target + 1)).astype(np.int32),
    )


def _narrow(values: np.ndarray, n: int) -> np.ndarray:
    """Whole numbers below ``n`` in as few bytes as they need."""
    return values.astype(np.uint8 if n <= 256 else np.uint16 if n <= 65536 else np.uint32)

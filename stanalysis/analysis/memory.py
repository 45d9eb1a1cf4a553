"""How much memory an analysis takes: what must be there, and how many targets at a time there is room for beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import psutil
import xarray as xr

from stanalysis.analysis.questions import Questions
from stanalysis.errors import BadInput
from stanalysis.stats.engine.families import FAMILIES
from stanalysis.stats.engine.prepared import NUMBERS_AT_ONCE
from stanalysis.units import said_bytes

# Bytes, measured by tests/benchmarks/large_network.py.
PROGRAM: Final = 350_000_000  # the interpreter, libraries, compiled kernels
PER_SYNAPSE: Final = 400  # of the projection that is worked on: lists of them in several orders
PER_CELL: Final = 80  # of the fields worked on: planes, and what is reckoned with them
PER_DRAW: Final = 40  # of a statistic that is kept: itself, its scores, and what kernels write
PER_DRAW_OF_HISTOGRAM: Final = 24

_HIERARCHY: Final = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Need:
    """What one projection of a network takes, in bytes: ``fixed``, and for each target that is worked on."""

    fixed: int
    per_target: int

    def targets_within(self, memory: float) -> int:
        """How many targets at a time take no more."""
        return int(min(max((memory - self.fixed) / self.per_target, 0), 2**31))


def cells_of(tree: xr.DataTree, projection: str, questions: Questions) -> int:
    """How many cells the lattice of one target has; 0 where there is none."""
    attrs = tree[f"projections/{projection}"].attrs
    bins = questions.bins(attrs, float(tree.attrs["dt"]))
    return 0 if bins is None else int(attrs["n_source"]) * bins.n


def need_of(
    trees: Sequence[xr.DataTree], projection: str, questions: Questions, *, n_statistic: int, most_in_histogram: int
) -> Need:
    """What a projection of a network takes whose steps are ``trees``, with draws of so many statistics."""
    n_synapse = max(tree[f"projections/{projection}"].sizes["synapse"] for tree in trees)
    n_target = int(trees[-1][f"projections/{projection}"].attrs["n_target"])
    n_cell = cells_of(trees[-1], projection, questions)
    n_draw = questions.test.n_draws
    whole = sum(FAMILIES[name].whole_planes for name in questions.statistics)
    fixed = PROGRAM + 2 * sum(tree.nbytes for tree in trees) + PER_SYNAPSE * n_synapse
    in_histogram = len(trees) * min(n_draw, most_in_histogram)
    fixed += n_target * (PER_DRAW_OF_HISTOGRAM * in_histogram + 8 * whole * n_cell)
    fixed += PER_CELL * max(n_cell, min(n_target * n_cell, NUMBERS_AT_ONCE))
    return Need(fixed, PER_DRAW * n_statistic * n_draw + 1)


def require_room(need: Need, memory: float, *, projection: str) -> None:
    """Raise `BadInput` where not even one target at a time fits, and say how much would do."""
    least = need.fixed + need.per_target
    if least > memory:
        raise BadInput(
            f"{projection} takes about {said_bytes(least)} of memory, more than the {said_bytes(memory)} that it may; give "
            f"--memory {np.ceil(least / 1e8) / 10:.1f}G for each worker where there is as much, or ask for fewer statistics."
        )


def free_memory() -> int:
    """Bytes that nobody needs: on this machine, or of what this process and those beside it may take of it."""
    free = int(psutil.virtual_memory().available)
    for group in _groups():
        limit, used = (group / name for name in ("memory.max", "memory.current"))
        if limit.is_file() and used.is_file() and (most := limit.read_text().strip()).isdigit():
            free = min(free, max(int(most) - int(used.read_text()), 0))
    return free


def _groups() -> list[Path]:
    """The control groups of this process, which batch systems and containers set limits for: its own and those around it."""
    told = Path("/proc/self/cgroup")
    lines = told.read_text().splitlines() if told.is_file() else []
    paths = [_HIERARCHY / line.removeprefix("0::/") for line in lines if line.startswith("0::/")]
    return [group for path in paths for group in (path, *path.parents) if group.is_relative_to(_HIERARCHY)]

"""The grid of a sweep: which networks it trains."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, TypeAlias

from stanalysis.errors import BadInput
from trainers.datasets import DATA_IDENTITY
from trainers.methods.contract import Axis, Design, Method
from trainers.training.schedule import require_checkpoints

Settings: TypeAlias = dict[str, Any]  # what all runs of a method share in a sweep, data included, as JSON has it


def design_of(method: Method) -> Design:
    """How a sweep of a method is laid out; `BadInput` where there are none."""
    if method.design is None:
        raise BadInput(f"There are no sweeps of the method {method.name}: it has no axes.")
    return method.design


@dataclass(frozen=True)
class Point:
    """One run of a grid: the name of its folder, its configuration and its seed."""

    name: str
    config: Any
    seed: int


@dataclass(frozen=True)
class Grid:
    """Which networks a sweep trains: one for every combination of the values of its axes and the seeds.

    Attributes
    ----------
    method
        What trains them.
    axes
        Values of each axis of the method, by its name.
    config
        What all runs share; the fields that the axes set do not count.
    seeds
        Seeds of the networks and their training.
    data
        spoken_digits, or another data set, as train takes it.
    gain
        Factor between the recorded values and the input.
    bin
        Width in ms of the bins in which spikes are counted [default: 10]; other data have none.
    checkpoints
        How many checkpoints each run keeps, from step 0 to the end at equal ratios, beside best.nc and last.nc.
    """

    method: Method
    axes: Mapping[str, tuple[Any, ...]]
    config: Any
    seeds: tuple[int, ...]
    data: str
    gain: float | None
    bin: float | None
    checkpoints: int

    def __post_init__(self) -> None:
        for name, values in {**self.axes, "seeds": self.seeds}.items():
            if not values:
                raise BadInput(f"The grid has no {name}; give at least one.")
            shown = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
            value, times = Counter(shown).most_common(1)[0]
            if times > 1:
                raise BadInput(f"{name} holds {value} twice; give each once.")
        for axis in self.design.axes:
            choices = axis.setting.choices
            for value in self.axes[axis.name]:
                if choices and value not in choices:
                    raise BadInput(f"{axis.name} holds {value!r}; give some of {', '.join(choices)}.")
        for seed in self.seeds:
            if not 0 <= seed < 2**63:
                raise BadInput(f"A seed is {seed}; give whole numbers from 0 to 2**63 - 1.")
        require_checkpoints(self.checkpoints)
        self.points()

    @property
    def design(self) -> Design:
        """How it is laid out."""
        return design_of(self.method)

    def points(self) -> list[Point]:
        """All runs in grid order: by the axes, from the first to the last, and seed, however their values were given."""
        points, seeds = [], sorted(self.seeds)
        for values in product(*(_in_order(axis, self.axes[axis.name]) for axis in self.design.axes)):
            first = point_of(self.design, self.config, values, seeds[0])
            points += [first, *(replace(first, name=_name(self.design, values, seed), seed=seed) for seed in seeds[1:])]
        return points


def grid_of(
    method: Method,
    *,
    config: Any = None,
    seeds: tuple[int, ...] = (0, 1, 2),
    data: str | None = None,
    gain: float | None = None,
    bin: float | None = None,
    checkpoints: int = 2,
    **axes: tuple[Any, ...],
) -> Grid:
    """The grid of a sweep of a method, what is not given being as usual for it.

    Parameters
    ----------
    method, config, seeds, data, gain, bin, checkpoints
        As `Grid` has them.
    axes
        Values of the axes of the method, by their names.

    Examples
    --------
    >>> from trainers.methods.rewired.config import SPARSE
    >>> [point.name for point in grid_of(SPARSE, methods=("fixed-learned",), sparsities=(0.5,), seeds=(3, 4)).points()]
    ['fixed-learned-s0.5-seed3', 'fixed-learned-s0.5-seed4']
    """
    every = {axis.name: axis.values for axis in design_of(method).axes}
    if unknown := axes.keys() - every.keys():
        raise BadInput(f"A sweep of the method {method.name} has no {min(unknown)}; its axes are {', '.join(every)}.")
    return Grid(
        method=method,
        axes=every | axes,
        config=method.default if config is None else config,
        seeds=seeds,
        data=method.data_of(None) if data is None else data,
        gain=gain,
        bin=bin,
        checkpoints=checkpoints,
    )


def point_of(design: Design, config: Any, values: tuple[Any, ...], seed: int) -> Point:
    """The run with these values of the axes, the rest of its configuration given."""
    changes: dict[str, Any] = {}
    for axis, value in zip(design.axes, values, strict=True):
        changes |= axis.changes(value)
    return Point(_name(design, values, seed), replace(config, **changes), seed)


def _name(design: Design, values: tuple[Any, ...], seed: int) -> str:
    return "-".join([*(axis.word.format(value) for axis, value in zip(design.axes, values, strict=True)), f"seed{seed}"])


def settings_of(method: Method, config: Mapping[str, Any], dataset: Mapping[str, Any], checkpoints: int) -> Settings:
    """What a configuration shares with the others of a sweep of ``dataset``, as run.json describes it."""
    axes = design_of(method).fields
    return {
        "data": {name: dataset.get(name) for name in DATA_IDENTITY},
        "checkpoints": checkpoints,
        "config": {name: value for name, value in json.loads(json.dumps(config)).items() if name not in axes},
    }


def _in_order(axis: Axis, values: tuple[Any, ...]) -> list[Any]:
    choices = axis.setting.choices
    return sorted(values, key=choices.index if choices else None)

"""The grid of a sweep: which networks it trains."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from stanalysis.errors import BadInput
from trainers.datasets import DEFAULTS
from trainers.methods.rewired.config import SPARSE, SparseConfig
from trainers.training.schedule import require_checkpoints

Variant = Literal["fixed-fixed", "fixed-learned", "rewired-fixed", "rewired-learned"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)  # "<connectivity>-<delays>"
SPARSITIES = (0.0, *(1 - 0.5**n for n in range(1, 10)))
AXES = ("connectivity", "delays", "sparsity")  # what the runs of a sweep differ in, besides the seed


@dataclass(frozen=True)
class Point:
    """One run of a grid."""

    method: Variant
    sparsity: float
    seed: int

    @property
    def name(self) -> str:
        """Of the run folder."""
        return f"{self.method}-s{self.sparsity:g}-seed{self.seed}"


@dataclass(frozen=True)
class Grid:
    """Which networks a sweep trains: one for every combination of method, sparsity and seed.

    Attributes
    ----------
    methods
        Synapses fixed or rewired, delays fixed or learned, e.g. rewired-learned.
    sparsities
        Shares of the pairs of neurons without a synapse.
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
    config
        What all runs share; its connectivity, delays and sparsity do not count.

    Examples
    --------
    >>> [point.name for point in Grid(methods=VARIANTS[:2], sparsities=(0.5,), seeds=(3,)).points()]
    ['fixed-fixed-s0.5-seed3', 'fixed-learned-s0.5-seed3']
    """

    methods: tuple[Variant, ...] = VARIANTS
    sparsities: tuple[float, ...] = SPARSITIES
    seeds: tuple[int, ...] = (0, 1, 2)
    data: str = DEFAULTS[SPARSE.wants]
    gain: float | None = None
    bin: float | None = None
    checkpoints: int = 2
    config: SparseConfig = field(default_factory=SparseConfig)

    def __post_init__(self) -> None:
        names = {"methods": self.methods, "sparsities": [f"{s:g}" for s in self.sparsities], "seeds": self.seeds}
        for axis, values in names.items():
            if not values:
                raise BadInput(f"The grid has no {axis}; give at least one.")
            twice = [value for n, value in enumerate(values) if value in values[:n]]
            if twice:
                raise BadInput(f"{axis} holds {twice[0]} twice; give each once.")
        for method in self.methods:
            if method not in VARIANTS:
                raise BadInput(f"{method!r} is no method; give some of {', '.join(VARIANTS)}.")
        for seed in self.seeds:
            if not 0 <= seed < 2**63:
                raise BadInput(f"A seed is {seed}; give whole numbers from 0 to 2**63 - 1.")
        require_checkpoints(self.checkpoints)
        for point in self.points():
            self.config_of(point)

    def points(self) -> list[Point]:
        """All runs in grid order: by method, sparsity and seed, however they were given."""
        methods = [method for method in VARIANTS if method in self.methods]
        return [Point(m, s, seed) for m in methods for s in sorted(self.sparsities) for seed in sorted(self.seeds)]

    def config_of(self, point: Point) -> SparseConfig:
        """The configuration of one run."""
        connectivity, delays = point.method.split("-")
        return replace(self.config, connectivity=connectivity, delays=delays, sparsity=point.sparsity)  # type: ignore[arg-type]

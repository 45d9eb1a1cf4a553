"""The configuration of sparse networks whose synapses are fixed or rewired, and their record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from stanalysis.errors import BadInput
from trainers.methods.contract import Axis, Design, LearningRule, Method
from trainers.methods.dcls.config import DclsConfig
from trainers.methods.settings import require_at_least

Grow = Literal["neg_grad", "pos_grad", "abs_grad", "random"]
Variant = Literal["fixed-fixed", "fixed-learned", "rewired-fixed", "rewired-learned"]  # connectivity-delays
VARIANTS: tuple[Variant, ...] = get_args(Variant)
SPARSITIES = (0.0, *(1 - 0.5**n for n in range(1, 10)))


@dataclass(frozen=True)
class SparseConfig(DclsConfig):
    """A sparse network, its synapses fixed or pruned and regrown (DEEP R, RigL).

    Every birth and death is in rewiring.nc. The preset ``meszaros2024`` is the rewiring published by Mészáros, Knight &
    Nowotny 2024, which is slower.

    Attributes
    ----------
    kernel_count
        Synapses (contacts) per pair of neurons, at first: 1.
    sparsity
        Share of the pairs of neurons of every projection without a synapse, from 0 to below 1, at first; the number of
        synapses stays.
    connectivity
        ``rewired`` during training, or ``fixed`` at random, with weights of either sign.
    signs
        Of rewired synapses, at random: one for each ``synapse``, or for each ``source`` (Dale).
    candidates
        Where synapses may grow: at any free (target, source, delay bin), of which a random subset is judged (``delays``); or
        between any pair that has none (``pairs``, as published), each pair keeping its delay while nothing joins it.
    candidate_share
        Share of all (target, source, delay bin) that is drawn to be judged for regrowth, with candidates ``delays``; at
        least as many as there are synapses.
    grow
        Which candidates grow: those of the most negative gradient of the magnitude, the most positive, the largest of either
        sign, or any, at random.
    every
        Training steps between rewirings. In between, a magnitude that falls to 0 is held there and may rise again.
    temperature
        Of DEEP R's random walk of the magnitudes; 0 for none.
    drop_fraction
        Share of the synapses pruned at a rewiring for being the smallest (RigL), falling to 0 as half a cosine; those at 0
        count among them.
    moments
        Adam's moments of a new synapse: ``fresh``; or those of its ``slot``, which go on moving while it is empty. That is
        the published procedure, with candidates ``pairs`` and a rewiring at every step; it needs every slot's gradient, and
        a pruned magnitude, below 0, acts for one more step.
    """

    kernel_count: Literal[1] = 1
    sparsity: float = 0.9
    connectivity: Literal["rewired", "fixed"] = "rewired"
    signs: Literal["synapse", "source"] = "synapse"
    candidates: Literal["delays", "pairs"] = "delays"
    candidate_share: float = 0.04
    grow: Grow = "neg_grad"
    every: int = 10
    temperature: float = 0.0
    drop_fraction: float = 0.0
    moments: Literal["fresh", "slot"] = "fresh"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, every=1, temperature=0)
        if not 0 <= self.sparsity < 1:
            raise BadInput(f"sparsity is {self.sparsity}; give a share from 0 to below 1.")
        if not 0 <= self.drop_fraction < 1:
            raise BadInput(f"drop_fraction is {self.drop_fraction}; give a share from 0 to below 1.")
        if not 0 < self.candidate_share <= 1:
            raise BadInput(f"candidate_share is {self.candidate_share}; give a share above 0, at most 1.")
        if self.moments == "slot" and (self.candidates != "pairs" or self.every != 1):
            raise BadInput("moments is 'slot', which needs candidates 'pairs' and every 1; give those too.")
        if self.moments == "slot" and self.drop_fraction:
            raise BadInput("moments is 'slot', where only magnitudes at 0 are pruned; give drop_fraction 0.")


def _rule() -> LearningRule:
    from trainers.methods.rewired.sparse import RULE

    return RULE


DESIGN = Design(
    axes=(
        Axis(
            "methods",
            "Synapses fixed or rewired, delays fixed or learned, e.g. rewired-learned.",
            tuple[Variant, ...],
            VARIANTS,
            changes=lambda variant: dict(zip(("connectivity", "delays"), variant.split("-"), strict=True)),
            value=lambda config: f"{config.connectivity}-{config.delays}",
        ),
        Axis(
            "sparsities",
            "Shares of the pairs of neurons without a synapse.",
            tuple[float, ...],
            SPARSITIES,
            changes=lambda sparsity: {"sparsity": sparsity},
            value=lambda config: config.sparsity,
            word="s{:g}",
        ),
    ),
    columns=lambda config: {name: getattr(config, name) for name in ("connectivity", "delays", "sparsity")},
    effort=lambda config: (-config.sparsity, config.connectivity == "rewired", config.delays == "learned"),
)

SPARSE = Method(
    name="sparse",
    verb="sparse",
    config=SparseConfig,
    presets={
        "default": SparseConfig(),
        "meszaros2024": SparseConfig(candidates="pairs", every=1, moments="slot"),
    },
    wants="frames",
    rule=_rule,
    design=DESIGN,
)

"""The configuration of dense networks with learned delays, and their record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from stanalysis.errors import BadInput
from trainers.methods.contract import Axis, Design, LearningRule, Method, hidden_sizes
from trainers.methods.settings import require_at_least, require_valid

_FromNone = Literal["none", "fixed", "learned"]


@dataclass(frozen=True)
class DclsConfig:
    """A dense network whose delays are learned by gradients (DCLS).

    The preset ``meszaros2024`` is that of Mészáros, Knight & Nowotny 2024, ``hammouamri2024`` that of Hammouamri,
    Khalfaoui-Hassani & Masquelier 2024.

    Attributes
    ----------
    hidden
        Neurons of each hidden population, e.g. --hidden 256 256.
    delays
        ``learned``; ``fixed`` at random whole bins; or ``none``, all delays 0.
    kernel_count
        Synapses (contacts) per pair of neurons.
    n_bins
        Delay bins: the longest delay is one less, in steps.
    time_constant
        Of the membrane, in steps; the decay per step is 1 - 1 / time_constant.
    latency
        Steps from a current to the membrane of a hidden neuron. It belongs to the neuron, not to any delay.
    readout_latency
        The same of a readout.
    reset_erases_input
        Whether the reset also erases the current arriving in the step of the spike.
    surrogate_alpha
        Steepness of the arctan surrogate gradient.
    late_arrivals
        Whether every projection lengthens the signal by half of the longest delay, to let late arrivals in.
    dropout
        Probability that a hidden neuron is silenced in a sample, for all of its steps.
    batch_size
        Samples per training step.
    epochs
        Passes through the training data.
    weight_rate
        Peak learning rate of the weights, gains and biases, over one cycle.
    delay_rate
        Peak learning rate of the delays, in bins, falling as a cosine.
    l1
        Penalty on the sum of the magnitudes of the weights.
    weight_decay
        Penalty on half the sum of the squares of the weights.
    """

    hidden: tuple[int, ...] = (256,)
    delays: Literal["learned", "fixed", "none"] = "learned"
    kernel_count: int = 1
    n_bins: int = 25
    time_constant: float = 10.05
    latency: int = 2
    readout_latency: int = 1
    reset_erases_input: bool = True
    surrogate_alpha: float = 5.0
    late_arrivals: bool = False
    dropout: float = 0.4
    batch_size: int = 256
    epochs: int = 150
    weight_rate: float = 5e-3
    delay_rate: float = 0.1
    l1: float = 0.01
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        require_valid(self)
        require_at_least(self, kernel_count=1, n_bins=1, time_constant=1, batch_size=2, epochs=1, weight_rate=0, delay_rate=0)
        require_at_least(self, l1=0, weight_decay=0, latency=0, readout_latency=0)
        if not self.hidden or min(self.hidden) < 1:
            raise BadInput(f"hidden is {self.hidden}; give at least one population of at least one neuron.")
        if not 0 <= self.dropout < 1:
            raise BadInput(f"dropout is {self.dropout}; give a probability from 0 to below 1.")


MESZAROS_2024 = DclsConfig()
HAMMOUAMRI_2024 = DclsConfig(
    hidden=(256, 256),
    time_constant=1.005,
    latency=0,
    readout_latency=0,
    reset_erases_input=False,
    late_arrivals=True,
    l1=0.0,
    weight_decay=1e-5,
)


def _rule() -> LearningRule:
    from trainers.methods.dcls.operated import RULE

    return RULE


DESIGN = Design(
    axes=(
        Axis(
            "delays",
            "None, fixed at random, or learned.",
            tuple[_FromNone, ...],
            get_args(_FromNone),
            changes=lambda delays: {"delays": delays},
            value=lambda config: config.delays,
            word="dense-{}",
        ),
        hidden_sizes(64, 128, 256),
    ),
    columns=lambda config: {
        "connectivity": "feedforward",
        "delays": config.delays,
        "sparsity": 0.0,
        "n_hidden": sum(config.hidden),
    },
    effort=lambda config: (sum(config.hidden), get_args(_FromNone).index(config.delays)),
)

DENSE = Method(
    name="dcls",
    verb="dense",
    config=DclsConfig,
    presets={"meszaros2024": MESZAROS_2024, "hammouamri2024": HAMMOUAMRI_2024},
    wants="frames",
    rule=_rule,
    design=DESIGN,
)

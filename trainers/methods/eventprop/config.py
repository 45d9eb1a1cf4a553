"""The configuration of event-based networks with delays, and their record."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from stanalysis.errors import BadInput
from trainers.methods.contract import Axis, Design, LearningRule, Method, Tables, hidden_sizes
from trainers.methods.settings import require_at_least, require_valid

Delays = Literal["learned", "fixed", "none"]
_FROM_NONE: tuple[Delays, ...] = ("none", "fixed", "learned")


@dataclass(frozen=True)
class EventPropConfig:
    """A network of spiking neurons with delays by exact gradients of its spikes (EventProp).

    Weights and delays, recurrent ones too, are learned from spikes alone (Mészáros, Knight & Nowotny 2025). The presets
    ``shd``, ``shd_recurrent``, ``ssc`` and ``braille`` are after the published settings for these data sets; ``yin_yang`` and
    ``digits`` are our own.

    Attributes
    ----------
    hidden
        Neurons of each hidden population, e.g. --hidden 256 256.
    recurrent
        Whether every hidden population also drives itself.
    delays
        From the input and between hidden populations: ``learned``; ``fixed`` at random; or ``none``, all 0.
    recurrent_delays
        Delays within hidden populations: learned, fixed or none, too.
    readout_delays
        Delays to the output: ``learned``, ``fixed`` or ``none``, too.
    readout
        Leaky integrators read by the weighted ``mean`` or the ``maximum`` of their voltage, with cross-entropy; or spiking
        neurons, of which the ``first`` to fire tells the class.
    margin
        With readout ``first``: how much later than that of the class the others should fire, in ms.
    scheme
        ``exact``: crossings are solved within a time step; ``published``: the discretisation of the authors' code, whose
        gradients are approximate.
    timing
        Of the input: its spikes begin a time step and their delays are whole ``steps``, which is fast; or both are
        ``continuous``. Spikes of other neurons are continuous in the exact scheme.
    dt
        Time step in ms.
    tau_mem
        Time constant of the membrane in ms.
    tau_syn
        Time constant of the synaptic current in ms.
    tau_out
        Time constant of the membrane of leaky integrators in ms.
    trial
        Duration of a sample in ms, rounded up to whole steps; 0 for that of the longest recording. Nothing comes later.
    max_delay
        Longest delay in ms.
    start_delay
        Delays start between 0 and so many ms, those not recurrent.
    start_recurrent_delay
        Delays within hidden populations start between 0 and so many ms.
    input_weights
        Mean and standard deviation of the weights from the input, before training.
    hidden_weights
        Mean and standard deviation of the weights between hidden populations, before training.
    recurrent_weights
        Mean and standard deviation of the weights within hidden populations, before training.
    readout_weights
        Mean and standard deviation of the weights to the output, before training.
    batch_size
        Samples per training step.
    epochs
        Passes through the training data.
    weight_rate
        Learning rate of the weights.
    readout_rate
        Learning rate of the weights to the output.
    delay_rate
        Learning rate of the delays, in ms.
    schedule
        Whether the rates stay ``constant``, or fall over the epochs as half a ``cosine``.
    ease_in
        Training steps over which the rate of the weights rises from a hundredth, slowly at first.
    epsilon
        Added to the root of Adam's second moment: gradients of this size are not amplified.
    regulariser
        Strength of the pull of every hidden neuron towards --target-spikes.
    target_spikes
        Spikes of a neuron in a sample that the regulariser aims at.
    rescue
        Added to all weights that lead to a neuron which was silent for a whole epoch.
    least_slope
        Smallest I - 1 that is used in the factor 1 / (I - 1) by which an adjoint jumps at a spike.
    guard
        A sample's adjoint is cut at this size after a jump; 0 for no guard.
    dropout
        Probability that a hidden neuron is silenced in a training sample.
    channel_shift
        Training samples are shifted at random by up to so many channels.
    blend
        Share of the training samples that are mixed at random with another of their class.
    """

    hidden: tuple[int, ...] = (256,)
    recurrent: bool = False
    delays: Delays = "learned"
    recurrent_delays: Delays = "learned"
    readout_delays: Delays = "none"
    readout: Literal["mean", "maximum", "first"] = "mean"
    margin: float = 2.0
    scheme: Literal["exact", "published"] = "exact"
    timing: Literal["steps", "continuous"] = "steps"
    dt: float = 1.0
    tau_mem: float = 20.0
    tau_syn: float = 5.0
    tau_out: float = 20.0
    trial: float = 0.0
    max_delay: float = 300.0
    start_delay: float = 150.0
    start_recurrent_delay: float = 20.0
    input_weights: tuple[float, float] = (0.05, 0.15)
    hidden_weights: tuple[float, float] = (0.02, 0.03)
    recurrent_weights: tuple[float, float] = (0.0, 0.02)
    readout_weights: tuple[float, float] = (0.0, 1.0)
    batch_size: int = 128
    epochs: int = 40
    weight_rate: float = 5e-3
    readout_rate: float = 1.0
    delay_rate: float = 2.0
    schedule: Literal["cosine", "constant"] = "cosine"
    ease_in: int = 0
    epsilon: float = 1e-8
    regulariser: float = 0.0
    target_spikes: float = 14.0
    rescue: float = 0.002
    least_slope: float = 1e-3
    guard: float = 0.0
    dropout: float = 0.3
    channel_shift: int = 0
    blend: float = 0.0

    def __post_init__(self) -> None:
        require_valid(self)
        require_at_least(
            self, batch_size=1, epochs=1, weight_rate=0, readout_rate=0, delay_rate=0, ease_in=0, regulariser=0, target_spikes=0
        )
        require_at_least(
            self, trial=0, rescue=0, guard=0, channel_shift=0, max_delay=0, start_delay=0, start_recurrent_delay=0, margin=0
        )
        require_at_least(self, epsilon=1e-30, dt=1e-3, tau_mem=1e-3, tau_syn=1e-3, tau_out=1e-3, least_slope=1e-9)
        if any(n < 1 for n in self.hidden):
            raise BadInput(f"hidden is {self.hidden}; give populations of at least one neuron.")
        if not 0 <= self.dropout < 1:
            raise BadInput(f"dropout is {self.dropout}; give a probability from 0 to below 1.")
        if not 0 <= self.blend <= 1:
            raise BadInput(f"blend is {self.blend}; give a share from 0 to 1.")
        for name in ("tau_mem", "tau_out"):
            tau = getattr(self, name)
            if abs(tau / self.tau_syn - 1) < 1e-3:
                raise BadInput(f"{name} and tau_syn are both about {tau} ms; give time constants that differ.")
        rise = math.log(self.tau_mem / self.tau_syn) / (1 / self.tau_syn - 1 / self.tau_mem)
        if self.dt > rise:
            raise BadInput(f"dt is {self.dt} ms, longer than a spike's effect on V rises ({rise:.3g} ms); give less.")
        for name in ("start_delay", "start_recurrent_delay") if self.recurrent else ("start_delay",):
            if getattr(self, name) > self.max_delay:
                raise BadInput(f"{name} is {getattr(self, name)}; give at most max_delay, {self.max_delay}.")
        for name in ("input_weights", "hidden_weights", "recurrent_weights", "readout_weights"):
            if len(getattr(self, name)) != 2 or getattr(self, name)[1] < 0:
                raise BadInput(f"{name} is {getattr(self, name)}; give a mean and a standard deviation.")
        if self.recurrent and self.recurrent_delays == "fixed" and not self.start_recurrent_delay:
            raise BadInput(
                "start_recurrent_delay is 0, as would be all fixed recurrent delays; give more, or recurrent_delays none."
            )
        if self.scheme == "published" and self.timing != "steps":
            raise BadInput("The published scheme knows steps only; give timing 'steps', or the exact scheme.")
        if self.timing == "steps" and abs(self.max_delay / self.dt - round(self.max_delay / self.dt)) > 1e-6:
            raise BadInput(f"max_delay is {self.max_delay} ms, no multiple of dt, {self.dt} ms; give whole steps.")


def _rule() -> LearningRule:
    from trainers.methods.eventprop.rule import RULE

    return RULE


def _network(config: EventPropConfig) -> str:
    return "recurrent" if config.recurrent else "feedforward"


def _n_parameters(config: EventPropConfig, tables: Tables) -> int:
    """The weights, and the delays of the projections that learn them."""
    n = 0
    for (source, target), table in tables.items():
        to_output = config.readout_delays if target == "output" else config.delays
        delays = config.recurrent_delays if source == target else to_output
        n += table.sizes["synapse"] * (2 if delays == "learned" else 1)
    return n


DESIGN = Design(
    axes=(
        Axis(
            "networks",
            "Feedforward, or recurrent: every hidden neuron also drives those of its population.",
            tuple[Literal["feedforward", "recurrent"], ...],
            ("feedforward", "recurrent"),
            changes=lambda network: {"recurrent": network == "recurrent"},
            value=_network,
        ),
        Axis(
            "delays",
            "None, fixed at random, or learned: from the input, and within a recurrent population.",
            tuple[Literal["none", "fixed", "learned"], ...],
            _FROM_NONE,
            changes=lambda delays: {"delays": delays, "recurrent_delays": delays},
            value=lambda config: config.delays,
        ),
        hidden_sizes(64, 128, 256),
    ),
    columns=lambda config: {
        "connectivity": _network(config),
        "delays": config.delays,
        "sparsity": 0.0,
        "n_hidden": sum(config.hidden),
    },
    effort=lambda config: (sum(config.hidden), config.recurrent, _FROM_NONE.index(config.delays)),
    n_parameters=_n_parameters,
)

_PUBLISHED = EventPropConfig(
    start_delay=100.0,
    start_recurrent_delay=0.0,
    max_delay=1000.0,
    input_weights=(0.03, 0.01),
    readout_weights=(0.0, 0.03),
    batch_size=256,
    epochs=100,
    weight_rate=1e-3,
    readout_rate=1e-3,
    delay_rate=0.1,
    schedule="constant",
    ease_in=14,
    epsilon=5e-10,
    regulariser=2.5e-12,
    dropout=0.0,
)
PRESETS = {
    "digits": EventPropConfig(),
    "shd": replace(_PUBLISHED, channel_shift=40, blend=0.5),
    "shd_recurrent": replace(_PUBLISHED, hidden=(512,), recurrent=True, start_delay=150.0, channel_shift=40, blend=0.5),
    "ssc": replace(_PUBLISHED, hidden=(512, 512), start_delay=50.0, regulariser=2.5e-13, channel_shift=40),
    "braille": replace(
        _PUBLISHED,
        hidden=(256, 256),
        input_weights=(0.3, 0.1),
        start_delay=0.0,
        weight_rate=1.5e-5,
        readout_rate=1.5e-5,
        delay_rate=0.025,
        regulariser=5e-12,
    ),
    "yin_yang": EventPropConfig(
        hidden=(30,),
        readout="first",
        timing="continuous",
        dt=0.5,
        trial=45.0,
        max_delay=20.0,
        start_delay=0.0,
        input_weights=(2.5, 2.0),
        readout_weights=(0.5, 0.5),
        batch_size=150,
        epochs=150,
        weight_rate=0.02,
        readout_rate=0.02,
        delay_rate=0.1,
        rescue=0.1,
        guard=10.0,
        dropout=0.0,
    ),
}

EVENTPROP = Method(
    name="eventprop",
    verb="eventprop",
    config=EventPropConfig,
    presets=PRESETS,
    wants="events",
    data={"yin_yang": "yin_yang"},
    rule=_rule,
    design=DESIGN,
)

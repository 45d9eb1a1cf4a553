"""The configuration of networks that fire once, and their record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from stanalysis.errors import BadInput
from trainers.methods.contract import Axis, Design, LearningRule, Method, Tables, hidden_sizes
from trainers.methods.settings import require_at_least, require_valid

Delays = Literal["none", "axonal", "dendritic", "synaptic"]
Bound = Literal["sigmoid", "clip"]
LONGEST = 300.0  # of the longest delay, in time constants: the square of its exponential is still a number
MOST = {"ms_per_unit": 1e6, "tau_mem": 1e4, "margin": 1e3, "most_silent": 1.0, "most_silent_output": 1.0}


@dataclass(frozen=True)
class DelGradConfig:
    """A network of neurons that fire once, with delays, by exact gradients of its spike times (DelGrad).

    The first output to fire tells the class (Göltz, Weber, Kriener et al. 2025). Times are in units of the synaptic time
    constant here, and in ms in checkpoints. The presets ``goltz2025-…`` are after the published settings: synaptic (ws), axonal
    (wa), dendritic (wd) or no delays (w), 5 hidden neurons, and the chip in simulation (hardware); ``yin_yang`` is our own.

    Attributes
    ----------
    hidden
        Neurons of each hidden population, e.g. --hidden 30 30.
    delays
        Learned delays of each synapse (``synaptic``), of each source (``axonal``) or target (``dendritic``), or ``none``.
    ms_per_unit
        The synaptic time constant in ms: the unit of all times here.
    tau_mem
        Time constant of the membrane, in units.
    threshold
        Of the membrane's voltage.
    bound
        How a delay stays in its range: as a ``sigmoid`` of what is learned, or by a ``clip`` after each step.
    delay_shift
        Shortest delay, in units; of no meaning without delays.
    delay_scale
        Longest less shortest delay, in units; likewise.
    start_delays
        Mean and standard deviation of what is learned of a delay, before training; with ``clip`` it is what the delay is
        longer than the shortest.
    hidden_weights
        Mean and standard deviation of the weights to hidden populations, before training.
    readout_weights
        Mean and standard deviation of the weights to the output, before training.
    copies
        Synapses by which an input channel drives a neuron. Axonal delays are as many as channels, and copy k of channel c has
        the one at (c copies + k) modulo channels.
    spikes
        Most spikes of a hidden neuron in a sample; published networks have 1. The output fires once.
    margin
        How much later than that of the class the other outputs should fire, in units.
    batch_size
        Samples per training step.
    epochs
        Passes through the training data.
    weight_rate
        Learning rate of the weights.
    delay_rate
        Learning rate of the delays: of what is learned of them.
    rate_factor
        Both rates are multiplied by it.
    schedule
        Whether the rates fall in ``steps`` of 5 % every 20 epochs, over the epochs as half a ``cosine``, or stay ``constant``.
    guard
        Where a spike's gradient by the weight of one arrival is larger than this, it moves no weight of its neuron; 0 for none.
    bump
        Added to all weights of a neuron that was silent in a sample, in place of a training step, while too many are; doubled
        while the same population needs it again in the very next batch. 0 for never.
    most_silent
        Share of silent neurons, over a batch, that is borne in a hidden population; samples without a spike do not count.
    most_silent_output
        Share of silent neurons that is borne in the output.
    jitter
        Standard deviation of the noise on each spike as it sets out, in training, in units.
    threshold_noise
        Mean and standard deviation over neurons of what is added to the threshold.
    threshold_jitter
        Standard deviation of what is added to a neuron's threshold in each batch of the training.
    weight_step
        The network computes with weights rounded to multiples of this; 0 for no rounding.
    largest_weight
        Weights stay from minus this to this; 0 for no limit.
    """

    hidden: tuple[int, ...] = (30,)
    delays: Delays = "synaptic"
    ms_per_unit: float = 10.0
    tau_mem: float = 2.0
    threshold: float = 1.0
    bound: Bound = "sigmoid"
    delay_shift: float = 0.0
    delay_scale: float = 1.0
    start_delays: tuple[float, float] = (0.0, 0.25)
    hidden_weights: tuple[float, float] = (1.0, 1.0)
    readout_weights: tuple[float, float] = (1.0, 1.0)
    copies: int = 1
    spikes: int = 1
    margin: float = 0.2
    batch_size: int = 150
    epochs: int = 300
    weight_rate: float = 0.01
    delay_rate: float = 0.003
    rate_factor: float = 1.0
    schedule: Literal["steps", "cosine", "constant"] = "steps"
    guard: float = 0.2
    bump: float = 5e-4
    most_silent: float = 0.3
    most_silent_output: float = 0.0
    jitter: float = 0.0
    threshold_noise: tuple[float, float] = (0.0, 0.0)
    threshold_jitter: float = 0.0
    weight_step: float = 0.0
    largest_weight: float = 0.0

    def __post_init__(self) -> None:
        require_valid(self)
        require_at_least(self, batch_size=1, epochs=1, copies=1, spikes=1, weight_rate=0, delay_rate=0, rate_factor=0)
        require_at_least(self, delay_shift=0, delay_scale=0, margin=0, guard=0, bump=0, most_silent=0, most_silent_output=0)
        require_at_least(self, jitter=0, threshold_jitter=0, weight_step=0, largest_weight=0)
        require_at_least(self, ms_per_unit=1e-6, tau_mem=1e-2, threshold=1e-9)
        for name, most in MOST.items():
            if getattr(self, name) > most:
                raise BadInput(f"{name} is {getattr(self, name)}; give {most:g} or less.")
        if 0 < self.weight_step < 1e-6:
            raise BadInput(f"weight_step is {self.weight_step}; give 0 for none, or 1e-06 or more.")
        if any(n < 1 for n in self.hidden):
            raise BadInput(f"hidden is {self.hidden}; give populations of at least one neuron.")
        if 0 < abs(self.tau_mem - 1) < 1e-3:
            raise BadInput(f"tau_mem is {self.tau_mem}, nearly the synaptic time constant; give 1, or one that differs.")
        for name in ("start_delays", "hidden_weights", "readout_weights", "threshold_noise"):
            if len(getattr(self, name)) != 2 or getattr(self, name)[1] < 0:
                raise BadInput(f"{name} is {getattr(self, name)}; give a mean and a standard deviation.")
        most, longest = LONGEST * min(1.0, self.tau_mem), self.delay_shift + self.delay_scale
        if longest > most:
            raise BadInput(f"delay_shift and delay_scale allow delays of {longest:g} units; give at most {most:g}.")
        if self.threshold + self.threshold_noise[0] <= 0:
            raise BadInput(f"The mean threshold is {self.threshold + self.threshold_noise[0]:g}; give one above 0.")


def _rule() -> LearningRule:
    from trainers.methods.delgrad.rule import RULE

    return RULE


_WS = DelGradConfig()
_WA = replace(_WS, delays="axonal", weight_rate=0.005, delay_rate=0.005)
PRESETS = {
    "goltz2025-ws": _WS,
    "goltz2025-wa": _WA,
    "goltz2025-wd": replace(_WA, delays="dendritic"),
    "goltz2025-w": replace(_WS, delays="none", hidden_weights=(0.5, 1.0), readout_weights=(0.5, 1.0), weight_rate=0.02),
    "goltz2025-5ws": replace(_WS, hidden=(5,), weight_rate=0.015, delay_rate=0.01),
    "goltz2025-hardware": DelGradConfig(
        delays="axonal",
        tau_mem=1.0,
        threshold=2.6,
        delay_shift=2.0,
        delay_scale=1.5,
        start_delays=(0.0, 0.5),
        hidden_weights=(1.0, 0.12),
        readout_weights=(0.075, 0.15),
        copies=5,
        margin=0.3,
        batch_size=40,
        weight_rate=0.002,
        delay_rate=0.002,
        most_silent=0.05,
        most_silent_output=0.05,
        jitter=0.01,
        threshold_noise=(0.13, 0.08),
        threshold_jitter=0.04,
        weight_step=1 / 30,
        largest_weight=2.1,
    ),
    "yin_yang": replace(_WS, schedule="cosine", rate_factor=2.5, most_silent=0.1),
}


def _n_parameters(config: DelGradConfig, tables: Tables) -> int:
    """The weights, and a delay for each synapse, source or target."""
    n = 0
    for table in tables.values():
        n_synapses, n_source, n_target = table.sizes["synapse"], table.attrs["n_source"], table.attrs["n_target"]
        delays = {"none": 0, "axonal": n_source, "dendritic": n_target, "synaptic": n_synapses}
        n += n_synapses + int(delays[config.delays])
    return n


DESIGN = Design(
    axes=(
        Axis(
            "delays",
            "Learned delays of each source (axonal), of each target (dendritic) or of each synapse, or none.",
            tuple[Delays, ...],
            get_args(Delays),
            changes=lambda delays: {"delays": delays},
            value=lambda config: config.delays,
        ),
        hidden_sizes(5, 10, 30),
    ),
    columns=lambda config: {
        "connectivity": "feedforward",
        "delays": config.delays,
        "sparsity": 0.0,
        "n_hidden": sum(config.hidden),
    },
    effort=lambda config: (sum(config.hidden), get_args(Delays).index(config.delays)),
    n_parameters=_n_parameters,
)

DELGRAD = Method(
    name="delgrad",
    verb="delgrad",
    config=DelGradConfig,
    presets=PRESETS,
    wants="events",
    data=dict.fromkeys(PRESETS, "yin_yang"),
    rule=_rule,
    design=DESIGN,
)

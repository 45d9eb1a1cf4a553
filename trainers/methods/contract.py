"""A method: a learning rule with its network, as the command line, the loop, sweeps and operations know it.

Adding one is described in ``docs/developers/methods.md``. Nothing here imports numpy: the command line's help reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from trainers.datasets import DEFAULTS
from trainers.methods.settings import Setting, head, setting_of

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from trainers.datasets.recordings import Content, DataFormat

Tables = Mapping[tuple[str, str], "xr.Dataset"]  # synapses by (source population, target population)


class Evaluation(NamedTuple):
    """What a network makes of a batch.

    Attributes
    ----------
    loss, prediction
        Of every sample (batch).
    spikes
        Of every hidden population, the spikes of each neuron (neuron), summed over the batch: all of them, or per time step.
        `LearningRule.describe` gets their mean over the samples, and knows which.
    """

    loss: NDArray
    prediction: NDArray
    spikes: list[NDArray]


class Activity(NamedTuple):
    """What populations send in a batch.

    Attributes
    ----------
    sent
        By population, the input among them, dims (neuron, time, batch): values, or numbers of spikes, in each step.
    dt
        The step in ms.
    """

    sent: Mapping[str, NDArray]
    dt: float


class Description(NamedTuple):
    """A network as a checkpoint holds it.

    Attributes
    ----------
    populations
        Tables of neurons by name, as `stanalysis.files.checkpoint.population` makes them, from the input to the output.
    projections
        Synapse tables, as `stanalysis.files.checkpoint.projection` makes them: delays in ms, synaptic, axonal or dendritic,
        and recurrent projections, too, as ``("hidden1", "hidden1")``.
    dt
        Resolution in ms at which the delays act; 0 where they are continuous.
    """

    populations: Mapping[str, xr.Dataset]
    projections: Tables
    dt: float


def no_events(state: Any) -> None:
    """Of a method in which no synapse is born or dies."""


def nothing_watched(state: Any) -> Mapping[str, float]:  # noqa: ARG001
    """Of a method whose training shows in loss and accuracy alone."""
    return {}


@dataclass(frozen=True)
class LearningRule:
    """The functions of a method.

    The state of a network in training is the method's own but for ``arrays``, a dictionary of arrays by name: they are what
    a checkpoint keeps for `restored`, and training has diverged once they are not finite. A batch, too, is opaque: it is what
    data of the kind that the method wants give, as `trainers.datasets.recordings.Samples` says. Random numbers come from
    `stanalysis.files.random_streams.random_stream`, so that a resumed run draws the same.

    Attributes
    ----------
    init
        ``init(config, seed, data)``: the state before training; ``data`` is a `DataFormat`, what the network must know.
    step
        ``step(state, batch, label, *, step, epoch)``: train on batch number ``step`` from 0, in place; loss and prediction
        (batch) of its samples.
    evaluate
        ``evaluate(state, batch, label)``: an `Evaluation` of the network as it would be deployed; the state stays.
    describe
        ``describe(state, *, epoch, spikes)``: a `Description`, with the spikes of `Evaluation` as means over the samples.
    restored
        ``restored(state, arrays)``: the state that had these arrays, from one that `init` gave; `BadInput` if it had not.
    events
        ``events(state)``: births and deaths of synapses since the last call, as `stanalysis.files.rewiring_log.event_table`
        makes them, of projections by their place in `Description`; None where there is no such log.
    deploy
        ``deploy(state, tables)``: a state to evaluate, in which the projections in ``tables`` have exactly those synapses
        (source, target, delay in ms, weight), and everything else is as it was; `BadInput` for a table that this network
        cannot run. None where the method has no such networks: no operation can be done to them then.
    watched
        ``watched(state)``: further columns of metrics.csv at the end of an epoch, by name.
    sent
        ``sent(state, batch)``: an `Activity`, what every population sends to others while `evaluate` runs; None where that is
        not known: the doses of operations are not either then.
    renormalised
        ``renormalised(state, batches)``: the state with its normalisation taken anew from these; None where there is none.
    refitting
        ``refitting(state, epochs)``: a state to `step` on from step and epoch 0, its weights alone: delays and what is joined
        stay. None where that cannot be.
    """

    init: Callable[[Any, int, DataFormat], Any]
    step: Callable[..., tuple[NDArray, NDArray]]
    evaluate: Callable[[Any, Any, NDArray], Evaluation]
    describe: Callable[..., Description]
    restored: Callable[[Any, dict[str, NDArray]], Any]
    events: Callable[[Any], xr.Dataset | None] = no_events
    deploy: Callable[[Any, Tables], Any] | None = None
    watched: Callable[[Any], Mapping[str, float]] = nothing_watched
    sent: Callable[[Any, Any], Activity] | None = None
    renormalised: Callable[[Any, Iterable[Any]], Any] | None = None
    refitting: Callable[[Any, int], Any] | None = None


@dataclass(frozen=True)
class Axis:
    """One thing that the networks of a sweep differ in.

    Attributes
    ----------
    name
        Of its option and of its entry in grid files, in the plural.
    text
        What its values are, for the help.
    hint
        Type of its values, as of a field of a configuration: a tuple of numbers, or of a `Literal` of texts in grid order.
    values
        Those of a sweep that gives none.
    changes
        ``changes(value)``: what it sets in the configuration, by field; the same fields for each value.
    value
        ``value(config)``: the value that a configuration has.
    word
        Format of a value in the names of run folders; it tells apart values that differ.
    """

    name: str
    text: str
    hint: Any
    values: tuple[Any, ...]
    changes: Callable[[Any], Mapping[str, Any]]
    value: Callable[[Any], Any]
    word: str = "{}"

    @property
    def setting(self) -> Setting:
        """Its option, and what a grid file may hold of it."""
        return setting_of(self.name, self.hint, self.text)


def hidden_sizes(*values: int) -> Axis:
    """The axis of methods whose field ``hidden`` has the neurons of each population, for networks of one."""
    return Axis(
        "sizes",
        "Neurons of the one hidden population.",
        tuple[int, ...],
        values,
        changes=lambda size: {"hidden": (size,)},
        value=lambda config: config.hidden[0] if config.hidden else 0,
        word="n{}",
    )


@dataclass(frozen=True)
class Design:
    """How a sweep of a method is laid out.

    Attributes
    ----------
    axes
        What its networks differ in, besides the seed.
    columns
        ``columns(config)``: what sweep.csv says of a network's place in the grid: connectivity, delays and sparsity, and
        n_hidden where that is an axis, as `stanalysis.schema.network.SWEEP` has them.
    effort
        ``effort(config)``: orders configurations by how long they train; the longest begin first.
    n_parameters
        ``n_parameters(config, tables)``: how many weights and delays of a network with these synapses are learned, for
        sweep.csv; None where that is of no interest.
    """

    axes: tuple[Axis, ...]
    columns: Callable[[Any], Mapping[str, Any]]
    effort: Callable[[Any], Any]
    n_parameters: Callable[[Any, Tables], int] | None = None

    @property
    def fields(self) -> frozenset[str]:
        """The fields of the configuration that the axes set."""
        return frozenset(name for axis in self.axes for name in axis.changes(axis.values[0]))


@dataclass(frozen=True)
class Method:
    """The record of a method: all that is said of it anywhere derives from this.

    Attributes
    ----------
    name
        As run.json and checkpoints store it.
    verb
        ``stanalysis train VERB``.
    config
        Its configuration, with at least ``batch_size`` and ``epochs``: a frozen dataclass as
        `trainers.methods.settings` wants it. Its docstring is the help of the verb, its first line a noun phrase.
    presets
        Configurations to start from, by name; the first is the default.
    wants
        The kind of data it learns from.
    rule
        Imports and returns its functions; only called to train or evaluate.
    design
        How a sweep of it is laid out; None where there are none.
    data
        Of a preset, the built-in data set that it is for, where that is not the default of the kind.
    """

    name: str
    verb: str
    config: type[Any]
    presets: Mapping[str, Any]
    wants: Content
    rule: Callable[[], LearningRule]
    design: Design | None = None
    data: Mapping[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """What its verb does, in a line."""
        phrase, _ = head(self.config)
        return f"Train {phrase[0].lower()}{phrase[1:]}"

    @property
    def default(self) -> Any:
        """The configuration to start from where none is named."""
        return next(iter(self.presets.values()))

    def data_of(self, preset: str | None) -> str:
        """The built-in data set of a preset; of None, that of the default one."""
        return self.data.get(preset or next(iter(self.presets)), DEFAULTS[self.wants])

"""Variables of checkpoints, rewiring logs, receptive fields and sweeps."""

from __future__ import annotations

from stanalysis.schema.variables import Variable, declared

_SYNAPSE = ("synapse",)

_NEURON = ("neuron",)

_FIELD = (..., "source", "delay")

SYNAPSES = declared(
    Variable("source", _SYNAPSE, "i", "1", "presynaptic neuron or channel"),
    Variable("target", _SYNAPSE, "i", "1", "postsynaptic neuron"),
    Variable("delay", _SYNAPSE, "f", "ms", "delay from presynaptic spike to postsynaptic effect, as learned"),
    Variable("weight", _SYNAPSE, "f", "1", "signed synaptic weight"),
    Variable("contact", _SYNAPSE, "i", "1", "index among the synapses of one pair"),
    Variable("sigma", _SYNAPSE, "f", "ms", "spread of the training kernel"),
)

REQUIRED_OF_SYNAPSES = ("source", "target", "delay", "weight")

_EVENT = ("event",)

EVENTS = declared(
    Variable("step", _EVENT, "i", "1", "training step at whose end it happened; 0 is the initial network"),
    Variable("projection", _EVENT, "i", "1", "index into the projections of the log"),
    Variable("kind", _EVENT, "i", "1", "whether a synapse is born or dies"),
    Variable("cause", _EVENT, "i", "1", "why it happened"),
    Variable("source", _EVENT, "i", "1", "presynaptic neuron or channel"),
    Variable("target", _EVENT, "i", "1", "postsynaptic neuron"),
    Variable("contact", _EVENT, "i", "1", "label among the living synapses of one pair, kept until death"),
    Variable("delay", _EVENT, "f", "ms", "delay at this moment"),
    Variable("weight", _EVENT, "f", "1", "signed synaptic weight at this moment; 0 if its magnitude has fallen to 0"),
    Variable("gradient", _EVENT, "f", "1", "gradient by the weight's magnitude that regrowth judged; NaN if it judged none"),
    Variable("rank", _EVENT, "i", "1", "order of choice at regrowth, 1 the first in its projection and step; 0 where none"),
    Variable("sign", _EVENT, "i", "1", "1 for an excitatory synapse, -1 for an inhibitory one"),
)

POPULATION = declared(
    Variable("frequency", _NEURON, "f", "Hz", "centre frequency of the channel"),
    Variable("gain", _NEURON, "f", "1", "gain of the normalisation"),
    Variable("bias", _NEURON, "f", "1", "bias of the normalisation"),
    Variable("mean", _NEURON, "f", "1", "running mean of the input current"),
    Variable("variance", _NEURON, "f", "1", "running variance of the input current, epsilon included"),
    Variable("time_constant", _NEURON, "f", "ms", "membrane time constant"),
    Variable("rate", _NEURON, "f", "Hz", "mean firing rate on the validation data"),
    *(Variable(axis, _NEURON, "f", "ms", f"position along {axis}, distances being delays") for axis in "xyz"),
)

METRICS = {
    f"{part}_{what}": Variable(f"{part}_{what}", (), "f", "1", f"{part} {what}")
    for part in ("train", "validation", "test")
    for what in ("loss", "accuracy")
}

RECEPTIVE_FIELD = declared(
    Variable("receptive_field", _FIELD, "f", "1", "synaptic weight at (source, delay)"),
    Variable("present", _FIELD, "b", "1", "whether a synapse is there"),
    Variable("n_synapses", (...,), "i", "1", "number of synapses"),
    Variable("contact_field", (..., "contact", "source", "delay"), "f", "1", "weight of each synapse of a pair"),
    Variable("contact_present", (..., "contact", "source", "delay"), "b", "1", "whether that synapse is there"),
)

_RUN = ("run",)

OPTIONAL_OF_SWEEPS = ("method", "n_hidden", "n_parameters")

SWEEP = declared(
    Variable("method", _RUN, "U", "1", "method of the training, where a sweep has several"),
    Variable("connectivity", _RUN, "U", "1", "synapses fixed or rewired; or all of them, feedforward or recurrent"),
    Variable("delays", _RUN, "U", "1", "whether the delays were fixed or learned, and of what, or there were none"),
    Variable("sparsity", _RUN, "f", "1", "sparsity asked for"),
    Variable("n_hidden", _RUN, "f", "1", "hidden neurons, where a sweep varies them"),
    Variable("n_parameters", _RUN, "f", "1", "weights and delays that are learned, where a sweep varies the hidden neurons"),
    Variable("seed", _RUN, "i", "1", "seed of the training"),
    Variable("n_synapses", _RUN, "i", "1", "synapses in the network"),
    Variable("n_possible", _RUN, "i", "1", "pairs of neurons that could have a synapse"),
    Variable("in_degree", _RUN, "f", "1", "mean input synapses of a neuron of the first hidden population"),
    Variable("n_input_synapses", _RUN, "i", "1", "synapses of the projection from the input"),
    Variable("epochs", _RUN, "i", "1", "epochs trained"),
    Variable("last_validation_accuracy", _RUN, "f", "1", "validation accuracy after the last epoch"),
    Variable("last_test_accuracy", _RUN, "f", "1", "test accuracy after the last epoch"),
    Variable("best_epoch", _RUN, "i", "1", "epoch best on validation"),
    Variable("best_validation_accuracy", _RUN, "f", "1", "validation accuracy after the best epoch"),
    Variable("best_test_accuracy", _RUN, "f", "1", "test accuracy after the best epoch"),
    Variable("seconds", _RUN, "f", "s", "duration of the training since last resumed; NaN if not known"),
)

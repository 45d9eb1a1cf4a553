"""Every variable that crosses a file, declared once: dims, kind, unit, meaning.

Dims are the last ones of the variable; ``...`` in front allows others before them. Kinds are those of numpy: ``f`` real,
``i`` whole number, ``b`` truth value, ``U`` text.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from types import EllipsisType

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput


@dataclass(frozen=True)
class Variable:
    """What a variable must be: ``units`` is ``"1"`` where it has none."""

    name: str
    dims: tuple[str | EllipsisType, ...]
    kind: str
    units: str
    long_name: str


_SYNAPSE = ("synapse",)
_NEURON = ("neuron",)
_FIELD = (..., "source", "delay")

SYNAPSES = {
    v.name: v
    for v in (
        Variable("source", _SYNAPSE, "i", "1", "presynaptic neuron or channel"),
        Variable("target", _SYNAPSE, "i", "1", "postsynaptic neuron"),
        Variable("delay", _SYNAPSE, "f", "ms", "delay from presynaptic spike to postsynaptic effect, as learned"),
        Variable("weight", _SYNAPSE, "f", "1", "signed synaptic weight"),
        Variable("contact", _SYNAPSE, "i", "1", "index among the synapses of one pair"),
        Variable("sigma", _SYNAPSE, "f", "ms", "spread of the training kernel"),
    )
}
REQUIRED_OF_SYNAPSES = ("source", "target", "delay", "weight")

_EVENT = ("event",)

EVENTS = {
    v.name: v
    for v in (
        Variable("step", _EVENT, "i", "1", "training step at whose end it happened; 0 is the initial network"),
        Variable("projection", _EVENT, "i", "1", "index into the projections of the log"),
        Variable("kind", _EVENT, "i", "1", "whether a synapse is born or dies"),
        Variable("cause", _EVENT, "i", "1", "why it happened"),
        Variable("source", _EVENT, "i", "1", "presynaptic neuron or channel"),
        Variable("target", _EVENT, "i", "1", "postsynaptic neuron"),
        Variable("contact", _EVENT, "i", "1", "label among the living synapses of one pair, kept until death"),
        Variable("delay", _EVENT, "f", "ms", "delay at this moment"),
        Variable("weight", _EVENT, "f", "1", "signed synaptic weight at this moment; 0 if its magnitude has fallen to 0"),
        Variable(
            "gradient", _EVENT, "f", "1", "gradient by the weight's magnitude that regrowth judged; NaN if it judged none"
        ),
        Variable("rank", _EVENT, "i", "1", "order of choice at regrowth, 1 the first in its projection and step; 0 where none"),
        Variable("sign", _EVENT, "i", "1", "1 for an excitatory synapse, -1 for an inhibitory one"),
    )
}

POPULATION = {
    v.name: v
    for v in (
        Variable("frequency", _NEURON, "f", "Hz", "centre frequency of the channel"),
        Variable("gain", _NEURON, "f", "1", "gain of the normalisation"),
        Variable("bias", _NEURON, "f", "1", "bias of the normalisation"),
        Variable("mean", _NEURON, "f", "1", "running mean of the input current"),
        Variable("variance", _NEURON, "f", "1", "running variance of the input current, epsilon included"),
        Variable("time_constant", _NEURON, "f", "ms", "membrane time constant"),
        Variable("rate", _NEURON, "f", "Hz", "mean firing rate on the validation data"),
        *(Variable(axis, _NEURON, "f", "ms", f"position along {axis}, distances being delays") for axis in "xyz"),
    )
}

METRICS = {
    f"{part}_{what}": Variable(f"{part}_{what}", (), "f", "1", f"{part} {what}")
    for part in ("train", "validation", "test")
    for what in ("loss", "accuracy")
}

RECEPTIVE_FIELD = {
    v.name: v
    for v in (
        Variable("receptive_field", _FIELD, "f", "1", "synaptic weight at (source, delay)"),
        Variable("present", _FIELD, "b", "1", "whether a synapse is there"),
        Variable("n_synapses", (...,), "i", "1", "number of synapses"),
        Variable("contact_field", (..., "contact", "source", "delay"), "f", "1", "weight of each synapse of a pair"),
        Variable("contact_present", (..., "contact", "source", "delay"), "b", "1", "whether that synapse is there"),
    )
}

_TARGETS = (..., "target")
_BINS = (..., "bin")

STATISTICS = {
    v.name: v
    for v in (
        Variable("value", (..., "statistic"), "f", "see unit", "the statistic, in the unit that its coordinate names"),
        Variable("morans_i", (...,), "f", "1", "Moran's I"),
        Variable("expected", (...,), "f", "1", "the statistic expected under the null"),
        Variable("gearys_c", (...,), "f", "1", "Geary's C"),
        Variable("bivariate_i", (...,), "f", "1", "bivariate Moran's I of excitation and inhibition"),
        Variable("lead", (...,), "f", "ms", "mean delay of inhibition less that of excitation, weighted"),
        Variable("along_delay", (...,), "f", "1", "part of Moran's I from neighbours within one source"),
        Variable("along_delay_expected", (...,), "f", "1", "expected part of Moran's I from neighbours within one source"),
        Variable("across_sources", (...,), "f", "1", "part of Moran's I from neighbours in different sources"),
        Variable("across_sources_expected", (...,), "f", "1", "expected part from neighbours in different sources"),
        Variable("z_score", (...,), "f", "1", "standard deviations of the null between the statistic and its expectation"),
        Variable("p_value", (...,), "f", "1", "permutation p-value"),
        Variable("q_value", _TARGETS, "f", "1", "false-discovery-rate q-value over the targets"),
        Variable("adjusted_p_value", (...,), "f", "1", "p-value among all tests of its family"),
        Variable("n_synapses", (...,), "i", "1", "number of synapses"),
        Variable("null_draws", (..., "draw"), "f", "1", "the statistic in every draw of the null"),
        Variable("null_resolution", (...,), "f", "1", "difference below which two draws are a tie"),
        Variable("mean_z", (...,), "f", "1", "mean z-score over the targets"),
        Variable("count", _BINS, "i", "1", "neurons with Moran's I in the bin"),
        Variable("null_mean", _BINS, "f", "1", "neurons in the bin, mean of the null draws"),
        Variable("null_lower", _BINS, "f", "1", "neurons in the bin, 2.5 % quantile of the null draws"),
        Variable("null_upper", _BINS, "f", "1", "neurons in the bin, 97.5 % quantile of the null draws"),
        Variable("bin_lower", ("bin",), "f", "1", "lower edge of the bin"),
        Variable("bin_upper", ("bin",), "f", "1", "upper edge of the bin"),
        Variable("n_unanswered", (...,), "i", "1", "neurons without an answer"),
    )
}


def _curve(dims: tuple[str | EllipsisType, ...], units: str, what: str, prefix: str = "") -> tuple[Variable, ...]:
    """What is said of each value of a curve or map, and of all of them together."""
    return (
        Variable(f"{prefix}expected", dims, "f", units, f"{what}, expected under the null"),
        Variable(f"{prefix}lower", dims, "f", units, f"{what}, 2.5 % quantile of the null draws"),
        Variable(f"{prefix}upper", dims, "f", units, f"{what}, 97.5 % quantile of the null draws"),
        Variable(f"{prefix}z_score", dims, "f", "1", f"{what}, standard deviations of the null from its expectation"),
        Variable(f"{prefix}p_value", dims, "f", "1", f"{what}, permutation p-value of each by itself"),
        Variable(f"{prefix}global_p", (...,), "f", "1", f"{what}, permutation p-value of the largest departure of all"),
    )


_COUNTS = (STATISTICS["n_synapses"], STATISTICS["n_unanswered"])
_LAGS = (..., "source_lag", "delay_lag")
_BANDWIDTHS = (..., "bandwidth")
_DISTANCES = (..., "distance")

CORRELOGRAM = {
    v.name: v
    for v in (
        Variable("correlation", _LAGS, "f", "1", "autocorrelation at the offset"),
        *_curve(_LAGS, "1", "autocorrelation at the offset"),
        *_COUNTS,
    )
}

SMOOTHED = {
    v.name: v
    for v in (
        Variable("smoothed_morans_i", _BANDWIDTHS, "f", "1", "Moran's I of the smoothed field"),
        *_curve(_BANDWIDTHS, "1", "Moran's I of the smoothed field"),
        *_COUNTS,
    )
}

POINT_PATTERN = {
    v.name: v
    for v in (
        Variable("cross_k", _DISTANCES, "f", "channel^2", "cross-K of excitation and inhibition"),
        *_curve(_DISTANCES, "channel^2", "cross-K of excitation and inhibition", "cross_k_"),
        Variable("mark_correlation", _DISTANCES, "f", "1", "mean product of the signs of two synapses"),
        *_curve(_DISTANCES, "1", "mean product of the signs of two synapses", "mark_correlation_"),
        *_COUNTS,
    )
}

LOCAL = {
    v.name: v
    for v in (
        Variable("local_i", _FIELD, "f", "1", "local Moran's I"),
        Variable("p_value", _FIELD, "f", "1", "conditional permutation p-value of local Moran's I"),
        Variable("q_value", _FIELD, "f", "1", "false-discovery-rate q-value of local Moran's I over the cells of a field"),
        Variable("cluster", _FIELD, "i", "1", "cell and neighbours, high or low, where local Moran's I is significant"),
        Variable("getis_ord", _FIELD, "f", "1", "standardised Getis-Ord Gi*"),
        Variable("getis_ord_p_value", _FIELD, "f", "1", "conditional permutation p-value of Gi*"),
        Variable("getis_ord_q_value", _FIELD, "f", "1", "false-discovery-rate q-value of Gi* over the cells of a field"),
        Variable("n_synapses", (...,), "i", "1", "number of synapses"),
        Variable("n_unanswered", (...,), "i", "1", "neurons without an answer"),
    )
}

_POSITIONS = (
    ("source_centroid", "channel", "mean source, weighted by magnitude"),
    ("source_spread", "channel", "standard deviation of the source, weighted by magnitude"),
    ("best_source", "channel", "source of the largest weight"),
    ("delay_centroid", "ms", "mean delay, weighted by magnitude"),
    ("delay_spread", "ms", "standard deviation of the delay, weighted by magnitude"),
    ("best_delay", "ms", "delay of the largest weight"),
)

DESCRIPTORS = {
    v.name: v
    for v in (
        *(
            Variable(f"{name}{part}", (...,), "f", units, f"{what}, {synapses}")
            for part, synapses in (
                ("", "all synapses"),
                ("_excitatory", "excitatory synapses"),
                ("_inhibitory", "inhibitory synapses"),
            )
            for name, units, what in _POSITIONS
        ),
        Variable("balance", (...,), "f", "1", "excitatory less inhibitory weight over their sum"),
        Variable("lead", (...,), "f", "ms", "mean delay of inhibition less that of excitation"),
        Variable("separability", (...,), "f", "1", "share of the first singular value in the sum of squares"),
        Variable("temporal_modulation", (...,), "f", "Hz", "mean modulation frequency along delay"),
        Variable("spectral_modulation", (...,), "f", "cycles/channel", "mean modulation frequency along source"),
        Variable("direction", (...,), "f", "1", "sweep direction index, above 0 upward"),
    )
}

_RUN = ("run",)
_GRID = ("connectivity", "delays", "sparsity")
_SPARSITY = ("sparsity",)

SWEEP = {
    v.name: v
    for v in (
        Variable("connectivity", _RUN, "U", "1", "whether the synapses were fixed or rewired"),
        Variable("delays", _RUN, "U", "1", "whether the delays were fixed or learned"),
        Variable("sparsity", _RUN, "f", "1", "sparsity asked for"),
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
}

ACCURACIES = {
    v.name: v
    for v in (
        Variable("accuracy", ("selection", *_GRID, "seed"), "f", "1", "test accuracy"),
        Variable("mean", ("selection", *_GRID), "f", "1", "mean test accuracy over seeds"),
        Variable("lower", ("selection", *_GRID), "f", "1", "lower end of the 95 % interval of the mean"),
        Variable("upper", ("selection", *_GRID), "f", "1", "upper end of the 95 % interval of the mean"),
        Variable("n_seeds", _GRID, "i", "1", "networks"),
        Variable("n_synapses", _SPARSITY, "f", "1", "synapses in the network, mean"),
        Variable("n_input_synapses", _SPARSITY, "f", "1", "synapses of the projection from the input, mean"),
        Variable("in_degree", _SPARSITY, "f", "1", "input synapses of a neuron of the first hidden population, mean"),
        Variable("chance", (), "f", "1", "accuracy of guessing"),
    )
}

CHANGES = {
    v.name: v
    for v in (
        Variable("source", _SYNAPSE, "i", "1", "presynaptic neuron or channel"),
        Variable("target", _SYNAPSE, "i", "1", "postsynaptic neuron"),
        Variable("contact", _SYNAPSE, "i", "1", "index among the synapses of one pair"),
        Variable("delay", ("moment", "synapse"), "f", "ms", "delay, NaN where the synapse is not there"),
        Variable("shared", _SYNAPSE, "b", "1", "whether another synapse joins the same pair"),
        Variable("born", _SYNAPSE, "b", "1", "whether it is there only after"),
        Variable("died", _SYNAPSE, "b", "1", "whether it is there only before"),
        Variable("delay_changed", _SYNAPSE, "b", "1", "whether its delay changed by half a bin or more"),
        Variable("sign_changed", _SYNAPSE, "b", "1", "whether it turned from excitatory to inhibitory or back"),
    )
}

COMPARISON = {
    v.name: v
    for v in (
        # the first five have the unit of the statistic compared
        Variable("difference", (...,), "f", "1", "mean of condition b minus mean of condition a"),
        Variable("lower", (...,), "f", "1", "lower end of the interval of the difference"),
        Variable("upper", (...,), "f", "1", "upper end of the interval of the difference"),
        Variable("mean_a", (...,), "f", "1", "mean over the networks of condition a"),
        Variable("mean_b", (...,), "f", "1", "mean over the networks of condition b"),
        Variable("effect_size", (...,), "f", "1", "difference in standard deviations between networks"),
        Variable("p_value", (...,), "f", "1", "p-value of the difference, networks as replicates"),
        Variable("smallest_p", (...,), "f", "1", "smallest p-value that a permutation of these networks can reach"),
        Variable("n_a", (...,), "i", "1", "networks of condition a compared"),
        Variable("n_b", (...,), "i", "1", "networks of condition b compared"),
        Variable("n_unanswered", (...,), "i", "1", "networks without an answer"),
        Variable("n_not_converged", (...,), "i", "1", "mixed models that did not converge"),
    )
}


def _described(variable: Variable) -> str:
    dims = ", ".join("…" if d is ... else str(d) for d in variable.dims)
    kind = {"f": "real", "i": "whole-number", "b": "boolean", "U": "text"}[variable.kind]
    return f"a {kind} variable with dims ({dims}) in units {variable.units!r}"


def _dims_agree(dims: tuple[Hashable, ...], wanted: tuple[str | EllipsisType, ...]) -> bool:
    if wanted and wanted[0] is ...:
        tail = wanted[1:]
        return len(dims) >= len(tail) and dims[len(dims) - len(tail) :] == tail
    return dims == wanted


def validate(
    dataset: xr.Dataset,
    declared: Mapping[str, Variable],
    *,
    required: tuple[str, ...] = (),
    where: str = "the data set",
) -> None:
    """Raise `BadInput`, naming the variable, unless declared ones have their dims, kind and unit, and required ones exist.

    Examples
    --------
    >>> validate(xr.Dataset({"delay": ("neuron", [1.0])}), SYNAPSES)
    Traceback (most recent call last):
    stanalysis.errors.BadInput: 'delay' in the data set has dims (neuron) and unit None, ...
    """
    for name in required:
        if name not in dataset.variables:
            raise BadInput(f"{where} has no variable {name!r}; expected {_described(declared[name])}.")
    for name, variable in declared.items():
        if name not in dataset.variables:
            continue
        found = dataset[name]
        kind = {"u": "i", "O": "U", "T": "U"}.get(found.dtype.kind, found.dtype.kind)  # files give text back as objects
        if not _dims_agree(found.dims, variable.dims) or kind != variable.kind or found.attrs.get("units") != variable.units:
            dims = ", ".join(map(str, found.dims))
            raise BadInput(
                f"{name!r} in {where} has dims ({dims}) and unit {found.attrs.get('units')}, type {found.dtype}; "
                f"expected {_described(variable)}."
            )


def labelled(declared: Mapping[str, Variable], **values: object) -> xr.Dataset:
    """A dataset of declared variables from plain arrays, with units and long names.

    Variables with a leading ``...`` must be given as DataArrays.
    """
    data = {}
    for name, value in values.items():
        variable = declared[name]
        attrs = {"units": variable.units, "long_name": variable.long_name}
        if isinstance(value, xr.DataArray):
            data[name] = value.assign_attrs(attrs)
        else:
            data[name] = xr.DataArray(np.asarray(value), dims=[str(d) for d in variable.dims], attrs=attrs)
    return xr.Dataset(data)


def described(dataset: xr.Dataset, declared: Mapping[str, Variable]) -> xr.Dataset:
    """The dataset with unit and long name on each of its data variables, every one of which must be declared."""
    attrs = {
        name: {"units": declared[str(name)].units, "long_name": declared[str(name)].long_name} for name in dataset.data_vars
    }
    return dataset.assign({name: dataset[name].assign_attrs(a) for name, a in attrs.items()})

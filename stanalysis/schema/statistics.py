"""Variables of statistics: of single fields, of curves and maps over them, and of conditions compared."""

from __future__ import annotations

from types import EllipsisType

from stanalysis.schema.variables import Variable, declared

_FIELD = (..., "source", "delay")
_TARGETS = (..., "target")

_BINS = (..., "bin")

STATISTICS = declared(
    Variable("value", (..., "statistic"), "f", "see unit", "the statistic, in the unit that its coordinate names"),
    Variable("expected", (...,), "f", "1", "the statistic expected under the null"),
    Variable("along_delay_expected", (...,), "f", "1", "expected part of Moran's I from neighbours within one source"),
    Variable("across_sources_expected", (...,), "f", "1", "expected part from neighbours in different sources"),
    Variable("z_score", (...,), "f", "1", "standard deviations of the null between the statistic and its expectation"),
    Variable("p_value", (...,), "f", "1", "permutation p-value"),
    Variable("q_value", _TARGETS, "f", "1", "false-discovery-rate q-value over the targets"),
    Variable("adjusted_p_value", (...,), "f", "1", "p-value among all tests of its family"),
    Variable("n_synapses", (...,), "i", "1", "number of synapses"),
    Variable("mixing", (..., "statistic"), "f", "1", "signs that a draw moves, as a share of those that move freely"),
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

CORRELOGRAM = declared(
    Variable("correlation", _LAGS, "f", "1", "autocorrelation at the offset"),
    *_curve(_LAGS, "1", "autocorrelation at the offset"),
    *_COUNTS,
)

SMOOTHED = declared(
    Variable("smoothed_morans_i", _BANDWIDTHS, "f", "1", "Moran's I of the smoothed field"),
    *_curve(_BANDWIDTHS, "1", "Moran's I of the smoothed field"),
    *_COUNTS,
)

POINT_PATTERN = declared(
    Variable("cross_k", _DISTANCES, "f", "channel^2", "cross-K of excitation and inhibition"),
    *_curve(_DISTANCES, "channel^2", "cross-K of excitation and inhibition", "cross_k_"),
    Variable("mark_correlation", _DISTANCES, "f", "1", "mean product of the signs of two synapses"),
    *_curve(_DISTANCES, "1", "mean product of the signs of two synapses", "mark_correlation_"),
    *_COUNTS,
)

PARTS = declared(
    Variable("excess", (..., "statistic", "part"), "f", "1", "part of the statistic beyond that of signs which move freely"),
    Variable("total", (..., "statistic"), "f", "1", "the statistic beyond that of signs which move freely"),
    Variable("p_value", (..., "statistic", "test"), "f", "1", "permutation p-value"),
    Variable("mixing", (..., "statistic"), "f", "1", "signs that a draw moves, as a share of those that move freely"),
    Variable("network_p", (..., "statistic", "test"), "f", "1", "permutation p-value of the mean z-score of a network"),
    *_COUNTS,
)

PUBLISHED = declared(
    Variable("morans_i", (..., "target"), "f", "1", "Moran's I"),
    Variable("expected", (..., "target"), "f", "1", "Moran's I expected when cells are shuffled"),
    Variable("p_value", (..., "target"), "f", "1", "permutation p-value, one-sided"),
    *_COUNTS,
)

LOCAL = declared(
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

_POSITIONS = (
    ("source_centroid", "channel", "mean source, weighted by magnitude"),
    ("source_spread", "channel", "standard deviation of the source, weighted by magnitude"),
    ("best_source", "channel", "source of the largest weight"),
    ("delay_centroid", "ms", "mean delay, weighted by magnitude"),
    ("delay_spread", "ms", "standard deviation of the delay, weighted by magnitude"),
    ("best_delay", "ms", "delay of the largest weight"),
)

DESCRIPTORS = declared(
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

GRID = ("connectivity", "delays", "sparsity")

_SPARSITY = ("sparsity",)

ACCURACIES = declared(
    Variable("accuracy", ("selection", *GRID, "seed"), "f", "1", "test accuracy"),
    Variable("mean", ("selection", *GRID), "f", "1", "mean test accuracy over seeds"),
    Variable("lower", ("selection", *GRID), "f", "1", "lower end of the 95 % interval of the mean"),
    Variable("upper", ("selection", *GRID), "f", "1", "upper end of the 95 % interval of the mean"),
    Variable("n_seeds", GRID, "i", "1", "networks"),
    Variable("n_synapses", _SPARSITY, "f", "1", "synapses in the network, mean"),
    Variable("n_input_synapses", _SPARSITY, "f", "1", "synapses of the projection from the input, mean"),
    Variable("in_degree", _SPARSITY, "f", "1", "input synapses of a neuron of the first hidden population, mean"),
    Variable("chance", (), "f", "1", "accuracy of guessing"),
)

SIZES = ("connectivity", "delays", "n_hidden")

ACCURACIES_BY_SIZE = declared(
    Variable("accuracy", ("selection", *SIZES, "seed"), "f", "1", "test accuracy"),
    Variable("mean", ("selection", *SIZES), "f", "1", "mean test accuracy over seeds"),
    Variable("lower", ("selection", *SIZES), "f", "1", "lower end of the 95 % interval of the mean"),
    Variable("upper", ("selection", *SIZES), "f", "1", "upper end of the 95 % interval of the mean"),
    Variable("n_seeds", SIZES, "i", "1", "networks"),
    Variable("n_parameters", SIZES, "f", "1", "weights and delays that are learned"),
    Variable("chance", (), "f", "1", "accuracy of guessing"),
)

COMPARISON = declared(
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

CHECK = declared(
    Variable("largest_difference", ("quantity",), "f", "1", "largest difference from an independent program, absolute"),
    Variable("n_compared", ("quantity",), "i", "1", "fields, or survival curves, that were compared"),
)

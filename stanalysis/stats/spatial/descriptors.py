"""Descriptors of receptive fields, as of a spectro-temporal one: where, how wide, which modulation, which sweep."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import xarray as xr
from scipy.linalg import toeplitz

from stanalysis.errors import BadInput
from stanalysis.schema.statistics import DESCRIPTORS
from stanalysis.schema.variables import described
from stanalysis.stats.engine.prepared import rescaled, weight_and_present

CELLS_AT_ONCE: Final = 1_000_000  # worked on together: bounds the memory, changes no result


def descriptors(field: xr.DataArray | xr.Dataset) -> xr.Dataset:
    r"""Where every receptive field lies, how wide it is, and which modulations and sweeps it prefers.

    .. math:: \mathrm{separability} = \frac{\sigma_1^2}{\sum_k \sigma_k^2}, \qquad
              \mathrm{direction} = \frac{P_{up} - P_{down}}{P_{up} + P_{down}}, \qquad
              \mathrm{balance} = \frac{E - I}{E + I}

    with :math:`\sigma_k` the singular values of the (source, delay) plane of weights, :math:`P` the power of its modulation
    spectrum in the quadrants of upward and of downward sweeps, :math:`E` and :math:`I` the sums of the excitatory weights
    and of the magnitudes of the inhibitory ones. These describe; what they would be without structure only a null says.

    Parameters
    ----------
    field
        Receptive fields, dims (..., source, delay), any unit: only signs and ratios of weights matter. The coordinate
        ``delay`` is in ms and rises in even steps. A Dataset has the variables ``receptive_field`` and ``present`` (bool,
        same dims). Synapses that share a cell count as their sum.

    Returns
    -------
    Dataset, dims (...). Of all weights by magnitude, and of each sign alone (``..._excitatory``, ``..._inhibitory``):

        - ``source_centroid``, ``delay_centroid``: mean position weighted by magnitude; ``source_spread``, ``delay_spread``:
          standard deviation about it; ``best_source``, ``best_delay``: cell of the largest magnitude, of equal ones that
          of the lowest source, then delay. Sources in channels counted from 0 along the dim, delays in ms.

        Of the signed weights:

        - ``balance``: -1 all inhibition, 1 all excitation;
        - ``lead`` [ms]: ``delay_centroid_inhibitory`` less ``delay_centroid_excitatory``. Above 0, excitation has the shorter
          delay. After one input to all channels, excitation then comes first and inhibition follows. Of inputs whose
          effects meet at the neuron, the excitatory ones are the later: the longer a delay, the earlier the input it carries;
        - ``separability``: 1 for the product of a profile over sources and one over delays;
        - ``temporal_modulation`` [Hz], ``spectral_modulation`` [cycles/channel]: mean absolute frequency along delay and
          along source, weighted by power;
        - ``direction``: -1 to 1, above 0 if the preferred input rises in channel with time. The longer a delay, the
          earlier the input, so that such a field has its longer delays in the lower channels. 0 if separable.

        All are NaN for a field without a weight other than 0 or with a cell that is not finite; those of one sign are NaN
        without it, ``lead`` unless there are both. ``separability``, both modulations and ``direction`` are NaN for fewer
        than two cells with weight; on a plane of one source, or one delay, all four but the modulation along the other axis.

    Raises
    ------
    BadInput
        A missing dim, variable or coordinate ``delay``; delays that are not in ms or do not rise in even steps.

    Notes
    -----
    The modulation spectrum is the squared magnitude of the Fourier transform over source and delay at all frequencies up to
    half a cycle per bin and channel: the limit of the FFT of the field with ever more empty sources and delays around it. The
    range of delays and channels thus changes nothing, and zero and Nyquist frequencies, lines without area, have no share.

    Mind fields with at most one synapse per source, as dense networks have. There is no modulation along the delays of one
    synapse: ``temporal_modulation`` is a quarter of a cycle per bin, as of white noise, whatever the field.
    ``separability`` is the largest share of the squared weights in one delay bin, however regular the field: 1/n of n equal
    synapses at different delays, about .2 of 40 normal weights at random ones of 25 delays (of such fields,
    ``spectral_modulation`` is .25 and ``direction`` 0, with standard deviations of .006 and .04). A sweep whose delays move
    by more than a bin from channel to channel is undersampled: at 2 bins ``direction`` is 0. Smooth such fields first.

    References
    ----------
    Depireux, Simon, Klein & Shamma (2001), https://doi.org/10.1152/jn.2001.85.3.1220

    Examples
    --------
    An upward sweep, whose later and thus shorter delays lie in the higher channels; a dead neuron has no answer.

    >>> sweep = np.eye(6)[::-1]
    >>> delay = 10.0 * np.arange(6)
    >>> field = xr.DataArray([sweep, 0 * sweep], {"delay": delay}, ("target", "source", "delay"))
    >>> answers = descriptors(field)
    >>> answers.direction.round(2).values, answers.delay_centroid.values
    (array([0.73,  nan]), array([25., nan]))
    """
    weight, _ = weight_and_present(field)
    delay = _even_delays(weight)

    leading = weight.shape[:-2]
    planes = weight.to_numpy().reshape(int(np.prod(leading)), *weight.shape[-2:])
    answers = {name: np.full(planes.shape[0], np.nan) for name in DESCRIPTORS}
    answerable = np.flatnonzero(np.isfinite(planes).all(axis=(1, 2)) & planes.any(axis=(1, 2)))
    size = max(CELLS_AT_ONCE // max(planes[:1].size, 1), 1)
    for start in range(0, answerable.size, size):
        chunk = answerable[start : start + size]
        for name, value in _values(rescaled(planes[chunk]), delay).items():
            answers[name][chunk] = value

    coords = {name: coord for name, coord in weight.coords.items() if not {"source", "delay"} & set(coord.dims)}
    result = xr.Dataset({name: (weight.dims[:-2], value.reshape(leading)) for name, value in answers.items()}, coords)
    return described(result, DESCRIPTORS)


def no_descriptors(labels: xr.DataArray) -> xr.Dataset:
    """The descriptors of fields (...) that have no lattice, all NaN; ``labels`` has the dims and coordinates of the fields."""
    nothing = xr.Dataset({name: labels.copy(data=np.full(labels.shape, np.nan)) for name in DESCRIPTORS})
    return described(nothing, DESCRIPTORS)


def _even_delays(weight: xr.DataArray) -> np.ndarray:
    if "delay" not in weight.coords:
        raise BadInput("the field has no coordinate 'delay'; give the delay of each bin in ms")
    if weight.delay.attrs.get("units", "ms") != "ms":
        raise BadInput(f"the coordinate 'delay' is in {weight.delay.attrs['units']}; give it in ms")
    delay = weight.delay.to_numpy()
    if delay.size == 0 or delay.dtype.kind not in "iuf" or not np.isfinite(delay).all():
        raise BadInput("the coordinate 'delay' must be finite numbers, at least one; give the delay of each bin in ms")
    delay = delay.astype(np.float64)
    even = np.linspace(delay[0], delay[-1], delay.size)
    if delay.size > 1 and not (delay[-1] > delay[0] and np.allclose(delay, even, rtol=0, atol=1e-3 * (even[1] - even[0]))):
        raise BadInput("the coordinate 'delay' does not rise in even steps; put the field on an even grid of delays")
    result: np.ndarray = delay
    return result


def _values(w: np.ndarray, delay: np.ndarray) -> dict[str, np.ndarray]:
    """Every descriptor of planes (field, source, delay) that are finite and not 0 throughout."""
    excitation, inhibition = np.maximum(w, 0), np.maximum(-w, 0)
    parts = {"": np.abs(w), "_excitatory": excitation, "_inhibitory": inhibition}
    values = {f"{name}{part}": value for part, size in parts.items() for name, value in _positions(size, delay).items()}
    e, i = excitation.sum(axis=(1, 2)), inhibition.sum(axis=(1, 2))
    values["balance"] = (e - i) / (e + i)
    values["lead"] = values["delay_centroid_inhibitory"] - values["delay_centroid_excitatory"]
    return values | _modulations(w, delay)


def _positions(size: np.ndarray, delay: np.ndarray) -> dict[str, np.ndarray]:
    """Centroid, spread and best cell of magnitudes (field, source, delay); NaN where all are 0."""
    total = size.sum(axis=(1, 2))
    total = np.where(total > 0, total, np.nan)
    best = np.unravel_index(size.reshape(size.shape[0], -1).argmax(axis=1), size.shape[1:])
    values = {}
    for axis, (name, position) in enumerate((("source", np.arange(size.shape[1])), ("delay", delay))):
        share = size.sum(axis=2 - axis) / total[:, None]
        centroid = (share * position).sum(axis=1)
        values[f"{name}_centroid"] = centroid
        values[f"{name}_spread"] = np.sqrt((share * (position - centroid[:, None]) ** 2).sum(axis=1))
        values[f"best_{name}"] = np.where(np.isnan(total), np.nan, position[best[axis]])
    return values


def _modulations(w: np.ndarray, delay: np.ndarray) -> dict[str, np.ndarray]:
    """Separability, mean modulation frequencies and direction; NaN where the plane cannot show them.

    A mean over all frequencies of the power times a function of the frequency is, by Parseval, a quadratic form of the field
    itself with a Toeplitz matrix of that function's Fourier coefficients: those of the absolute frequency and of its sign.
    """
    _, n_source, n_delay = w.shape
    across, along = (_Coefficients(_absolute_frequency(n), _sign_of_frequency(n)) for n in w.shape[1:])
    forms = np.array([_forms(plane, across, along) for plane in w])
    power = (w * w).sum(axis=(1, 2))
    names = ("separability", "temporal_modulation", "spectral_modulation", "direction")
    values = {name: form / power for name, form in zip(names, forms.T, strict=True)}
    values["separability"] = np.minimum(values["separability"], 1)
    if n_delay > 1:
        values["temporal_modulation"] *= 1000 * (n_delay - 1) / (delay[-1] - delay[0])  # per bin to per second
    enough = np.count_nonzero(w, axis=(1, 2)) > 1
    shown = {
        "separability": n_source > 1 and n_delay > 1,
        "temporal_modulation": n_delay > 1,
        "spectral_modulation": n_source > 1,
        "direction": n_source > 1 and n_delay > 1,
    }
    return {name: np.where(enough & shown[name], value, np.nan) for name, value in values.items()}


class _Coefficients(NamedTuple):
    """Of the absolute frequency and of its sign, along one axis, (position, position)."""

    absolute: np.ndarray
    sign: np.ndarray

    def at(self, positions: np.ndarray) -> _Coefficients:
        """Those of some positions."""
        return _Coefficients(*(matrix[np.ix_(positions, positions)] for matrix in self))


def _forms(plane: np.ndarray, across: _Coefficients, along: _Coefficients) -> tuple[float, float, float, float]:
    """Largest squared singular value, and the quadratic forms of the frequencies along delay and source and of the direction.

    Only sources and delays with a weight enter: of a large plane few synapses fill a small part.
    """
    sources, delays = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
    w, across, along = plane[np.ix_(sources, delays)], across.at(sources), along.at(delays)
    tall = w if sources.size > delays.size else w.T
    squares = np.linalg.eigvalsh(tall.T @ tall)  # of the singular values, ascending
    of_frequencies = [w @ along.absolute, across.absolute @ w, across.sign @ w @ along.sign]
    temporal, spectral, direction = (float((w * other).sum()) for other in of_frequencies)
    return float(squares[-1]), temporal, spectral, direction


def _absolute_frequency(n: int) -> np.ndarray:
    """Fourier coefficients of |frequency|, -1/2 to 1/2 cycles, at every difference of two of n positions."""
    lag = np.arange(n)
    result: np.ndarray = toeplitz(np.where(lag == 0, 0.25, -(lag % 2) / (np.pi * np.maximum(lag, 1)) ** 2))
    return result


def _sign_of_frequency(n: int) -> np.ndarray:
    """Fourier coefficients, over the imaginary unit, of the sign of the frequency (Hilbert transform)."""
    lag = np.arange(n)
    column = 2 * (lag % 2) / (np.pi * np.maximum(lag, 1))
    result: np.ndarray = toeplitz(column, -column)
    return result

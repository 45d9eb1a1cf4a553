"""Descriptors of receptive fields, as of a spectro-temporal one: where, how wide, which modulation, which sweep."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.kernels.modulations import Differences, modulation_forms
from stanalysis.schema.statistics import DESCRIPTORS
from stanalysis.schema.variables import described
from stanalysis.stats.engine.by_source import field_of
from stanalysis.stats.engine.prepared import rescaled, weight_and_present
from stanalysis.stats.engine.synapse_lists import Cells, SynapseLists

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
    leading, shape = weight.shape[:-2], weight.shape[-2:]
    planes = weight.to_numpy().reshape(int(np.prod(leading)), *shape)
    finite = np.flatnonzero(np.isfinite(planes).all(axis=(1, 2)))
    size = max(CELLS_AT_ONCE // max(planes[:1].size, 1), 1)
    answers = {name: np.full(planes.shape[0], np.nan) for name in DESCRIPTORS}
    for start in range(0, finite.size, size):
        chunk = finite[start : start + size]
        some = rescaled(planes[chunk])
        places = np.nonzero(some)
        for name, value in _answers(Cells(*places, some[places]), chunk.size, shape[0], delay).items():  # type: ignore[call-arg]
            answers[name][chunk] = value
    coords = {name: coord for name, coord in weight.coords.items() if not {"source", "delay"} & set(coord.dims)}
    result = xr.Dataset({name: (weight.dims[:-2], value.reshape(leading)) for name, value in answers.items()}, coords)
    return described(result, DESCRIPTORS)


def descriptors_of_lists(lists: SynapseLists, delay: np.ndarray) -> xr.Dataset:
    """`descriptors` of synapses on a lattice of these delays [ms], (bin,)."""
    n_field = lists.labels.size
    finite = np.flatnonzero(np.bincount(field_of(lists.lists), ~np.isfinite(lists.lists.weight), n_field) == 0)
    cells = lists.some(finite).cells()
    cells = Cells(*(column[cells.weight != 0] for column in cells))
    answers = _answers(cells, finite.size, lists.plane.n_source, delay)
    values = {name: np.full(n_field, np.nan) for name in answers}
    for name, value in answers.items():
        values[name][finite] = value
    result = xr.Dataset({name: lists.labels.copy(data=value.reshape(lists.labels.shape)) for name, value in values.items()})
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


def _answers(cells: Cells, n_field: int, n_source: int, delay: np.ndarray) -> dict[str, np.ndarray]:
    """Every descriptor, (field,), of fields whose cells that are not 0 these are; NaN of those without any."""
    some, which = np.unique(cells.field, return_inverse=True)
    answers = {name: np.full(n_field, np.nan) for name in DESCRIPTORS}
    if some.size:
        for name, value in _values(cells._replace(field=which), n_source, delay).items():
            answers[name][some] = value
    return answers


def _values(cells: Cells, n_source: int, delay: np.ndarray) -> dict[str, np.ndarray]:
    """Every descriptor of fields each of which has some of the cells."""
    n_field, w = int(cells.field[-1]) + 1, cells.weight
    parts = {"": w != 0, "_excitatory": w > 0, "_inhibitory": w < 0}
    values: dict[str, np.ndarray] = {}
    for part, which in parts.items():
        some = Cells(*(column[which] for column in cells))
        values |= {f"{name}{part}": value for name, value in _positions(some, n_field, n_source, delay).items()}
    e, i = (np.bincount(cells.field, np.maximum(side, 0), n_field) for side in (w, -w))
    values["balance"] = (e - i) / (e + i)
    values["lead"] = values["delay_centroid_inhibitory"] - values["delay_centroid_excitatory"]
    return values | _modulations(cells, n_field, n_source, delay)


def _positions(cells: Cells, n_field: int, n_source: int, delay: np.ndarray) -> dict[str, np.ndarray]:
    """Centroid, spread and best cell of magnitudes, each (field,); NaN where there is no cell."""
    size, largest = np.abs(cells.weight), np.zeros(n_field)
    np.maximum.at(largest, cells.field, size)
    best = np.flatnonzero(size == largest[cells.field])
    best = best[np.unique(cells.field[best], return_index=True)[1]]
    values: dict[str, np.ndarray] = {}
    for name, place, position in (("source", cells.source, np.arange(n_source)), ("delay", cells.delay, delay)):
        n = position.size
        of_place = np.bincount(cells.field * n + place, size, n_field * n).reshape(n_field, n)
        total = of_place.sum(axis=1, keepdims=True)
        share = of_place / np.where(total > 0, total, np.nan)
        centroid = (share * position).sum(axis=1)
        values[f"{name}_centroid"] = centroid
        values[f"{name}_spread"] = np.sqrt((share * (position - centroid[:, None]) ** 2).sum(axis=1))
        values[f"best_{name}"] = np.full(n_field, np.nan)
        values[f"best_{name}"][cells.field[best]] = position[place[best]]
    return values


def _modulations(cells: Cells, n_field: int, n_source: int, delay: np.ndarray) -> dict[str, np.ndarray]:
    """Separability, mean modulation frequencies and direction; NaN where the plane cannot show them.

    A mean over all frequencies of the power times a function of the frequency is, by Parseval, a quadratic form of the field
    itself with a Toeplitz matrix of that function's Fourier coefficients: those of the absolute frequency and of its sign.
    """
    n_delay, first = delay.size, np.searchsorted(cells.field, np.arange(n_field + 1))
    across, along = (Differences(_absolute_frequency(n), _sign_of_frequency(n)) for n in (n_source, n_delay))
    forms = np.empty((n_field, 3))
    modulation_forms(first, cells.source, cells.delay, cells.weight, across, along, forms)
    power = np.bincount(cells.field, cells.weight**2, n_field)
    squares = np.array([_largest_square(*(column[a:b] for column in cells[1:])) for a, b in pairwise(first)])
    temporal, spectral, direction = forms.T / power
    if n_delay > 1:
        temporal *= 1000 * (n_delay - 1) / (delay[-1] - delay[0])  # per bin to per second
    values = {
        "separability": (np.minimum(squares / power, 1), n_source > 1 and n_delay > 1),
        "temporal_modulation": (temporal, n_delay > 1),
        "spectral_modulation": (spectral, n_source > 1),
        "direction": (direction, n_source > 1 and n_delay > 1),
    }
    enough = np.diff(first) > 1
    return {name: np.where(enough & shown, value, np.nan) for name, (value, shown) in values.items()}


def _largest_square(source: np.ndarray, delay: np.ndarray, weight: np.ndarray) -> float:
    """The largest squared singular value of a field of these cells."""
    (sources, at_source), (delays, at_delay) = (np.unique(place, return_inverse=True) for place in (source, delay))
    if sources.size == weight.size or delays.size == weight.size:  # rows, or columns, are orthogonal
        return float(np.bincount(at_delay if sources.size == weight.size else at_source, weight**2).max())
    plane = np.zeros((sources.size, delays.size))
    plane[at_source, at_delay] = weight
    tall = plane if sources.size > delays.size else plane.T
    return float(np.linalg.eigvalsh(tall.T @ tall)[-1])  # of the squares, ascending


def _absolute_frequency(n: int) -> np.ndarray:
    """Fourier coefficients of |frequency|, -1/2 to 1/2 cycles, at every difference of two of n positions."""
    lag = np.arange(1 - n, n)
    return np.where(lag == 0, 0.25, -(lag % 2) / (np.pi * np.maximum(np.abs(lag), 1)) ** 2)


def _sign_of_frequency(n: int) -> np.ndarray:
    """Fourier coefficients, over the imaginary unit, of the sign of the frequency (Hilbert transform)."""
    lag = np.arange(1 - n, n)
    result: np.ndarray = 2 * (lag % 2) / (np.pi * np.where(lag == 0, 1, lag))
    return result

"""Correlogram: how alike are the weights of two cells so many sources and so many delay bins apart?"""

from __future__ import annotations

from typing import Unpack

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.kernels.arrangements import Synapses
from stanalysis.kernels.correlogram_sums import correlogram_draws
from stanalysis.schema.statistics import CORRELOGRAM
from stanalysis.schema.variables import described
from stanalysis.stats.engine.null_test import NullOptions, NullTest
from stanalysis.stats.engine.prepared import prepared, refuse_training_kernel
from stanalysis.stats.engine.rounding import ROUNDING
from stanalysis.stats.spatial.curves import PARTS, against_null, curve_dataset, unanswered


def correlogram(
    field: xr.DataArray | xr.Dataset,
    *,
    max_source_lag: int = 5,
    max_delay_lag: int = 5,
    **options: Unpack[NullOptions],
) -> xr.Dataset:
    r"""Autocorrelation of every receptive field at every offset of two cells, as a map over source lag and delay lag.

    .. math:: C(h) = \frac{\frac{1}{n_h} \sum_i z_i z_{i + h}}{\frac{1}{n} \sum_i z_i^2}

    with :math:`z_i` the centred value of cell :math:`i` and :math:`n_h` the number of the n cells that have another at the
    offset :math:`h`. Without structure C is ``expected``: -1/(n - 1) at every offset under ``cells``, specific to the field
    under other nulls; at offset (0, 0) it is 1.

    Parameters
    ----------
    field, **options
        As for `field_statistics`, without the null ``untrained``. C does not depend on the unit of the field.
    max_source_lag, max_delay_lag
        Largest offsets, in sources and in bins.

    Returns
    -------
    Dataset, dims (..., source_lag, delay_lag), dimensionless: ``correlation``; ``expected``, ``lower``, ``upper``, mean and
        95 % of the draws; ``z_score`` and ``p_value`` of each offset by itself. ``global_p`` (...), of the largest departure
        of any offset. ``n_synapses`` (...), and ``n_unanswered`` over the dim ``target``, if there is one. The lags are
        counted in sources (0 and above) and bins (both signs), ``delay_lag_ms`` in ms where the delays are.

        The other half of the map is this one turned about (0, 0); so is, in this one, the left half of source lag 0. Where
        delays rise by one bin per source, ``correlation`` is high at (1, 1), (2, 2), …

        All but the counts are NaN as for `field_statistics`, and at offsets that leave the plane. Where an offset has one
        value in all draws, ``z_score`` is NaN and ``p_value`` 1, as at (0, 0). Without draws both are NaN.

    Raises
    ------
    BadInput
        As for `field_statistics`; the null ``untrained``; lags that leave no offset.

    Notes
    -----
    ``global_p`` compares the largest \|z\| of the field (with "greater" or "less" the largest z or -z) with that of each
    draw, z being taken in mean and standard deviation of all arrangements, the observed one among them: an exact test of all
    offsets at once. Report an offset of your choice only if you chose it beforehand. Offsets where little is expected
    dilute it: of 100 planted fields (`planted_fields`, patches of 5 sources) it finds 90 % with lags up to 2, 52 % up to 5.

    The mean of C at the offsets of the rook's neighbours, (0, 1) and (1, 0), weighted by their pairs, is Moran's I with
    binary neighbour weights. A draw in which the synapses cancel to a constant field has no C, and is left out.

    References
    ----------
    Oden & Sokal (1986), https://doi.org/10.2307/2413120

    Examples
    --------
    A stripe: the sources are at one delay and alike.

    >>> field = xr.DataArray(np.zeros((6, 5)), dims=("source", "delay"))
    >>> field[:, 2] = 1
    >>> result = correlogram(field, max_source_lag=1, max_delay_lag=1, n_permutations=0, seed=0)
    >>> result.correlation.round(2).values
    array([[-0.38,  1.  , -0.38],
           [-0.38,  1.  , -0.38]])
    """
    test = NullTest(**options)
    test.require_draws()
    refuse_training_kernel(field, test.n_draws)
    if min(max_source_lag, max_delay_lag) < 0 or max_source_lag == max_delay_lag == 0:
        raise BadInput(
            f"the largest lags are {max_source_lag} sources and {max_delay_lag} bins; use 0 or more, and not 0 for both"
        )
    fields = prepared(field)
    n_source, n_delay = fields.plane.n_source, int(fields.plane.extent)
    source_lag, delay_lag = np.arange(max_source_lag + 1), np.arange(-max_delay_lag, max_delay_lag + 1)
    n_pair = np.outer((n_source - source_lag).clip(1), (n_delay - np.abs(delay_lag)).clip(1))

    def engine(code: int, synapses: Synapses, streams: np.ndarray, out: np.ndarray) -> None:
        correlogram_draws(code, synapses, fields.plane, max_source_lag, max_delay_lag, streams, out)

    answers = against_null(
        fields,
        engine,
        resolution=ROUNDING * n_source * n_delay / n_pair.reshape(-1),  # over fewer pairs than cells it is so much larger
        families=[slice(None)],
        test=test,
    )

    dims = ("source_lag", "delay_lag")
    result = curve_dataset(
        fields,
        {
            **{name: (dims, answers[name].reshape(-1, *n_pair.shape)) for name in PARTS},
            "global_p": ((), answers["global_p"][:, 0]),
        },
    ).rename(value="correlation")
    result = result.assign_coords(
        source_lag=("source_lag", source_lag, {"units": "channel", "long_name": "sources apart"}),
        delay_lag=("delay_lag", delay_lag, {"units": "1", "long_name": "bins of delay apart"}),
    )
    if np.isfinite(fields.bin_width):
        in_ms = delay_lag * fields.bin_width
        result = result.assign_coords(delay_lag_ms=("delay_lag", in_ms, {"units": "ms", "long_name": "delay apart"}))
    if "target" in fields.labels.dims:
        result["n_unanswered"] = unanswered(result.correlation, fields.labels.dims)
    attrs = {"null": test.null, "n_permutations": test.n_permutations, "alternative": test.alternative}
    return described(result, CORRELOGRAM).assign_attrs(attrs | {"min_synapses": test.min_synapses, "seed": test.seed})

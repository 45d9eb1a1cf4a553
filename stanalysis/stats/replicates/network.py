"""What all receptive fields of a network say together."""

from __future__ import annotations

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.schema.statistics import STATISTICS
from stanalysis.schema.variables import described
from stanalysis.stats.engine.draws import p_values, standardised, z_scores
from stanalysis.stats.engine.rounding import varies


def network_z(result: xr.Dataset, *, statistic: str = "morans_i") -> xr.Dataset:
    r"""Mean z-score of a network's receptive fields, and the p-value of that mean.

    .. math:: \bar t_r = \frac{1}{n} \sum_i \frac{x_{ir} - m_i}{s_i}

    over the n targets whose draws differ, with m and s the mean and standard deviation of a target's observed statistic
    (r = 0) and its draws together: the p-value is that of the first among them all. ``mean_z`` is the first with the
    expectation under the null in place of m, which changes no p-value, over the targets whose draws carry a standard
    deviation (those that have a z-score, unless the one of that is exact). Small departures that no neuron shows by itself add
    up here. It speaks of this network: other networks (seeds) are the replicates.

    Parameters
    ----------
    result
        From a statistic with ``keep_draws=True``, dims (..., target): one network, its null and alternative.
    statistic
        Variable with the observed values; ``value`` in results with a dim ``statistic``.

    Returns
    -------
    xarray.Dataset
        ``mean_z`` and ``p_value``, dims (...), dimensionless; NaN where no target has draws that carry a standard deviation,
        or differ.

    Notes
    -----
    With joint draws (``joint=True``) the null is that the arrangement is exchangeable for all neurons at once, however much
    they depend on each other. Otherwise it is that of each neuron and, besides, that neurons are independent: the p-value
    is then far too small for neurons that share delays (axonal delays) or signs.

    Examples
    --------
    >>> import numpy as np
    >>> from stanalysis import morans_i
    >>> field = xr.DataArray(np.random.default_rng(0).standard_normal((8, 6, 5)), dims=("target", "source", "delay"))
    >>> result = morans_i(field, null="cells", n_permutations=99, seed=0, keep_draws=True)
    >>> bool(network_z(result).p_value > 0.05)
    True
    """
    if "null_draws" not in result or "target" not in result.z_score.dims:
        raise BadInput("The result has no null_draws or no dim 'target'; call morans_i on a network with keep_draws=True.")
    z = result.z_score.transpose(..., "target")
    observed, expected, resolution = (
        result[name].transpose(*z.dims).to_numpy() for name in (statistic, "expected", "null_resolution")
    )
    draws = result.null_draws.transpose(*z.dims, "draw").to_numpy()
    of_draws = z_scores(
        observed.reshape(-1),
        expected.reshape(-1),
        draws.reshape(z.size, draws.shape[-1]),
        resolution=resolution.reshape(-1),
    )
    has_z = np.isfinite(of_draws).reshape(z.shape)
    tested = np.isfinite(observed) & varies(draws, resolution=resolution, axis=-1)
    mean_z, p = np.full(z.shape[:-1], np.nan), np.full(z.shape[:-1], np.nan)
    for index in np.ndindex(*p.shape):
        told = tested[index]
        if told.any():
            scores, spread = standardised(observed[index][told], draws[index][told])
            far = ((observed - expected)[index][told] / spread)[has_z[index][told]]
            mean_z[index] = far.mean() if far.size else np.nan
            means = np.nan_to_num(scores).mean(axis=0)  # a draw without a value tells neither way
            tie = (resolution[index][told] / spread).mean(keepdims=True)
            p[index] = p_values(means[:1], means[None, 1:], alternative=result.attrs["alternative"], resolution=tie)[0]
    of_network = z.isel(target=0, drop=True)
    together = xr.Dataset({"mean_z": of_network.copy(data=mean_z), "p_value": of_network.copy(data=p)})
    return described(together, STATISTICS).assign_attrs(result.attrs)

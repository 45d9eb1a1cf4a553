"""What all receptive fields of a network say together."""

from __future__ import annotations

import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.stats.nulls import p_values
from stanalysis.variables import STATISTICS, described


def network_z(result: xr.Dataset, *, statistic: str = "morans_i") -> xr.Dataset:
    r"""Mean z-score of a network's receptive fields, against the same mean of every draw of the null.

    .. math:: \bar z = \frac{1}{n} \sum_i \frac{I_i - E_i}{s_i}, \qquad
              \bar z_r = \frac{1}{n} \sum_i \frac{I_{ir} - E_i}{s_i}

    over the n targets that have a z-score. Small departures that no neuron shows by itself add up here. Without structure
    the mean is 0. It speaks of this network: other networks (seeds) are the replicates.

    Parameters
    ----------
    result
        From a statistic with ``keep_draws=True``, dims (..., target): one network, its null and alternative.
    statistic
        Variable with the observed values; ``value`` in results with a dim ``statistic``.

    Returns
    -------
    xarray.Dataset
        ``mean_z`` and ``p_value``, dims (...), dimensionless; NaN where no target has a z-score.

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
    draws = result.null_draws.transpose(*z.dims, "draw")
    spread = draws.std("draw", ddof=1)
    usable = z.notnull() & (spread > 0)
    centred = ((draws - result.expected) / spread.where(usable)).where(usable)
    observed = ((result[statistic] - result.expected) / spread.where(usable)).mean("target")
    mean_draws = centred.mean("target").transpose(..., "draw")
    p = p_values(
        observed.to_numpy().reshape(-1),
        mean_draws.to_numpy().reshape(-1, draws.sizes["draw"]),
        alternative=result.attrs["alternative"],
        resolution=(result.null_resolution / spread.where(usable)).mean("target").to_numpy().reshape(-1),
    )
    found = xr.Dataset({"mean_z": observed, "p_value": observed.copy(data=p.reshape(observed.shape))})
    return described(found, STATISTICS).assign_attrs(result.attrs)

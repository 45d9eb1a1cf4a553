"""What all receptive fields of a network say together."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.schema.statistics import STATISTICS
from stanalysis.schema.variables import described
from stanalysis.stats.engine.draws import z_scores
from stanalysis.stats.replicates.scores import LargestScore, MeanScore, scores


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
    together = Together(statistic)
    together.add(result)
    return together.network_z()


class Together:
    """All fields of a network, added up in the order of their targets, however many come at a time.

    Parameters
    ----------
    statistic
        As for `network_z`.
    """

    def __init__(self, statistic: str = "value") -> None:
        self.statistic = statistic
        self.attrs: dict[Hashable, Any] = {}
        self.of_network = xr.DataArray()  # dims and coordinates of what is said of the network
        self.means: list[MeanScore] = []  # of each statistic, step and so on
        self.largest: list[LargestScore] = []
        self.far: list[list[np.ndarray]] = []  # in standard deviations from what is expected

    def add(self, result: xr.Dataset) -> None:
        """Add some of the targets: a result as for `network_z`."""
        z = result.z_score.transpose(..., "target")
        observed, expected, resolution = (
            result[name].transpose(*z.dims).to_numpy().reshape(-1, z.sizes["target"])
            for name in (self.statistic, "expected", "null_resolution")
        )
        n_draw = result.sizes["draw"]
        draws = result.null_draws.transpose(*z.dims, "draw").to_numpy().reshape(*observed.shape, n_draw)
        if not self.means:
            self.attrs, self.of_network = result.attrs, z.isel(target=0, drop=True)
            self.means = [MeanScore(n_draw) for _ in observed]
            self.largest = [LargestScore(n_draw, result.attrs["alternative"]) for _ in observed]
            self.far = [[] for _ in observed]
        for k, (x, mean, sample, tie) in enumerate(zip(observed, expected, draws, resolution, strict=True)):
            each = scores(x, sample, tie)
            self.means[k].add(each)
            self.largest[k].add(each)
            has_z = np.isfinite(z_scores(x, mean, sample, resolution=tie))[each.tested]
            self.far[k].append(((x - mean)[each.tested] / each.spread)[has_z])

    def network_z(self) -> xr.Dataset:
        """What `network_z` says of them all."""
        far = [np.concatenate(each) for each in self.far]
        mean_z = [each.mean() if each.size else np.nan for each in far]
        p = [mean.p_value(self.attrs["alternative"]) for mean in self.means]
        values = {name: np.reshape(value, self.of_network.shape) for name, value in (("mean_z", mean_z), ("p_value", p))}
        together = xr.Dataset({name: self.of_network.copy(data=value) for name, value in values.items()})
        return described(together, STATISTICS).assign_attrs(self.attrs)

    def adjusted_p_values(self) -> xr.DataArray:
        """What `max_t` says of each of them, dims (..., target)."""
        p = np.stack([each.p_values() for each in self.largest]).reshape(*self.of_network.shape, -1)
        values = xr.Dataset({"adjusted_p_value": ((*self.of_network.dims, "target"), p)}, self.of_network.coords)
        adjusted: xr.DataArray = described(values, STATISTICS).adjusted_p_value
        return adjusted

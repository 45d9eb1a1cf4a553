"""The null ``untrained``, which draws nothing: each target against the others of its network before training."""

from __future__ import annotations

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.schema.statistics import STATISTICS as DECLARED
from stanalysis.schema.variables import described
from stanalysis.stats.engine.draws import p_values, z_scores
from stanalysis.stats.engine.rounding import rounding_of


def against_untrained(result: xr.Dataset) -> xr.Dataset:
    """The result of `field_statistics` with each value compared with those of the *other* targets at step 0.

    Leaving a target's own value out makes p-values valid though a neuron resembles itself before training: where training
    changed nothing, its value is one of n that any order is as likely for. The smallest p-value is 1/n of n targets, twice
    that if two-sided.

    Parameters
    ----------
    result
        Dims (..., step, target, statistic), with step 0.

    Returns
    -------
    The same with ``expected`` (mean of the others), ``z_score``, ``p_value``; attribute ``null`` "untrained".
    """
    if "step" not in result.value.dims or "target" not in result.value.dims or 0 not in result.step:
        raise BadInput("the null 'untrained' compares with step 0; give fields with dims step and target that have a step 0")
    value = result.value.transpose(..., "step", "target", "statistic")
    before = value.sel(step=0).to_numpy()  # (..., target, statistic)
    answers = {name: np.full(value.shape, np.nan) for name in ("expected", "z_score", "p_value")}
    alternative = result.attrs["alternative"]
    for index in np.ndindex(*value.shape[:-3]):
        for k, s in np.ndindex(value.shape[-2], value.shape[-1]):
            others = np.delete(before[index][:, s], k)
            others = others[np.isfinite(others)]
            if others.size == 0:
                continue
            values = value.to_numpy()[index][:, k, s]  # (step,)
            sample = np.broadcast_to(others, (values.size, others.size))
            tie = rounding_of(others)
            at = (*index, slice(None), k, s)
            answers["expected"][at] = np.where(np.isnan(values), np.nan, others.mean())
            answers["z_score"][at] = z_scores(values, others.mean(), sample, resolution=tie)
            answers["p_value"][at] = p_values(values, sample, alternative=alternative, resolution=tie)
    new = {name: value.copy(data=a).transpose(*result.value.dims) for name, a in answers.items()}
    return described(result.assign(new), DECLARED).assign_attrs(result.attrs | {"null": "untrained", "n_permutations": 0})


def untrained_draws(value: xr.DataArray) -> xr.DataArray:
    """The values (..., step, target) at step 0, dealt out to other targets in every way that turns them round: what a
    histogram of the null ``untrained`` needs, dims (..., step, target, draw).
    """
    before = value.transpose(..., "target").sel(step=0).to_numpy()
    turned = np.stack([np.roll(before, k, axis=-1) for k in range(1, max(before.shape[-1], 2))], axis=-1)
    dims = (*(d for d in value.dims if d not in ("step", "target")), "target", "draw")
    return xr.DataArray(turned, dims=dims).expand_dims(step=value.step).transpose(*value.dims, "draw")

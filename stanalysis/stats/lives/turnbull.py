"""How long synapses live whose births are known and whose deaths lie between two checkpoints, without a model."""

from __future__ import annotations

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.schema.lives import LIFETIMES
from stanalysis.schema.variables import Variable, labelled
from stanalysis.stats.lives.windows import windows_of


def turnbull(sightings: xr.Dataset, *, spacing: int = 1) -> xr.Dataset:
    """Non-parametric survival function of synapses whose births are known and whose deaths are known but for an interval.

    Parameters
    ----------
    sightings, spacing
        As in `fit_lifetimes`.

    Returns
    -------
    Dataset of ``survival``, dim (age), at the ages in steps at which an interval ends; between them it is not determined.
        NaN without deaths.

    Raises
    ------
    BadInput
        A missing column, or synapses of unknown birth or late entry: the estimator takes no account of those that died
        unseen. Use `fit_lifetimes`.

    Notes
    -----
    By lifelines' ``npmle``, whose intervals include both ends; ours do not include the age at which it was last seen.

    References
    ----------
    Turnbull (1976), https://doi.org/10.1111/j.2517-6161.1976.tb01597.x

    Examples
    --------
    >>> from stanalysis.schema.lives import SIGHTINGS
    >>> seen = labelled(SIGHTINGS, absent_at=[-1] * 4, first_seen=[0] * 4, last_seen=[0, 10, 10, 20],
    ...     gone_at=[10, 20, 20, -1], event=[True, True, True, False])
    >>> turnbull(seen).survival.to_series()
    age
    0     1.00
    10    0.75
    20    0.25
    Name: survival, dtype: float64
    """
    windows, n_unknown = windows_of(sightings, spacing)
    if n_unknown or (windows.n_births != 1).any() or (windows.youngest > 0).any():
        raise BadInput("short lives are missing among these synapses, which Turnbull's estimator ignores; use fit_lifetimes")
    died = windows.gone >= 0
    age = np.unique(np.concatenate([[0], windows.gone[died]]))
    survival = np.full(age.size, np.nan)
    if died.any():
        from lifelines.fitters.npmle import npmle

        # lifelines' intervals include both ends; ages are whole numbers, and alive at one means dead at the next or later.
        bounds, count = np.unique(
            np.column_stack([windows.alive + 1.0, np.where(died, windows.gone, np.inf)]), axis=0, return_counts=True
        )
        shares, intervals = npmle(*bounds.T, weights=count, tol=1e-9)
        ends = np.array([interval[1] for interval in intervals])
        survival = 1 - np.where(ends <= age[:, None], shares, 0.0).sum(axis=1)
    found = labelled({"survival": Variable("survival", ("age",), "f", "1", LIFETIMES["survival"].long_name)}, survival=survival)
    return found.assign_coords(age=("age", age * spacing, {"units": "step"}))

"""The published procedure: Moran's I of the cells of a receptive field, tested against shuffled cells."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Unpack

import xarray as xr

from stanalysis.fields.lattice import ROOK, Lattice
from stanalysis.schema.statistics import PUBLISHED
from stanalysis.schema.variables import described
from stanalysis.stats.engine.field_statistics import measured
from stanalysis.stats.engine.null_test import NullOptions, NullTest

MOST_DRAWS: Final = 199


def published_test(field: xr.DataArray | xr.Dataset, *, lattice: Lattice = ROOK, **options: Unpack[NullOptions]) -> xr.Dataset:
    """Moran's I of every receptive field on the lattice, and its p-value when all cells are shuffled, empty or not.

    That is what `esda.Moran` tests, and what Mészáros et al. (2024) compare before and after training. It stands in reports
    beside the tests that move synapses, and replaces none of them: shuffled cells do not keep where synapses may be.

    Parameters
    ----------
    field
        As for `field_statistics`, (..., target, source, delay).
    lattice
        Which cells are neighbours.
    **options
        As for `field_statistics`; ``null`` has no effect, the test is one-sided (more alike than shuffled), and more than 199
        permutations are not drawn.

    Returns
    -------
    Dataset of ``morans_i``, ``expected`` and ``p_value``, dims (..., target); ``n_synapses``. NaN as for `field_statistics`.

    References
    ----------
    Mészáros, Knight & Nowotny (2024), https://doi.org/10.3389/fncom.2024.1360009

    Examples
    --------
    >>> from stanalysis.synthetic.fields import planted_fields
    >>> published_test(planted_fields(4, seed=0), n_permutations=99, seed=0).p_value.values
    array([0.02, 0.95, 0.01, 0.02])
    """
    test = NullTest(**options)
    test = replace(test, null="cells", alternative="greater", n_permutations=min(test.n_permutations, MOST_DRAWS))
    result = measured(
        field,
        statistics=["morans_i"],
        drawn=["morans_i"],
        lattice=lattice,
        graph=None,
        joint=False,
        keep_draws=False,
        test=test,
    ).sel(statistic="morans_i", drop=True)
    table = result.rename(value="morans_i")[["morans_i", "expected", "p_value", "n_synapses"]]
    return described(table.drop_vars("unit", errors="ignore"), PUBLISHED).assign_attrs(n_permutations=test.n_draws)

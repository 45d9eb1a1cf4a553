"""The published procedure: Moran's I of the cells of a receptive field, tested against shuffled cells."""

from __future__ import annotations

import xarray as xr

from stanalysis.fields.lattice import ROOK, Lattice
from stanalysis.schema.statistics import PUBLISHED
from stanalysis.schema.variables import described
from stanalysis.stats.engine.families import MOST_DRAWS
from stanalysis.stats.engine.null_test import MIN_SYNAPSES
from stanalysis.stats.spatial.autocorrelation import morans_i


def published_test(
    field: xr.DataArray | xr.Dataset,
    *,
    lattice: Lattice = ROOK,
    n_permutations: int = MOST_DRAWS,
    min_synapses: int = MIN_SYNAPSES,
    seed: int,
) -> xr.Dataset:
    """Moran's I of every receptive field on the lattice, and its p-value when all cells are shuffled, empty or not.

    That is what `esda.Moran` tests, and what Mészáros et al. (2024) compare before and after training. It stands in reports
    beside the tests that move synapses, and replaces none of them: shuffled cells do not keep where synapses may be.

    Parameters
    ----------
    field
        As for `field_statistics`, (..., target, source, delay).
    lattice
        Which cells are neighbours.
    n_permutations, min_synapses, seed
        As for `field_statistics`. The test is one-sided: more alike than shuffled.

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
    result = morans_i(
        field,
        lattice=lattice,
        null="cells",
        alternative="greater",
        n_permutations=n_permutations,
        min_synapses=min_synapses,
        seed=seed,
    )
    return described(result[["morans_i", "expected", "p_value", "n_synapses"]], PUBLISHED)

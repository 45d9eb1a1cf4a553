"""Excitation and inhibition: do synapses of one sign lie together, apart, or ahead of the other, beyond a null?"""

from __future__ import annotations

from typing import Any, Unpack

import xarray as xr

from stanalysis.fields.lattice import ROOK, Lattice
from stanalysis.fields.synapse_graph import SynapseGraph
from stanalysis.stats.engine.field_statistics import field_statistics
from stanalysis.stats.engine.null_test import NullOptions
from stanalysis.stats.spatial.autocorrelation import alone


def join_counts(
    field: xr.DataArray | xr.Dataset,
    *,
    lattice: Lattice = ROOK,
    graph: SynapseGraph | None = None,
    joint: bool = False,
    keep_draws: bool = False,
    **test: Unpack[NullOptions],
) -> xr.Dataset:
    r"""How often neighbours both excite, both inhibit, or differ in sign, in every receptive field.

    .. math:: J_{ab} = \tfrac{1}{2} \sum_{ij} w_{ij} \, [\{s_i, s_j\} = \{a, b\}]

    with :math:`s` the sign of a cell, or of a synapse on the graph, and :math:`w` one for neighbours. Cells without a
    synapse, and weights of 0, join nothing.

    Parameters
    ----------
    field, joint, keep_draws, **test
        As for `field_statistics`. The null ``signs`` asks for grouping of signs alone.
    lattice
        Which cells are neighbours.
    graph
        Count among the synapses of this graph instead. Nearest neighbours need not be mutual: a join that is not counts half.

    Returns
    -------
    Dataset of ``value``, ``expected``, ``z_score``, ``p_value``, dims (..., statistic) with the statistics ``joins_ee``,
        ``joins_ei``, ``joins_ii``, or ``graph_joins_…``; pairs of neighbours. NaN as for `field_statistics`.

    Notes
    -----
    EE equals ``esda.Join_Counts(y > 0, w).bb``, II that of ``y < 0``, EE + EI + II that of ``y != 0``.

    References
    ----------
    Cliff & Ord (1981), Spatial Processes; Moran (1948), https://doi.org/10.1111/j.2517-6161.1948.tb00012.x

    Examples
    --------
    >>> field = xr.DataArray([[1.0, 1.0, -1.0], [0.0, 1.0, -1.0]], dims=("source", "delay"))
    >>> join_counts(field, n_permutations=0, seed=0).value.values
    array([2., 2., 1.])
    """
    names = ["joins_ee", "joins_ei", "joins_ii"]
    options = {"lattice": lattice, "graph": graph, "joint": joint, "keep_draws": keep_draws}
    return _of_cells_or_synapses(field, names, **options, **test)


def _of_cells_or_synapses(field: xr.DataArray | xr.Dataset, names: list[str], **options: Any) -> xr.Dataset:
    """Statistics of the lattice, or where there is a graph those of the same names on it."""
    statistics = names if options["graph"] is None else [f"graph_{name}" for name in names]
    return field_statistics(field, statistics=statistics, **options)


def weighted_joins(
    field: xr.DataArray | xr.Dataset,
    *,
    lattice: Lattice = ROOK,
    graph: SynapseGraph | None = None,
    joint: bool = False,
    keep_draws: bool = False,
    **test: Unpack[NullOptions],
) -> xr.Dataset:
    r"""How often strong neighbours share a sign, or differ in it, in every receptive field.

    .. math:: J = \frac{1}{2 m^2} \sum_{ij} w_{ij} \, |x_i x_j|

    over neighbours of one sign, or of two, with :math:`x` the weight of a cell, or of a synapse on the graph, and :math:`m`
    the mean magnitude of the synapses whose weight is not 0. A pair of mean magnitudes counts as one join, a pair of weak
    ones, whose signs hardly matter, as next to none. Grouping raises the like and lowers the unlike.

    Parameters
    ----------
    field, joint, keep_draws, **test
        As for `field_statistics`. The null ``signs`` asks for grouping of signs alone; the unit does not matter.
    lattice
        Which cells are neighbours.
    graph
        Count among the synapses of this graph instead. Nearest neighbours need not be mutual: a join that is not counts half.

    Returns
    -------
    Dataset of ``value``, ``expected``, ``z_score``, ``p_value``, dims (..., statistic) with the statistics
        ``weighted_joins_like``, ``weighted_joins_unlike``, or ``graph_weighted_joins_…``; dimensionless. NaN as for
        `field_statistics`.

    Notes
    -----
    Where all magnitudes are equal, and no two synapses are in one cell, like is EE + II and unlike is EI of `join_counts`.
    Halved, the numerators of ``esda.G(e, w)`` and ``esda.G(h, w)`` add up to like, that of ``esda.G(e + h, w)`` is like and
    unlike together, with e = max(x, 0) / m and h = max(-x, 0) / m.

    References
    ----------
    Getis & Ord (1992), https://doi.org/10.1111/j.1538-4632.1992.tb00261.x

    Examples
    --------
    >>> field = xr.DataArray([[3.0, 3.0, -1.0], [0.0, 2.0, -1.0]], dims=("source", "delay"))
    >>> weighted_joins(field, n_permutations=0, seed=0).value.values
    array([4. , 1.25])
    """
    names = ["weighted_joins_like", "weighted_joins_unlike"]
    options = {"lattice": lattice, "graph": graph, "joint": joint, "keep_draws": keep_draws}
    return _of_cells_or_synapses(field, names, **options, **test)


def bivariate_i(
    field: xr.DataArray | xr.Dataset,
    *,
    lattice: Lattice = ROOK,
    joint: bool = False,
    keep_draws: bool = False,
    **test: Unpack[NullOptions],
) -> xr.Dataset:
    r"""Bivariate Moran's I of excitation and inhibition: is inhibition strong beside excitation?

    .. math:: I_{EI} = \frac{n}{\sum_{ij} w_{ij}} \frac{\sum_{ij} w_{ij} e_i h_j}{\sqrt{\sum_i e_i^2 \sum_i h_i^2}}

    with e and h the centred maps of excitatory weights and of the magnitudes of inhibitory ones, 0 elsewhere. Without
    structure it is ``expected``: -r/(n - 1) under ``cells``, with r the correlation of the maps.

    Parameters
    ----------
    field, joint, keep_draws, **test
        As for `field_statistics`.
    lattice
        Which cells are neighbours.

    Returns
    -------
    Dataset of ``bivariate_i``, ``expected``, ``z_score``, ``p_value``, dims (...), dimensionless, and what
        `field_statistics` adds. NaN as there, and without excitation or inhibition.

    Notes
    -----
    With a standardised lattice it equals ``esda.Moran_BV(E, I, w).I``.

    References
    ----------
    Anselin, Syabri & Smirnov (2002), Visualizing multivariate spatial correlation with dynamically linked windows; Lee
    (2001), https://doi.org/10.1007/s101090100064

    Examples
    --------
    >>> field = xr.DataArray([[1.0, -1.0, 0.0, 0.0], [1.0, -1.0, 0.0, 0.0]], dims=("source", "delay"))
    >>> bivariate_i(field, n_permutations=0, seed=0).bivariate_i.round(3).item()
    0.278
    """
    result = field_statistics(
        field,
        statistics=["bivariate_i"],
        lattice=lattice,
        joint=joint,
        keep_draws=keep_draws,
        **test,
    )
    return alone(result, "bivariate_i")


def sign_clusters(
    field: xr.DataArray | xr.Dataset,
    *,
    lattice: Lattice = ROOK,
    joint: bool = False,
    keep_draws: bool = False,
    **test: Unpack[NullOptions],
) -> xr.Dataset:
    """Connected sets of cells of one sign: how many there are in every receptive field, and how large the largest is.

    Two cells with weights of one sign are connected where they are neighbours; a cell alone is a set, too. Grouping makes
    fewer and larger ones than ``expected``.

    Parameters
    ----------
    field, joint, keep_draws, **test
        As for `field_statistics`.
    lattice
        Which cells are neighbours; whether standardised makes no difference.

    Returns
    -------
    Dataset of ``value``, ``expected`` (mean of the draws), ``z_score``, ``p_value``, dims (..., statistic) with the
        statistics ``n_clusters`` and ``largest_cluster`` [cells]. NaN as for `field_statistics`.

    Notes
    -----
    The clusters are those of `scipy.ndimage.label` of the excitatory and of the inhibitory cells.

    Examples
    --------
    >>> field = xr.DataArray([[1.0, 1.0, -1.0], [0.0, 1.0, -1.0]], dims=("source", "delay"))
    >>> sign_clusters(field, n_permutations=0, seed=0).value.values
    array([2., 3.])
    """
    return field_statistics(
        field,
        statistics=["n_clusters", "largest_cluster"],
        lattice=lattice,
        joint=joint,
        keep_draws=keep_draws,
        **test,
    )


def lead(
    field: xr.DataArray | xr.Dataset,
    *,
    joint: bool = False,
    keep_draws: bool = False,
    **test: Unpack[NullOptions],
) -> xr.Dataset:
    r"""E–I lead of every receptive field: by how many ms excitation has the shorter delays.

    .. math:: L = \frac{\sum_I |w| d}{\sum_I |w|} - \frac{\sum_E w d}{\sum_E w}

    Above 0, after one input to all channels, excitation comes first and inhibition follows. (Of inputs whose effects meet
    at the neuron, the excitatory ones are then the later: the longer a delay, the earlier the input it carries.)

    Parameters
    ----------
    field
        As for `field_statistics`, with a coordinate ``delay`` in ms.
    joint, keep_draws, **test
        As for `field_statistics`. ``sources`` cannot move it.

    Returns
    -------
    Dataset of ``lead``, ``expected`` (0 under ``delays``, ``weights``, ``rows``), dims (...), in ms; ``z_score``,
        ``p_value``, and what `field_statistics` adds. NaN as there, and without excitation or inhibition.

    Examples
    --------
    >>> field = xr.DataArray([[1.0, 0, 0], [0, 0, -2.0]], {"delay": [0.0, 10.0, 20.0]}, ("source", "delay"))
    >>> lead(field, n_permutations=0, min_synapses=2, seed=0).lead.item()
    20.0
    """
    result = field_statistics(
        field,
        statistics=["lead"],
        joint=joint,
        keep_draws=keep_draws,
        **test,
    )
    return alone(result, "lead")

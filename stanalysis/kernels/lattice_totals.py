"""The statistics of the lattice, and the sums that they are made of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stanalysis.kernels.inner import inner

ALONG, ACROSS, GEARY, EE, EI, II, LIKE, UNLIKE, BIVARIATE, CLUSTERS, LARGEST, LEAD = range(12)
N_STATISTICS = 12
NOTHING = 1e-12  # of the sum of squares: what is left of it, once the mean is removed, in a constant field

# over cells: weights, squares, both times the weights that meet in a cell (its ends), along the delay and across sources
S, SS, ENDS_ALONG, ENDS_ACROSS, ENDS_SS = range(5)
# over pairs of neighbours: products times the weights that they give each other, and of unlike signs that which E gives
PRODUCT_ALONG, PRODUCT_ACROSS, PRODUCT_UNLIKE = range(5, 8)
# over pairs of neighbours by their signs, counted and weighted
N_EE, N_EI, N_II, W_LIKE, W_UNLIKE = range(8, 13)
# over cells of either sign: weights, squares, and weights times what E gives, or I takes
EXCITATION, E_SS, E_GIVEN, INHIBITION, I_SS, I_TAKEN = range(13, 19)
N_CLUSTERS, N_LARGEST = range(19, 21)
# over synapses of either sign: how many, weights, and weights times delays
N_E, N_I, W_E, W_I, DELAYS_E, DELAYS_I = range(21, 27)
N_TOTALS = 27


class FlatLattice(NamedTuple):
    """A lattice with a border of zeros, its rows one after another; scaled such that all weights add up to ``n_cell``."""

    share: np.ndarray  # weight that a cell gives to each neighbour
    ends: np.ndarray  # (2, …) weights given and received, along the delay and across sources
    given: np.ndarray  # weights given
    total: np.ndarray  # (2,) sum of all weights, along and across
    width: int
    n_cell: int
    queen: bool


@inner
def needs_everything(columns):
    """Whether some of the statistics ``columns``, rising, are made of more sums than Moran's I."""
    return columns.size > 0 and columns[-1] > ACROSS


@inner
def statistics_of(totals, lattice, columns, out):
    """Write into ``out`` (column, draw) the statistics ``columns``, rising, that the sums ``totals`` (sum, draw) make."""
    n_cell, along, across = lattice.n_cell, lattice.total[0], lattice.total[1]
    result = np.empty(N_STATISTICS)
    for d in range(out.shape[1]):
        s, ss = totals[S, d], totals[SS, d]
        mean = s / n_cell
        scatter = ss - n_cell * mean * mean
        if scatter <= NOTHING * ss:
            scatter = np.nan
        result[ALONG] = (totals[PRODUCT_ALONG, d] - mean * totals[ENDS_ALONG, d] + mean * mean * along) / scatter
        result[ACROSS] = (totals[PRODUCT_ACROSS, d] - mean * totals[ENDS_ACROSS, d] + mean * mean * across) / scatter
        if needs_everything(columns):
            products = totals[PRODUCT_ALONG, d] + totals[PRODUCT_ACROSS, d]
            result[GEARY] = (n_cell - 1) / (2 * n_cell) * (totals[ENDS_SS, d] - 2 * products) / scatter
            result[EE], result[EI], result[II] = totals[N_EE, d], totals[N_EI, d], totals[N_II, d]
            # of synapses, not of cells: an arrangement in which some meet has the same unit
            w_e, w_i = totals[W_E, d], totals[W_I, d]
            unit = ((w_e + w_i) / (totals[N_E, d] + totals[N_I, d])) ** 2
            result[LIKE], result[UNLIKE] = totals[W_LIKE, d] / unit, totals[W_UNLIKE, d] / unit
            e, i, e_ss, i_ss = totals[EXCITATION, d], totals[INHIBITION, d], totals[E_SS, d], totals[I_SS, d]
            scatter_e, scatter_i = e_ss - e * e / n_cell, i_ss - i * i / n_cell
            if scatter_e <= NOTHING * e_ss or scatter_i <= NOTHING * i_ss:
                scatter_e = np.nan
            shared = (i * totals[E_GIVEN, d] + e * totals[I_TAKEN, d]) / n_cell - e * i / n_cell
            result[BIVARIATE] = (totals[PRODUCT_UNLIKE, d] - shared) / np.sqrt(scatter_e * scatter_i)
            result[CLUSTERS], result[LARGEST] = totals[N_CLUSTERS, d], totals[N_LARGEST, d]
            one_sign = w_i == 0 or w_e == 0
            result[LEAD] = np.nan if one_sign else totals[DELAYS_I, d] / w_i - totals[DELAYS_E, d] / w_e
        for c in range(columns.size):
            out[c, d] = result[columns[c]]

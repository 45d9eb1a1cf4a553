"""Sums over the lattice of fields in which every source has one synapse at most, as with one delay per pair: neighbours are
synapses of adjacent sources, one before and one after, so that those of one sign that hang together are runs.

Eight draws lie side by side, in lanes. What the lattice says of a cell depends on its source and on how far the delay is from
the nearer end, as far as that is 0, 1, or more.
"""

from __future__ import annotations

import numpy as np

from stanalysis.kernels import lattice_totals as sums
from stanalysis.kernels.inner import inner
from stanalysis.kernels.lanes import TINY, larger, load, smaller, splat, store, up_to

_SHARE, _ALONG, _ACROSS, _GIVEN = range(4)


@inner
def is_chain(source):
    """Whether no two synapses share a source; they are in the order of their sources."""
    chain = True
    for k in range(1, source.size):
        chain = chain and source[k] > source[k - 1]
    return chain


@inner
def tables_of_chain(source, n_delay, lattice):
    """What the lattice says of the cells of each synapse's source: (quantity, synapse, 3), that of inner cells, what cells
    within 1 of the end have more, and what those at the end have more than that.
    """
    tables = np.empty((4, source.size, 3))
    for k in range(source.size):
        first = (source[k] + 1) * lattice.width + 1
        for q in range(4):
            if q == _SHARE:
                values = lattice.share
            elif q == _GIVEN:
                values = lattice.given
            else:
                values = lattice.ends[q - _ALONG]
            end, next_to_it, inner = values[first], values[first + min(1, n_delay - 1)], values[first + min(2, n_delay - 1)]
            tables[q, k, 0], tables[q, k, 1], tables[q, k, 2] = inner, next_to_it - inner, end - next_to_it
    return tables


@inner
def _of_cell(table, p, near, at):
    """What the lattice says of cells (lane) that are near the end, or at it."""
    return splat(table[p, 0]) + near * splat(table[p, 1]) + at * splat(table[p, 2])


@inner
def autocorrelation_of_chain(source, y, value, n_delay, tables, reach, totals):
    """Write into ``totals`` (sum, lane) what Moran's I needs, of delays ``y`` and values (synapse, lane)."""
    zero, unity, last, far = splat(0.0), splat(1.0), splat(float(n_delay - 1)), splat(float(reach))
    s, ss, along, across, product = zero, zero, zero, zero, zero
    for p in range(source.size):
        at, v = load(y, p), load(value, p)
        from_end = smaller(at, last - at)
        is_near, is_end = up_to(from_end, unity), up_to(from_end, zero)
        s, ss = s + v, ss + v * v
        along = along + v * _of_cell(tables[_ALONG], p, is_near, is_end)
        across = across + v * _of_cell(tables[_ACROSS], p, is_near, is_end)
        if p > 0 and source[p] == source[p - 1] + 1:
            apart = at - load(y, p - 1)
            touches = up_to(apart * apart, far)
            before = load(y, p - 1)
            from_end = smaller(before, last - before)
            was_near, was_end = up_to(from_end, unity), up_to(from_end, zero)
            share = _of_cell(tables[_SHARE], p, is_near, is_end) + _of_cell(tables[_SHARE], p - 1, was_near, was_end)
            product = product + touches * share * v * load(value, p - 1)
    store(s, totals, sums.S)
    store(ss, totals, sums.SS)
    store(along, totals, sums.ENDS_ALONG)
    store(across, totals, sums.ENDS_ACROSS)
    store(zero, totals, sums.PRODUCT_ALONG)
    store(product, totals, sums.PRODUCT_ACROSS)


@inner
def rest_of_chain(source, y, value, n_delay, tables, reach, totals):
    """Write into ``totals`` what all other statistics need; as `autocorrelation_of_chain`."""
    zero, unity, last, far = splat(0.0), splat(1.0), splat(float(n_delay - 1)), splat(float(reach))
    least = splat(TINY)
    ends_ss, unlike_product, ee, ei, ii, like, unlike = zero, zero, zero, zero, zero, zero, zero
    e, e_ss, e_given, i, i_ss, i_taken = zero, zero, zero, zero, zero, zero
    n_e, n_i, delays_e, delays_i, joined, run, longest = zero, zero, zero, zero, zero, zero, zero
    e_before, i_before, is_e_before, is_i_before, share_before, at_before = zero, zero, zero, zero, zero, zero
    for p in range(source.size):
        at, v = load(y, p), load(value, p)
        from_end = smaller(at, last - at)
        is_near, is_end = up_to(from_end, unity), up_to(from_end, zero)
        share, given = _of_cell(tables[_SHARE], p, is_near, is_end), _of_cell(tables[_GIVEN], p, is_near, is_end)
        ends = _of_cell(tables[_ALONG], p, is_near, is_end) + _of_cell(tables[_ACROSS], p, is_near, is_end)
        v_e, v_i = larger(v, zero), larger(zero - v, zero)
        is_e, is_i = up_to(least, v), up_to(least, zero - v)
        ends_ss = ends_ss + ends * v * v
        e, e_ss, e_given = e + v_e, e_ss + v_e * v_e, e_given + given * v_e
        i, i_ss, i_taken = i + v_i, i_ss + v_i * v_i, i_taken + (ends - given) * v_i
        n_e, n_i, delays_e, delays_i = n_e + is_e, n_i + is_i, delays_e + at * v_e, delays_i + at * v_i
        joins = zero
        if p > 0 and source[p] == source[p - 1] + 1:
            apart = at - at_before
            touches = up_to(apart * apart, far)
            both_e, both_i = touches * is_e * is_e_before, touches * is_i * is_i_before
            joins = both_e + both_i
            ee, ii = ee + both_e, ii + both_i
            ei = ei + touches * (is_e * is_i_before + is_i * is_e_before)
            e_i, i_e = touches * v_e * i_before, touches * v_i * e_before
            like = like + touches * (v_e * e_before + v_i * i_before)
            unlike = unlike + e_i + i_e
            unlike_product = unlike_product + share * e_i + share_before * i_e
        joined = joined + joins
        run = (is_e + is_i) * (unity + joins * run)
        longest = larger(longest, run)
        e_before, i_before, is_e_before, is_i_before, share_before, at_before = v_e, v_i, is_e, is_i, share, at
    store(ends_ss, totals, sums.ENDS_SS)
    store(unlike_product, totals, sums.PRODUCT_UNLIKE)
    store(ee, totals, sums.N_EE)
    store(ei, totals, sums.N_EI)
    store(ii, totals, sums.N_II)
    store(like, totals, sums.W_LIKE)
    store(unlike, totals, sums.W_UNLIKE)
    store(e, totals, sums.EXCITATION)
    store(e_ss, totals, sums.E_SS)
    store(e_given, totals, sums.E_GIVEN)
    store(i, totals, sums.INHIBITION)
    store(i_ss, totals, sums.I_SS)
    store(i_taken, totals, sums.I_TAKEN)
    store(n_e + n_i - joined, totals, sums.N_CLUSTERS)
    store(longest, totals, sums.N_LARGEST)
    store(n_e, totals, sums.N_E)
    store(n_i, totals, sums.N_I)
    store(e, totals, sums.W_E)
    store(i, totals, sums.W_I)
    store(delays_e, totals, sums.DELAYS_E)
    store(delays_i, totals, sums.DELAYS_I)

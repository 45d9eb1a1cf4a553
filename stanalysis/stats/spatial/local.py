"""Where in a receptive field neighbours are alike: local Moran's I, Getis-Ord Gi*, and the map of significant cells."""

from __future__ import annotations

from typing import Final, Unpack

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.fields.lattice import ROOK, Lattice, neighbour_share
from stanalysis.kernels import local_sums
from stanalysis.kernels.arrangements import CODES
from stanalysis.kernels.shuffled_cells import centred
from stanalysis.schema.statistics import LOCAL
from stanalysis.schema.variables import described
from stanalysis.stats.engine.draws import Purpose, field_streams, p_values_of_tails, stream
from stanalysis.stats.engine.null_test import NullOptions, NullTest
from stanalysis.stats.engine.nulls import Alternative
from stanalysis.stats.engine.prepared import NUMBERS_AT_ONCE, Fields, prepared, refuse_training_kernel

# Values of ``cluster``, in CF's words.
CLUSTERS: Final = {-1: "no_answer", 0: "not_significant", 1: "high_high", 2: "low_low", 3: "high_low", 4: "low_high"}

_ANSWERS: Final = ("local_i", "p_value", "q_value", "getis_ord", "getis_ord_p_value", "getis_ord_q_value")


def local_morans_i(
    field: xr.DataArray | xr.Dataset,
    *,
    lattice: Lattice = ROOK,
    rate: float = 0.05,
    **options: Unpack[NullOptions],
) -> xr.Dataset:
    r"""Local Moran's I and Getis-Ord Gi* of every cell of every receptive field, with a map of the significant ones.

    .. math:: I_i = (n - 1) \frac{z_i \sum_j w_{ij} z_j}{\sum_k z_k^2}, \qquad
              G^*_i = \frac{\sum_j w^*_{ij} z_j}{s}

    with :math:`z_i` the centred value of cell :math:`i` of :math:`n`, :math:`w_{ij}` the neighbour weight, :math:`w^*` the
    same with the cell among its own neighbours, and :math:`s` the standard deviation of the field; when neighbours are not
    standardised, of the sum over the cell and its neighbours when all cells are shuffled. I is above 0 where a cell is like
    its neighbours, Gi* where a cell and its neighbours are high, below 0 where they are low.

    Parameters
    ----------
    field
        Receptive fields, dims (..., source, delay), any unit: neither I nor Gi* depends on it. A Dataset has the variables
        ``receptive_field`` and ``present`` (bool, same dims), and may have ``contact_field`` and ``contact_present``; in a
        bare DataArray the non-zero cells are the synapses.
    lattice
        Which cells are neighbours.
    rate
        False-discovery rate of the map.
    **options
        As for `field_statistics`, without the null ``untrained``. What a null rearranges around a cell, which stays as it is
        (conditional permutation), are the other synapses (``delays``, ``weights``, ``signs``, ``rows``), those of other
        sources (``sources``, ``source-signs``), or all other cells (``cells``). Where a null moves synapses, only cells with
        a synapse are tested. The alternative "greater" says of I that a cell is like its neighbours, of Gi* that all are
        high; "less" the reverse.

    Returns
    -------
    Dataset, dims (..., source, delay), dimensionless: ``local_i``, its ``p_value`` and, over the tested cells of one field,
        the false-discovery-rate ``q_value`` (Benjamini-Hochberg); ``getis_ord``, ``getis_ord_p_value``,
        ``getis_ord_q_value``. The map ``cluster`` (int8) is 0 where ``q_value`` exceeds ``rate``, 1 for a high cell among
        high ones, 2 for low among low, 3 for high among low, 4 for low among high, high being above the field's mean; -1
        without a q-value. Also ``n_synapses`` (...) and, with a dim target, ``n_unanswered``, the targets without an answer.

        I and Gi* are NaN in a constant field, a field with a cell that is not finite, one of a single source, or of fewer
        than ``min_synapses`` synapses. p and q are NaN there, in cells not tested, and without draws.

    Raises
    ------
    BadInput
        As `morans_i`; the null ``untrained``, which draws nothing; a rate that is not between 0 and 1.

    Notes
    -----
    I equals ``esda.Moran_Local(y, w, transformation="r").Is`` ("b" when not standardised), and Gi*
    ``esda.G_Local(y, w, transform="R", star=True).Zs`` ("B") in a field of positive mean. esda divides by the magnitude of
    the mean: below 0 its sign is reversed. Standardised neighbours give a Gi* with a spread below 1, as in esda, which
    divides the mean over k cells by the standard deviation of one. The p-values do not equal esda's ``p_sim``, which picks
    the tail after seeing the data.

    With its cell held, a draw changes I and Gi* only through the same sum over neighbours, and only that is compared: ``I``
    by its sign times that of the cell. Two-sided p-values of I and Gi* are therefore equal. (A cell at the mean has I = 0 in
    every draw, and p = 1.) Under ``signs`` and ``source-signs``, where draws differ in the field's mean, the sign is that of
    the weight.

    Where one source has several synapses that cannot share a cell, ``delays`` walks anew around every synapse: the time
    grows with the square of their number.

    References
    ----------
    Anselin (1995), https://doi.org/10.1111/j.1538-4632.1995.tb00338.x
    Ord & Getis (1995), https://doi.org/10.1111/j.1538-4632.1995.tb00912.x
    Phipson & Smyth (2010), https://doi.org/10.2202/1544-6115.1585

    Examples
    --------
    One patch of strong weights, three by three, in noise: its corners do not stand out alone. A dead neuron has no answer.

    >>> plane = np.random.default_rng(0).standard_normal((12, 10))
    >>> plane[2:5, 1:4] += 9
    >>> field = xr.DataArray([plane, 0 * plane], dims=("target", "source", "delay"))
    >>> result = local_morans_i(field, null="cells", alternative="greater", seed=0)
    >>> result.cluster[0, :7, :5].values
    array([[0, 0, 0, 0, 0],
           [0, 0, 0, 0, 0],
           [0, 0, 1, 0, 0],
           [0, 1, 1, 1, 0],
           [0, 0, 1, 0, 0],
           [0, 0, 0, 0, 0],
           [0, 0, 0, 0, 0]], dtype=int8)
    >>> result.n_unanswered.item()
    1
    """
    test = NullTest(**options)
    test.require_draws()
    if test.rule.keeps:
        raise BadInput(f"the null {test.null!r} keeps margins and cannot hold a single cell; use the null 'signs'")
    if not 0 < rate < 1:
        raise BadInput(f"the rate is {rate}; give a false-discovery rate between 0 and 1")
    refuse_training_kernel(field, test.n_draws)
    fields = prepared(field)
    n_synapses = fields.n_synapses()
    answerable = fields.answerable() & (n_synapses >= test.min_synapses)

    _, n_source, n_delay = fields.planes.shape
    answers = {name: np.full(fields.planes.shape, np.nan) for name in _ANSWERS}
    cluster = np.full(fields.planes.shape, -1, np.int8)
    streams = field_streams(shared := stream(test.seed, Purpose.LOCAL), fields.labels)
    for chunk in _at_once(np.flatnonzero(answerable), n_source * n_delay, test.n_draws):
        some = fields.some(chunk)
        z = centred(some.planes)
        beside = _sums_beside(z, lattice)
        tails = _tails(some, z, beside, lattice, test, streams[chunk], shared)
        # The sign that a draw leaves as it is.
        sides = some.planes if test.rule.arrangement == "signs" else z
        values = _values(z, beside, lattice)
        values["getis_ord_p_value"] = _p_values(tails, test.n_draws, test.alternative)
        values["p_value"] = _of_products(values["getis_ord_p_value"], tails, sides, test)
        values["getis_ord_q_value"] = values["q_value"] = _q_values(values["getis_ord_p_value"], test.n_draws)
        if not np.array_equal(values["p_value"], values["getis_ord_p_value"], equal_nan=True):
            values["q_value"] = _q_values(values["p_value"], test.n_draws)
        for name, value in values.items():
            answers[name][chunk] = value
        cluster[chunk] = _clusters(z, beside, values["q_value"], rate)

    dims = (*fields.labels.dims, "source", "delay")
    sizes = (*fields.labels.shape, n_source, n_delay)
    result = xr.Dataset(
        {name: (dims, value.reshape(sizes)) for name, value in answers.items()},
        {name: c for name, c in field.coords.items() if set(c.dims) <= set(dims)},
        {
            "null": test.null,
            "contiguity": lattice.contiguity,
            "transform": "r" if lattice.standardised else "b",
            "n_permutations": test.n_permutations,
            "alternative": test.alternative,
            "min_synapses": test.min_synapses,
            "rate": rate,
            "seed": test.seed,
        },
    )
    meanings = {"flag_values": np.array(list(CLUSTERS), np.int8), "flag_meanings": " ".join(CLUSTERS.values())}
    result["cluster"] = dims, cluster.reshape(sizes), meanings
    result["n_synapses"] = fields.labels.dims, n_synapses.reshape(fields.labels.shape)
    if "target" in fields.labels.dims:
        result["n_unanswered"] = fields.labels.copy(data=~answerable.reshape(fields.labels.shape)).sum("target")
    return described(result, LOCAL)


def _at_once(chosen: np.ndarray, n_cell: int, n_draw: int) -> list[np.ndarray]:
    """The chosen fields, so many at a time that memory is bounded."""
    size = max(NUMBERS_AT_ONCE // (10 * n_cell + 6 * n_draw), 1)
    return [chosen[i : i + size] for i in range(0, chosen.size, size)]


def _sums_beside(planes: np.ndarray, lattice: Lattice) -> np.ndarray:
    """Sum over the neighbours of each cell, the cell itself left out, shape (field, source, delay)."""
    reach = (-1, 0, 1)
    corners = lattice.contiguity == "queen"
    steps = [(a, b) for a in reach for b in reach if abs(a) + abs(b) == 1 or (corners and a and b)]
    _, n_source, n_delay = planes.shape
    padded = np.pad(planes, ((0, 0), (1, 1), (1, 1)))
    total = np.zeros_like(planes)
    for a, b in steps:
        total += padded[:, 1 + a : 1 + a + n_source, 1 + b : 1 + b + n_delay]
    return total


def _values(z: np.ndarray, beside: np.ndarray, lattice: Lattice) -> dict[str, np.ndarray]:
    """I and Gi* of fields ``z`` whose squares sum to one."""
    shape = z.shape[1:]
    n_cell = shape[0] * shape[1]
    around = _sums_beside(np.ones((1, *shape)), lattice) + 1  # cells around and with a cell
    spread = around if lattice.standardised else np.sqrt(around * (n_cell - around) / (n_cell - 1))
    return {
        "local_i": (n_cell - 1) * z * neighbour_share(lattice, *shape) * beside,
        "getis_ord": (z + beside) * np.sqrt(n_cell) / np.where(spread > 0, spread, np.nan),
    }


def _tails(
    fields: Fields,
    z: np.ndarray,
    beside: np.ndarray,
    lattice: Lattice,
    test: NullTest,
    streams: np.ndarray,
    shared: np.uint64,
) -> np.ndarray:
    """Draws with at least, and at most, the observed sum over neighbours, shape (field, source, delay, 2).

    NaN in cells not tested.
    """
    n_field, n_source, n_delay = z.shape
    n_draw, rule = test.n_draws, test.rule
    if n_draw == 0:
        return np.full((*z.shape, 2), np.nan)
    if rule.arrangement == "cells":
        degrees, kind = np.unique(_sums_beside(np.ones((1, n_source, n_delay)), lattice).astype(int), return_inverse=True)
        picks = np.empty((n_draw, degrees[-1] + 1), np.int32)
        local_sums.pick_cells(shared, n_source * n_delay, picks)
        flat = z.reshape(n_field, -1)
        sums = np.empty((n_field, degrees.size, n_draw))
        local_sums.sums_of_picks(flat, streams, picks, degrees, sums)
        counts = np.empty((*flat.shape, 2), np.int32)
        local_sums.tails_of_cells(
            flat, beside.reshape(n_field, -1), kind.reshape(-1), degrees, streams, picks, sums, np.sort(sums), counts
        )
        return counts.reshape(*z.shape, 2).astype(float)
    by_source = rule.by_source or rule.arrangement == "sources"
    synapses = fields.synapses(by_source=rule.by_source)
    counts = np.zeros((synapses.source.size, 2), np.int64)
    queen = lattice.contiguity == "queen"
    local_sums.tails_of_synapses(CODES[rule.arrangement], synapses, fields.plane, queen, by_source, n_draw, counts, streams)
    tails = np.full((*z.shape, 2), np.nan)
    field = np.repeat(np.arange(n_field), np.diff(synapses.start))
    tails[field, synapses.source, synapses.delay.astype(int)] = counts  # synapses of one cell have the same
    return tails


def _of_products(p: np.ndarray, tails: np.ndarray, sides: np.ndarray, test: NullTest) -> np.ndarray:
    """The p-values of the product with the value of the cell, by ``p``, those of the sum beside it: the sign of the cell alone
    matters, which exchanges the tails; 0 ties with every draw.
    """
    rounding = local_sums.SUM_ERROR * np.abs(sides).max(axis=(1, 2), keepdims=True)
    of_product = p
    if test.alternative != "two-sided":
        other: Alternative = "less" if test.alternative == "greater" else "greater"
        of_product = np.where(sides < 0, _p_values(tails, test.n_draws, other), p)
    return np.where((np.abs(sides) > rounding) | np.isnan(p), of_product, 1.0)


def _p_values(tails: np.ndarray, n_draw: int, alternative: Alternative) -> np.ndarray:
    """From counts (..., 2): so many cells times draws are too many to be kept."""
    return p_values_of_tails(tails[..., 0], tails[..., 1], n_draw, alternative=alternative)


def _q_values(p: np.ndarray, n_draw: int) -> np.ndarray:
    """Benjamini-Hochberg within each field (field, source, delay), as `scipy.stats.false_discovery_control`.

    p-values from draws are multiples of 1 / (n_draw + 1): counting how often each occurs is faster than sorting them.
    """
    flat = p.reshape(p.shape[0], -1)
    tested = ~np.isnan(flat)
    multiple = np.where(tested, np.rint(flat * (n_draw + 1)), 0).astype(int)
    n_level = n_draw + 2
    which = multiple + n_level * np.arange(flat.shape[0])[:, None]
    every = bool(tested.all())
    counts = np.bincount(which.reshape(-1) if every else which[tested], minlength=flat.shape[0] * n_level).reshape(-1, n_level)
    rank = np.maximum(np.cumsum(counts, axis=1), 1)
    q = np.arange(n_level) / (n_draw + 1) * tested.sum(axis=1, keepdims=True) / rank
    q[counts == 0] = np.inf
    q = np.minimum(np.minimum.accumulate(q[:, ::-1], axis=1)[:, ::-1], 1)
    answers = q.reshape(-1)[which]
    return (answers if every else np.where(tested, answers, np.nan)).reshape(p.shape)


def _clusters(z: np.ndarray, beside: np.ndarray, q: np.ndarray, rate: float) -> np.ndarray:
    high, among_high = z > 0, beside > 0
    one, two, three, four = np.arange(1, 5, dtype=np.int8)
    kind = np.where(high, np.where(among_high, one, three), np.where(among_high, four, two))
    return np.where(np.isnan(q), np.int8(-1), np.where(q <= rate, kind, np.int8(0)))

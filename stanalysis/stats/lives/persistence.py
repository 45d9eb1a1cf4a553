"""Does the structure of receptive fields outlive turnover, more than the age of their synapses alone would make it?"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.fields.delay_bins import bins_of_projection
from stanalysis.fields.lattice import ROOK, Lattice, neighbour_share, pair_weights
from stanalysis.fields.receptive_field import fields_of_synapses
from stanalysis.kernels.shuffled_cells import centred, neighbour_sums
from stanalysis.schema.lives import PERSISTENCE
from stanalysis.schema.network import REQUIRED_OF_SYNAPSES, SYNAPSES
from stanalysis.schema.variables import described, validate
from stanalysis.stats.engine.draws import Purpose, generator, p_values, standardised, z_scores
from stanalysis.stats.engine.null_test import MIN_SYNAPSES, check_alternative, check_seed
from stanalysis.stats.engine.nulls import Alternative
from stanalysis.stats.engine.prepared import NUMBERS_AT_ONCE
from stanalysis.stats.engine.rounding import ROUNDING, varies  # of shares, correlations and Moran's I, whose terms are about 1
from stanalysis.stats.lives.changes import IDENTITY

N_PERMUTATIONS: Final = 199  # each makes all receptive fields anew
_STATISTICS: Final = ("overlap", "kept", "survivors_i")
_TOGETHER: Final = ("kept", "survivors_i")  # of which the mean over targets says something


def persistence(
    before: xr.Dataset,
    after: xr.Dataset,
    *,
    births: np.ndarray | xr.DataArray,
    survives: np.ndarray | xr.DataArray,
    dt: float,
    bin_width: float | None = None,
    lattice: Lattice = ROOK,
    n_permutations: int = N_PERMUTATIONS,
    alternative: Alternative = "two-sided",
    seed: int = 0,
) -> xr.Dataset:
    r"""How much of each receptive field lives on to a later step, and how much if death depended on age alone.

    .. math:: \text{overlap} = \frac{\sum_k s_k}{n}, \qquad \text{kept} = \operatorname{corr}(F, S), \qquad
              \text{survivors\_i} = I(S)

    over the n synapses of a target at the earlier step, s being 1 for those that live on and 0 otherwise; F is the field of
    all of them and S that of the survivors, both with the weights and delays of the earlier step, so that it is the
    choice of survivors that is asked about and not what they learned since. The correlation is over all cells.

    Under the null it is chance which synapses die among those of equal age: fates are exchanged among all synapses of the
    projection with one birth step. A target can then have more survivors than it has, or fewer, as it should for
    ``overlap`` and ``kept``. Moran's I depends on density, so that for ``survivors_i`` fates are exchanged only among the
    synapses of one target with one birth step: each target keeps its number of survivors.

    Parameters
    ----------
    before, after
        Synapse tables of one projection at two steps: ``source``, ``target``, ``contact``, ``delay`` [ms] and ``weight``,
        dim synapse, with the attributes of a projection.
    births
        Birth step of each synapse of ``before``, in its order, as ``birth_step`` of `replay`; from checkpoints alone the
        first step at which it was seen. Ages are known less well then: what they explain within such a class is taken for
        structure.
    survives
        Whether each synapse of ``before`` lives on to the step of ``after`` (bool): whether it is there with the same birth
        step. From checkpoints alone, whether it is there at all: one that died and was born again in its old place passes
        for a survivor.
    dt
        Time step of the network in ms; 0 where delays are continuous.
    bin_width
        Width of a delay bin in ms; by default the time step.
    lattice
        Which cells are neighbours.
    n_permutations
        Draws of the null; 0 gives the statistics alone.
    alternative
        "greater", "less" or "two-sided"; of ``overlap_spread`` too.
    seed
        Draws are addressed by seed and draw, and do not depend on the order of the synapses.

    Returns
    -------
    Dataset of ``overlap``, ``kept``, ``survivors_i``, each also with ``_expected``, ``_z`` and ``_p``, dim target,
        dimensionless; ``n_synapses`` and ``n_survivors`` (target); ``correlation`` (target), of the whole field with that of
        ``after``, which has no null.

        Of all targets together: ``network_z`` and ``network_p`` (statistic), of the mean z-score of ``kept`` and of
        ``survivors_i``. That of overlap says nothing, for as many synapses die in every draw. Instead ``overlap_spread`` is the
        root mean square of its z-scores: about 1 under the null, more where few targets have the survivors, less where
        they are spread too evenly; ``overlap_spread_p`` is its p-value. ``n_unanswered`` (statistic) counts the targets
        without an answer.

        NaN: ``overlap`` without synapses; ``kept`` of a constant field, or where nothing survives; ``survivors_i`` of fewer
        than 4 survivors, of a constant field, in a plane of one source; all but ``overlap`` with a weight that is not
        finite. ``_z`` and ``_p`` also where nothing can move: those of one age, in the target for ``survivors_i`` and in the
        projection for the others, all live or all die; for ``overlap`` also where no other target has synapses of that
        age.

    Raises
    ------
    BadInput
        A missing variable or attribute, ``births`` or ``survives`` of another length or type, two synapses with one
        identity, a survivor that is not in ``after``.

    Notes
    -----
    Rejecting says that death depended on more than age, not on what: where strong synapses live longer ``kept`` is high, and
    ``survivors_i`` too if strong synapses lie together, or if survivors balance excitation and inhibition better than those
    that die, for that moves the mean of a sparse field. Each draw is of the whole projection, and synapses that die together,
    as all those of one source may, are a departure from the null as well. ``overlap_expected`` is exact, the other
    expectations are means of the draws.

    References
    ----------
    Phipson & Smyth (2010), https://doi.org/10.2202/1544-6115.1585
    Moran (1950), https://doi.org/10.2307/2332142

    Examples
    --------
    Half of the synapses die, always those of late sources.

    >>> from stanalysis.files.checkpoint import projection
    >>> source, delay = np.divmod(np.arange(60), 5)
    >>> before = projection(n_source=12, n_target=1, delay_max=4.0, rounding="half even", source=source, target=0 * source,
    ...                     contact=delay, delay=1.0 * delay, weight=np.ones(60))
    >>> lives = source < 6
    >>> result = persistence(before, before.isel(synapse=lives), births=0 * source, survives=lives, dt=1.0, seed=0)
    >>> result.overlap.values, result.survivors_i.values.round(2), result.survivors_i_p.values
    (array([0.5]), array([0.91]), array([0.01]))
    """
    check_alternative(alternative)
    check_seed(seed)
    if n_permutations < 0:
        raise BadInput(f"n_permutations is {n_permutations}; use 0 for the statistic alone, or a positive number")
    lives = _lives(before, after, np.asarray(births), np.asarray(survives), dt=dt, bin_width=bin_width)
    observed = {name: value[:, 0] for name, value in _statistics(lives, lives.fate[None], lives.fate[None], lattice).items()}
    draws = _draws(lives, lattice, n_permutations, seed)
    moving = _moving(lives)
    expected = {name: _mean_of(sample) for name, sample in draws.items()} | {"overlap": _expected_overlap(lives)}
    values = {
        "n_synapses": lives.number(),
        "n_survivors": lives.number(lives.fate),
        "correlation": _correlations(lives.field, lives.later[None])[0],
    }
    for name, value in observed.items():
        p = p_values(value, draws[name], alternative=alternative, resolution=ROUNDING)
        z = z_scores(value, expected[name], draws[name], resolution=ROUNDING)
        values |= {name: value, f"{name}_expected": np.where(np.isnan(value), np.nan, expected[name])}
        values |= {f"{name}_z": np.where(moving[name], z, np.nan), f"{name}_p": np.where(moving[name], p, np.nan)}
    spread = _spread(observed["overlap"], draws["overlap"], alternative)
    means = np.array([_mean_z(observed[name], expected[name], draws[name], alternative) for name in _TOGETHER])
    unanswered = [np.count_nonzero(np.isnan(observed[name]) | ~moving[name]) for name in _TOGETHER]
    result = xr.Dataset(
        {name: ("target", value) for name, value in values.items()}
        | dict(zip(("overlap_spread", "overlap_spread_p"), spread, strict=True))
        | {"network_z": ("statistic", means[:, 0]), "network_p": ("statistic", means[:, 1])}
        | {"n_unanswered": ("statistic", unanswered)},
        {"target": np.arange(lives.n_target), "statistic": list(_TOGETHER)},
        {
            "null": "age-matched turnover",
            "contiguity": lattice.contiguity,
            "transform": "r" if lattice.standardised else "b",
            "n_permutations": n_permutations,
            "alternative": alternative,
            "min_synapses": MIN_SYNAPSES,
            "seed": seed,
        },
    )
    return described(result, PERSISTENCE)


class _Lives(NamedTuple):
    """The synapses of the earlier step, sorted by identity, and what became of them."""

    target: np.ndarray  # (synapse,)
    source: np.ndarray  # (synapse,)
    delay: np.ndarray  # (synapse,) bin
    weight: np.ndarray  # (synapse,) float64
    birth: np.ndarray  # (synapse,) age class in the projection, from 0
    own_birth: np.ndarray  # (synapse,) age class in its target, from 0
    fate: np.ndarray  # (synapse,) bool: lives on
    field: np.ndarray  # (target, source, delay) as `_standard` gives them
    later: np.ndarray  # same, of the later step

    @property
    def n_target(self) -> int:
        result: int = self.field.shape[0]
        return result

    def number(self, which: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Synapses of each target, shape (target,), all or those of a mask (synapse,)."""
        return np.bincount(self.target[which], minlength=self.n_target)


def _lives(
    before: xr.Dataset, after: xr.Dataset, births: np.ndarray, survives: np.ndarray, *, dt: float, bin_width: float | None
) -> _Lives:
    """What the tables say; `BadInput` if they do not go together."""
    tables = {"before": before, "after": after}
    for name, table in tables.items():
        validate(table, SYNAPSES, required=(*REQUIRED_OF_SYNAPSES, "contact"), where=f"the table {name}")
    for name, values, kinds, what in (("births", births, "iu", "a whole number"), ("survives", survives, "b", "a bool")):
        if values.shape != (before.sizes["synapse"],) or values.dtype.kind not in kinds:
            raise BadInput(
                f"'{name}' is {values.dtype} of shape {values.shape}; give {what} for each of the {before.sizes['synapse']} "
                "synapses of 'before'"
            )
    identities = {name: pd.MultiIndex.from_arrays([table[c].values for c in IDENTITY]) for name, table in tables.items()}
    for name, identity in identities.items():
        if not identity.is_unique:
            raise BadInput(f"two synapses of '{name}' share source, target and contact; number those of each pair by contact")
    n_lost = np.count_nonzero(~identities["before"][survives].isin(identities["after"]))
    if n_lost:
        raise BadInput(
            f"{n_lost} synapses survive but are not in 'after'; give 'survives' in the order of 'before', and say of each "
            "whether it lives at the step of 'after'"
        )
    order = np.lexsort([before[name].values for name in reversed(IDENTITY)])
    before, births, survives = before.isel(synapse=order), births[order], survives[order]
    field, later = (fields_of_synapses(table, dt=dt, bin_width=bin_width).receptive_field for table in (before, after))
    if field.shape != later.shape:
        raise BadInput(f"the fields are of shape {field.shape} before and {later.shape} after; give tables of one projection")
    n_target = field.shape[0]
    target = before.target.values.astype(np.int64)
    bins = bins_of_projection(before.attrs, dt=dt, width=bin_width).of(before.delay.values)
    birth = np.unique(births, return_inverse=True)[1].astype(np.int64)
    return _Lives(
        target,
        before.source.values.astype(np.int64),
        bins,
        before.weight.values.astype(np.float64),
        birth,
        np.unique(birth * n_target + target, return_inverse=True)[1],
        survives,
        _standard(field.to_numpy().astype(np.float64)),
        _standard(later.to_numpy().astype(np.float64)),
    )


def _draws(lives: _Lives, lattice: Lattice, n_permutations: int, seed: int) -> dict[str, np.ndarray]:
    """Each statistic (target, draw), many draws at a time."""
    size = max(NUMBERS_AT_ONCE // lives.field.size, 1)
    chunks = [{name: np.empty((lives.n_target, 0)) for name in _STATISTICS}]
    for start in range(0, n_permutations, size):
        numbers = range(start, min(start + size, n_permutations))
        anywhere = np.stack([_exchanged(lives.fate, lives.birth, seed, Purpose.FATES, r) for r in numbers])
        within = np.stack([_exchanged(lives.fate, lives.own_birth, seed, Purpose.FATES_WITHIN, r) for r in numbers])
        chunks.append(_statistics(lives, anywhere, within, lattice))
    return {name: np.concatenate([chunk[name] for chunk in chunks], axis=1) for name in _STATISTICS}


def _exchanged(fate: np.ndarray, group: np.ndarray, seed: int, purpose: Purpose, draw: int) -> np.ndarray:
    """The fates (synapse,), exchanged at random within each group; draw number ``draw`` of its purpose."""
    rng = generator(seed, purpose, draw)
    exchanged = np.empty_like(fate)
    exchanged[np.argsort(group, kind="stable")] = fate[np.argsort(group + rng.random(group.size), kind="stable")]
    return exchanged


def _statistics(lives: _Lives, anywhere: np.ndarray, within: np.ndarray, lattice: Lattice) -> dict[str, np.ndarray]:
    """Each statistic (target, draw) of fates (draw, synapse): Moran's I of those exchanged within targets."""
    with np.errstate(invalid="ignore"):  # a target without synapses
        overlap = np.stack([lives.number(fate) for fate in anywhere]) / lives.number()
    kept = _correlations(lives.field, _standard(_planes(lives, anywhere)))
    moran = _morans_i(_standard(_planes(lives, within)), lattice)
    few = np.stack([lives.number(fate) for fate in within]) < MIN_SYNAPSES
    unknown = lives.number(~np.isfinite(lives.weight)) > 0  # though that synapse may not survive
    return {"overlap": overlap.T, "kept": kept.T, "survivors_i": np.where(few | unknown, np.nan, moran).T}


def _planes(lives: _Lives, fates: np.ndarray) -> np.ndarray:
    """Fields (draw, target, source, delay) of those synapses that live on in fates (draw, synapse)."""
    draw, k = np.nonzero(fates)
    n_target, n_source, n_delay = lives.field.shape
    at = ((draw * n_target + lives.target[k]) * n_source + lives.source[k]) * n_delay + lives.delay[k]
    return np.bincount(at, lives.weight[k], fates.shape[0] * lives.field.size).reshape(-1, *lives.field.shape)


def _standard(planes: np.ndarray) -> np.ndarray:
    """Fields (..., source, delay) less their mean, with sum of squares one; NaN where constant or not finite."""
    flat = planes.reshape(-1, *planes.shape[-2:])
    flat = np.where(varies(flat, axis=(1, 2))[:, None, None], flat, np.nan)  # rounding must not make a constant field vary
    return centred(flat).reshape(planes.shape)


def _correlations(field: np.ndarray, planes: np.ndarray) -> np.ndarray:
    """Correlation over cells, shape (draw, target), of standard fields (target, ...) with others (draw, target, ...)."""
    result: np.ndarray = np.einsum("trc,dtrc->dt", field, planes)
    return result


def _morans_i(planes: np.ndarray, lattice: Lattice) -> np.ndarray:
    """Moran's I, shape (draw, target), of standard fields."""
    n_source, n_delay = planes.shape[-2:]
    share = neighbour_share(lattice, n_source, n_delay)
    ends = pair_weights(lattice, share).sum(axis=0)
    sums = np.empty((planes.shape[0] * planes.shape[1], 3))
    neighbour_sums(planes.reshape(-1, n_source, n_delay), share, ends, lattice.contiguity == "queen", sums)
    moran = (sums[:, 0] + sums[:, 1]) * share.size / (ends.sum() / 2)
    return np.where(n_source > 1, moran, np.nan).reshape(planes.shape[:2])


def _undecided(fate: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Whether in the group of each synapse some live and some die."""
    alive = np.bincount(group, fate)
    result: np.ndarray = ((alive > 0) & (alive < np.bincount(group)))[group]
    return result


def _moving(lives: _Lives) -> dict[str, np.ndarray]:
    """Whether the null has more than one arrangement for each target, by statistic."""
    undecided = _undecided(lives.fate, lives.birth)
    elsewhere = np.bincount(lives.birth)[lives.birth] > np.bincount(lives.own_birth)[lives.own_birth]
    return {
        "overlap": lives.number(undecided & elsewhere) > 0,
        "kept": lives.number(undecided) > 0,
        "survivors_i": lives.number(_undecided(lives.fate, lives.own_birth)) > 0,
    }


def _expected_overlap(lives: _Lives) -> np.ndarray:
    """Each synapse is as likely to survive as its age class."""
    share = np.bincount(lives.birth, lives.fate) / np.bincount(lives.birth)
    with np.errstate(invalid="ignore"):
        result: np.ndarray = np.bincount(lives.target, share[lives.birth], lives.n_target) / lives.number()
        return result


def _mean_of(draws: np.ndarray) -> np.ndarray:
    """Mean of those that are numbers."""
    with np.errstate(invalid="ignore"):
        result: np.ndarray = np.nansum(draws, axis=1) / np.count_nonzero(~np.isnan(draws), axis=1)
        return result


def _varying(observed: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Whether a target's observed value and draws together are more than one value."""
    return varies(np.concatenate([observed[:, None], draws], axis=1), resolution=ROUNDING, axis=1)


def _mean_z(observed: np.ndarray, expected: np.ndarray, draws: np.ndarray, alternative: Alternative) -> tuple[float, float]:
    """Mean z-score over the targets that have one, and its p-value.

    In each draw, as in what is observed, the mean is over the targets that have an answer there.
    """
    told = _varying(observed, draws)
    if np.isnan(observed[told]).all():
        return np.nan, np.nan
    scores, deviation = standardised(observed[told], draws[told])
    means = _mean_of(scores.T)
    p = p_values(means[:1], means[None, 1:], alternative=alternative, resolution=(ROUNDING / deviation).mean())
    return float(np.nanmean((observed - expected)[told] / deviation)), float(p[0])


def _spread(observed: np.ndarray, draws: np.ndarray, alternative: Alternative) -> tuple[float, float]:
    """Root mean square over targets of the z-score, and its p-value."""
    told = _varying(observed, draws)
    if not told.any():
        return np.nan, np.nan
    spread = np.sqrt(np.square(standardised(observed[told], draws[told])[0]).mean(axis=0))
    p = p_values(spread[:1], spread[None, 1:], alternative=alternative, resolution=ROUNDING)
    return float(spread[0]), float(p[0])

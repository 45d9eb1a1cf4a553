"""Statistics of a field that are many numbers, as one per distance: each against the draws of a null, and all at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import xarray as xr

from stanalysis.kernels.arrangements import CODES, Synapses
from stanalysis.stats.engine.draws import Purpose, field_streams, p_values, stream, z_scores
from stanalysis.stats.engine.margins import LEAST_MIXING, mixing_of, movable
from stanalysis.stats.engine.measures import Draws
from stanalysis.stats.engine.null_test import NullTest
from stanalysis.stats.engine.nulls import Alternative
from stanalysis.stats.engine.prepared import NUMBERS_AT_ONCE, AnyFields
from stanalysis.stats.engine.rounding import varies
from stanalysis.stats.engine.sums import summed

# Of each value; and, of all values of one family together, ``global_p``.
PARTS: Final = ("value", "expected", "lower", "upper", "z_score", "p_value")
BAND: Final = (0.025, 0.975)

# engine(code of the null, synapses, streams, out): writes (field, draw, value) into ``out``
Engine = Callable[[int, Synapses, np.ndarray, np.ndarray], None]


def against_null(
    fields: AnyFields,
    engine: Engine,
    *,
    resolution: np.ndarray,
    families: Sequence[slice],
    test: NullTest,
    weighed: bool = True,
) -> dict[str, np.ndarray]:
    """Every value of every field against the draws of a null.

    Parameters
    ----------
    resolution
        Shape (value,): differences this small are rounding.
    families
        Values that are tested together.
    weighed
        Whether magnitudes count in the values, and not signs alone.

    Returns
    -------
    `PARTS`, each (field, value), and ``global_p`` (field, family). NaN for fields without an answer, and for a value that
        a field does not have.
    """
    n_field, n_value = fields.labels.size, resolution.size
    answers = {name: np.full((n_field, n_value), np.nan) for name in PARTS}
    answers["global_p"] = np.full((n_field, len(families)), np.nan)
    streams = field_streams(stream(test.seed, Purpose.FIELD), fields.labels)
    chosen = np.flatnonzero(fields.answerable() & (fields.n_synapses() >= test.min_synapses))
    size = max(NUMBERS_AT_ONCE // (fields.numbers() + n_value * test.n_permutations), 1)
    for first in range(0, chosen.size, size):
        chunk = chosen[first : first + size]
        synapses = movable(fields.some(chunk), test.rule, weighed=weighed)
        observed, draws = np.empty((chunk.size, 1, n_value)), np.empty((chunk.size, test.n_permutations, n_value))
        engine(CODES["none"], synapses, streams[chunk], observed)
        engine(CODES[test.rule.arrangement], synapses, streams[chunk], draws)
        for m, family in enumerate(families):
            farthest, tie = np.full((chunk.size, test.n_permutations + 1), np.nan), np.zeros(chunk.size)
            for k in range(n_value)[family]:
                values, sample = observed[:, 0, k], np.ascontiguousarray(draws[:, :, k])
                answers["value"][chunk, k] = values
                for name, value in compared(values, sample, alternative=test.alternative, resolution=resolution[k]).items():
                    answers[name][chunk, k] = value
                far, rounding = departures(values, sample, alternative=test.alternative, resolution=resolution[k])
                farthest, tie = np.fmax(farthest, far), np.maximum(tie, rounding)
            largest = compared(farthest[:, 0], farthest[:, 1:], alternative="greater", resolution=tie)
            answers["global_p"][chunk, m] = largest["p_value"]
        if test.rule.keeps:
            same = Draws(test.rule, test.n_draws, streams[chunk], stream(test.seed, Purpose.SHARED))
            mixing = mixing_of(synapses, summed(synapses, fields.plane, same).n_moved)
            for name in (*PARTS[1:], "global_p"):
                answers[name][chunk[~(mixing >= LEAST_MIXING)]] = np.nan
    return answers


def compared(
    observed: np.ndarray, draws: np.ndarray, *, alternative: Alternative, resolution: np.ndarray | float
) -> dict[str, np.ndarray]:
    """Mean, band, z-score and p-value of values (field,) in draws (field, draw), each (field,).

    A draw without the value (NaN) is left out. That is exact, not only safe: among those of the arrangements that have a
    value, the observed one is under the null as likely to have any rank as every other.

    Examples
    --------
    >>> draws = np.array([[0.0, 1.0, np.nan, 2.0]])
    >>> compared(np.array([3.0]), draws, alternative="greater", resolution=1e-9)["p_value"]
    array([0.25])
    """
    resolution = np.broadcast_to(resolution, observed.shape)
    values = dict.fromkeys(PARTS[1:], np.full(observed.shape, np.nan))
    if draws.shape[1] == 0:
        return values
    expected = draws.mean(axis=1)
    lower, upper = np.quantile(draws, BAND, axis=1)
    z = z_scores(observed, expected, draws, resolution=resolution)
    p = p_values(observed, draws, alternative=alternative, resolution=resolution)
    values = dict(zip(PARTS[1:], (expected, lower, upper, z, p), strict=True))
    for f in np.flatnonzero(np.isnan(draws).any(axis=1)):
        had = draws[f][~np.isnan(draws[f])][None]
        for name, value in compared(observed[[f]], had, alternative=alternative, resolution=resolution[[f]]).items():
            values[name][f] = value[0]
    return values


def departures(
    observed: np.ndarray, draws: np.ndarray, *, alternative: Alternative, resolution: float
) -> tuple[np.ndarray, np.ndarray]:
    """How far each arrangement, the observed one first, is from the mean of all, (field, 1 + draw); the rounding (field,).

    In standard deviations of all arrangements, the observed one among them, so that under the null no arrangement is told
    apart and the largest departure of many values has an exact p-value. In the direction of the alternative; 0 where all
    arrangements agree; NaN without a value.
    """
    every = np.column_stack([observed, draws])
    has = ~np.isnan(every)
    n = np.count_nonzero(has, axis=1)[:, None]
    mean = np.where(has, every, 0).sum(axis=1, keepdims=True) / n.clip(1)
    away = np.where(has, every - mean, 0)
    spread = np.sqrt((away * away).sum(axis=1, keepdims=True) / (n - 1).clip(1))
    differ = varies(every, resolution=resolution, axis=1)[:, None]
    far = np.where(differ, away / np.where(differ, spread, 1), 0)
    far = {"greater": far, "less": -far, "two-sided": np.abs(far)}[alternative]
    return np.where(has, far, np.nan), (resolution / np.where(differ, spread, np.inf))[:, 0]


def curve_dataset(fields: AnyFields, values: dict[str, tuple[tuple[str, ...], np.ndarray]]) -> xr.Dataset:
    """Values (field, …) by name, with their dims after those of the fields; and the numbers of synapses."""
    leading = tuple(str(d) for d in fields.labels.dims)
    sizes = fields.labels.shape
    result = xr.Dataset(
        {name: ((*leading, *dims), value.reshape((*sizes, *value.shape[1:]))) for name, (dims, value) in values.items()},
        dict(fields.labels.coords),
    )
    result["n_synapses"] = leading, fields.n_synapses().reshape(sizes)
    return result


def unanswered(statistic: xr.DataArray, leading: tuple[object, ...]) -> xr.DataArray:
    """Number of targets without any value; the dims before it are ``leading``."""
    inner = [d for d in statistic.dims if d not in leading]
    return statistic.isnull().all(inner).sum("target")

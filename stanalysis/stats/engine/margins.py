r"""What the signs of a field owe to the source alone and to the delay alone, as smooth functions of either: its margins.

The null `interaction` moves signs and keeps margins. Let :math:`x_i = \pm 1` be the sign of synapse i at source :math:`s_i`
and delay :math:`d_i`. Its null hypothesis is that signs are independent with log odds :math:`a + f(s_i) + g(d_i)`, f and g of
`N_COSINES` cosines each. Were :math:`\sum x_i`, :math:`\sum x_i \varphi_k(s_i)` and :math:`\sum x_i \psi_k(d_i)` held exactly,
all arrangements with the same sums would be equally likely whatever f and g, and hardly two would share them. So draws hold
them within a band, an arrangement x being as likely as

.. math:: \exp\left(\sum_i \tfrac12 \hat\eta_i x_i - \frac{\lVert S(x) - S(x_{obs})\rVert^2}{2 \epsilon^2}\right)

with S the sums in an orthonormal basis, each of variance 1 when signs move freely, and :math:`\hat\eta` the log odds fitted. A
band alone leaks: most arrangements in it have a weaker margin than a strong one observed; log odds alone are as wrong as their
fit is. Together the error of the fit counts times :math:`\epsilon^2` only.

Statistics that weigh synapses see sums of :math:`x_i \sqrt{|w_i|}` times cosines instead, and log odds
:math:`|w_i|^p (a + f + g)`, averaged over p = 0 (signs that do not depend on magnitudes), 1 (normal weights with f + g as their
mean) and one half by their evidence.

That field and draws are alike is so only as far as the band is narrow and the log odds are right, for both are those of the
field; how far is measured by `tests/calibration/interaction.py`. Single neurons are tested conservatively.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from stanalysis.kernels.arrangements import Plane, Synapses
from stanalysis.kernels.sign_odds import log_odds_of_fields
from stanalysis.stats.engine.nulls import Margin, NullRule
from stanalysis.stats.engine.prepared import AnyFields
from stanalysis.stats.engine.statistics import STATISTICS

N_COSINES: Final = 4  # of either margin: half a period of the finest is a quarter of the plane
BAND: Final = 0.3  # standard deviation of a sum in draws; 1 is that of signs which move freely
# of the first coefficient of log odds, that of the k-th being 1 / k^2 of it
VARIANCES: Final = np.array([1e-3, 1.0, 16.0, 128.0])
POWERS: Final = (0.0, 0.5, 1.0)  # of |w| times which log odds are smooth, for statistics that weigh synapses
POWER_KEPT: Final = 0.5  # of |w| in the sums that they keep
OF_MAGNITUDE: Final = 4.0  # variance of the coefficient of the magnitude itself
DEPENDENT: Final = 0.1  # directions of the basis with less than this of the largest spread are no margin of their own
LEAST_MIXING: Final = 0.02  # of the signs that move freely: draws that move fewer say nothing


def seen_together(rule: NullRule, statistics: set[str]) -> list[tuple[bool, set[str]]]:
    """The statistics that see the same draws, and whether these keep margins of weights instead of signs."""
    if not rule.keeps:
        return [(False, statistics)]
    parts = [(weighed, {name for name in statistics if STATISTICS[name].weighs is weighed}) for weighed in (False, True)]
    return [(weighed, names) for weighed, names in parts if names]


def movable(fields: AnyFields, rule: NullRule, *, weighed: bool) -> Synapses:
    """The synapses with all that kernels need to move them by a null."""
    synapses = fields.synapses(by_source=rule.by_source)
    return with_margins(synapses, fields.plane, keeps=rule.keeps, weighed=weighed) if rule.keeps else synapses


def mixing_of(synapses: Synapses, n_moved: np.ndarray) -> np.ndarray:
    """Of each field, how many signs differ from those observed in a draw, over how many would if they moved freely; NaN where
    there is nothing to move.
    """
    field = np.repeat(np.arange(n_moved.size), np.diff(synapses.start))
    n_plus, n_minus = (np.bincount(field, side, n_moved.size) for side in (synapses.weight > 0, synapses.weight < 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        mixing: np.ndarray = n_moved * (n_plus + n_minus) / (2 * n_plus * n_minus)
    return mixing


def with_margins(synapses: Synapses, plane: Plane, *, keeps: tuple[Margin, ...], weighed: bool) -> Synapses:
    """The synapses with what `stanalysis.kernels.kept_margins` needs to keep margins of sources, of delays, or of both.

    ``weighed`` margins are sums of signs times √|w|. Synapses of weight 0 have no sign, and no part.
    """
    n_field, n = synapses.start.size - 1, synapses.weight.size
    field = np.repeat(np.arange(n_field), np.diff(synapses.start))
    excites = (synapses.weight > 0).astype(float)
    signed = (synapses.weight != 0)[:, None]
    powers = POWERS if weighed else POWERS[:1]
    odds, likely = np.zeros((len(powers), n)), np.zeros((len(powers), n_field))
    for k, power in enumerate(powers):
        columns, group, roughness = _columns(synapses, plane, field, keeps=keeps, power=power)
        design = np.where(signed, np.column_stack([np.ones(n), columns]), 0)
        log_odds_of_fields(synapses.start, excites, design, group, roughness, VARIANCES, odds[k], likely[k])
    chance = np.exp(likely - likely.max(axis=0))
    lean: np.ndarray = (odds * (chance / chance.sum(axis=0))[:, field]).sum(axis=0)
    columns, *_ = _columns(synapses, plane, field, keeps=keeps, power=POWER_KEPT if weighed else 0.0)
    margins = np.zeros((n, columns.shape[1]))
    for f in range(n_field):
        rows = slice(synapses.start[f], synapses.start[f + 1])
        margins[rows] = _orthonormal(columns[rows], synapses.weight[rows])
    return synapses._replace(lean=lean, margins=margins)


def _columns(
    synapses: Synapses, plane: Plane, field: np.ndarray, *, keeps: tuple[Margin, ...], power: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Functions (synapse, column) of source or delay times |w| to a power; the group of the variance of each coefficient in log
    odds, and its roughness. With a power the magnitude itself is one of them.
    """
    k = np.arange(1, N_COSINES + 1)
    half = 0.5 * plane.grid
    place = {"source": (synapses.source + 0.5) / plane.n_source, "delay": (synapses.delay + half) / max(plane.extent, 1e-12)}
    columns, group, roughness = [], [], []
    for g, margin in enumerate(keeps):
        columns.append(_centred(np.sqrt(2) * np.cos(np.pi * np.outer(place[margin], k)), field))
        group.append(np.full(N_COSINES, g))
        roughness.append(k**2.0)
    if power > 0:
        factor = np.abs(synapses.weight) ** power
        squares = np.bincount(field, factor**2) / np.maximum(np.bincount(field), 1)
        factor /= np.sqrt(np.where(squares > 0, squares, 1))[field]
        columns = [c * factor[:, None] for c in columns] + [_centred(factor[:, None], field)]
        group.append(np.array([-1]))
        roughness.append(np.array([1 / OF_MAGNITUDE]))
    return np.concatenate(columns, axis=1), np.concatenate(group), np.concatenate(roughness)


def _centred(columns: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Columns (synapse, column) less their means in each field."""
    n = np.maximum(np.bincount(field), 1)
    means = np.stack([np.bincount(field, column) / n for column in columns.T], axis=1)
    centred: np.ndarray = columns - means[field]
    return centred


def _orthonormal(columns: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """What a sign moved to each synapse (synapse, margin) adds to sums in an orthonormal basis, over √2 bands; 0 beyond its
    rank, and where there is nothing to move. Synapses of weight 0 have no sign.
    """
    signed = weight != 0
    n_plus, n = np.count_nonzero(weight > 0), np.count_nonzero(signed)
    result = np.zeros(columns.shape)
    if 0 < n_plus < n:
        of_signed = columns[signed] - columns[signed].mean(axis=0)
        basis, spread, _ = np.linalg.svd(of_signed, full_matrices=False)
        basis = basis[:, spread > DEPENDENT * spread[0]]
        sign_spread = 2 * np.sqrt(n_plus * (n - n_plus)) / n  # standard deviation of signs of ±1
        result[np.ix_(signed, np.arange(basis.shape[1]))] = basis * (2 / sign_spread / (np.sqrt(2) * BAND))
    return result

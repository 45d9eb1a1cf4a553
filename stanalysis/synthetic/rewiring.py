"""A rewiring process whose hazards are known: what the survival statistics must find again."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.files.rewiring_log import CAUSE, KIND
from stanalysis.schema.network import EVENTS
from stanalysis.schema.variables import labelled, unmasked
from stanalysis.stats.lives.episodes import RADIUS

PROJECTION = "input__hidden1"
Effect = Literal["none", "excitatory", "grouped"]


def true_survival(age: np.ndarray, *, scale: float, shape: float) -> np.ndarray:
    r"""Share of synapses that live beyond an age: :math:`\exp(-(a / scale)^{shape})`, Weibull.

    Examples
    --------
    >>> true_survival(np.array([0, 100]), scale=100, shape=0.7).round(3)
    array([1.   , 0.368])
    """
    return np.exp(-((unmasked(age, "ages") / scale) ** shape))


def rewiring_process(
    *,
    n_synapses: int = 300,
    n_steps: int = 600,
    every: int = 1,
    scale: float = 100.0,
    shape: float = 0.7,
    effect: Effect = "none",
    hazard_ratio: float = 1.0,
    neuron_spread: float = 0.0,
    n_source: int = 40,
    n_target: int = 20,
    n_bins: int = 25,
    dt: float = 10.0,
    seed: int = 0,
) -> xr.Dataset:
    """Rewiring log of a network that never learns: every ``every`` steps synapses die by chance, and as many are born.

    A synapse is placed at random, between two neurons that no synapse joins, and excites or inhibits at random. Delays and
    weights never change.

    Parameters
    ----------
    n_synapses
        Synapses that live at any time.
    scale, shape
        Of the lifetimes, as in `true_survival`; ``scale`` in steps.
    effect
        Of which synapses the hazard is ``hazard_ratio`` times that of the others: excitatory ones, or those grouped at birth:
        with more neighbours of their own than of the other sign (as `stanalysis.stats.episodes` counts them by default).
    neuron_spread
        Standard deviation of the logarithm of the hazard between target neurons; a neuron of high hazard has few synapses.
    n_source, n_target, n_bins, dt
        Size of the projection; width of a delay bin in ms.

    Returns
    -------
    Dataset of EVENTS, dim event, as `stanalysis.files.read_log` returns it; the projection is ``"input__hidden1"``.

    Examples
    --------
    >>> log = rewiring_process(n_steps=50, seed=0)
    >>> int((log.kind == KIND.BIRTH).sum() - (log.kind == KIND.DEATH).sum())
    300
    """
    if not 0 < n_synapses < n_source * n_target:
        raise BadInput(f"n_synapses is {n_synapses}; give fewer than the {n_source * n_target} pairs of neurons.")
    random = np.random.default_rng(np.random.SeedSequence(seed))
    of_neuron = np.exp(neuron_spread * random.standard_normal(n_target))
    rows: list[dict[str, np.ndarray]] = []
    pair = random.choice(n_source * n_target, n_synapses, replace=False)
    born, delay, sign = np.zeros(n_synapses, np.int64), *_placed(n_synapses, n_bins, dt, random)
    grouped = _grouped(pair, delay, sign, np.arange(n_synapses), n_source, dt)

    def note(step: int, kind: KIND, cause: CAUSE, which: np.ndarray) -> None:
        rows.append(
            {
                "step": np.full(which.size, step),
                "kind": np.full(which.size, kind),
                "cause": np.full(which.size, cause),
                "source": pair[which] % n_source,
                "target": pair[which] // n_source,
                "delay": delay[which],
                "sign": sign[which],
            }
        )

    note(0, KIND.BIRTH, CAUSE.INITIAL, np.arange(n_synapses))
    for step in range(every, n_steps + 1, every):
        age = step - born
        lives_on = true_survival(age, scale=scale, shape=shape) / true_survival(age - every, scale=scale, shape=shape)
        affected = {"none": np.zeros(n_synapses, bool), "excitatory": sign > 0, "grouped": grouped}[effect]
        dead = np.flatnonzero(
            random.random(n_synapses) >= lives_on ** (of_neuron[pair // n_source] * np.where(affected, hazard_ratio, 1.0))
        )
        if dead.size == 0:
            continue
        note(step, KIND.DEATH, CAUSE.MAGNITUDE, dead)
        free = np.setdiff1d(np.arange(n_source * n_target), np.delete(pair, dead), assume_unique=True)
        pair[dead] = random.choice(free, dead.size, replace=False)
        delay[dead], sign[dead] = _placed(dead.size, n_bins, dt, random)
        born[dead] = step
        grouped[dead] = _grouped(pair, delay, sign, dead, n_source, dt)
        note(step, KIND.BIRTH, CAUSE.REGROWN_AT_RANDOM, dead)
    columns = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    n = columns["step"].size
    zeros = dict.fromkeys(("projection", "contact", "rank"), np.zeros(n, np.int64))
    columns |= zeros | {"gradient": np.full(n, np.nan), "weight": 1.0 * columns["sign"]}
    return labelled(EVENTS, **columns).assign_attrs(schema_version=1, projections=f'["{PROJECTION}"]', complete_to_step=n_steps)


def _placed(n: int, n_bins: int, dt: float, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Delay in ms and sign of new synapses."""
    return dt * random.integers(0, n_bins, n), random.choice(np.array([-1, 1], np.int8), n)


def _grouped(pair: np.ndarray, delay: np.ndarray, sign: np.ndarray, which: np.ndarray, n_source: int, dt: float) -> np.ndarray:
    """Whether each of ``which`` has more neighbours of its own sign than of the other."""
    source, target = pair % n_source, pair // n_source
    across, along = source[which, None] - source, (delay[which, None] - delay) / dt
    near = (target[which, None] == target) & (np.hypot(across, along) <= RADIUS * (1 + 1e-9))
    near[np.arange(which.size), which] = False
    return (near * (sign[which, None] * sign)).sum(axis=1) > 0

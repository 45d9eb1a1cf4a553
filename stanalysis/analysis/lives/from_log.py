"""Lifetimes of synapses of which the rewiring log tells every birth and death."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import xarray as xr

from stanalysis.files.rewiring_log import CAUSE
from stanalysis.stats.lives.episodes import alive_at, neighbours_of
from stanalysis.stats.lives.hazards import hazard_ratios, start_stop
from stanalysis.stats.lives.life_tables import life_table
from stanalysis.stats.lives.log_rank import log_rank
from stanalysis.stats.lives.survival import lifetime_differences, survival_curves

# What groups synapses, and the groups from first to last: the first is the one with which the others are compared.
ORIGIN: Final = ("initial", "grown")
GROUPINGS: Final[dict[str, tuple[str, ...]]] = {
    "sign": ("excitatory", "inhibitory"),
    "delay": ("short", "middle", "long"),
    "channel": ("low", "middle", "high"),
    "agreement": ("opposed", "balanced", "grouped", "alone"),
}
IN_ORDER: Final = ("channel", "agreement")  # groupings that mean something only where sources have an order
NEIGHBOURS: Final = ("same_sign", "opposite_sign")  # covariates that change with age


def tables_of_projection(lives: xr.Dataset, synapses: xr.Dataset, *, from_input: bool, seed: int) -> Iterator[xr.Dataset]:
    """Curves, contrasts and hazard ratios of one projection of one condition.

    Initial and grown synapses are looked at apart: training grows them elsewhere than where they were at first, and weak. And
    synapses of one neuron are compared, where it is about neighbours only those born in the same step: where, or when, a neuron
    loses its synapses sooner it has fewer, and each fewer neighbours, so that otherwise whatever goes with their number would
    seem to keep synapses alive. For the same reason synapses of one neuron are not taken for independent.

    Parameters
    ----------
    lives
        `stanalysis.stats.episodes` of all networks, with ``run``, their index.
    synapses
        Group ``synapses`` of the analysis.
    from_input
        Whether the sources are channels, which have an order; otherwise no synapse has neighbours.
    seed
        Of the bootstrap over networks.
    """
    grown = lives.birth_cause.values != CAUSE.INITIAL
    neuron = lives.run.values.astype(np.int64) * int(synapses.attrs["n_target"]) + lives.target.values
    cohort = neuron * (int(lives.birth_step.max()) + 1) + lives.birth_step.values
    lives = lives.assign(neuron=("episode", neuron), cohort=("episode", cohort))
    yield from curves_of_groups(lives, "all", ("all",), seed=seed)
    yield from curves_of_groups(lives.assign(code=("episode", grown.astype(np.int8))), "origin", ORIGIN, seed=seed)
    known = {"excitatory": lives.sign > 0, "delay_100_ms": lives.birth_delay / 100}
    lives = lives.assign(known | {"position": ("episode", np.arange(lives.sizes["episode"]))})
    for code, origin in enumerate(ORIGIN):
        among = lives.isel(episode=np.flatnonzero(grown == code))
        if not among.event.any():
            continue
        for grouping, codes in _grouped(among, int(synapses.attrs["n_source"])).items():
            if grouping in IN_ORDER and not from_input:
                continue
            part = among.assign(code=("episode", codes))
            strata = "cohort" if grouping == "agreement" else "neuron"
            yield from curves_of_groups(part, grouping, GROUPINGS[grouping], among=origin, strata=strata, seed=seed)
        names = [*known, *NEIGHBOURS] if from_input else [*known]
        variants = {"at birth": among, "so far": _so_far(among, lives, synapses)} if from_input else {"at birth": among}
        for variant, rows in variants.items():
            ratios = hazard_ratios(rows, names, strata="cohort", cluster="neuron")
            yield labelled_terms(ratios, among=origin, variant=variant, band="neurons")


def tables_between_projections(lives: Mapping[str, xr.Dataset], *, seed: int) -> Iterator[xr.Dataset]:
    """Curves of initial and of grown synapses of several projections, and what sets the others apart from the first."""
    coded = [
        table.assign(code=("episode", np.full(table.run.size, i)), neuron=table.target.astype(np.int64) * len(lives) + i)
        for i, table in enumerate(lives.values())
    ]
    every = xr.concat(coded, "episode", combine_attrs="drop_conflicts")
    grown = every.birth_cause.values != CAUSE.INITIAL
    for code, origin in enumerate(ORIGIN):
        among = every.isel(episode=np.flatnonzero(grown == code))
        if among.event.any():
            yield from curves_of_groups(among, "projection", tuple(lives), among=origin, strata="run", seed=seed)


def _grouped(lives: xr.Dataset, n_source: int) -> dict[str, np.ndarray]:
    """The group of each episode in each grouping, by its index."""
    same, opposite = lives.same_sign.values, lives.opposite_sign.values
    delay = lives.birth_delay.values
    return {
        "sign": (lives.sign.values < 0).astype(np.int8),
        "delay": np.searchsorted(np.quantile(delay, [1 / 3, 2 / 3]), delay).astype(np.int8),
        "channel": (3 * lives.source.values.astype(np.int64) // n_source).astype(np.int8),
        "agreement": np.where(same + opposite == 0, 3, 1 + np.sign(same - opposite)).astype(np.int8),
    }


def curves_of_groups(
    lives: xr.Dataset, grouping: str, names: Sequence[str], *, among: str = "", strata: str = "neuron", seed: int
) -> Iterator[xr.Dataset]:
    """Survival curves of each group, ``code`` (episode) being the index of its name; and what sets the others apart from the
    first.
    """
    by = None if grouping == "all" else "code"
    groups = None if by is None else range(len(names))
    table = life_table(lives, by=by, groups=groups)
    table = table.assign_coords(group=list(names))
    table = table.isel(group=np.flatnonzero((table.n_episodes.sum("run") > 0).values))
    last = (lives.birth_step + lives.exit).groupby(lives.run).max()
    horizon = max(int(last.min()) // 2, 1)
    curves = survival_curves(table, horizon=horizon, seed=seed)
    labels = [str(name) for name in table.group.values]
    curves = curves.rename(group="curve").drop_vars("curve")
    curves = curves.assign_coords(horizon=("curve", np.full(len(labels), float(horizon))))
    band = str(curves.attrs["band"])
    yield labelled_curves(curves, grouping, labels, among=among, band=band)
    if table.group.size > 1:
        test = log_rank(lives, by="code", groups=groups, strata=strata, cluster="neuron")
        differences = lifetime_differences(table, horizon=horizon, reference=table.group.values[0], seed=seed)
        n = differences.sizes["contrast"]
        same = {"grouping": grouping, "among": among, "band": band}
        differences = differences.assign(p_value=("contrast", np.full(n, float(test.p_value))))
        yield differences.assign_coords({name: ("contrast", np.full(n, text)) for name, text in same.items()})


def _so_far(chosen: xr.Dataset, every: xr.Dataset, synapses: xr.Dataset) -> xr.Dataset:
    """Rows in which the neighbours are those counted last: at birth, then at each kept step that a synapse lives to see.

    ``chosen`` are some of ``every`` life, at their ``position`` there.
    """
    among = np.full(every.sizes["episode"], -1)
    among[chosen.position.values] = np.arange(chosen.sizes["episode"])
    episode, step = [np.arange(chosen.sizes["episode"])], [chosen.birth_step.values]
    counts = [np.stack([chosen[name].values for name in NEIGHBOURS])]
    distance = {name: float(chosen.attrs[name]) for name in ("ms_per_source", "radius")}
    for run in np.unique(every.run.values):
        mine = np.flatnonzero(every.run.values == run)
        tables = synapses.isel(synapse=np.flatnonzero(synapses.run.values == run))
        for at in np.unique(tables.step.values):
            table = tables.isel(synapse=np.flatnonzero(tables.step.values == at))
            alive = mine[alive_at(every.isel(episode=mine), table, int(at))]
            near = np.stack(neighbours_of(table, every.sign.values[alive], **distance))
            older = (every.birth_step.values[alive] < at) & (among[alive] >= 0)
            episode.append(among[alive[older]])
            step.append(np.full(np.count_nonzero(older), at))
            counts.append(near[:, older])
    number = np.concatenate(counts, axis=1)
    measured = xr.DataArray(
        np.arange(number.shape[1]),
        {"episode": ("measurement", np.concatenate(episode)), "step": ("measurement", np.concatenate(step))},
        ("measurement",),
    )
    rows = start_stop(chosen, measured, name="measurement")
    latest = number[:, rows.measurement.values]
    return rows.assign({name: ("episode", latest[i], chosen[name].attrs) for i, name in enumerate(NEIGHBOURS)})


def labelled_curves(curves: xr.Dataset, grouping: str, names: Sequence[str], *, among: str, band: str) -> xr.Dataset:
    """With what the curves are of."""
    same = {"grouping": grouping, "among": among, "band": band}
    coords = {name: ("curve", np.full(len(names), text)) for name, text in same.items()}
    return curves.assign_coords(coords | {"group": ("curve", np.array(names))})


def labelled_terms(ratios: xr.Dataset, *, among: str, variant: str, band: str) -> xr.Dataset:
    """With the names of the terms as ``covariate``, the model (of which synapses, and how its covariates are known), and what
    its intervals take for independent.
    """
    names = [str(name) for name in ratios.term.values]
    same = {"model": f"{among}, {variant}", "among": among, "variant": variant, "band": band}
    coords = {name: ("term", np.full(len(names), text)) for name, text in same.items()}
    return ratios.drop_vars("term").assign_coords(coords | {"covariate": ("term", names)})

"""Analyses of made-up numbers, for what is told of the parts of the grouping."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

PROJECTION = "input__hidden1"
STATISTICS = ("graph_joins_ei", "graph_weighted_joins_unlike", "graph_morans_i")
PARTS = ("delay", "source", "interaction")
TESTS = ("delays", "sources", "interaction", "delays and sources")


def parts_group(runs, *, kept, n_target=6, seed=0, shift=0.0):
    """The group ``parts/<projection>``: noise around ``shift``, at the steps that each network ``kept``."""
    random = np.random.default_rng(seed)
    steps = sorted({step for some in kept.values() for step in some})
    sizes = len(runs), len(steps), n_target, len(STATISTICS)
    there = np.array([[step in kept[run] for step in steps] for run in runs])
    table = xr.Dataset(
        {
            "excess": (("run", "step", "target", "statistic", "part"), random.normal(shift, size=(*sizes, 3))),
            "p_value": (("run", "step", "target", "statistic", "test"), random.uniform(size=(*sizes, 4)) ** 3),
            "network_p": (("run", "step", "statistic", "test"), random.uniform(size=(*sizes[:2], *sizes[3:], 4)) ** 3),
            "n_synapses": (("run", "step", "target"), np.full(sizes[:3], 8.0)),
        },
        {"run": runs, "step": steps, "statistic": list(STATISTICS), "part": list(PARTS), "test": list(TESTS)},
        {"n_permutations": 199, "seed": 3, "ms_per_source": 1.0},
    )
    table["total"] = table.excess.sum("part", skipna=False)
    table = table.where(xr.DataArray(there, dims=("run", "step")))
    return table.assign_coords(seed=("run", np.arange(len(runs))))


def analysis_of_parts(
    conditions,
    *,
    kept=None,
    alternative="two-sided",
    change=None,
    published=True,
    parts=True,
    dt=1.0,
    projection=PROJECTION,
    **options,
):
    """An analysis with parts, the published test and the statistics themselves, and nothing else.

    ``conditions`` are the networks of each condition, ``kept`` the steps of each network, ``change`` is given the parts. A
    ``projection`` other than the usual one comes beside one from the input.
    """
    runs = [run for some in conditions.values() for run in some]
    kept = kept or dict.fromkeys(runs, (0, 9))
    table = parts_group(runs, kept=kept, **options)
    table = table if change is None else change(table)
    random = np.random.default_rng(7)
    moran = xr.Dataset(
        {name: (("run", "step", "target"), random.uniform(size=table.n_synapses.shape)) for name in ("morans_i", "p_value")}
    ).assign_coords(run=table.run, step=table.step)
    moran = moran.assign(expected=xr.full_like(moran.morans_i, -0.01)).where(table.n_synapses.notnull())
    statistics = xr.Dataset({"value": 40 + table.total, "n_synapses": table.n_synapses})
    attrs = {"null": "delays", "alternative": alternative, "n_permutations": 999, "dt": dt, "runs": json.dumps(runs)}
    attrs |= {"conditions": json.dumps(conditions), "best_steps": json.dumps(dict.fromkeys(runs)), "cautions": "[]"}
    groups = {"/": xr.Dataset(attrs=attrs), f"/statistics/{projection}": statistics}
    groups |= {f"/statistics/{PROJECTION}": statistics}
    groups |= {f"/parts/{projection}": table} if parts else {}
    groups |= {f"/published/{projection}": moran.assign(n_synapses=table.n_synapses)} if published else {}
    return xr.DataTree.from_dict(groups)


def without_answers(table):
    """The parts when no neuron has an answer."""
    return table.assign({name: table[name] * np.nan for name in ("excess", "total", "p_value", "network_p")})

"""How often each statistic rejects each null at .05: in fields of noise, which ought to be at most .05, and of structure.

    python tests/calibration/calibrate.py [--fields 2000] [--permutations 199] [-o tests/calibration/calibration.csv]

Every null meets every generator of `tests/calibration/generators.py`, whether or not it holds there; the column
``exchangeable`` says whether it does by construction. ``size`` is the share of answered fields with a two-sided p-value of at
most .05, ``size_greater`` and ``size_less`` those of one-sided ones. Where each field gives several p-values (cells of local
statistics) the share is of all of them, and the standard error that of a mean over fields; under ``untrained``, over networks
of 40 neurons, of which those at step 1 are counted. Of networks, ``network_z`` is the p-value of their mean z-score, and
``max-T`` the smallest of their neurons' adjusted p-values: its size is the share of networks with any false call. The name
says whether their neurons share the permutations (joint) or each has its own. ``verdict`` is

- ``valid``: no size is above .05 by more than three standard errors;
- ``conservative``: valid, and the two-sided size is below .05 by more than that;
- ``not valid``: some size is above. Where the null holds, such a row is measured again on four times as many fresh fields,
  and that answer stands: of a thousand valid rows, a few are above by chance. ``first_size`` keeps the first answer;
- ``refused``, ``no answer``: the statistic is not defined there.

``warned`` is the share of networks of 128 such neurons of which `analyze` says that the null does not hold there.

Power, of 500 fields of each kind of planted structure, goes to power.csv beside the table. Statistics of many numbers per
field cost more and are measured on a quarter of the fields; networks are half as many as fields, and a quarter for statistics
of the synapse graph. ``n_fields`` says how many. Every core has jobs of its own; their number changes no result.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numba import set_num_threads
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from stanalysis.errors import BadInput
from stanalysis.fields.synapse_graph import SynapseGraph
from stanalysis.stats.engine.draws import p_values
from stanalysis.stats.engine.field_statistics import field_statistics
from stanalysis.stats.engine.nulls import NULLS, Alternative
from stanalysis.stats.engine.statistics import STATISTICS, names_of
from stanalysis.stats.engine.validity import doubts
from stanalysis.stats.replicates.multiplicity import max_t
from stanalysis.stats.replicates.network import network_z
from stanalysis.stats.spatial.correlogram import correlogram
from stanalysis.stats.spatial.local import local_morans_i
from stanalysis.stats.spatial.point_pattern import cross_k
from stanalysis.stats.spatial.smoothing import smoothed_morans_i
from stanalysis.synthetic.fields import noise_fields
from tests.calibration.generators import GENERATORS, NETWORKS, PLANTED, Data, arranged

ALPHA = 0.05
TOLERANCE = 3  # standard errors
AGAIN = 10_000  # added to the seed of rows measured again
NETWORK = 32  # neurons of a network asked as a whole
N_TARGET = 40  # neurons of a network under `untrained`: the smallest two-sided p-value is 2/40
POWER_FIELDS = 500
N_DOUBTED, OF_DOUBT = 20, 128  # networks looked at for what `analyze` warns of, and their neurons
SCALAR = tuple(STATISTICS)
GRAPH = SynapseGraph(ms_per_source=1.0)
ALTERNATIVES: tuple[Alternative, ...] = ("two-sided", "greater", "less")


# By statistic, (alternative, replicate, field, p-value): two-sided ones first. Replicates are independent.
PValues = dict[str, np.ndarray]


def numbers(fields: Data, null: str, *, statistics: tuple[str, ...] = SCALAR, n_permutations: int, seed: int) -> PValues:
    """Of the statistics that are one number per field; of networks (run, step, target) those at step 1."""
    drawn = null != "untrained"
    options: dict[str, Any] = {
        "graph": GRAPH,
        "null": null,
        "n_permutations": n_permutations,
        "keep_draws": drawn,
        "seed": seed,
    }
    found = field_statistics(fields, statistics=statistics, **options)
    p = {}
    for name in statistics:
        one = found.sel(statistic=name)
        if drawn:
            of = one.value.values, np.ascontiguousarray(one.null_draws.values)
            sides = [p_values(*of, alternative=side, resolution=one.null_resolution.values) for side in ALTERNATIVES[1:]]
            p[name] = np.stack([one.p_value.values, *sides])[:, :, None, None]
        else:
            p[name] = one.p_value.sel(step=1).values[None, :, :, None]
    return p


def curves(fields: Data, null: str, *, n_permutations: int, seed: int) -> PValues:
    """Of the statistics that are many numbers per field."""
    options: dict[str, Any] = {"null": null, "n_permutations": n_permutations, "seed": seed}
    smoothed = smoothed_morans_i(fields, bandwidths=(0.5, 1, 2), **options)
    rings = cross_k(fields, distances=(1, 2, 4, 8), ms_per_source=1.0, **options)
    p = {
        "smoothed_morans_i, bandwidth 1": smoothed.p_value.sel(bandwidth=1),
        "smoothed_morans_i, any bandwidth": smoothed.global_p,
        "correlogram, any lag": correlogram(fields, **options).global_p,
        "cross_k, any distance": rings.cross_k_global_p,
        "mark_correlation, any distance": rings.mark_correlation_global_p,
    }
    if not NULLS[null].keeps:  # which cannot hold a single cell
        local = local_morans_i(fields, **options)
        p |= {"local_i, every cell": local.p_value, "getis_ord, every cell": local.getis_ord_p_value}
    return {name: one.transpose("target", ...).values.reshape(1, one.sizes["target"], 1, -1) for name, one in p.items()}


def networks(
    fields: Data, null: str, *, joint: bool, statistics: tuple[str, ...] = SCALAR, n_permutations: int, seed: int
) -> PValues:
    """Of whole networks (run, target, ...): of their mean z-score, and the smallest adjusted one of their neurons."""
    options: dict[str, Any] = {"null": null, "n_permutations": n_permutations, "joint": joint, "seed": seed}
    found = field_statistics(fields, statistics=statistics, graph=GRAPH, keep_draws=True, **options)
    whole = {"network_z": network_z(found, statistic="value").p_value, "max-T": max_t(found).min("target")}
    return {
        f"{test} of {name}": p.sel(statistic=name).values[None, :, None, None]
        for test, p in whole.items()
        for name in statistics
    }


@dataclass(frozen=True)
class Source:
    """Fields, and the tests made on them, ``at_once`` at a time: bounds the memory."""

    draw: Callable[..., Data]  # from a number and a seed
    test: Callable[..., PValues]
    at_once: int = 480

    def p(self, null: str, n: int, *, n_permutations: int, seed: int) -> PValues:
        """P-values of ``n`` fields or networks; every batch has its own randomness."""
        found: list[PValues] = []
        for first in range(0, n, self.at_once):
            own = int(np.random.SeedSequence(seed, spawn_key=(first,)).generate_state(1)[0])
            fields = self.draw(min(self.at_once, n - first), seed=own)
            found.append(self.test(fields, null, n_permutations=n_permutations, seed=own))
        return {name: np.concatenate([one[name] for one in found], axis=1) for name in found[0]}


def trained(before: Callable[..., Data], after: Callable[..., Data]) -> Callable[..., Data]:
    """Generator of networks (run, step, target, ...), drawn twice."""

    def draw(n: int, *, seed: int) -> Data:
        sizes = {"run": max(n // N_TARGET, 1), "target": N_TARGET}
        n_field = sizes["run"] * N_TARGET
        steps = [arranged(f(n_field, seed=2 * seed + k), **sizes) for k, f in enumerate((before, after))]
        return xr.concat(steps, "step").assign_coords(step=[0, 1])  # type: ignore[arg-type]  # both of one kind

    return draw


def source_of(before: Callable[..., Data], after: Callable[..., Data], null: str) -> Source:
    return Source(trained(before, after), numbers) if null == "untrained" else Source(after, numbers)


def summary(p: np.ndarray) -> dict[str, float]:
    """Shares of p-values (alternative, replicate, field, p-value) up to .05, and how sure the first is."""
    answered = np.isfinite(p[0])
    fields = answered.any(axis=2)
    kept = fields.any(axis=1)
    shares, error = np.full(3, np.nan), np.nan
    if kept.any():
        of_each = np.sum(p <= ALPHA, axis=(2, 3))[:, kept] / answered.sum(axis=(1, 2))[kept]
        shares[: len(p)] = of_each.mean(axis=1)
        one_each = answered[0].size == 1
        error = np.sqrt((ALPHA * (1 - ALPHA) if one_each else of_each[0].var(ddof=1)) / kept.sum())
    return {
        "n_fields": int(fields.sum()),
        "left_out": 1 - fields.mean(),
        "size": shares[0],
        "standard_error": error,
        "size_greater": shares[1],
        "size_less": shares[2],
    }


def verdict(row: dict[str, float]) -> str:
    if np.isnan(row["size"]):
        return "no answer"
    margin = TOLERANCE * row["standard_error"]
    if np.nanmax([row["size"], row["size_greater"], row["size_less"]]) > ALPHA + margin:
        return "not valid"
    return "conservative" if row["size"] < ALPHA - margin else "valid"


def size_rows(source: Source, null: str, n: int, *, holds: bool, n_permutations: int, seed: int) -> list[dict]:
    """Rows of the table for some fields and one null."""
    try:
        p = source.p(null, n, n_permutations=n_permutations, seed=seed)
    except BadInput:
        return [{"statistic": "all", "exchangeable": holds, "verdict": "refused"}]
    found = {name: summary(values) for name, values in p.items()}
    above = [name for name, row in found.items() if verdict(row) == "not valid"]
    if holds and above:
        again = source.p(null, 4 * n, n_permutations=n_permutations, seed=seed + AGAIN)
        found |= {name: {**summary(again[name]), "first_size": found[name]["size"], "again": True} for name in above}
    return [
        {"statistic": name, "exchangeable": holds, "first_size": row["size"], "again": False, **row, "verdict": verdict(row)}
        for name, row in found.items()
    ]


def power_rows(source: Source, null: str, n: int, *, n_permutations: int, seed: int) -> list[dict]:
    rows = []
    for name, values in source.p(null, n, n_permutations=n_permutations, seed=seed).items():
        row = {key.replace("size", "power"): value for key, value in summary(values).items()}
        row["standard_error"] = np.sqrt(row["power"] * (1 - row["power"]) / max(row["n_fields"], 1))
        rows.append({"statistic": name, **row})
    return rows


def size_jobs(n: int) -> Iterator[tuple[str, str, Source, int, bool]]:
    """Generator, null, source, number of fields or networks, and whether the null holds."""
    for name, (noise, fails) in GENERATORS.items():
        for null in NULLS:
            yield name, null, source_of(noise, noise, null), n, null not in fails
            if null != "untrained":
                yield name, null, Source(noise, curves), n // 4, null not in fails
    for name, draw, nulls, joint, holds in NETWORKS:
        whole = f"networks of {NETWORK}, {name}, {'joint' if joint else 'own'} permutations"
        for null in nulls:
            for statistics, some in ((names_of("lattice"), n // 2), (names_of("graph"), n // 4)):
                test = partial(networks, joint=joint, statistics=statistics)
                source = Source(partial(draw, n_target=NETWORK), test, at_once=50)
                yield whole, null, source, some if holds else n // 10, holds  # fewer do where a test fails grossly


def power_jobs() -> Iterator[tuple[str, str, Source]]:
    for name, planted in PLANTED.items():
        for null in NULLS:
            yield name, null, source_of(noise_fields, planted, null)
            if null != "untrained":
                yield name, null, Source(planted, curves)


def size_of_job(k: int, n: int, n_permutations: int) -> list[dict]:
    name, null, source, own, holds = list(size_jobs(n))[k]
    rows = size_rows(source, null, own, holds=holds, n_permutations=n_permutations, seed=k)
    told = warned(name, null) if name in GENERATORS else np.nan
    return [{"generator": name, "null": null, **row, "warned": told} for row in rows]


def warned(generator: str, null: str) -> float:
    """The share of networks of which `stanalysis.doubts` has a warning."""
    draw = GENERATORS[generator].draw
    return float(np.mean([bool(doubts(draw(OF_DOUBT, seed=seed), null=null, seed=seed)) for seed in range(N_DOUBTED)]))


def power_of_job(k: int, n: int, n_permutations: int) -> list[dict]:
    name, null, source = list(power_jobs())[k]
    own = min(POWER_FIELDS, n) if source.test is numbers else min(POWER_FIELDS, n) // 4
    rows = power_rows(source, null, own, n_permutations=n_permutations, seed=2 * AGAIN + k)
    return [{"planted": name, "null": null, **row} for row in rows]


def detectable(table: pd.DataFrame) -> pd.DataFrame:
    """By number of fields or networks drawn: above which size a row is not valid, the middle one and the least sure."""
    held = table[table.exchangeable & table["size"].notna()]
    limit = ALPHA + TOLERANCE * held.standard_error
    return limit.groupby((held.n_fields / (1 - held.left_out)).round().astype(int).rename("n")).agg(["count", "median", "max"])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", type=int, default=2000)
    parser.add_argument("--permutations", type=int, default=199)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("calibration.csv"))
    given = parser.parse_args(arguments)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    tables = []
    spawned = get_context("spawn")  # a fork would inherit the threads of numba
    with (
        Progress(*columns) as progress,
        ProcessPoolExecutor(mp_context=spawned, initializer=set_num_threads, initargs=(1,)) as pool,
    ):
        for of_job, n_job in ((size_of_job, len(list(size_jobs(given.fields)))), (power_of_job, len(list(power_jobs())))):
            waiting = [pool.submit(of_job, k, given.fields, given.permutations) for k in range(n_job)]
            for done in progress.track(as_completed(waiting), n_job, description=of_job.__name__.split("_")[0]):
                done.result()  # an error of any job ends the run
            tables.append(pd.DataFrame([row for job in waiting for row in job.result()]))
    table, power = tables
    again = table.pop("again").eq(True)
    table.to_csv(given.output, index=False, float_format="%.4f")
    power.to_csv(given.output.with_name("power.csv"), index=False, float_format="%.4f")
    print(table.groupby(["exchangeable", "verdict"]).size().to_string())
    print(table[table.exchangeable & (table.verdict == "not valid")].to_string())
    print(f"measured again: {again.sum()} rows; sizes above these are not valid, by number drawn:")
    print(detectable(table).to_string(float_format="%.4f"))


if __name__ == "__main__":
    main()

"""Do the survival statistics find the hazards of a known process again, and nothing where there is nothing?

    python tests/calibration/survival.py [--simulations 200] [--output tests/calibration/survival.csv]

`stanalysis.synthetic.rewiring.rewiring_process`: 300 synapses, 600 steps, Weibull lifetimes of scale 100 and shape .7, of which
half die before age 59; excitatory ones at twice the hazard, so that the curves asked for are those of inhibitory ones. From
the log: Kaplan-Meier and Cox. From the log since step 300: the same with late entry, and without it (naive). From checkpoints
every 50 steps: `fit_lifetimes`, and naive, as if synapses were born when first seen and died when last seen. Then a process in
which neighbours mean nothing, its neurons alike or of different hazards: what is said of neighbours as `analyze` asks, among
synapses of one neuron and step of birth; what would be if synapses of all neurons were compared; and if neighbours counted
late in life were used from birth on (immortal time).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

AGES = (50, 100, 200)
RATIO = 2.0
SPREADS = (0.0, 0.5)  # standard deviation of the log hazard between neurons
NOMINAL = 0.95
CHECKPOINTS = range(0, 601, 50)
PROCESS = {"scale": 100.0, "shape": 0.7}
SPARSE = 400  # targets: a slot is seldom taken anew between two checkpoints, which these cannot tell from a long life


def planted(seed):
    """Rows (source, quantity, truth, estimate, lower, upper) of one simulation with a planted hazard ratio."""
    from stanalysis.files.rewiring_log import replay
    from stanalysis.stats.lives.episodes import episodes, sightings
    from stanalysis.stats.lives.hazards import hazard_ratios
    from stanalysis.stats.lives.interval_censoring import fit_lifetimes
    from stanalysis.stats.lives.life_tables import life_table
    from stanalysis.stats.lives.survival import survival_curves
    from stanalysis.synthetic.rewiring import PROJECTION, rewiring_process, true_survival

    log = rewiring_process(effect="excitatory", hazard_ratio=RATIO, n_target=SPARSE, seed=seed, **PROCESS)
    truth = {f"S({age})": float(true_survival(np.array(age), **PROCESS)) for age in AGES} | {"hazard ratio": RATIO}
    rows = []

    def note(source, quantity, estimate, lower, upper):
        values = {"truth": truth[quantity], "estimate": estimate, "lower": lower, "upper": upper}
        rows.append({"source": source, "quantity": quantity, **{name: float(value) for name, value in values.items()}})

    def watched(found, source):
        curves = survival_curves(life_table(found, by="sign"), horizon=200, seed=0).sel(group=-1)
        for age in AGES:
            at = curves.reindex(age=[age], method="ffill").squeeze()
            note(source, f"S({age})", at.survival, at.lower, at.upper)
        ratio = hazard_ratios(found.assign(excitatory=found.sign > 0), ["excitatory"]).squeeze()
        note(source, "hazard ratio", ratio.hazard_ratio, ratio.lower, ratio.upper)

    since = episodes(log, PROJECTION, ms_per_source=10.0, since=300)
    watched(episodes(log, PROJECTION, ms_per_source=10.0), "log")
    watched(since, "log since step 300")
    watched(since.assign(entry=since.entry * 0), "log since step 300, naive")

    tables = {step: replay(log, step)[PROJECTION] for step in CHECKPOINTS}
    seen = sightings(tables, ms_per_source=10.0)
    seen = seen.assign(excites=("episode", (seen.sign.values > 0).astype(int)))
    fit = fit_lifetimes(seen, by="excites", model="weibull", ages=AGES)
    for age in AGES:
        at = fit.isel(group=0).sel(age=age)
        note("checkpoints", f"S({age})", at.survival, at.lower, at.upper)
    ratio = fit.isel(group=1)
    note("checkpoints", "hazard ratio", ratio.hazard_ratio, ratio.hazard_ratio_lower, ratio.hazard_ratio_upper)

    span = (seen.last_seen - seen.first_seen).astype(int)
    as_seen = seen.assign(
        entry=(span * 0).assign_attrs(since.entry.attrs),
        exit=(span + 1).assign_attrs(since.exit.attrs),
        birth_step=seen.first_seen.assign_attrs(since.birth_step.attrs),
    )
    watched(as_seen, "checkpoints, naive")
    return rows


def nothing(seed, neuron_spread):
    """p-values of one simulation in which neighbours mean nothing, by what was tested."""
    import xarray as xr

    from stanalysis.files.rewiring_log import replay
    from stanalysis.stats.lives.episodes import alive_at, episodes, neighbours_of
    from stanalysis.stats.lives.hazards import hazard_ratios, start_stop
    from stanalysis.stats.lives.log_rank import log_rank
    from stanalysis.synthetic.rewiring import PROJECTION, rewiring_process

    log = rewiring_process(seed=seed, neuron_spread=neuron_spread, **PROCESS)
    found = episodes(log, PROJECTION, ms_per_source=10.0)
    grown = (found.birth_step > 0).astype(int)
    agreement = np.sign(found.same_sign - found.opposite_sign).astype(int).where(found.same_sign + found.opposite_sign > 0, 2)
    cohort = found.target.astype(int) * (int(found.birth_step.max()) + 1) + found.birth_step
    found = found.assign(agreement=agreement, grown=grown, cohort=cohort)
    as_analysed = {"strata": "cohort", "cluster": "target"}
    values = {"log-rank, neighbours at birth": log_rank(found, by="agreement", **as_analysed).p_value}
    values["Cox, neighbours at birth"] = hazard_ratios(found, ["same_sign", "opposite_sign"], **as_analysed).p_value[0]

    episode, step, number = [], [], []
    for at in CHECKPOINTS:
        table = replay(log, at)[PROJECTION]
        episode.append(alive_at(found, table, at))
        step.append(np.full(episode[-1].size, at))
        number.append(neighbours_of(table, found.sign.values[episode[-1]], ms_per_source=10.0)[0])
    episode, step, number = (np.concatenate(parts) for parts in (episode, step, number))
    measured = xr.DataArray(number, {"episode": ("measurement", episode), "step": ("measurement", step)}, ("measurement",))
    rows = start_stop(found, measured, name="so_far")
    values["Cox, neighbours so far"] = hazard_ratios(rows, ["so_far"], **as_analysed).p_value[0]
    values["Cox, neighbours at birth, between neurons (naive)"] = hazard_ratios(
        found, ["same_sign", "opposite_sign"], strata="grown"
    ).p_value[0]
    most = np.zeros(found.sizes["episode"])
    np.maximum.at(most, episode, number)
    late = found.assign(most=("episode", most))
    values["Cox, most neighbours ever counted (naive)"] = hazard_ratios(late, ["most"], **as_analysed).p_value[0]
    return [{"neurons": neuron_spread, "test": name, "p_value": float(p)} for name, p in values.items()]


def coverage(simulations, first=0):
    """Share of the simulations whose interval holds the truth, and the mean estimate, by source and quantity."""
    rows = pd.DataFrame([row for seed in range(first, first + simulations) for row in planted(seed)])
    rows["covered"] = (rows["lower"] <= rows["truth"]) & (rows["truth"] <= rows["upper"])
    found = rows.groupby(["source", "quantity"], sort=False).agg(
        truth=("truth", "first"), estimate=("estimate", "mean"), covered=("covered", "mean"), simulations=("covered", "size")
    )
    return found.reset_index()


def sizes(simulations, first=0):
    """Share of the simulations rejected at .05, by how much neurons differ and by test."""
    seeds = range(first, first + simulations)
    rows = pd.DataFrame([row for seed in seeds for spread in SPREADS for row in nothing(seed, spread)])
    rows["rejected"] = rows["p_value"] <= 1 - NOMINAL
    found = rows.groupby(["neurons", "test"], sort=False)["rejected"].agg(["mean", "size"])
    return found.rename(columns={"mean": "rejected", "size": "simulations"}).reset_index()


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=200)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".csv"))
    given = parser.parse_args(arguments)
    covered, rejected = coverage(given.simulations), sizes(given.simulations)
    pd.concat([covered, rejected], ignore_index=True).round(4).to_csv(given.output, index=False)
    for table in (covered, rejected):
        print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()

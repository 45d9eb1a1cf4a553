"""How often the null `interaction` is rejected at .05, by neurons and by their networks, and what two simpler constructions do.

    python tests/calibration/interaction.py [--networks 200] [--neurons 32] [--permutations 99] [-o interaction.csv]

Signs move and keep what they owe to the source alone and to the delay alone. The three constructions of that are

- ``band and log odds``, which `stanalysis` has (`stanalysis.stats.engine.margins`);
- ``band alone``: sums of cosines within a band as narrow as lets signs move, all arrangements in it equally likely;
- ``log odds alone``: all arrangements, as likely as the fitted log odds make them.

``size`` is the share of answered neurons with a two-sided p-value up to .05, ``network`` that of networks, by the p-value of
their mean z-score; ``mean_z`` is over neurons, ``answered`` the share of neurons in which signs move. Of the generators where
`interaction` holds both ought to be .05 at most; ``above`` says where one is larger by three standard errors. Of the
planted ones they are power.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numba import set_num_threads
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parents[2]))

from stanalysis import SynapseGraph, field_statistics
from stanalysis.errors import BadInput
from stanalysis.stats.engine import margins
from stanalysis.stats.replicates.network import network_z
from tests.calibration.generators import GENERATORS, PLANTED, arranged

NULL = "interaction"
STATISTICS = ("graph_joins_ei", "graph_morans_i", "graph_weighted_joins_unlike", "n_clusters", "morans_i")
CONSTRUCTIONS: dict[str, dict[str, Any]] = {
    "band and log odds": {},
    "band alone": {"VARIANCES": np.array([1e-6]), "BAND": 0.2},
    "log odds alone": {"BAND": 1e6},
}
AT_ONCE = 640  # neurons: bounds the memory
ALPHA, TOLERANCE = 0.05, 3.0


def measured(construction: str, generator: str, n_network: int, n_neuron: int, n_permutations: int) -> list[dict[str, Any]]:
    """One row per statistic."""
    for name, value in CONSTRUCTIONS[construction].items():
        setattr(margins, name, value)
    planted = generator in PLANTED
    draw = PLANTED[generator] if planted else GENERATORS[generator].draw
    holds = not planted and NULL not in GENERATORS[generator].fails
    neurons, networks, z = [], [], []
    at_once = max(AT_ONCE // n_neuron, 1)
    for first in range(0, n_network, at_once):
        n = min(at_once, n_network - first)
        seed = int(np.random.SeedSequence(11, spawn_key=(first,)).generate_state(1)[0])
        fields = arranged(draw(n * n_neuron, seed=seed), run=n, target=n_neuron)
        options: dict[str, Any] = {"null": NULL, "n_permutations": n_permutations, "seed": seed, "keep_draws": True}
        try:
            found = field_statistics(fields, statistics=STATISTICS, graph=SynapseGraph(ms_per_source=1.0), **options)
        except BadInput as error:
            return [{"construction": construction, "generator": generator, "statistic": "all", "refused": str(error)}]
        neurons.append(found.p_value.transpose("statistic", "run", "target").values.reshape(len(STATISTICS), -1))
        networks.append(network_z(found, statistic="value").p_value.transpose("statistic", "run").values)
        z.append(found.z_score.transpose("statistic", "run", "target").values.reshape(len(STATISTICS), -1))
    rows = []
    for k, statistic in enumerate(STATISTICS):
        p, of_networks, scores = (np.concatenate(parts, axis=1)[k] for parts in (neurons, networks, z))
        p, of_networks, scores = (a[np.isfinite(a)] for a in (p, of_networks, scores))
        row = {"construction": construction, "generator": generator, "statistic": statistic, "holds": holds, "planted": planted}
        row |= {"answered": p.size / (n_network * n_neuron), "size": share(p), "network": share(of_networks)}
        row |= {"mean_z": scores.mean() if scores.size else np.nan, "n_neurons": p.size, "n_networks": of_networks.size}
        rows.append({**row, "above": holds and (is_above(p) or is_above(of_networks))})
    return rows


def share(p: np.ndarray) -> float:
    return float((p <= ALPHA).mean()) if p.size else np.nan


def is_above(p: np.ndarray) -> bool:
    return bool(p.size and share(p) > ALPHA + TOLERANCE * np.sqrt(ALPHA * (1 - ALPHA) / p.size))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=200)
    parser.add_argument("--neurons", type=int, default=32, help="of a network")
    parser.add_argument("--permutations", type=int, default=99)
    parser.add_argument("--constructions", nargs="+", default=list(CONSTRUCTIONS), choices=CONSTRUCTIONS)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("interaction.csv"))
    given = parser.parse_args(arguments)
    jobs = [(construction, name) for construction in given.constructions for name in (*GENERATORS, *PLANTED)]
    # a job has a process of its own: constants of one construction must not stay for the next
    context = get_context("spawn")
    with ProcessPoolExecutor(mp_context=context, initializer=set_num_threads, initargs=(1,), max_tasks_per_child=1) as pool:
        waiting = [pool.submit(measured, *job, given.networks, given.neurons, given.permutations) for job in jobs]
        for done in track(as_completed(waiting), "measuring", len(waiting)):
            done.result()
    table = pd.DataFrame([row for job in waiting for row in job.result()])
    table.to_csv(given.output, index=False, float_format="%.4f")
    print(table[table.above.eq(True)].to_string())


if __name__ == "__main__":
    main()

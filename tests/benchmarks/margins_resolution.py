"""How much of the grouping of excitation and inhibition is joint, by how fine the margins may be that are not.

    python tests/benchmarks/margins_resolution.py RUN... [--projection input__hidden1] [--cosines 2 4 6 8] [--draws 199]

For the last checkpoint of each run: E-I joins among neighbouring synapses beyond those of free signs, mean over neurons, and
what of it is owed to the delay alone, to the source alone and to both jointly, with margins of so many cosines; the p-value of
the interaction in the network, and the share of neurons in which signs still move.

``within_signs`` needs no smoothness: the joins beyond those when delays are dealt out among the synapses of one sign of a
neuron, which keeps the sign at every source and every pair of sign and delay. Where signs are additive in source and delay a
tenth of the total is left, for source and delay depend on each other among synapses of one sign; and it sees delays that
follow sources within a sign, without any grouping of signs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])


def joins_beyond_delays_within_signs(lists, graph, n_draws: int, seed: int) -> float:
    """Mean over neurons of E-I joins beyond those of delays dealt out within the synapses of one sign."""
    from dataclasses import replace

    import numpy as np

    from stanalysis.fields.lattice import ROOK
    from stanalysis.stats.engine.field_statistics import measured
    from stanalysis.stats.engine.null_test import NullTest

    def joins(some) -> float:
        test = NullTest(n_permutations=0, seed=0)
        names = ["graph_joins_ei"]
        options = {"lattice": ROOK, "graph": graph, "joint": False, "keep_draws": False, "test": test}
        return float(measured(some, statistics=names, drawn=[], **options).value.mean())

    synapses, rng = lists.lists, np.random.default_rng(seed)
    stratum = 2 * np.repeat(np.arange(synapses.start.size - 1), np.diff(synapses.start)) + (synapses.weight > 0)
    order = np.argsort(stratum, kind="stable")
    dealt = []
    for _ in range(n_draws):
        delay = np.empty_like(synapses.delay)
        delay[order] = synapses.delay[np.lexsort((rng.random(stratum.size), stratum))]
        dealt.append(joins(replace(lists, lists=synapses._replace(delay=delay))))
    return joins(lists) - float(np.mean(dealt))


def main(arguments: list[str] | None = None) -> None:
    import pandas as pd

    from stanalysis.analysis.one_step import lists_of_projection
    from stanalysis.fields.synapse_graph import SynapseGraph
    from stanalysis.files.checkpoint import read_checkpoint
    from stanalysis.stats.engine import margins
    from stanalysis.stats.grouping.parts import grouping_parts

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--projection", default="input__hidden1")
    parser.add_argument("--cosines", nargs="+", type=int, default=[2, 4, 6, 8])
    parser.add_argument("--draws", type=int, default=199)
    given = parser.parse_args(arguments)
    rows = []
    for run in given.runs:
        tree = read_checkpoint(run / "last.nc")
        lists, graph = lists_of_projection(tree, given.projection), SynapseGraph(ms_per_source=float(tree.attrs["dt"]))
        within = joins_beyond_delays_within_signs(lists, graph, given.draws, seed=0)
        for n in given.cosines:
            margins.N_COSINES = n  # type: ignore[misc]  # the constant is what is varied here
            parts = grouping_parts(lists, ms_per_source=float(tree.attrs["dt"]), n_permutations=given.draws, seed=0)
            parts = parts.sel(statistic="graph_joins_ei").squeeze("step")
            joint = parts.p_value.sel(test="interaction")
            row = {"run": run.name, "cosines": n, "total": parts.total.mean().item()}
            row |= {str(part.part.item()): part.mean().item() for part in parts.excess.transpose("part", ...)}
            row |= {
                "within_signs": within,
                "p": parts.network_p.sel(test="interaction").item(),
                "moving": (joint.notnull().sum() / joint.size).item(),
            }
            rows.append(row)
            print(*(f"{v:.3g}" if isinstance(v, float) else v for v in row.values()), flush=True)
    print(pd.DataFrame(rows).drop(columns="run").groupby("cosines").mean().round(2).to_string())


if __name__ == "__main__":
    main()

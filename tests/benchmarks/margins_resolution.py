"""How much of the grouping of excitation and inhibition is joint, by how fine the margins may be that are not.

    python tests/benchmarks/margins_resolution.py RUN... [--projection input__hidden1] [--cosines 2 4 6 8] [--draws 199]

For the last checkpoint of each run: E-I joins among neighbouring synapses beyond those of free signs, mean over neurons, and
what of it is owed to the delay alone, to the source alone and to both jointly, with margins of so many cosines; the p-value of
the interaction in the network, and the share of neurons in which signs still move.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])


def main(arguments: list[str] | None = None) -> None:
    import pandas as pd

    from stanalysis.analysis.one_projection import lists_of_projection
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
        lists = lists_of_projection(tree, given.projection)
        for n in given.cosines:
            margins.N_COSINES = n  # type: ignore[misc]  # the constant is what is varied here
            parts = grouping_parts(lists, ms_per_source=float(tree.attrs["dt"]), n_permutations=given.draws, seed=0)
            parts = parts.sel(statistic="graph_joins_ei").squeeze("step")
            joint = parts.p_value.sel(test="interaction")
            row = {"run": run.name, "cosines": n, "total": parts.total.mean().item()}
            row |= {str(part.part.item()): part.mean().item() for part in parts.excess.transpose("part", ...)}
            row |= {"p": parts.network_p.sel(test="interaction").item(), "moving": (joint.notnull().sum() / joint.size).item()}
            rows.append(row)
            print(*(f"{v:.3g}" if isinstance(v, float) else v for v in row.values()), flush=True)
    print(pd.DataFrame(rows).drop(columns="run").groupby("cosines").mean().round(2).to_string())


if __name__ == "__main__":
    main()

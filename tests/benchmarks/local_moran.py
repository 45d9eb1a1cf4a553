"""Local Moran's I and Gi*: `local_morans_i` beside a loop over `esda.Moran_Local`, and what threads and other nulls cost.

    python tests/benchmarks/local_moran.py [--repeats 10] [--esda-fields 8]

256 fields of 40 x 25 cells, 999 permutations, queen. The programs take turns. esda (compiled by numba too, n_jobs 1, warmed
up) runs on the first of the fields only; its time, of I alone, is scaled up to all of them. Times are of the whole public
function.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import perf_counter

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

SIZES = {"n_target": 256, "n_source": 40, "n_delay": 25, "n_permutations": 999}
SMALLEST = {"n_target": 2, "n_source": 4, "n_delay": 3, "n_permutations": 9}


def programs(sizes, n_esda):
    """Functions that each run once, by name, with the factor that scales their time to all fields."""
    import esda
    import numba
    import xarray as xr
    from libpysal.weights import lat2W

    from stanalysis.fields.lattice import QUEEN, ROOK
    from stanalysis.stats.spatial.local import local_morans_i
    from stanalysis.synthetic.fields import noise_fields

    shape = sizes["n_target"], sizes["n_source"], sizes["n_delay"]
    dense = xr.DataArray(np.random.default_rng(0).standard_normal(shape), dims=("target", "source", "delay"))
    sparse = noise_fields(shape[0], n_source=shape[1], n_delay=shape[2], seed=0)
    weights = lat2W(*shape[1:], rook=False)
    n_permutations = sizes["n_permutations"]

    def ours(field, lattice, null, threads):
        def run():
            numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
            local_morans_i(field, lattice=lattice, null=null, n_permutations=n_permutations, min_synapses=1, seed=0)

        return run

    def esda_loop():
        for plane in dense.values[:n_esda]:
            esda.Moran_Local(plane.reshape(-1), weights, permutations=n_permutations, n_jobs=1, seed=0)

    return {
        "esda loop": (esda_loop, shape[0] / min(n_esda, shape[0])),
        "cells, queen, 1 thread": (ours(dense, QUEEN, "cells", 1), 1),
        "cells, queen, 2 threads": (ours(dense, QUEEN, "cells", 2), 1),
        "cells, rook, 1 thread": (ours(dense, ROOK, "cells", 1), 1),
        f"delays of {shape[1]} synapses, queen, 1 thread": (ours(sparse, QUEEN, "delays", 1), 1),
        f"weights of {shape[1]} synapses, queen, 1 thread": (ours(sparse, QUEEN, "weights", 1), 1),
    }


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--esda-fields", type=int, default=8)
    parser.add_argument("--smallest", action="store_true")
    given = parser.parse_args(arguments)
    runs = programs(SMALLEST if given.smallest else SIZES, given.esda_fields)
    for run, _ in runs.values():
        run()
    seconds = {name: [] for name in runs}
    for _ in range(given.repeats):
        for name, (run, factor) in runs.items():
            start = perf_counter()
            run()
            seconds[name].append((perf_counter() - start) * factor)
    reference = np.median(seconds["esda loop"])
    for name, values in seconds.items():
        low, middle, high = 1e3 * np.percentile(values, [5, 50, 95])
        print(f"{name:42s} {middle:8.1f} ms (5-95 %: {low:.1f}-{high:.1f}), {1e3 * reference / middle:6.1f} x esda")


if __name__ == "__main__":
    main()

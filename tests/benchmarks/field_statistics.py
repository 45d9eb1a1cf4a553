"""Statistics with permutations: beside loops over esda, what other nulls and threads cost, and how time and memory grow.

    python tests/benchmarks/field_statistics.py [--repeats 10] [--esda-fields 4]

256 fields of 40 x 25 cells, 999 permutations, queen. The programs take turns. esda (compiled by numba too, n_jobs 1, warmed
up) runs on the first of the fields only; its time is scaled up to all of them. Times are of the whole public function. All
nulls that draw are timed with Moran's I, `delays`, `signs` and `interaction` with all else; `--smallest` is a trial run. The
larger fields of the last table run once, each in a process of its own: its peak memory, less what it held before the
fields were made, is given in multiples of the fields.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])

SIZES = {"n_target": 256, "n_source": 40, "n_delay": 25, "n_permutations": 999}
SMALLEST = {"n_target": 2, "n_source": 4, "n_delay": 3, "n_permutations": 9}
LARGER = [(256, 40, 25), (1024, 140, 30), (512, 700, 25)]
SMALLER = [(3, 5, 4)]
ASKED = {"Moran": 150, "Geary": 150, "join counts": 500}


def esda_loops(planes):
    """A function by statistic, each of which runs esda over the planes."""
    import esda
    from libpysal.weights import lat2W

    weights = lat2W(*planes.shape[1:], rook=False)

    def loop(statistic, values):
        for value in values.reshape(len(values), -1):
            statistic(value, weights)

    return {
        "Moran": lambda n: partial(loop, partial(esda.Moran, permutations=n), planes),
        "Geary": lambda n: partial(loop, partial(esda.Geary, permutations=n), planes),
        "join counts": lambda n: partial(loop, partial(esda.Join_Counts, permutations=n), planes > 0),
    }


def beside_esda(dense, n_permutations, n_esda):
    """Programs by name: what runs, the factor that scales its time to all fields, and the statistic of esda's it is beside."""
    from stanalysis.fields.lattice import QUEEN, ROOK
    from stanalysis.stats.spatial.autocorrelation import gearys_c, morans_i
    from stanalysis.stats.spatial.clustering import join_counts

    loops = esda_loops(dense.values[:n_esda])
    factor = len(dense) / min(n_esda, len(dense))
    found = {f"{name}, esda loop": (loop(n_permutations), factor, name) for name, loop in loops.items()}
    ours = {"Moran": morans_i, "Geary": gearys_c, "join counts": join_counts}
    for name, function in ours.items():
        options = {"null": "cells", "n_permutations": n_permutations, "min_synapses": 1, "seed": 0}
        for lattice, threads in ((QUEEN, 1), (QUEEN, 2), (ROOK, 1)):
            run = on_threads(threads, partial(function, dense, lattice=lattice, **options))
            found[f"{name}, cells, {lattice.contiguity}, {threads} thread(s)"] = (run, 1, name)
    return found


def other_nulls(sparse, n_permutations):
    """Programs by name, as `beside_esda`, on fields of one synapse per source."""
    from stanalysis.fields.lattice import QUEEN
    from stanalysis.fields.synapse_graph import SynapseGraph
    from stanalysis.stats.engine.field_statistics import field_statistics
    from stanalysis.stats.engine.nulls import NULLS
    from stanalysis.stats.engine.statistics import names_of
    from stanalysis.stats.spatial.autocorrelation import morans_i
    from stanalysis.stats.spatial.correlogram import correlogram
    from stanalysis.stats.spatial.point_pattern import cross_k
    from stanalysis.stats.spatial.smoothing import smoothed_morans_i

    graph = SynapseGraph(ms_per_source=1.0)
    options = {"n_permutations": n_permutations, "min_synapses": 1, "seed": 0}
    families = {
        "all of the lattice": partial(field_statistics, statistics=list(names_of("lattice")), lattice=QUEEN),
        "all of the synapse graph": partial(field_statistics, statistics=list(names_of("graph")), graph=graph),
        "correlogram": correlogram,
        "cross-K and mark correlation": partial(cross_k, distances=(1, 2, 4, 8), ms_per_source=1.0),
        "smoothed Moran, 3 bandwidths": smoothed_morans_i,
    }
    found = {
        f"Moran, {null}": partial(morans_i, sparse, lattice=QUEEN, null=null, **options)
        for null, rule in NULLS.items()
        if rule.draws
    }
    for null in ("delays", "signs", "interaction"):
        found |= {f"{name}, {null}": partial(function, sparse, null=null, **options) for name, function in families.items()}
    return {name: (on_threads(1, run), 1, None) for name, run in found.items()}


def on_threads(n, run):
    """``run`` on so many threads."""
    import numba

    def threaded():
        numba.set_num_threads(min(n, numba.config.NUMBA_NUM_THREADS))
        run()

    return threaded


def fields(shape):
    """Dense fields with values in all cells, and such with one synapse per source."""
    import xarray as xr

    from stanalysis.synthetic.fields import noise_fields

    dense = xr.DataArray(np.random.default_rng(0).standard_normal(shape), dims=("target", "source", "delay"))
    return dense, noise_fields(shape[0], n_source=shape[1], n_delay=shape[2], seed=0)


def grown(shape, null, n_permutations):
    """Seconds of Moran's I on one thread, and peak memory over the bytes of the fields; to be run in a new process."""
    from stanalysis.fields.lattice import QUEEN
    from stanalysis.stats.spatial.autocorrelation import morans_i

    def run(data):
        on_threads(1, partial(morans_i, data, lattice=QUEEN, null=null, n_permutations=n_permutations, seed=0))()

    which = 0 if null == "cells" else 1
    run(fields((2, 6, 5))[which])  # compiles
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = kilobytes("VmRSS")
    data = fields(shape)[which]
    start = perf_counter()
    run(data)
    seconds = perf_counter() - start
    return seconds, 1024 * (kilobytes("VmHWM") - before) / data.nbytes


def kilobytes(name):
    """Memory of this process, as Linux counts it; `resource.getrusage` would count that of its parent, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def print_speed(runs, repeats):
    for run, _, _ in runs.values():
        run()
    seconds = {name: [] for name in runs}
    for _ in range(repeats):
        for name, (run, factor, _) in runs.items():
            start = perf_counter()
            run()
            seconds[name].append((perf_counter() - start) * factor)
    for name, values in seconds.items():
        low, middle, high = 1e3 * np.percentile(values, [5, 50, 95])
        statistic = runs[name][2]
        beside = ""
        if statistic is not None:
            reference = 1e3 * np.median(seconds[f"{statistic}, esda loop"])
            beside = f", {reference / middle:6.1f} x esda (asked: {ASKED[statistic]})"
        print(f"{name:40s} {middle:9.1f} ms (5-95 %: {low:.1f}-{high:.1f}){beside}")


def print_growth(shapes, n_permutations):
    for null in ("cells", "delays"):
        for shape in shapes:
            sizes = ",".join(map(str, shape))
            child = [sys.executable, __file__, "--grown", sizes, null, str(n_permutations)]
            answer = subprocess.run(child, capture_output=True, text=True, check=True)
            seconds, memory = map(float, answer.stdout.split())
            moved = shape[0] * shape[1] * (shape[2] if null == "cells" else 1) * n_permutations
            each = "cell" if null == "cells" else "synapse"
            print(
                f"Moran, {null}, {shape[0]} fields of {shape[1]} x {shape[2]}: {seconds:.2f} s, "
                f"{1e9 * seconds / moved:.3f} ns per {each} and permutation, peak memory {memory:.1f} x the fields"
            )


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--esda-fields", type=int, default=4)
    parser.add_argument("--smallest", action="store_true")
    parser.add_argument("--grown", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.grown:
        shape, null, n_permutations = given.grown
        print(*grown(tuple(map(int, shape.split(","))), null, int(n_permutations)))
        return
    sizes = SMALLEST if given.smallest else SIZES
    dense, sparse = fields((sizes["n_target"], sizes["n_source"], sizes["n_delay"]))
    print_speed(beside_esda(dense, sizes["n_permutations"], given.esda_fields), given.repeats)
    print_speed(other_nulls(sparse, sizes["n_permutations"]), given.repeats)
    print_growth(SMALLER if given.smallest else LARGER, sizes["n_permutations"])


if __name__ == "__main__":
    main()

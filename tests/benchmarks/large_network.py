"""The whole of `analyze` on large networks: time and peak memory over synapses, and what was foretold of both.

    python tests/benchmarks/large_network.py [--sizes 700x64x250 700x256x250 700x1024x250] [--draws 999] [--memory 2G]

Each size, sources x targets x bins of delay, is one checkpoint of a random dense projection with one synapse a pair; lattice
and graph, null ``delays``, one thread, no check against other programs. Each analysis is a process of its own, as from the
command line, and its peak memory that of the whole process. Of each line that told how long the rest would take, and had more
than five seconds to go, the ratio of that to how long it took is given, from the smallest to the largest.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

SIZES = ("700x64x250", "700x256x250", "700x1024x250")
ANALYSIS = "from stanalysis.cli.main import main; main()"
LEFT = re.compile(r"about (\d+):(\d+):(\d+) left")


def write_network(path, n_source, n_target, n_bins, seed=0):
    """A checkpoint of one dense projection with random weights and delays."""
    from stanalysis.files.checkpoint import checkpoint_tree, population, projection, write_checkpoint

    random = np.random.default_rng(seed)
    target, source = np.indices((n_target, n_source), np.int32).reshape(2, -1)
    synapses = projection(
        n_source=n_source,
        n_target=n_target,
        delay_max=n_bins - 1.0,
        rounding="half even",
        source=source,
        target=target,
        delay=random.integers(0, n_bins, source.size).astype(float),
        weight=random.normal(size=source.size).astype(np.float32),
    )
    tree = checkpoint_tree(
        populations={"input": population(n_source), "hidden1": population(n_target)},
        projections={("input", "hidden1"): synapses},
        metrics={},
        framework="stanalysis",
        method="dcls",
        dataset="none",
        dt=1.0,
        step=0,
        epoch=0.0,
        seed=seed,
    )
    write_checkpoint(tree, path)


def analysed(network, *, draws, memory):
    """Seconds, peak memory [bytes], what was foretold of it, and ratios of foretold to real times."""
    output, threads = network.with_name("analysis.nc"), {"NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    options = ["--permutations", str(draws), "--memory", memory, "--no-check", "--statistics", "lattice", "graph"]
    command = [sys.executable, "-c", ANALYSIS, "analyze", str(network), "--output", str(output), *options]
    began, told, foretold = monotonic(), [], "?"
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    program = subprocess.Popen(
        command, env=os.environ | threads | {"PYTHONPATH": path}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    with program.stderr:
        for line in program.stderr:
            foretold = line.split("; about ")[1].removesuffix(" of memory\n") if "; about " in line else foretold
            if match := LEFT.search(line):
                hours, minutes, seconds = map(int, match.groups())
                told.append((monotonic(), 3600 * hours + 60 * minutes + seconds))
    _, status, used = os.wait4(program.pid, 0)
    ended, program.returncode = monotonic(), os.waitstatus_to_exitcode(status)
    if program.returncode:
        raise SystemExit(f"the analysis ended with the code {program.returncode}")
    return ended - began, used.ru_maxrss * 1024, foretold, [left / (ended - at) for at, left in told if ended - at > 5]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", nargs="+", default=SIZES)
    parser.add_argument("--draws", type=int, default=999)
    parser.add_argument("--memory", default="2G")
    options = parser.parse_args(arguments)
    from stanalysis.units import said_bytes

    names = ("size", "synapses", "time", "ns per synapse and draw", "memory", "foretold")
    print("{:16} {:>10} {:>8} {:>24} {:>8} {:>9}".format(*names), " time foretold")
    with TemporaryDirectory() as folder:
        for size in options.sizes:
            n_source, n_target, n_bins = map(int, size.split("x"))
            network = Path(folder) / f"{size}.nc"
            write_network(network, n_source, n_target, n_bins)
            seconds, memory, foretold, ratios = analysed(network, draws=options.draws, memory=options.memory)
            each = 1e9 * seconds / (n_source * n_target * options.draws)
            said = f"x {min(ratios):.2f} to {max(ratios):.2f}" if ratios else "-"
            first = f"{size:16} {n_source * n_target:10,} {seconds:6.1f} s {each:24.1f}"
            print(f"{first} {said_bytes(memory):>8} {foretold:>9}  {said}", flush=True)


if __name__ == "__main__":
    main()

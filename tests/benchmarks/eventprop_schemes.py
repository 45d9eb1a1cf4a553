"""How far the gradients of the published discretisation of EventProp are from exact ones, over random nets.

    python tests/benchmarks/eventprop_schemes.py [--nets 40] [--hidden 40]

Both schemes run the same nets, whose delays are whole steps of 1 ms, on the same spikes. Printed are cosines between their
gradients, the median and the least of all nets: of weights W and delays D, and of those within a recurrent population.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

ACTIVITY = {"sparse": 0.8, "busy": 1.8}  # factor of all weights
PARTS = {
    "W": ("", "weight"),
    "D": ("", "delay"),
    "W_rec": ("hidden1__hidden1", "weight"),
    "D_rec": ("hidden1__hidden1", "delay"),
}


def compared(seed, sizes, recurrent, scale):
    """Spikes per neuron by the exact scheme, and the cosines of all gradients by projection and part."""
    from tests.trainers.methods.eventprop.nets import by_engine, cosine, draw

    case = draw(seed, sizes, recurrent=recurrent, scale=scale, n_samples=4)
    case = replace(case, delay={name: np.rint(delay) for name, delay in case.delay.items()})
    exact, published = (by_engine(replace(case, config=replace(case.config, scheme=s))) for s in ("exact", "published"))
    cosines = {
        (name, part): cosine(published.gradient[name][part], bar)
        for name, parts in exact.gradient.items()
        for part, bar in parts.items()
        if bar.any() and not name.endswith("output")
    }
    return np.mean([len(times) for sample in exact.times for times in sample]), cosines


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", type=int, default=40)
    parser.add_argument("--hidden", type=int, default=40)
    given = parser.parse_args(arguments)
    nets = {
        "one layer": ((20, given.hidden, 4), False),
        "two layers": ((20, given.hidden, given.hidden, 4), False),
        "recurrent": ((20, given.hidden, 4), True),
    }
    print(f"{'net':11s}{'activity':10s}spikes  " + "".join(f"{part:>14s}" for part in PARTS))
    for kind, (sizes, recurrent) in nets.items():
        for activity, scale in ACTIVITY.items():
            results = [compared(seed, sizes, recurrent, scale) for seed in range(given.nets)]
            cells = []
            for name, part in PARTS.values():
                values = [
                    value
                    for _, cosines in results
                    for (projection, of), value in cosines.items()
                    if of == part and (projection == name if name else len(set(projection.split("__"))) == 2)
                ]
                cells.append(f"{np.median(values):6.2f} ({min(values):5.2f})" if values else "")
            spikes = np.mean([spikes for spikes, _ in results])
            print(f"{kind:11s}{activity:10s}{spikes:6.1f}  " + "".join(f"{cell:>14s}" for cell in cells).rstrip())


if __name__ == "__main__":
    main()

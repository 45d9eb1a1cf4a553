"""Do learned delays help? Test accuracy on unseen speakers with learned, fixed random and no delays, over seeds.

    python tests/benchmarks/delays_matter.py FOLDER [--seeds 3] [--epochs 100] [--hidden 128] [--threads 1]

Every run is kept in FOLDER; calling it again skips what is there. The epoch is the one best on the validation speakers.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[2]))


def main(arguments=None):
    from stanalysis.files.run import read_metrics
    from trainers.datasets import load_dataset
    from trainers.methods.dcls.config import DENSE, DclsConfig
    from trainers.training.loop import train

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args(arguments)
    data = load_dataset("spoken_digits")
    rows = []
    for seed in range(given.seeds):
        for delays in ("none", "fixed", "learned"):
            config = DclsConfig(hidden=(given.hidden,), epochs=given.epochs, delays=delays)
            path = given.folder / f"{delays}-{seed}"
            train(DENSE, config, data, path, seed=seed, threads=given.threads, n_checkpoints=10)
            metrics = read_metrics(path)
            best = metrics.loc[metrics.validation_accuracy.idxmax()]
            last = metrics.iloc[-1]
            rows.append({"delays": delays, "seed": seed, "best": best.test_accuracy, "last": last.test_accuracy})
            print(*rows[-1].values(), flush=True)
    table = pd.DataFrame(rows).groupby("delays", sort=False)[["best", "last"]].agg(["mean", "min", "max"])
    print((100 * table).round(1).to_string())


if __name__ == "__main__":
    main()

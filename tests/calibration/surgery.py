"""Does directed surgery find grouping that a network needs, and none where grouping is decoration?

    python tests/calibration/surgery.py [--networks 50] [--draws 12] [-o tests/calibration/surgery.csv]

Small networks whose weights and delays are set by hand, not trained. In all of them every hidden neuron listens to each of 16
channels through one synapse, and half of the neurons vote for each of two classes.

``causal``
    A class is where bursts are, among the lower or the upper channels: four neighbouring channels that fire at one time, at any
    of them; the other channels fire as often, but scattered. Only neurons whose excitation is grouped, wherever that is, tell
    the one from the other.
``decorative``
    A class is a pattern in time of four channels far apart. The neurons that hear it have delays to match; the other twelve
    channels fire at random, say nothing, and their synapses are grouped by sign and delay.

A network counts as one in which grouping matters if accuracy is higher with grouping raised than lowered, at equal dose, and
an exact test of the differences over draws (signs exchanged) gives p of at most .05, one-sided.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from stanalysis.files.operations import ARMS
from trainers.datasets import Frames, Recordings
from trainers.datasets.recordings import DataFormat
from trainers.methods.dcls import dense, operated
from trainers.methods.dcls.config import DENSE, DclsConfig
from trainers.operations.directed import directed
from trainers.operations.dose import dose, input_metrics
from trainers.operations.trained import TrainedNetwork

N_CHANNELS, N_BINS, N_STEPS, N_HIDDEN = 16, 12, 60, 24
SIZE = 4  # channels of a burst, synapses of a group
SPARSE = (0, 5, 10, 15)  # channels that carry the pattern
SHARE = 0.8  # of the synapses of a target are moved
ENDS = ("input", "hidden1")


def bursts(random: np.random.Generator, label: np.ndarray) -> np.ndarray:
    """Recordings (sample, time, channel) with bursts in the half of the channels that the label names, and as many spikes
    scattered in the other.
    """
    x = np.zeros((len(label), N_STEPS, N_CHANNELS), np.float32)
    half = N_CHANNELS // 2
    for i, k in enumerate(label):
        for _ in range(16):
            first, when = random.integers(0, half - SIZE + 1), random.integers(0, N_STEPS)
            for c in range(SIZE):
                x[i, when, k * half + first + c] += 1
                x[i, random.integers(0, N_STEPS), (1 - k) * half + first + c] += 1
    return x


def pattern(shape: np.ndarray) -> np.ndarray:
    """When each of the four channels fires, in bins, for the two classes (class, channel)."""
    return np.stack([shape, shape[::-1]])


def patterns(random: np.random.Generator, label: np.ndarray, when: np.ndarray) -> np.ndarray:
    """Recordings with the pattern of the label, eight times, and twelve channels of noise."""
    x = (random.random((len(label), N_STEPS, N_CHANNELS)) < 0.12).astype(np.float32)
    x[:, :, list(SPARSE)] = 0
    for i, k in enumerate(label):
        for _ in range(6):
            start = random.integers(0, N_STEPS - N_BINS)
            for c, channel in enumerate(SPARSE):
                x[i, start + when[k, c], channel] += 1
    return x


def groups(random: np.random.Generator, channels: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Delays (channel) of synapses in groups of neighbouring channels, those of a group alike."""
    delay = np.empty(len(channels))
    for first in range(0, len(channels), SIZE):
        delay[first : first + SIZE] = random.integers(0, N_BINS) + 0 * signs[first : first + SIZE]
    return delay


def causal(seed: int) -> TrainedNetwork:
    """A network that needs its grouping."""
    random = np.random.default_rng((seed, 1))
    sign = np.repeat([1.0, -1.0, 1.0, -1.0], SIZE)
    weight, delay = np.empty((N_HIDDEN, N_CHANNELS)), np.empty((N_HIDDEN, N_CHANNELS))
    for n in range(N_HIDDEN):
        upper = n >= N_HIDDEN // 2
        signs = np.where(np.arange(N_CHANNELS) // (N_CHANNELS // 2) == upper, 1.0, -1.0)
        weight[n] = signs * random.uniform(0.8, 1.2, N_CHANNELS)
        delay[n] = groups(random, np.arange(N_CHANNELS), sign)
    return _network(seed, weight, delay, lambda part, label: bursts(part, label), bias=-1.2)


def decorative(seed: int) -> TrainedNetwork:
    """A network with grouping among synapses that say nothing."""
    random = np.random.default_rng((seed, 2))
    when = pattern(random.permutation(N_BINS)[: len(SPARSE)])
    noise = np.array([c for c in range(N_CHANNELS) if c not in SPARSE])
    weight, delay = np.empty((N_HIDDEN, N_CHANNELS)), np.empty((N_HIDDEN, N_CHANNELS))
    for n in range(N_HIDDEN):
        signs = np.repeat(random.permutation([1.0, -1.0, 1.0]) * random.choice([-1, 1]), SIZE)
        weight[n, noise] = 0.25 * signs * random.uniform(0.8, 1.2, len(noise))
        delay[n, noise] = groups(random, noise, signs)
        weight[n, list(SPARSE)] = random.uniform(0.8, 1.2, len(SPARSE))
        delay[n, list(SPARSE)] = N_BINS - 1 - when[int(n >= N_HIDDEN // 2)]
    return _network(seed, weight, delay, lambda part, label: patterns(part, label, when), bias=-1.2)


KINDS = {"causal": causal, "decorative": decorative}


def _network(seed, weight, delay, recorded, *, bias):  # type: ignore[no-untyped-def]
    """The network with these synapses, and recordings for it."""
    parts = []
    for number, n in enumerate((200, 100, 400)):
        random = np.random.default_rng((seed, 3, number))
        label = np.arange(n) % 2
        parts.append(Frames(x=recorded(random, label), y=label, scale=1.0))
    data = Recordings(
        name="planted", training=parts[0], validation=parts[1], test=parts[2], dt=1.0, duration=float(N_STEPS), n_classes=2,
        frequency=None, gain=1.0, source="planted", sha256="planted",
    )  # fmt: skip
    config = DclsConfig(
        hidden=(N_HIDDEN,), n_bins=N_BINS, time_constant=1.5, latency=0, readout_latency=0, dropout=0.0, batch_size=400
    )
    state = dense.init(config, seed, DataFormat(N_CHANNELS, 2, 1.0, float(N_STEPS)))
    vote = np.zeros((2, N_HIDDEN))
    vote[0, : N_HIDDEN // 2], vote[1, N_HIDDEN // 2 :] = 1, 1
    arrays = {
        "weight_0": weight[:, :, None], "delay_0": delay[:, :, None], "bias_0": np.full(N_HIDDEN, bias),
        "weight_1": vote[:, :, None], "delay_1": np.zeros((2, N_HIDDEN, 1)),
    }  # fmt: skip
    state = replace(state, arrays=state.arrays | {name: a.astype(np.float32) for name, a in arrays.items()})
    spikes = [np.zeros(N_HIDDEN)]
    tables = dict(dense.describe(state, epoch=0, spikes=spikes).projections)
    return TrainedNetwork(replace(DENSE, rule=lambda: operated.RULE), config, data, state, tables, 0, seed, 1.0, "planted")


def operated_on(network: TrainedNetwork, draws: int) -> pd.DataFrame:
    """Accuracy and dose of each arm in each draw, and of the intact network as arm ``intact``."""
    metric, table = input_metrics(network)[ENDS], network.tables[ENDS]
    rows = [{"arm": "intact", "draw": 0, "dose": 0.0, **network.accuracies()}]
    for draw, arm in product(range(draws), ARMS):
        after = directed(table, metric, "delays", SHARE, arm, matched=True, stream=network.seed, draw=draw)
        rows.append({"arm": arm, "draw": draw, "dose": dose(metric, table, after), **network.accuracies({ENDS: after})})
    return pd.DataFrame(rows)


def p_value(differences: np.ndarray) -> float:
    """One-sided, of a mean above 0: the share of the ways to exchange signs that give as large a sum."""
    signs = np.array(list(product((1, -1), repeat=len(differences))))
    sums = signs @ differences
    return float(np.mean(sums >= differences.sum() - 1e-12))


def judged(kind: str, seed: int, draws: int) -> dict[str, object]:
    """One network: accuracies and doses of the arms, and whether its grouping counts as needed."""
    table = operated_on(KINDS[kind](seed), draws)
    by_arm = table.pivot_table(index="draw", columns="arm", values="test_accuracy")
    p = p_value((by_arm["raise"] - by_arm["lower"]).to_numpy()[:draws])
    means, doses = table.groupby("arm")["test_accuracy"].mean(), table.groupby("arm")["dose"].mean()
    said = {f"accuracy_{arm}": means[arm] for arm in ("intact", *ARMS)} | {f"dose_{arm}": doses[arm] for arm in ARMS}
    return {"kind": kind, "seed": seed, **said, "p_value": p, "needed": p <= 0.05}


def main() -> None:
    """Judge all networks, write the table and print its sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=50)
    parser.add_argument("--draws", type=int, default=12)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_suffix(".csv"))
    options = parser.parse_args()
    table = pd.DataFrame([judged(kind, seed, options.draws) for kind in KINDS for seed in range(options.networks)])
    table.to_csv(options.output, index=False, float_format="%.4g")
    print(table.groupby("kind").mean(numeric_only=True).drop(columns="seed").T.to_string(float_format="%.3f"))


if __name__ == "__main__":
    main()

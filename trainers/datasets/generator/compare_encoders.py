"""Ways to make spikes of the embedded digits, by what a linear classifier reads from them.

    python -m trainers.datasets.generator.compare_encoders

Each encoder turns the 16 levels of 40 bands in frames of 10 ms into spikes at whole ms. They are counted in windows of 20, 40
and 80 ms, and a ridge regression on the counts of the training speakers is judged on the validation speakers, who also choose
its penalty; of the frames themselves the means over the same windows are given to it. The test speakers are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np
from numpy.typing import NDArray

from trainers.datasets.conversions import binned, unbinned
from trainers.datasets.recordings import Frames
from trainers.datasets.spike_lists import SpikeLists
from trainers.datasets.spoken_digits import load_spoken_digits
from trainers.datasets.spoken_digits_spikes import level_crossings

WINDOWS = (20, 40, 80)  # ms
PENALTIES = (30.0, 100.0, 300.0, 1000.0, 3000.0)  # of regressors with a mean variance of 1
DURATION, FRAME = 800.0, 10


@numba.njit
def _integrate_and_fire(x: NDArray[np.uint8], threshold: float, kept: float, raised: float, recovered: float) -> NDArray:
    """Whether each band spikes in each ms: its potential adds up the level, keeps a part of itself, and loses the threshold.

    A spike raises the threshold, which recovers in part each ms.
    """
    n_samples, n_frames, n_bands = x.shape
    spikes = np.zeros((n_samples, n_frames * FRAME, n_bands), np.uint8)
    for sample in range(n_samples):
        for band in range(n_bands):
            potential, adaptation = 0.0, 0.0
            for t in range(n_frames * FRAME):
                place = min(max((t + 0.5) / FRAME - 0.5, 0.0), n_frames - 1.0)
                before = int(place)
                after, part = min(before + 1, n_frames - 1), place - before
                potential = kept * potential + (1 - part) * x[sample, before, band] + part * x[sample, after, band]
                adaptation *= recovered
                if potential >= threshold + adaptation:
                    potential -= threshold + adaptation
                    adaptation += raised
                    spikes[sample, t, band] = 1
    return spikes


def integrating(
    threshold: float, *, leak: float = np.inf, raised: float = 0.0, recovery: float = 1.0
) -> Callable[[Frames], SpikeLists]:
    """An encoder by a neuron for each band; ``leak`` and ``recovery`` are time constants in ms."""

    def encoded(frames: Frames) -> SpikeLists:
        spikes = _integrate_and_fire(frames.x, threshold, np.exp(-1 / leak), raised, np.exp(-1 / recovery))
        return unbinned(Frames(spikes, frames.y, 1.0), dt=1.0)

    return encoded


def crossing(spacing: float, slack: float, *, falling: bool = True) -> Callable[[Frames], SpikeLists]:
    """An encoder by level crossings, upwards and, unless left out, downwards."""

    def encoded(frames: Frames) -> SpikeLists:
        lists = level_crossings(frames, frame=FRAME, spacing=round(10 * spacing), slack=round(10 * slack))
        if falling:
            return lists
        kept = lists.channel < frames.n_channels
        n_before = np.concatenate([[0], np.cumsum(kept)])
        return SpikeLists(n_before[lists.begin], lists.channel[kept], lists.time[kept], lists.y, frames.n_channels)

    return encoded


ENCODERS = {
    **{f"integrate and fire, threshold {n}": integrating(n) for n in (100, 150, 200)},
    **{f"the same, threshold {n}, leak {leak} ms": integrating(n, leak=leak) for leak, n in ((10, 70), (20, 100), (50, 120))},
    **{f"the same, threshold {n}, leak 20 ms, adaptive": integrating(n, leak=20, raised=n, recovery=50) for n in (30, 60)},
    **{
        f"level crossing, spacing {spacing:g}, slack {slack:g}": crossing(spacing, slack)
        for spacing, slack in ((2, 0.5), (2.5, 0.5), (2.5, 1), (1.5, 1.5), (1.8, 1.8), (2, 2), (2.5, 2.5), (3, 3), (4, 4))
    },
    **{f"level crossing, spacing {n:g}, slack 0.5, rising only": crossing(n, 0.5, falling=False) for n in (1, 1.5)},
}


def correct(x: NDArray, label: NDArray, validation_x: NDArray, validation_label: NDArray) -> float:
    """Share of the validation samples that the best ridge regression on the training samples gets right."""
    mean = x.mean(axis=0)
    scale = x.std(axis=0).mean()
    a, b = (x - mean) / scale, (validation_x - mean) / scale
    wanted = np.eye(label.max() + 1)[label] - 1 / (label.max() + 1)
    moments, products = a.T @ a, a.T @ wanted
    solutions = (np.linalg.solve(moments + penalty * np.eye(len(moments)), products) for penalty in PENALTIES)
    return max(float(((b @ weight).argmax(axis=1) == validation_label).mean()) for weight in solutions)


def main() -> None:
    """Print the table."""
    digits = load_spoken_digits()
    training, validation = digits.training, digits.validation
    assert isinstance(training, Frames)
    assert isinstance(validation, Frames)
    labels = training.y, validation.y

    def row(name: str, n_spikes: str, windows: Callable[[int], tuple[NDArray, NDArray]]) -> None:
        shares = []
        for window in WINDOWS:
            x, validation_x = (array.reshape(len(array), -1).astype(np.float64) for array in windows(window))
            shares.append(f"{correct(x, labels[0], validation_x, labels[1]):.1%}")
        print(f"| {name} | {n_spikes} | {' | '.join(shares)} |", flush=True)

    def means(window: int) -> tuple[NDArray, NDArray]:
        n = window // FRAME
        return training.x.reshape(len(training), -1, n, 40).mean(axis=2), validation.x.reshape(len(validation), -1, n, 40).mean(
            axis=2
        )

    print(f"| encoder | spikes | {' | '.join(f'{window} ms' for window in WINDOWS)} |\n|{'---|' * (2 + len(WINDOWS))}")
    row("frames", "–", means)
    for name, encoder in ENCODERS.items():
        spikes, validation_spikes = encoder(training), encoder(validation)
        row(
            name,
            f"{len(spikes.time) / len(spikes):.0f}",
            lambda window, parts=(spikes, validation_spikes): tuple(
                binned(part, dt=float(window), duration=DURATION).x for part in parts
            ),
        )


if __name__ == "__main__":
    main()

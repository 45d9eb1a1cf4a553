"""The loss of the times of the first spikes of the output, and the class they tell."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MISSING = 100.0  # loss of a sample in which an output is silent: no time says how far it is from firing
NONE = -1  # class of a sample in which all are


class Answer(NamedTuple):
    """Loss and prediction (sample), and the derivative of the mean loss by every time, dims (sample, output)."""

    loss: NDArray[np.float64]
    prediction: NDArray[np.int64]
    bar: NDArray[np.float64]


def answered(time: NDArray[np.float64], label: NDArray[np.int64], margin: float) -> Answer:
    """The loss of output times (sample, output), infinite where silent: squares of what others are not ``margin`` later.

    The first output to fire tells the class, the lower of two at a time; none if all are silent.

    Examples
    --------
    >>> answer = answered(np.array([[1.0, 1.3, 1.05], [np.inf, 2.0, 1.0]]), np.array([0, 2]), margin=0.2)
    >>> answer.loss.round(3).tolist(), answer.prediction.tolist(), answer.bar.round(3).tolist()
    ([0.016, 100.0], [0, 2], [[0.025, 0.05, -0.075], [0.0, 0.0, 0.0]])
    """
    samples = np.arange(len(time))
    complete = np.all(np.isfinite(time), axis=1)
    heard = np.where(complete[:, None], time, 0.0)
    short = heard - heard[samples, label][:, None] - margin
    short[samples, label] = 0.0
    loss = np.where(complete, 0.5 * (short**2).sum(axis=1), MISSING)
    bar = short / max(len(time), 1)
    bar[samples, label] = -bar.sum(axis=1)
    bar[~complete] = 0.0
    prediction = np.where(np.isfinite(time).any(axis=1), time.argmin(axis=1), NONE)
    return Answer(loss, prediction, bar)

"""How well a network does on a part of the data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.datasets.recordings import Samples
from trainers.methods.contract import LearningRule


def evaluate(rule: LearningRule, state: Any, part: Samples, batch_size: int) -> tuple[float, float, list[NDArray]]:
    """Mean loss, accuracy, and of every hidden population the mean over the samples of `Evaluation.spikes`."""
    spikes: list[NDArray] = []
    loss, correct = 0.0, 0
    for start in range(0, len(part), batch_size):
        batch, label = part.batch(np.arange(start, min(start + batch_size, len(part))))
        result = rule.evaluate(state, batch, label)
        loss += float(result.loss.sum(dtype=np.float64))
        correct += int((result.prediction == label).sum())
        spikes = [a + b for a, b in zip(spikes, result.spikes, strict=True)] if spikes else result.spikes
    return loss / len(part), correct / len(part), [n / len(part) for n in spikes]

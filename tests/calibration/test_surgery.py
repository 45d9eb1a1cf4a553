"""A few of the networks of `tests/calibration/surgery.py`: grouping that is needed is told from decoration."""

from __future__ import annotations

import numpy as np
import pytest

from tests.calibration.surgery import judged, p_value

pytestmark = pytest.mark.slow


def test_surgery__finds_grouping_that_is_needed_and_no_other():
    causal, decorative = ([judged(kind, seed, 12) for seed in range(4)] for kind in ("causal", "decorative"))
    assert sum(network["needed"] for network in causal) >= 3
    assert sum(network["needed"] for network in decorative) <= 1
    for network in causal + decorative:
        assert network["accuracy_intact"] > 0.9
        assert max(network[f"accuracy_{arm}"] for arm in ("raise", "leave", "lower")) < network["accuracy_intact"]
        doses = [network[f"dose_{arm}"] for arm in ("raise", "leave", "lower")]
        assert max(doses) < 1.02 * min(doses)


def test_p_value__counts_the_ways_to_exchange_signs():
    assert p_value(np.array([0.1, 0.2, 0.3])) == 1 / 8
    assert p_value(np.array([0.1, -0.2, 0.3])) == 3 / 8
    assert p_value(np.zeros(4)) == 1

from __future__ import annotations

import numpy as np
import pytest

from trainers.optimisers import adam, cosine, one_cycle

# epochs, epoch, rate and beta1 of one cycle with peak 5e-3, rate of the cosine with peak 0.1: printed by PyTorch 2.13.0
# (OneCycleLR and CosineAnnealingLR on Adam, stepped once per epoch)
SCHEDULES = [
    (10, 0, 0.00019999999999999966, 0.95, 0.1),
    (10, 1, 0.0026, 0.8999999999999999, 0.09755282581475769),
    (10, 2, 0.005, 0.85, 0.09045084971874738),
    (10, 5, 0.0030563101096814462, 0.8888739533021842, 0.05000000000000001),
    (10, 9, 2e-08, 0.95, 0.002447174185242324),
    (150, 2, 0.00022442853948576123, 0.9494910720940466, 0.09995614150494292),
    (150, 37, 0.004706429574961413, 0.8561160505216372, 0.08572363398164018),
    (150, 50, 0.004959824132200689, 0.8508035205700685, 0.07500000000000002),
    (150, 148, 1.1389148155645285e-06, 0.9499776216141751, 4.3858495057080846e-05),
]


@pytest.mark.parametrize(("n", "epoch", "rate", "beta1", "delay_rate"), SCHEDULES)
def test_schedules__equal_pytorch(n, epoch, rate, beta1, delay_rate):
    assert one_cycle(epoch, n, 5e-3) == pytest.approx((rate, beta1), rel=1e-9)
    assert cosine(epoch, n, 0.1) == pytest.approx(delay_rate, rel=1e-9)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_one_cycle__short_runs_start_at_the_peak(n):
    assert one_cycle(0, n, 5e-3) == pytest.approx((5e-3, 0.85))


@pytest.mark.kernel
def test_adam__first_step_moves_by_the_rate_against_the_gradient():
    parameter, first, second = np.zeros(3), np.zeros(3), np.zeros(3)
    adam(parameter, np.array([2.0, -0.1, 0.0]), first, second, np.ones(3, int), 0.01, 0.9, 0.999, 1e-8)
    np.testing.assert_allclose(parameter, [-0.01, 0.01, 0], rtol=1e-6)


@pytest.mark.kernel
def test_adam__moments_of_a_vanished_gradient_become_zero_not_subnormal():
    arrays = [np.full(1, v, np.float32) for v in (1.0, 0.0, 1e-35, 1e-37)]
    adam(*arrays, np.array([1000]), 0.01, 0.9, 0.999, 1e-8)
    assert (arrays[2][0], arrays[3][0]) == (0, 0)

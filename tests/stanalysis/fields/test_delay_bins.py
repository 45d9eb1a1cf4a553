from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanalysis.errors import BadInput
from stanalysis.fields.delay_bins import DelayBins, bins_of_projection

DELAYS = np.array([0.0, 0.4, 0.5, 1.0, 1.49, 1.5, 2.5, 2.99])
ATTRS = {"delay_max": 3.0, "rounding": "half even"}


def test_bins_of_projection__are_the_time_steps_to_which_the_network_rounds():
    bins = bins_of_projection(ATTRS, dt=1.0)
    assert (bins.n, bins.of(DELAYS).tolist()) == (4, [0, 0, 0, 1, 1, 2, 2, 3])
    np.testing.assert_array_equal(bins.centres, [0, 1, 2, 3])
    assert bins_of_projection(ATTRS, dt=1.0, width=1.0) == bins


def test_bins_of_projection__wider_ones_hold_what_the_network_computes_with():
    """Rounded first: 0.5 ms acts at 0 ms, 2.5 ms at 2 ms."""
    assert bins_of_projection(ATTRS, dt=1.0, width=1.5).of(DELAYS).tolist() == [0, 0, 0, 1, 1, 1, 1, 2]


def test_bins_of_projection__of_continuous_delays_are_the_nearest():
    bins = bins_of_projection(ATTRS | {"rounding": "none"}, dt=0.0, width=1.0)
    assert bins.of(DELAYS).tolist() == [0, 0, 1, 1, 1, 2, 3, 3]


@given(st.floats(0.01, 50), st.floats(0, 100), st.lists(st.floats(0, 1), min_size=1))
def test_delay_bins__hold_every_delay_within_half_a_bin(width, longest, shares):
    bins, delay = DelayBins(width, 0.0, "none", longest), longest * np.array(shares)
    at = bins.of(delay)
    assert at.max() < bins.n
    assert (abs(bins.centres[at] - delay) <= width / 2 * (1 + 1e-5)).all()


def test_bins_of_projection__a_projection_without_delays_has_one():
    assert bins_of_projection({"delay_max": 0.0, "rounding": "none"}, dt=0.0, width=2.0).n == 1


@pytest.mark.parametrize(
    ("width", "said"),
    [(None, "continuous delays .*; give bin_width in ms"), (0.0, "above 0"), (np.nan, "above 0"), (1e-6, "give wider ones")],
)
def test_bins_of_projection__without_a_sound_width_get_a_sentence(width, said):
    with pytest.raises(BadInput, match=said):
        bins_of_projection({"delay_max": 30.0, "rounding": "none"}, dt=0.0, width=width)

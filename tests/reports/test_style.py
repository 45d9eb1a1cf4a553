from __future__ import annotations

import numpy as np
from matplotlib.colors import to_rgb

from reports.style import ABSENT, EXCITATORY, INHIBITORY, weight_colours, weight_limit


def lightness(rgb):
    """CIE L*, 0 (black) to 100 (white): what is left of a colour in grey print."""
    rgb = np.asarray(rgb)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    return np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance)


def test_weight_colours__in_grey_print_excitation_is_lighter_than_inhibition():
    light = lightness(weight_colours()(np.linspace(0, 1, 256))[:, :3])
    assert (np.diff(light) > 0).all()
    assert light[140:].min() - light[:116].max() > 10  # also where weights are weak
    assert lightness(to_rgb(EXCITATORY)) - lightness(to_rgb(INHIBITORY)) > 20


def test_weight_colours__no_weight_looks_like_an_absent_synapse():
    light = lightness(weight_colours()(np.linspace(0, 1, 256))[:, :3])
    assert lightness(to_rgb(ABSENT)) - light.max() > 15


def test_weight_colours__readers_who_do_not_see_red_or_green_part_the_signs():
    # blue against yellow, the axis that is left: the difference of blue from the mean of red and green
    red, green, blue, _ = weight_colours()(np.array([0.1, 0.45, 0.55, 0.9])).T
    assert (np.sign(blue - (red + green) / 2) == [1, 1, -1, -1]).all()


def test_weight_limit__leaves_out_the_few_largest_and_is_never_zero():
    assert weight_limit(np.array([1.0] * 999 + [50.0])) == 1
    assert weight_limit(np.zeros(0)) == weight_limit(np.zeros(3)) == 1

"""Fig 1A: what Moran's I sees."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from reports.captions import answer_title, method_sentence, signed
from reports.drawn import Drawn, Plan
from reports.panels.fields import draw_field, draw_neighbours
from reports.style import WIDTH, inches, styled, weight_colours
from stanalysis.fields.lattice import ROOK, neighbour_share
from stanalysis.stats.spatial.autocorrelation import morans_i

_TOY_SIDE, _TOY_SEED, _TOY_DRAWS, _TOY_LIMIT = 10, 1, 999, 1.4


@styled
def figure_1a() -> Drawn:
    """What Moran's I sees: the same weights grouped, shuffled and dispersed."""
    fields = toy_planes()
    moran = morans_i(fields, lattice=ROOK, null="cells", n_permutations=_TOY_DRAWS, seed=_TOY_SEED)
    figure = Figure(figsize=(inches(WIDTH), inches(58)), layout="constrained")
    sketch, *axes = figure.subplots(1, 1 + fields.sizes["plane"])
    panels = {"neighbours": xr.Dataset({"share": (("source", "delay"), neighbour_share(ROOK, 6, 6))})}
    draw_neighbours(sketch, panels["neighbours"].share, [(3, 3), (0, 0)])
    sketch.set_title("rook neighbours\nof two cells")
    for ax, plane in zip(axes, fields.plane.values, strict=True):
        answer = moran[["morans_i", "p_value"]].sel(plane=plane, drop=True)
        panels[str(plane)] = fields.sel(plane=plane).assign(answer)
        draw_field(ax, panels[str(plane)], _TOY_LIMIT)
        ax.set_title(f"{plane}\n{answer_title(moran.sel(plane=plane), 'p')}")
    for ax in (sketch, *axes):
        ax.set(xlabel="delay", ylabel="channel" if ax is sketch else "", xticks=[], yticks=[], aspect="equal")
    colours = weight_colours()
    signs = {"excitatory": 1, "inhibitory": -1}
    handles = [Patch(color=colours(0.5 + sign / _TOY_LIMIT / 2), label=name) for name, sign in signs.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    caption = (
        "Figure 1a. Moran's I asks whether neighbouring cells of the (channel, delay) plane hold alike weights. Left: "
        "the rook neighbours (grey) of two cells (black), and the weight with which each neighbour counts. Right: "
        f"n = {fields.sizes['plane']} planes with the same {_TOY_SIDE**2} weights, half +1 and half -1, in three "
        f"arrangements (shuffled: seed {_TOY_SEED}). Without structure I is {signed(float(moran.expected[0]))}. "
        f"Planes without an answer (NaN): {int(moran.morans_i.isnull().sum())}. {method_sentence(moran.attrs)} Here every cell "
        "holds a weight, so that shuffling cells moves nothing but their arrangement."
    )
    return Drawn(figure, caption, panels)


def plans(_: xr.DataTree) -> list[Plan]:
    """The figure is the same for every analysis."""
    return [Plan("fig1a", figure_1a)]


def toy_planes() -> xr.Dataset:
    """Fields (plane, source, delay) of the same weights, half +1 and half -1: grouped, shuffled, dispersed.

    Examples
    --------
    >>> toy_planes().receptive_field.sum(("source", "delay")).values
    array([0., 0., 0.])
    """
    source, delay = np.indices((_TOY_SIDE, _TOY_SIDE))
    grouped = np.where((source + delay) % _TOY_SIDE < _TOY_SIDE // 2, 1.0, -1.0)
    shuffled = np.random.default_rng(_TOY_SEED).permutation(grouped.ravel()).reshape(grouped.shape)
    dispersed = np.where((source + delay) % 2 == 0, 1.0, -1.0)
    field = xr.DataArray(
        np.stack([grouped, shuffled, dispersed]),
        {"plane": ["grouped", "shuffled", "dispersed"], "delay": np.arange(_TOY_SIDE)},
        ("plane", "source", "delay"),
    )
    return xr.Dataset({"receptive_field": field, "present": xr.ones_like(field, bool)})

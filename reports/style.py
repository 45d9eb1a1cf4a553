"""One style for every figure: journal widths, readable type, colours that colour-blind readers can tell apart."""

from __future__ import annotations

from typing import Any, Final

import matplotlib
from matplotlib.colors import Colormap

WIDTH: Final = 180.0  # of a figure across the page [mm]

# Okabe & Ito; not the blue and red of the weights
OBSERVED: Final = "#009E73"
NULL: Final = "0.25"
NULL_BAND: Final = "0.45"
CHANGED: Final = "#D55E00"  # by training; the red that colour-blind readers tell from black
CONNECTIVITY: Final = {"fixed": "#E69F00", "rewired": "#0072B2"}
DELAYS: Final = {"fixed": ("--", "s", "white"), "learned": ("-", "o", None)}  # line, marker and its face if of another colour
ABSENT: Final = "0.86"  # cells without a synapse: darker than the white of weight 0

STYLE: Final[dict[Any, Any]] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same figure on every machine
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 1.2,
    "legend.labelspacing": 0.3,
    "legend.borderpad": 0,
    "axes.linewidth": 0.6,
    "axes.titlepad": 3,
    "axes.labelpad": 2,
    "lines.linewidth": 1,
    "lines.markersize": 4,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "figure.constrained_layout.w_pad": 0.06,
    "figure.constrained_layout.h_pad": 0.06,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,  # text stays text in an editor
    "ps.fonttype": 42,
    "svg.fonttype": "none",
}

styled = matplotlib.rc_context(STYLE)  # a decorator: what it wraps draws or writes in this style


def inches(millimetres: float) -> float:
    """Millimetres in the unit of matplotlib.

    Examples
    --------
    >>> inches(254)
    10.0
    """
    return millimetres / 25.4


def weight_colours() -> Colormap:
    """Blue inhibits, white is 0, red excites; masked cells are grey."""
    return matplotlib.colormaps["RdBu_r"].with_extremes(bad=ABSENT)

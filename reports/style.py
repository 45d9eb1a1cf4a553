"""One style for every figure: journal widths, readable type, colours that colour-blind readers can tell apart."""

from __future__ import annotations

from typing import Any, Final

import matplotlib
import numpy as np
from matplotlib.colors import Colormap, LinearSegmentedColormap

WIDTH, MIDDLE, COLUMN = 180.0, 120.0, 88.0  # of a figure: across the page, in the middle, in a column [mm]

# Okabe & Ito
OBSERVED: Final = "#009E73"
NULL: Final = "0.25"
NULL_BAND: Final = "0.45"
CHANGED: Final = "#D55E00"  # by training; the red that colour-blind readers tell from black
CONNECTIVITY: Final = {"fixed": "#E69F00", "rewired": "#0072B2"}
DELAYS: Final = {  # line, marker and its face if of another colour
    "none": ("-.", "^", None), "fixed": ("--", "s", "white"), "learned": ("-", "o", None),
    "axonal": (":", "<", None), "dendritic": ((0, (5, 1, 1, 1)), ">", "white"), "synaptic": ("-", "D", None),
}  # fmt: skip
DELAY_COLOURS: Final = {
    "none": "black",
    "fixed": "#E69F00",
    "learned": "#0072B2",
    "axonal": "#009E73",
    "dendritic": "#CC79A7",
    "synaptic": "#0072B2",
}  # where the connectivity has a panel of its own
ABSENT: Final = "white"  # cells without a synapse are paper; a synapse, be its weight 0, is ink
LIMIT_QUANTILE: Final = 0.99  # of |weights|, the last colour: a few extreme synapses do not pale the rest
PALE: Final = "0.86"
# of weights, lightness rises from the strongest inhibition to the strongest excitation and leaps where the sign changes: in
# grey print excitation is lighter than inhibition, and both are darker than paper; blue and orange part for every reader
_WEIGHTS: Final = (
    (0.0, "#050a4a"), (0.25, "#1b3a9e"), (0.47, "#4d6bb3"), (0.5, "#867f83"),
    (0.53, "#c2803f"), (0.75, "#ec9a2a"), (1.0, "#ffb31f"),
)  # fmt: skip
EXCITATORY, INHIBITORY = "#B8660A", "#1B3A9E"  # where a sign has one colour

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
    "svg.fonttype": "path",  # letters as shapes: an SVG holds no fonts
    "svg.hashsalt": "stanalysis",  # the same file from the same numbers
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
    """Dark blue inhibits, grey is 0, orange excites; masked cells are white."""
    return LinearSegmentedColormap.from_list("weights", _WEIGHTS).with_extremes(bad=ABSENT)


def weight_limit(drawn: np.ndarray) -> float:
    """The |weight| of the last colour, for weights drawn together given by their absolute values."""
    return (float(np.quantile(drawn, LIMIT_QUANTILE)) if drawn.size else 0.0) or 1.0

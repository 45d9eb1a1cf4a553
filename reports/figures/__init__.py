"""Figures: panels arranged, with a caption that says what was computed, over how many neurons, against which null."""

from reports.figures.figure_1a import figure_1a
from reports.figures.figure_1bc import figure_1bc
from reports.figures.figure_2 import figure_2
from reports.figures.figure_3 import figure_3
from reports.figures.figure_4 import figure_4
from reports.figures.figure_5 import figure_5
from reports.figures.figure_6 import figure_6
from reports.figures.figure_7 import figure_7

__all__ = [
    "figure_1a",
    "figure_1bc",
    "figure_2",
    "figure_3",
    "figure_4",
    "figure_5",
    "figure_6",
    "figure_7",
]

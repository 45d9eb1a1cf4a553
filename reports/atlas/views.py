"""The empty figures of the atlas; the browser fills them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from bokeh.layouts import column
from bokeh.models.annotations import ColorBar, Span
from bokeh.models.glyphs import Image, ImageRGBA
from bokeh.models.layouts import LayoutDOM
from bokeh.models.mappers import LinearColorMapper
from bokeh.models.ranges import Range1d
from bokeh.models.renderers import GlyphRenderer
from bokeh.models.sources import ColumnDataSource
from bokeh.models.tickers import FixedTicker
from bokeh.models.tools import CustomJSHover, HoverTool
from bokeh.models.widgets import Div
from bokeh.plotting import figure
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_hex

from reports.style import OBSERVED, weight_colours
from stanalysis.stats.engine.statistics import STATISTICS

_SPOKEN: Final = {  # of figures, for those who do not see them
    "mosaic": "receptive fields of all neurons shown",
    "scatter": "one number of every neuron over another",
    "field": "receptive field of the open neuron",
    "film": "its field through training",
    "local": f"local {STATISTICS['morans_i'].label} of its field",
    "lives": "births and deaths of its synapses",
}
_COLOUR_BAR: Final = 56  # height that the colour bar of the mosaic takes [px]
_SIDE: Final = 300  # height of the smaller figures [px]


def _hexes(colours: Colormap) -> list[str]:
    return [to_hex(colours(i)) for i in range(256)]


PALETTE: Final = _hexes(weight_colours())
NOT_FINITE: Final = "#ff00ff"  # a weight that is no number: beyond the scale, whose colours it must not have
WEIGHTS_SAID: Final = (  # where all weights are finite, and where not
    "weight: blue inhibits, orange excites, grey is 0 (white: no synapse)",
    "weight: blue inhibits, orange excites, grey is 0 (white: no synapse; magenta: not finite)",
)
# purple where neighbours differ, green where they are alike; in grey print the one is darker and the other lighter than 0
ALIKE: Final = _hexes(
    LinearSegmentedColormap.from_list(
        "alike", [(0, "#2d0038"), (0.25, "#6b2f80"), (0.5, "#949494"), (0.75, "#9edf97"), (1, "#e9ffd9")]
    )
)


def mosaic_figure() -> tuple[figure, dict[str, Any]]:
    """All fields in one canvas, whose unit is the pixel; with the models that the browser changes, by name."""
    plot = _canvas("mosaic", 600)
    image, tiles, labels = _image("mosaic_image"), _frames("tiles"), _texts("labels")
    mapper = LinearColorMapper(palette=PALETTE, low=-1, high=1)
    plot.add_tools(_hover(_draw_canvas(plot, image, tiles, labels), tiles))
    bar = ColorBar(
        color_mapper=mapper, title=WEIGHTS_SAID[0], height=10,
        title_text_font_style="normal", title_text_font_size="11px", padding=4, title_standoff=2,
    )  # fmt: skip
    plot.add_layout(bar, "below")
    models = {"mosaic": plot, "mosaic_image": image, "tiles": tiles, "labels": labels}
    return plot, models | {"weights_mapper": mapper, "weights_bar": bar, "frame_height": _COLOUR_BAR}


def scatter_figure() -> tuple[figure, dict[str, Any]]:
    """One number of every neuron over another, to be selected."""
    points = ColumnDataSource({"x": [], "y": [], "neuron": []}, name="points")
    ring = ColumnDataSource({"x": [], "y": [], "neuron": []}, name="ring")
    plot = figure(
        name="scatter", html_attributes=_spoken("scatter"), height=_SIDE + 60, sizing_mode="stretch_width",
        x_range=Range1d(start=0, end=1), y_range=Range1d(start=0, end=1),
        tools="box_select,lasso_select,tap,reset", active_drag="box_select", toolbar_location="right",
    )  # fmt: skip
    drawn = plot.scatter(
        "x", "y", source=points, size=6, color=OBSERVED, alpha=0.6, line_color=None,
        nonselection_color="#999999", nonselection_alpha=0.35, selection_alpha=0.9,
    )  # fmt: skip
    plot.scatter("x", "y", source=ring, size=13, fill_color=None, line_color="black", line_width=2)
    plot.add_tools(HoverTool(renderers=[drawn], tooltips=[("neuron", "@neuron"), ("across", "@x"), ("upwards", "@y")]))
    plot.toolbar.logo = None
    return plot, {"scatter": plot, "points": points, "ring": ring}


def detail_parts() -> tuple[list[LayoutDOM], dict[str, Any]]:
    """The figures of one neuron, each with a heading, and the models that the browser changes, by name."""
    field, of_field = _field()
    local, of_local = _local()
    film, of_film = _film()
    lives, of_lives = _lives()
    said = {name: Div(name=name, disable_math=True, sizing_mode="stretch_width") for name in ("local_said", "lives_said")}
    parts = [
        _part("Receptive field", field),
        _part("The field through training", film),
        _part(
            f"Local {STATISTICS['morans_i'].label}: above 0 where neighbours are alike; colours end at the 99 % quantile of "
            "|I|. It describes; nothing is tested here.",
            local,
            said["local_said"],
        ),
        _part("Its synapses: lines are lives, dots deaths; blue inhibits, orange excites", said["lives_said"], lives),
    ]
    axes = {"source_axes": [plot.yaxis[0] for plot in (field, local, lives)]}
    detail = Div(name="detail", disable_math=True, sizing_mode="stretch_width")
    return parts, of_field | of_local | of_film | of_lives | said | axes | {"detail": detail}


def _part(heading: str, *children: LayoutDOM) -> LayoutDOM:
    title = Div(text=heading, sizing_mode="stretch_width")
    return column(title, *children, css_classes=["part"], sizing_mode="stretch_width")


def _field() -> tuple[figure, dict[str, Any]]:
    plot = _plane("field")
    image = _image("field_image")
    tile = ColumnDataSource({name: [] for name in ("left", "right", "top", "bottom", "neuron")}, name="field_tile")
    plot.add_glyph(image, ImageRGBA(origin="top_left"))
    drawn = plot.quad("left", "right", "top", "bottom", source=tile, fill_alpha=0, line_alpha=0)
    plot.add_tools(_hover(drawn, tile))
    return plot, {"field": plot, "field_image": image, "field_tile": tile}


def _local() -> tuple[figure, dict[str, Any]]:
    plot = _plane("local")
    mapper = LinearColorMapper(palette=ALIKE, low=-1, high=1, nan_color="white")
    image = ColumnDataSource(
        {"image": [np.full((1, 1), np.nan)], "x": [0.0], "y": [0.0], "dw": [1.0], "dh": [1.0]}, name="local_image"
    )
    drawn = plot.add_glyph(image, Image(color_mapper=mapper))
    plot.add_tools(HoverTool(renderers=[drawn], tooltips=[("local I", "@image{0.000}")]))
    plot.add_layout(ColorBar(color_mapper=mapper, width=8, padding=4), "right")
    return plot, {"local": plot, "local_image": image, "local_mapper": mapper}


def _film() -> tuple[figure, dict[str, Any]]:
    plot = _canvas("film", _SIDE)
    image, tiles, labels = _image("film_image"), _frames("film_tiles"), _texts("film_labels")
    _draw_canvas(plot, image, tiles, labels)
    return plot, {"film": plot, "film_image": image, "film_tiles": tiles, "film_labels": labels}


def _lives() -> tuple[figure, dict[str, Any]]:
    plot = _plane("lives", "training step")
    lines = ColumnDataSource({name: [] for name in ("birth", "end", "y", "colour", "died", "source")}, name="lives_lines")
    drawn = plot.segment("birth", "y", "end", "y", source=lines, line_color="colour", line_width=2)
    plot.scatter("end", "y", source=lines, size=5, color="colour", alpha="died")
    now = Span(dimension="height", line_color="#888888", line_dash="dashed")
    plot.add_layout(now)
    told = [("source", "@source"), ("born at step", "@birth"), ("until step", "@end")]
    plot.add_tools(HoverTool(renderers=[drawn], tooltips=told))
    return plot, {"lives": plot, "lives_lines": lines, "lives_now": now}


def _spoken(name: str) -> dict[str, str]:
    return {"role": "figure", "aria-label": _SPOKEN[name]}


def _plane(name: str, across: str = "delay [ms]") -> figure:
    """A figure with sources upwards."""
    plot = figure(
        name=name, html_attributes=_spoken(name), height=_SIDE, sizing_mode="stretch_width", x_range=Range1d(start=0, end=1),
        y_range=Range1d(start=0, end=1), tools="",
        toolbar_location=None, x_axis_label=across,
    )  # fmt: skip
    plot.yaxis.ticker = FixedTicker(ticks=[])
    plot.grid.visible = False
    return plot


def _canvas(name: str, height: int) -> figure:
    """A figure without axes, whose unit is the pixel, the first one at the top."""
    plot = figure(
        name=name, html_attributes=_spoken(name), height=height, sizing_mode="stretch_width", x_range=Range1d(start=0, end=1),
        y_range=Range1d(start=1, end=0), tools="",
        toolbar_location=None, min_border=0, outline_line_color=None,
    )  # fmt: skip
    plot.axis.visible = False
    plot.grid.visible = False
    return plot


def _draw_canvas(plot: figure, image: ColumnDataSource, tiles: ColumnDataSource, labels: ColumnDataSource) -> GlyphRenderer:
    """Draw an image, frames and texts; return the frames."""
    plot.add_glyph(image, ImageRGBA())  # as the axis points down, so does the image
    frames = plot.quad(
        "left", "right", "top", "bottom", source=tiles, fill_alpha=0,
        line_color="line_color", line_width="line_width", line_alpha="line_alpha",
    )  # fmt: skip
    plot.text("x", "y", "text", source=labels, text_font_size="9px", text_baseline="bottom", text_color="#444444")
    return frames


def _image(name: str) -> ColumnDataSource:
    blank = np.full((1, 1), 0xFFFFFFFF, np.uint32)
    return ColumnDataSource({"image": [blank], "x": [0.0], "y": [0.0], "dw": [1.0], "dh": [1.0]}, name=name)


def _frames(name: str) -> ColumnDataSource:
    columns = ("left", "right", "top", "bottom", "neuron", "line_width", "line_alpha", "line_color")
    return ColumnDataSource({column: [] for column in columns}, name=name)


def _texts(name: str) -> ColumnDataSource:
    return ColumnDataSource({"x": [], "y": [], "text": []}, name=name)


def _hover(drawn: GlyphRenderer, tiles: ColumnDataSource) -> HoverTool:
    """Tells the cell under the mouse; the browser gives the source a function ``told``."""
    ask = CustomJSHover(args={"tiles": tiles}, code="return tiles.told(special_vars.x, special_vars.y, format)")
    asked = {"source": "source", "delay": "delay", "weight": "weight", STATISTICS["morans_i"].label: "morans_i", "p": "p_value"}
    return HoverTool(
        renderers=[drawn],
        tooltips=[("neuron", "@neuron"), *((title, f"@neuron{{{what}}}") for title, what in asked.items())],
        formatters={"@neuron": ask},
    )

"""The atlas as a Bokeh layout: models with names, and one script that listens to them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import xarray as xr
from bokeh.layouts import column
from bokeh.models import CustomJS, LayoutDOM
from matplotlib.colors import to_hex

from reports.atlas.controls import controls_of, labels_of, wrapped
from reports.atlas.given_fields import network_of_fields
from reports.atlas.networks import networks_of_analysis
from reports.atlas.packing import AtlasNetwork
from reports.atlas.views import NOT_FINITE, PALETTE, WEIGHTS_SAID, detail_parts, mosaic_figure, scatter_figure
from reports.style import OBSERVED, weight_colours
from stanalysis.errors import BadInput

_SCRIPTS: Final = ("rows", "tiling", "painting", "choosing", "local_moran", "lives", "words", "hover", "detail", "atlas")


def atlas(fields: xr.Dataset, statistics: xr.Dataset | None = None, *, lives: xr.Dataset | None = None) -> LayoutDOM:
    """All receptive fields of a projection, to be sorted, filtered and looked at one by one in a browser or notebook.

    Parameters
    ----------
    fields
        As `stanalysis.receptive_fields` gives them: ``receptive_field`` and ``present``, dims ((step,) target, source, delay).
        The neurons have the numbers that the coordinates ``target`` and ``source`` give them.
    statistics
        Numbers to sort and filter by, as `stanalysis.morans_i` of these fields gives them: each variable with the dims
        (target) or (step, target) is one.
    lives
        As `stanalysis.stats.episodes` gives them.

    Returns
    -------
    bokeh.models.LayoutDOM
        For `bokeh.io.show`, in notebooks after `bokeh.io.output_notebook`.

    Raises
    ------
    BadInput
        Fields of other variables or dims, or whose steps, targets or sources are not numbered by whole numbers; statistics of
        other steps or targets, or with a variable ``neuron``.

    Examples
    --------
    >>> import stanalysis
    >>> from stanalysis.synthetic.network import small_network
    >>> fields = stanalysis.receptive_fields(small_network(), "input__hidden1")
    >>> layout = atlas(fields, stanalysis.morans_i(fields, n_permutations=19, seed=0))
    >>> layout.select_one({"name": "sort"}).options[:2]
    [('neuron', 'neuron'), ('n_synapses', 'number of synapses')]
    """
    return _layout([network_of_fields(fields, statistics, lives)])


def atlas_of_analysis(analysis: xr.DataTree, networks: Sequence[tuple[str, str]] | None = None) -> tuple[LayoutDOM, list[str]]:
    """The atlas of the networks of an analysis, and in sentences what it leaves out because a page cannot hold it.

    Parameters
    ----------
    analysis
        As `stanalysis.read_analysis` gives it.
    networks
        Which to show: names of the projection and the run. By default every projection of every run. Each opens at the step
        that was best on validation, or at its last where that is not known.

    Raises
    ------
    BadInput
        No analysis, no pairs, a network that the analysis does not have, or not one that fits.
    """
    shown, said = networks_of_analysis(analysis, networks)
    if not shown:
        raise BadInput(" ".join(["There is no network to show in the atlas.", *said]))
    return _layout(shown), said


def _layout(networks: Sequence[AtlasNetwork]) -> LayoutDOM:
    labels = labels_of(networks)
    controls = controls_of(networks, labels)
    mosaic, of_mosaic = mosaic_figure()
    scatter, of_scatter = scatter_figure()
    parts, of_parts = detail_parts()
    models = controls | of_mosaic | of_scatter | of_parts
    script = CustomJS(
        args={
            "models": models,
            "networks": [network.sent() for network in networks],
            "labels": labels,
            "palette": PALETTE,
            "not_finite": NOT_FINITE,
            "weights_said": WEIGHTS_SAID,
            "outline_colour": OBSERVED,
            "sign_colours": [to_hex(weight_colours()(share)) for share in (0.25, 0.5, 0.75)],  # I, unknown, E
        },
        code="\n".join((Path(__file__).parent / f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS),
    )
    mosaic.js_on_change("inner_width", script)
    top = [controls[name] for name in ("network", "step", "sort", "order", "neurons", "page")]
    beside = column(
        wrapped(controls["x"], controls["y"]), scatter, controls["selected_only"], of_parts["detail"], parts[0],
        css_classes=["side"], sizing_mode="stretch_width",
    )  # fmt: skip
    return column(
        wrapped(*top),
        wrapped(*controls["filters"].values()),
        controls["shown"],
        wrapped(column(mosaic, css_classes=["wide"], sizing_mode="stretch_width"), beside),
        wrapped(*parts[1:]),
        sizing_mode="stretch_width",
        name="atlas",
    )

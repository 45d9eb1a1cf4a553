"""What a reader of the atlas can ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from bokeh.layouts import row
from bokeh.models.css import InlineStyleSheet
from bokeh.models.layouts import LayoutDOM, Row
from bokeh.models.widgets import Checkbox, Div, RadioButtonGroup, RangeSlider, Select, Slider, TextInput

from reports.atlas.packing import Network

_LABELS: Final = {
    "neuron": "neuron",
    "morans_i": "Moran's I",
    "p_value": "p of Moran's I",
    "q_value": "q of Moran's I",
    "largest_cluster": "largest cluster [synapses]",
    "largest_cluster_p": "p of the largest cluster",
    "graph_joins_ei": "E-I joins of the synapse graph",
    "graph_joins_ei_p": "p of the E-I joins",
    "n_synapses": "number of synapses",
    "mean_lifetime": "mean lifetime [steps]",
}
_FILTERS: Final = {
    "morans_i": "Moran's I",
    "p_value": "p of Moran's I",
    "largest_cluster": "largest cluster",
    "mean_lifetime": "mean lifetime",
    "n_synapses": "synapses",
}
_WRAP: Final = """
:host { flex-wrap: wrap; gap: 6px 20px !important; align-items: flex-end; padding: 0 8px; box-sizing: border-box; }
:host > .control { flex: 1 1 150px !important; min-width: 150px !important; max-width: 230px; margin: 3px 0; }
:host > .network { flex: 0 1 320px !important; min-width: 150px !important; margin: 3px 0; }
:host > .wide { flex: 2 1 560px !important; min-width: min(100%, 300px) !important; align-self: flex-start !important; }
:host > .side { flex: 1 1 370px !important; min-width: min(100%, 300px) !important; align-self: flex-start !important; }
:host > .part { flex: 1 1 300px !important; min-width: min(100%, 300px) !important; align-self: flex-start !important; }
"""


def wrapped(*children: LayoutDOM) -> Row:
    """Side by side, going on below where the window is too narrow."""
    return row(*children, sizing_mode="stretch_width", spacing=20, stylesheets=[InlineStyleSheet(css=_WRAP)])


def labels_of(networks: Sequence[Network]) -> dict[str, str]:
    """What readers call each number of the networks, by its key."""
    keys = ["neuron", *dict.fromkeys(key for network in networks for key in network.numbers)]
    return {key: _LABELS.get(key, key.replace("_", " ")) for key in keys}


def controls_of(networks: Sequence[Network], labels: Mapping[str, str]) -> dict[str, Any]:
    """Controls by name; those with which there is nothing to choose are not visible."""
    numbers = list(labels.items())
    n_step = len(networks[0].steps)
    axes = [key for key in ("n_synapses", "morans_i", "p_value") if _varies(networks[0].numbers.get(key))]
    across, upwards = (*axes, "neuron", "neuron")[:2]
    filters = {
        key: RangeSlider(
            start=0,
            end=1,
            value=(0, 1),
            step=0.01,
            title=title,
            format="0[.]000",
            name=f"filter_{key}",
            css_classes=["control"],
        )
        for key, title in _FILTERS.items()
        if key in labels
    }

    def select(name: str, title: str, options: list[Any], value: str, **more: Any) -> Select:
        return Select(name=name, title=title, options=options, value=value, **({"css_classes": ["control"]} | more))

    names = [(str(i), network.name) for i, network in enumerate(networks)]
    step = Slider(name="step", title="step", start=0, end=max(n_step - 1, 1), value=n_step - 1, step=1, show_value=False)
    step.css_classes = ["control"]
    return {
        "network": select("network", "network", names, "0", visible=len(networks) > 1, css_classes=["network"]),
        "step": step,
        "sort": select("sort", "sort by", numbers, "neuron"),
        "order": RadioButtonGroup(name="order", labels=["ascending", "descending"], active=0, css_classes=["control"]),
        "neurons": TextInput(name="neurons", title="neurons", placeholder="3, 17, 40-60", css_classes=["control"]),
        "filters": filters,
        "shown": Div(name="shown", sizing_mode="stretch_width", disable_math=True),
        "page": select("page", "page", [("0", "1")], "0", visible=False),
        "x": select("x", "across", numbers, across),
        "y": select("y", "upwards", numbers, upwards),
        "selected_only": Checkbox(name="selected_only", label="show only the neurons selected here", active=False),
    }


def _varies(values: np.ndarray | None) -> bool:
    return values is not None and np.unique(values[~np.isnan(values)]).size > 1

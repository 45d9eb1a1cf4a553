"""What a reader of the atlas can ask for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from bokeh.layouts import row
from bokeh.models.css import InlineStyleSheet
from bokeh.models.formatters import CustomJSTickFormatter
from bokeh.models.layouts import LayoutDOM, Row
from bokeh.models.widgets import Checkbox, Div, RadioButtonGroup, RangeSlider, Select, Slider, TextInput

from reports.atlas.networks import shown_name
from reports.atlas.packing import AtlasNetwork
from stanalysis.stats.engine.rounding import varies
from stanalysis.stats.engine.statistics import STATISTICS

_LABELS: Final = {
    "neuron": "neuron",
    "morans_i": STATISTICS["morans_i"].label,
    "p_value": f"p of {STATISTICS['morans_i'].label}",
    "q_value": f"q of {STATISTICS['morans_i'].label}",
    "largest_cluster": "largest cluster [synapses]",
    "largest_cluster_p": "p of the largest cluster",
    "graph_joins_ei": STATISTICS["graph_joins_ei"].label,
    "graph_joins_ei_p": f"p of {STATISTICS['graph_joins_ei'].label}",
    "n_synapses": "number of synapses",
    "mean_lifetime": "steps lived per death",
}
_FILTERS: Final = {
    "morans_i": _LABELS["morans_i"],
    "p_value": _LABELS["p_value"],
    "largest_cluster": "largest cluster",
    "mean_lifetime": _LABELS["mean_lifetime"],
    "n_synapses": "synapses",
}
_WRAP: Final = """
:host { flex-wrap: wrap; gap: 6px 20px !important; align-items: flex-end; padding: 0 8px; box-sizing: border-box; }
:host > .control { flex: 1 1 150px !important; min-width: 150px !important; max-width: 230px; margin: 3px 0; }
:host > .order { flex: 1 1 210px !important; min-width: 210px !important; max-width: 230px; margin: 3px 0; }
:host > .step { flex: 1 1 270px !important; min-width: 150px !important; max-width: 330px; margin: 3px 0; }
:host > .network { flex: 0 1 320px !important; min-width: 150px !important; margin: 3px 0; }
:host > .wide { flex: 2 1 560px !important; min-width: min(100%, 300px) !important; align-self: flex-start !important; }
:host > .side { flex: 1 1 370px !important; min-width: min(100%, 300px) !important; align-self: flex-start !important; }
:host > .part { flex: 1 1 300px !important; min-width: min(100%, 300px) !important; align-self: flex-start !important; }
"""


def wrapped(*children: LayoutDOM) -> Row:
    """Side by side, going on below where the window is too narrow."""
    return row(*children, sizing_mode="stretch_width", spacing=20, stylesheets=[InlineStyleSheet(css=_WRAP)])


def labels_of(networks: Sequence[AtlasNetwork]) -> dict[str, str]:
    """What readers call each number of the networks, by its key."""
    keys = ["neuron", *dict.fromkeys(key for network in networks for key in network.numbers)]
    return dict(zip(keys, _apart(_LABELS.get(key, shown_name(key.replace("_", " "))) for key in keys), strict=True))


def _apart(names: Iterable[str]) -> list[str]:
    """The names, numbered where one comes again: neither a reader nor Bokeh's Select could tell them apart."""
    seen: Counter[str] = Counter()
    distinct = []
    for name in names:
        seen[name] += 1
        distinct.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return distinct


def controls_of(networks: Sequence[AtlasNetwork], labels: Mapping[str, str]) -> dict[str, Any]:
    """Controls by name; those with which there is nothing to choose are not visible."""
    numbers = list(labels.items())
    n_step = len(networks[0].steps)
    known = networks[0].numbers
    axes = [key for key in ("n_synapses", "morans_i", "p_value") if key in known and varies(known[key])]
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

    names = [(str(i), name) for i, name in enumerate(_apart(network.name for network in networks))]
    step = Slider(
        name="step", title="step", start=0, end=max(n_step - 1, 1), value=n_step - 1, step=1, css_classes=["step"],
        format=CustomJSTickFormatter(args={"said": []}, code="return said[tick] ?? ''"),
    )  # fmt: skip
    return {
        "network": select("network", "network", names, "0", visible=len(networks) > 1, css_classes=["network"]),
        "step": step,
        "sort": select("sort", "sort by", numbers, "neuron"),
        "order": RadioButtonGroup(name="order", labels=["ascending", "descending"], active=0, css_classes=["order"]),
        "neurons": TextInput(name="neurons", title="neurons", placeholder="3, 17, 40-60", css_classes=["control"]),
        "filters": filters,
        "shown": Div(name="shown", sizing_mode="stretch_width", disable_math=True),
        "page": select("page", "page", [("0", "1")], "0", visible=False),
        "x": select("x", "across", numbers, across),
        "y": select("y", "upwards", numbers, upwards),
        "selected_only": Checkbox(name="selected_only", label="show only the neurons selected here", active=False),
    }

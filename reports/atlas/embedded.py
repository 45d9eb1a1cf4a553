"""An atlas as part of a page that needs no network."""

from __future__ import annotations

from typing import Final

from bokeh.core.types import ID
from bokeh.embed.bundle import Script
from bokeh.embed.elements import script_for_render_items
from bokeh.embed.util import OutputDocumentFor, RenderItem
from bokeh.models import LayoutDOM
from bokeh.resources import Resources

_DOCUMENT: Final = ID("atlas-document")
_ELEMENT: Final = ID("atlas-element")


def embedded(layout: LayoutDOM) -> tuple[str, str, str]:
    """HTML of an atlas: BokehJS, the script with its data, and the element in which it is drawn.

    All that comes from files is escaped in it. The page holds one atlas, whose names are not random: the same analysis gives
    the same page.
    """
    with OutputDocumentFor([layout]) as document:
        item = RenderItem(_DOCUMENT, roots={layout: _ELEMENT})
        script = script_for_render_items({_DOCUMENT: document.to_json(deferred=False)}, [item])
    return "", script, ""

"""An atlas as part of a page that needs no network."""

from __future__ import annotations

import re
from typing import Final

from bokeh.embed import components
from bokeh.models import LayoutDOM
from bokeh.resources import Resources

_DOCUMENT: Final = re.compile(r'"docid":"([^"]+)"')  # what comes from files has other quotes in the script
_ELEMENT: Final = re.compile(r' id="([^"]+)"')


def embedded(layout: LayoutDOM) -> tuple[str, str, str]:
    """HTML of an atlas: BokehJS, the script with its data, and the element in which it is drawn.

    All that comes from files is escaped in it. The random names that Bokeh gives its document and its element are numbered, so
    that the same analysis gives the same page.
    """
    script, element = components(layout)
    for number, identity in enumerate(_DOCUMENT.findall(script) + _ELEMENT.findall(element)):
        name = f"00000000-0000-4000-8000-{number:012}"
        script, element = script.replace(identity, name), element.replace(identity, name)
    # widgets beyond the plots themselves; tables and mathematics would weigh more than the atlas
    resources = Resources(mode="inline", components=["bokeh", "bokeh-widgets"])
    return resources.render(), script, element

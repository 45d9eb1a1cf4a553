"""An atlas as part of a page that needs no network."""

from __future__ import annotations

import re

from bokeh.embed import components
from bokeh.models import LayoutDOM
from bokeh.resources import Resources

_IDENTITY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def embedded(layout: LayoutDOM) -> tuple[str, str, str]:
    """HTML of an atlas: BokehJS, the script with its data, and the element in which it is drawn.

    All that comes from files is escaped in it. The random names that Bokeh gives are numbered, so that the same analysis
    gives the same page.
    """
    script, element = components(layout)
    for number, identity in enumerate(dict.fromkeys(_IDENTITY.findall(script))):
        name = f"00000000-0000-4000-8000-{number:012}"
        script, element = script.replace(identity, name), element.replace(identity, name)
    # widgets beyond the plots themselves; tables and mathematics would weigh more than the atlas
    resources = Resources(mode="inline", components=["bokeh", "bokeh-widgets"])
    return resources.render(), script, element

"""Spatio-temporal receptive fields of spiking networks with learnable delays.

The everyday names are here; all others are in their rooms: `stanalysis.files`, `stanalysis.fields`, `stanalysis.stats`,
`stanalysis.findings`, `stanalysis.synthetic`.
"""

from typing import Any

import lazy_loader

_lazy, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("stanalysis-workbench")
    return _lazy(name)

"""How the files of figures are named: what comes from an analysis may not leave the folder, nor be too long for it."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

_LONGEST: Final = 120  # bytes of a file name; systems allow 255, and a temporary one is longer


def named(*parts: str) -> str:
    """File name, without suffix, of a figure: its kind, projection, and condition or network.

    Examples
    --------
    >>> named("survival", "input__hidden1", "connectivity rewired, sparsity 0.75")
    'survival-input__hidden1-connectivity-rewired-sparsity-0.75'
    >>> named("film", "input__hidden1", "../../elsewhere")
    'film-input__hidden1-elsewhere'
    """
    name = "-".join(filter(None, (re.sub(r"[^\w.]+", "-", part).strip("-.") for part in parts)))
    if len(name.encode()) <= _LONGEST:
        return name
    start = name.encode()[: _LONGEST - 9].decode(errors="ignore")
    return f"{start}-{sha256('/'.join(parts).encode()).hexdigest()[:8]}"

"""Bytes as people write and read them."""

from __future__ import annotations

import re
from typing import Final

from stanalysis.errors import BadInput

_UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def said_bytes(memory: float) -> str:
    """Bytes in a unit that is easy to read.

    Examples
    --------
    >>> said_bytes(310_000_000), said_bytes(2.45e9)
    ('310 MB', '2.5 GB')
    """
    return f"{memory / 1e9:.1f} GB" if memory >= 1e9 else f"{max(memory / 1e6, 1):,.0f} MB"


def bytes_of(text: str) -> float:
    """How many bytes a number with a unit is.

    Examples
    --------
    >>> bytes_of("2G"), bytes_of("500M")
    (2000000000.0, 500000000.0)
    """
    match = re.fullmatch(r"([0-9]+\.?[0-9]*)\s*([KMGT]?)B?", text.strip().upper())
    if match is None or not float(match[1]):
        raise BadInput(f"The memory is {text!r}; give a number above 0 with K, M, G or T behind it, as 2G.")
    return float(match[1]) * _UNITS[match[2]]

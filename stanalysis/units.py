"""Bytes and times as people write and read them."""

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


def seconds_of(text: str) -> float:
    """How many seconds a time is that is told in days, hours, minutes and seconds.

    Examples
    --------
    >>> seconds_of("3h55m"), seconds_of("90s"), seconds_of("1d")
    (14100.0, 90.0, 86400.0)
    """
    parts = re.fullmatch(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text.strip().lower().replace(" ", ""))
    seconds = sum(int(n or 0) * unit for n, unit in zip(parts.groups(), (86400, 3600, 60, 1), strict=True)) if parts else 0
    if not seconds:
        raise BadInput(f"The time is {text!r}; give days, hours, minutes and seconds, as 3h55m.")
    return float(seconds)

"""Numbers as the page writes them."""

from __future__ import annotations

import math

from reports.captions import percent

NONE = "–"  # what has no answer


def number(value: float) -> str:
    """Three significant digits, with a real minus sign; whole numbers in full.

    Examples
    --------
    >>> [number(v) for v in (0.012345, -12.3456, 4791, 999.7, -0.0, 2.3e-7, float("nan"), float("inf"))]
    ['0.0123', '−12.3', '4791', '1000', '0', '2.3e−07', '–', '∞']
    """
    if math.isnan(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == round(value) or abs(value) >= 999.5:
        text = f"{value:z.0f}"
    else:
        text = f"{value:.3g}" if abs(value) >= 1e-4 else f"{value:.1e}"
    return text.replace("-", "−")


def p_value(p: float) -> str:
    """A p-value with up to three decimals, more where they would hide that it is above .05.

    Examples
    --------
    >>> [p_value(p) for p in (0.05, 0.0503, 0.002, 0.00004, 1.0, float("nan"))]
    ['.05', '.0503', '.002', '<.0001', '1', '–']
    """
    if math.isnan(p):
        return NONE
    if p < 1e-4:
        return "<.0001"
    return (f"{p:.4f}" if p < 1e-3 or 0.05 < p < 0.0505 else f"{p:.3f}").rstrip("0").rstrip(".").removeprefix("0")


def share(value: float) -> str:
    """A share in per cent.

    Examples
    --------
    >>> share(0.884), share(0.0004), share(float("nan"))
    ('88.4 %', '<0.1 %', '–')
    """
    if 0 < value < 0.0005:
        return "<0.1 %"
    return NONE if math.isnan(value) else f"{percent(value)} %".replace("-", "−")


def interval(lower: float, upper: float) -> str:
    """From one to the other.

    Examples
    --------
    >>> interval(-0.5, 1.25)
    '−0.5 to 1.25'
    """
    return f"{number(lower)} to {number(upper)}"

"""Words and numbers that titles and captions share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import xarray as xr

from stanalysis.findings.view import rule_of


def answer_title(answer: xr.Dataset, probability: Literal["p", "q"]) -> str:
    """Moran's I and its p- or q-value, for a title."""
    if answer.morans_i.isnull():
        return "no answer"
    value = float(answer[f"{probability}_value"])
    shown = f"= {value:.3f}" if value >= 0.001 else "< 0.001"
    return f"$I$ = {signed(float(answer.morans_i))}, ${probability}$ {shown}"


def signed(value: float) -> str:
    """Three digits with a real minus sign."""
    return f"{value:z.3f}".replace("-", "−")


def method_sentence(attrs: Mapping[str, Any]) -> str:
    """How Moran's I was computed and tested, for a caption."""
    standardised = "row-standardised" if attrs["transform"] == "r" else "not standardised"
    rule = rule_of(attrs)
    draws = f"{attrs['n_permutations']} permutations" if rule.draws else "no permutations"
    seed = f", seed {attrs['seed']}" if rule.draws else ""
    return (
        f"Moran's I with {attrs['contiguity']} neighbours, {standardised}; null {rule.name}, {draws}, "
        f"{attrs['alternative']}{seed}: {rule.meaning}."
    )


def percent(share: float) -> str:
    """A share in per cent, with as many digits as tell it from 100 %.

    Examples
    --------
    >>> [percent(s) for s in (0, 0.5, 0.875, 0.984375, 0.99951)]
    ['0', '50', '87.5', '98.4', '99.95']
    """
    digits = 1
    while share < 1 and round(100 * share, digits) >= 100:
        digits += 1
    return f"{round(100 * share, digits):g}"


def training_seed(run: xr.Dataset) -> str:
    """Which seed the training of one run had; -1 is none that is known."""
    return f"training seed {int(run.seed)}" if run.seed >= 0 else "training seed unknown"

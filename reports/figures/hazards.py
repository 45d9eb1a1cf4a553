"""Which synapses die sooner, all else being equal."""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from reports.drawn import Drawn, Plan
from reports.figures.conditions import plans_of, runs_of
from reports.figures.wording import said_seeds
from reports.panels.survival import draw_hazard_ratios
from reports.style import WIDTH, inches, styled
from stanalysis.errors import BadInput
from stanalysis.findings.lives import hazard_terms
from stanalysis.stats.lives.episodes import RADIUS

_VARIANTS: Final = {
    "at birth": "at birth: covariates as they are when a synapse is born",
    "so far": (
        "so far: its neighbours as counted last, at birth and then at each kept step that it lives to see, so that nothing is "
        "used before it was measured"
    ),
    "from checkpoints": "from checkpoints: fitted to what these show, births and deaths known to within two of them",
}
_COVARIATES: Final = {
    "excitatory": "excitatory (inhibitory: 1)",
    "inhibitory": "inhibitory (excitatory: 1)",
    "delay_100_ms": "delay at birth, per 100 ms",
    "same_sign": "neighbours of its sign, each",
    "opposite_sign": "neighbours of the other sign, each",
}
_LINE, _FRAME = 4.2, 20.0  # height of a line, and besides [mm]


@styled
def figure_hazards(analysis: xr.DataTree, projection: str, condition: str = "") -> Drawn:
    """Forest plot of the hazard ratios of every model.

    Parameters
    ----------
    analysis
        As `stanalysis.read_analysis` gives it, with the group ``hazard_ratios``.
    projection
        Its name, ``<source>__<target>``.
    condition
        Which networks, as the coordinate ``condition`` names them.
    """
    models = _models(analysis, projection, condition)
    variants = {str(variant) for terms in models.values() for variant in terms.variant.values}
    sections = {f"{name} ({_counted(terms)})": terms.drop_vars(["among", "variant"]) for name, terms in models.items()}
    lines = sum(terms.sizes["term"] + 2 for terms in models.values())
    figure = Figure(figsize=(inches(WIDTH), inches(_LINE * lines + _FRAME)), layout="constrained")
    draw_hazard_ratios(figure.subplots(), sections)
    among = f" ({condition})" if condition else ""
    kinds = "; ".join(said for variant, said in _VARIANTS.items() if variant in variants)
    cox = ""
    if variants != {"from checkpoints"}:
        cox = (
            f"Neighbours are those within {RADIUS:g} sources. Cox models compare synapses with those of the same neuron born "
            "in the same step, initial and grown ones apart, and take neurons for independent: p and intervals speak of these "
            "networks, not of others. "
        )
    caption = (
        f"Hazards. Hazard ratios of dying, synapses of {projection}{among}: above 1, synapses with more of the covariate die "
        "sooner, the other covariates of the model being equal. Bars: 95 % interval; an arrow where it leaves the panel. "
        f"Networks: {said_seeds(analysis, runs_of(analysis, condition))}. Models: {kinds}. {cox}p is not adjusted for the "
        "number of terms. A term with too few deaths has no answer."
    )
    return Drawn(figure, caption, sections)


def plans(analysis: xr.DataTree) -> list[Plan]:
    """One for every projection and condition of which a model of hazards was fitted."""
    terms = hazard_terms(analysis)
    if not terms:
        raise BadInput("The analysis has no hazard ratios; analyse runs whose synapses are born and die.")
    return plans_of("hazards", figure_hazards, analysis, terms)


def _models(analysis: xr.DataTree, projection: str, condition: str) -> dict[str, xr.Dataset]:
    """The terms of each model, known ones in their order."""
    terms = hazard_terms(analysis)
    chosen = (terms.projection.values == projection) & (terms.condition.values == condition) if terms else np.zeros(0, bool)
    if not chosen.any():
        some = f" of {condition}" if condition else ""
        raise BadInput(f"The analysis has no hazard ratios of {projection}{some}; analyse runs that rewired it.")
    terms = terms.isel(term=np.flatnonzero(chosen))
    terms["covariate"] = "term", [_COVARIATES.get(str(name), str(name)) for name in terms.covariate.values]
    models = dict(zip(terms.model.values.tolist(), zip(terms.among.values, terms.variant.values, strict=True), strict=True))
    names = sorted(models, key=lambda name: (models[name][0] == "grown", list(_VARIANTS).index(models[name][1])))
    return {name: terms.isel(term=np.flatnonzero(terms.model.values == name)) for name in names}


def _counted(terms: xr.Dataset) -> str:
    """How many synapses and deaths a model has: those of its largest term."""
    n, dead = (terms[name].max().item() for name in ("n_episodes", "n_deaths"))
    return f"{n:.0f} synapses, {dead:.0f} deaths"

"""The lives of the synapses of one network, from its rewiring log or, without one, from its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from stanalysis.fields.lattice import Lattice
from stanalysis.fields.receptive_field import contact_index
from stanalysis.schema.network import SYNAPSES
from stanalysis.schema.variables import labelled
from stanalysis.stats.engine.nulls import Alternative
from stanalysis.stats.lives.episodes import alive_at, episodes, sightings, span
from stanalysis.stats.lives.exploration import exploration
from stanalysis.stats.lives.persistence import persistence


def lives_of_projection(
    trees: Sequence[xr.DataTree], log: xr.Dataset | None, projection: str, *, ms_per_source: float
) -> dict[str, xr.Dataset]:
    """The group ``episodes`` of a projection, or ``sightings`` where there is no log, but several checkpoints.

    Parameters
    ----------
    trees
        Checkpoints of one network, by step.
    log
        Its rewiring log, if there is one.
    ms_per_source
        As for `stanalysis.stats.lives.episodes.episodes`.
    """
    if log is not None:
        lives = episodes(log, projection, ms_per_source=ms_per_source)
        for tree in trees:  # a log of another network would tell the lives of its synapses
            alive_at(lives, _with_contacts(tree, projection), int(tree.attrs["step"]))
        return {"episodes": lives}
    if len(trees) < 2:
        return {}
    tables = {int(tree.attrs["step"]): _with_contacts(tree, projection) for tree in trees}
    return {"sightings": sightings(tables, ms_per_source=ms_per_source)}


def exploration_of_projection(
    tree: xr.DataTree,
    lives: Mapping[str, xr.Dataset],
    projection: str,
    *,
    configuration: Mapping[str, object],
    n_permutations: int,
    alternative: Alternative,
    seed: int,
) -> dict[str, xr.Dataset]:
    """The group ``exploration`` of a projection, where a log tells of synapses that were born in training.

    Parameters
    ----------
    tree
        A checkpoint of the network.
    lives
        As `lives_of_projection` returns them.
    configuration
        Of the training, which says among which places growth chooses.
    """
    if "episodes" not in lives or not (lives["episodes"].birth_step > 0).any():
        return {}
    attrs = tree[f"projections/{projection}"].attrs
    explored = exploration(
        lives["episodes"],
        n_source=int(attrs["n_source"]),
        n_target=int(attrs["n_target"]),
        places=places_of_pair(attrs, configuration, dt=float(tree.attrs["dt"])),
        n_permutations=n_permutations,
        alternative=alternative,
        seed=seed,
    )
    return {"exploration": explored}


def places_of_pair(attrs: Mapping[Any, Any], configuration: Mapping[str, object], *, dt: float) -> int:
    """How many places of one pair growth chooses among: its delay bins where it chooses among these, otherwise 1.

    Examples
    --------
    >>> [places_of_pair({"delay_max": 60.0}, {"candidates": kind}, dt=10.0) for kind in ("delays", "pairs")]
    [7, 1]
    """
    among_bins = configuration.get("candidates") == "delays" and configuration.get("delays") != "none"
    return round(float(attrs["delay_max"]) / dt) + 1 if among_bins and dt > 0 else 1


def persistence_of_fields(
    trees: Sequence[xr.DataTree],
    lives: Mapping[str, xr.Dataset],
    projection: str,
    *,
    bin_width: float,
    lattice: Lattice,
    n_permutations: int,
    alternative: Alternative,
    seed: int,
) -> xr.Dataset:
    """`stanalysis.stats.persistence` of every kept step but the last, until the last (step, target)."""
    table = lives["episodes"] if "episodes" in lives else lives["sightings"]
    last = trees[-1]
    until = int(last.attrs["step"])
    births, ends = span(table)
    by_step = []
    for tree in trees[:-1]:
        step, synapses = int(tree.attrs["step"]), _with_contacts(tree, projection)
        chosen = alive_at(table, synapses, step)
        lasting = persistence(
            synapses,
            _with_contacts(last, projection),
            births=births[chosen],
            survives=ends[chosen] > until,
            dt=float(tree.attrs["dt"]),
            bin_width=bin_width,
            lattice=lattice,
            n_permutations=n_permutations,
            alternative=alternative,
            seed=seed,
        )
        by_step.append(lasting.expand_dims(step=[step]))
    return xr.concat(by_step, "step", join="exact", combine_attrs="override").assign(until=until)


def _with_contacts(tree: xr.DataTree, projection: str) -> xr.Dataset:
    table = tree[f"projections/{projection}"].to_dataset()
    if "contact" in table:
        return table
    return table.merge(labelled(SYNAPSES, contact=contact_index(table)), combine_attrs="override")

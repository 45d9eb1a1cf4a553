"""How much there is to analyse, and how far it is: what a person who waits wants to know."""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from stanalysis.analysis.one_network import Snapshots
from stanalysis.analysis.one_projection import DRAWS_IN_HISTOGRAM, drawn_together, fields_by_targets
from stanalysis.analysis.questions import Questions


@dataclass(frozen=True)
class Extent:
    """What there is to analyse of one network.

    ``n_fields`` are the receptive fields of all its steps and projections, ``n_draws`` the draws of the null for each of them.
    ``memory`` [bytes] is that of what has to be in memory at a time: all checkpoints, and of the largest projection the fields
    of a step, as far as they are there together, and the draws that are kept. What is computed with them comes on top of it.
    """

    n_steps: int
    n_projections: int
    n_fields: int
    n_draws: int
    memory: int


@dataclass(frozen=True)
class Stage:
    """How far an analysis is: ``done`` of ``n_networks`` networks, a part of one being the share of its fields.

    ``under_way`` are the names of those that are analysed now; ``extent`` is that of the first of all, None until it is known.
    """

    under_way: tuple[str, ...]
    done: float
    n_networks: int
    extent: Extent | None


def extent_of(network: Snapshots, questions: Questions) -> Extent:
    """What there is to analyse of a network that was read."""
    trees, test = network.checkpoints.values(), questions.test
    questions = questions.of_network(float(network.last.attrs["dt"]))
    projections = list(map(str, network.last["projections"].children))
    n_targets, largest = 0, 0
    for projection in projections:
        n_target = int(network.last[f"projections/{projection}"].attrs["n_target"])
        fields = next(fields_by_targets(network.last, projection, questions), xr.Dataset())
        drawn = max(map(len, drawn_together(questions, n_target=n_target))) * n_target * test.n_draws
        in_histogram = len(trees) * n_target * min(test.n_draws, DRAWS_IN_HISTOGRAM)
        largest = max(largest, fields.nbytes + 8 * (drawn + in_histogram))
        n_targets += n_target
    memory = sum(tree.nbytes for tree in trees) + largest
    return Extent(len(trees), len(projections), len(trees) * n_targets, test.n_draws, memory)

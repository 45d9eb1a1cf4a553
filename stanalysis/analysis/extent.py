"""How much there is to analyse, and how far it is: what a person who waits wants to know."""

from __future__ import annotations

from dataclasses import dataclass

from stanalysis.analysis.one_network import Snapshots
from stanalysis.analysis.one_step import most_targets, need_of_projection
from stanalysis.analysis.questions import Questions


@dataclass(frozen=True)
class Extent:
    """What there is to analyse of one network.

    ``n_fields`` are the receptive fields of all its steps and projections, ``n_draws`` the draws of the null for each of them.
    ``memory`` [bytes] is about what the analysis takes: the program, all checkpoints, and of the largest projection the
    synapses of a step, and fields and draws, as far as they are there together.
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
    trees = list(network.checkpoints.values())
    questions = questions.of_network(float(network.last.attrs["dt"]))
    projections = list(map(str, network.last["projections"].children))
    n_target = sum(int(network.last[f"projections/{projection}"].attrs["n_target"]) for projection in projections)
    memory = 0
    for projection in projections:
        need = need_of_projection(trees, projection, questions)
        memory = max(memory, need.fixed + need.per_target * most_targets(trees, projection, questions))
    return Extent(len(trees), len(projections), len(trees) * n_target, questions.test.n_draws, memory)

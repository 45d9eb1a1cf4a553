"""The nulls: of each, one record of what it moves, what rejecting it says and what not, and when it can be believed.

Choices and help of the command line, tables, sentences and labels of reports derive from these records. To add a null: its
record here, its arrangement in `stanalysis.kernels.arrangements` unless it shares one, and its test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

Null: TypeAlias = str  # a name in `NULLS`
Alternative = Literal["two-sided", "greater", "less"]
Arrangement = Literal["none", "delays", "weights", "signs", "kept margins", "sources", "rows", "cells"]
Margin = Literal["source", "delay"]
Assumption = Literal[
    "uniform delays",
    "even sources",
    "free signs",
    "level magnitudes",  # over delays
    "level signs",
    "even gain",  # over sources
    "even signs",
    "even numbers",  # of synapses
]


@dataclass(frozen=True)
class NullRule:
    """What a null shuffles, and what that means.

    Attributes
    ----------
    name
        As users call it.
    moves
        What it moves, for help and tables.
    says
        What rejecting it says, after "rejecting `name` says".
    not_said
        What rejecting it does not say, after "it does not say".
    short
        What rejecting it says in two short lines, for the margin of a figure.
    arrangement
        How the kernels move synapses; ``none`` draws nothing.
    by_source
        Whether the synapses of a source move their sign as one.
    assumes
        What must hold for it to be exchangeable; `stanalysis.doubts` looks whether it does.
    shared_by
        Whose permutations may be shared: those of ``all`` targets, of ``like`` targets, with one synapse from each of the same
        sources, or of ``none``.
    keeps_places
        Whether every synapse stays at its source and delay.
    moves_signs
        Whether signs come to other synapses, so that targets whose sources share signs depend on each other.
    keeps
        Of ``kept margins``: what signs owe to these alone stays.
    """

    name: str
    moves: str
    says: str
    not_said: str
    short: str
    arrangement: Arrangement
    by_source: bool = False
    assumes: frozenset[Assumption] = frozenset()
    shared_by: Literal["all", "like", "none"] = "none"
    keeps_places: bool = False
    moves_signs: bool = False
    keeps: tuple[Margin, ...] = ()

    @property
    def draws(self) -> bool:
        """Whether it has draws."""
        return self.arrangement != "none"

    @property
    def meaning(self) -> str:
        """What rejecting it says, as a clause."""
        return f"rejecting `{self.name}` says {self.says}"


NULLS: Final[dict[str, NullRule]] = {}


def register_null(rule: NullRule) -> NullRule:
    """Make a null known by its name."""
    if rule.name in NULLS:
        raise ValueError(f"There are two nulls called {rule.name!r}; give each a name of its own.")
    NULLS[rule.name] = rule
    return rule


def help_of_nulls() -> str:
    """What each null moves, in one sentence."""
    return f"What the null moves. {'; '.join(f'{name}: {rule.moves}' for name, rule in NULLS.items())}."


for _rule in (
    NullRule(
        "delays",
        moves="the delays among one target's synapses, each keeping its source and weight",
        says=(
            "that a neuron's weights and delays are arranged across neighbouring sources in a way that its own delays, dealt "
            "out anew among its synapses, would not give; magnitudes or signs that depend on the delay alone are enough"
        ),
        not_said="that signs are grouped, or which delays matter for the task: any link of weight, source and delay is enough",
        short="weights and delays\nare arranged",
        arrangement="delays",
        assumes=frozenset({"level magnitudes", "level signs"}),
        shared_by="like",
    ),
    NullRule(
        "weights",
        moves="the weights among one target's synapses, each keeping its place",
        says=(
            "that like weights lie together beyond where synapses sit; magnitudes or signs that depend on the delay alone, or "
            "vary smoothly over sources, are enough"
        ),
        not_said="that signs are grouped: magnitudes alike among neighbours are enough",
        short="like weights\nlie together",
        arrangement="weights",
        assumes=frozenset({"free signs", "level magnitudes", "level signs", "even gain", "even signs"}),
        shared_by="like",
        keeps_places=True,
        moves_signs=True,
    ),
    NullRule(
        "signs",
        moves="the signs among one target's synapses, each keeping its place and magnitude",
        says=(
            "that excitation and inhibition are grouped beyond where synapses and their magnitudes sit; signs that depend on "
            "the delay alone, or vary smoothly over sources, are enough, and for Moran's I and Geary's C sums that balance "
            "better, or worse, than by chance"
        ),
        not_said="that synapses, delays or magnitudes are arranged in any way: these stay where they are",
        short="E and I\nare grouped",
        arrangement="signs",
        assumes=frozenset({"free signs", "level signs", "even signs"}),
        shared_by="like",
        keeps_places=True,
        moves_signs=True,
    ),
    NullRule(
        "source-signs",
        moves="the signs among one target's sources, each source keeping one sign (Dale)",
        says=(
            "that excitatory and inhibitory sources are grouped beyond where synapses and their magnitudes sit, each source "
            "keeping one sign (Dale); signs that depend on the delay alone, or vary smoothly over sources, are enough, and for "
            "Moran's I and Geary's C a balance of their sums"
        ),
        not_said="that synapses of one source are arranged in any way: a source moves its sign as a whole",
        short="E and I sources\nare grouped",
        arrangement="signs",
        by_source=True,
        assumes=frozenset({"level signs", "even signs"}),
        shared_by="like",
        keeps_places=True,
        moves_signs=True,
    ),
    NullRule(
        "interaction",
        moves=(
            "the signs among one target's synapses, as far as what they owe to the source alone and to the delay alone stays; "
            "each synapse keeps its place and magnitude"
        ),
        says=(
            "that excitation and inhibition are grouped, or mixed, in space and time together: beyond what their signs owe to "
            "the source alone and to the delay alone, as functions that are smooth over a quarter of either"
        ),
        not_said="that anything is arranged where signs do not differ, or that magnitudes are: these stay where they are",
        short="E and I are grouped,\nor mixed, jointly",
        arrangement="kept margins",
        assumes=frozenset({"free signs"}),
        keeps_places=True,
        moves_signs=True,
        keeps=("source", "delay"),
    ),
    NullRule(
        "sources",
        moves="whole sources, each with its synapses",
        says=(
            "that neighbouring sources are alike, or unlike, in weights and delays as they would not be in another order; "
            "magnitudes, signs or numbers of synapses that vary smoothly over sources are enough"
        ),
        not_said="that delays are arranged within a source: a source moves as a whole",
        short="neighbouring sources\nare alike, or unlike",
        arrangement="sources",
        assumes=frozenset({"even gain", "even signs", "even numbers"}),
        shared_by="all",
    ),
    NullRule(
        "rows",
        moves="each synapse's delay, drawn anew from all there are",
        says=(
            "only that delays are not uniform and independent: short or piled-up delays are enough, without any grouping of "
            "weights"
        ),
        not_said="that weights or signs are grouped",
        short="delays are\nnot uniform",
        arrangement="rows",
        assumes=frozenset({"uniform delays", "level magnitudes", "level signs"}),
    ),
    NullRule(
        "cells",
        moves="all cells, empty or not",
        says=(
            "only that something in the plane is not uniform: piled-up delays or one synapse per source are enough, without "
            "any grouping of weights"
        ),
        not_said="that weights or signs are grouped",
        short="something is\nnot uniform",
        arrangement="cells",
        assumes=frozenset(get_args(Assumption)),
        moves_signs=True,
    ),
    NullRule(
        "untrained",
        moves="nothing: each neuron is compared with the others of its network before training (step 0)",
        says=(
            "that a neuron differs from the other neurons of its network before training (step 0); what training changed, "
            "delays or weights or both, it does not say"
        ),
        not_said="that a field is grouped: only that it is not as fields were before training",
        short="differs from\nbefore training",
        arrangement="none",
    ),
):
    register_null(_rule)

BUILT_IN_NULLS: Final = frozenset(NULLS)

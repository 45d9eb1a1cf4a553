"""How a statistic is tested: the options that travel together, with their defaults, checked once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypedDict, get_args

from stanalysis.errors import BadInput
from stanalysis.stats.engine.nulls import NULLS, Alternative, Null, NullRule

MIN_SYNAPSES: Final = 4
KNOWN_TO_PROCESSES: Final = "register it in a module that every process imports, or use one worker"


class NullOptions(TypedDict, total=False):
    """The fields of `NullTest`, as options of every public statistic."""

    null: Null
    n_permutations: int
    alternative: Alternative
    min_synapses: int
    seed: int


@dataclass(frozen=True)
class NullTest:
    """A test against a null.

    Attributes
    ----------
    null
        What is exchangeable: a name in `stanalysis.stats.engine.nulls.NULLS`.
    n_permutations
        Draws of the null; 0 gives the statistics alone.
    alternative
        "greater", "less" or "two-sided".
    min_synapses
        Fewest synapses of a field that gets an answer. With 4, permuting delays cannot reach a two-sided p of .05 (2/24),
        with 5 it can (2/120).
    seed
        Draws are addressed by seed, draw and the field's labels (its coordinates along the leading dims): a field has the
        same draws alone, in any subset, order or chunk, with any statistics and any number of threads.
    """

    null: Null = "delays"
    n_permutations: int = 999
    alternative: Alternative = "two-sided"
    min_synapses: int = MIN_SYNAPSES
    seed: int = 0

    def __post_init__(self) -> None:
        if self.null not in NULLS:
            raise BadInput(f"the null is {self.null!r}; use one of {', '.join(NULLS)}")
        check_alternative(self.alternative)
        if self.n_permutations < 0:
            raise BadInput(f"n_permutations is {self.n_permutations}; use 0 for the statistic alone, or a positive number")
        check_seed(self.seed)

    @property
    def rule(self) -> NullRule:
        """The record of the null; `BadInput` in a process that does not know it."""
        if self.null not in NULLS:
            raise BadInput(f"the null is {self.null!r}, which is not known here; {KNOWN_TO_PROCESSES}")
        return NULLS[self.null]

    @property
    def without_draws(self) -> NullTest:
        """The same without any draw: what a statistic is, whatever the null."""
        return replace(self, null=NullTest.null, n_permutations=0)

    @property
    def n_draws(self) -> int:
        """Draws of the null; 0 where it has none."""
        return self.n_permutations if self.rule.draws else 0

    def options(self) -> NullOptions:
        """The same as options of a public statistic."""
        return NullOptions(
            null=self.null,
            n_permutations=self.n_permutations,
            alternative=self.alternative,
            min_synapses=self.min_synapses,
            seed=self.seed,
        )

    def require_draws(self) -> None:
        """Raise `BadInput` where the null has no draws."""
        if not self.rule.draws:
            raise BadInput(
                f"the null {self.null!r} draws nothing, which this statistic needs; use another null, or a statistic that is "
                "one number"
            )


def check_alternative(alternative: str) -> None:
    """Raise `BadInput` for an alternative that there is not."""
    if alternative not in get_args(Alternative):
        raise BadInput(f"the alternative is {alternative!r}; use one of {', '.join(get_args(Alternative))}")


def check_seed(seed: int) -> None:
    """Raise `BadInput` for a seed that is no whole number of 63 bits."""
    if not 0 <= seed < 2**63:
        raise BadInput(f"the seed is {seed}; use a whole number from 0 to 2**63 - 1")

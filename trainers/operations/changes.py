"""All that is done to a network in turn: the settings of every operation, and the synapses that each leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
import xarray as xr

from stanalysis.fields.delay_bins import bins_of_projection
from stanalysis.files.operations import ARMS, INTACT, OPERATIONS, Arm, Family, OperationRule
from stanalysis.files.random_streams import Stream, random_stream
from stanalysis.stats.engine.rearranged import rearranged
from trainers.methods.contract import Tables
from trainers.operations.directed import directed
from trainers.operations.dose import InputMetric
from trainers.operations.precision import imprecise
from trainers.operations.trained import TrainedNetwork

_NUMBERS: Final = {name: number for number, name in enumerate(OPERATIONS)}  # part of the address of random numbers
ORDERED: Final = "input"  # the one population whose neurons have an order, in which they can be near


@dataclass(frozen=True)
class Change:
    """One operation at one level, in one draw.

    Attributes
    ----------
    rule
        The operation.
    projection
        Where it is done; None for every projection that it can change.
    level
        As the record of the operation counts it.
    arm, matched
        Of directed surgery.
    draw
        Its number.
    """

    rule: OperationRule
    projection: tuple[str, str] | None
    level: float
    arm: Arm | None
    matched: bool
    draw: int

    @property
    def has_controls(self) -> bool:
        """Whether it is done with controls, too: surgery, unless it shows only what comes of unequal doses."""
        return self.rule.family == "nulls" or self.matched

    @property
    def is_largest(self) -> bool:
        """Whether it is the first draw of the largest dose."""
        return self.level == max(self.rule.levels) and self.draw == 0

    @property
    def line(self) -> dict[str, Any]:
        """What operations.csv says of it."""
        return INTACT | {
            "operation": self.rule.name,
            "family": self.rule.family,
            "projection": "__".join(self.projection) if self.projection else INTACT["projection"],
            "level": float(self.level),
            "arm": self.arm or INTACT["arm"],
            "matched": self.matched,
            "draw": self.draw,
        }


def has_delays(table: xr.Dataset) -> bool:
    """Whether a projection has delays: some may be, and some are, above 0."""
    return float(table.attrs["delay_max"]) > 0 and bool((table["delay"] > 0).any())


def changes(network: TrainedNetwork, families: Sequence[Family], draws: int) -> Iterator[Change]:
    """What is to be done to a network: the operations of some families that can change it, in the order of their records."""
    for rule in OPERATIONS.values():
        places = _places(network, rule) if rule.family in families else []
        if places and rule.family == "precision":
            places = [None]
        arms: Sequence[tuple[Arm | None, bool]] = [(None, False)]
        if rule.family == "directed":
            arms = [(arm, matched) for matched in (True, False) for arm in ARMS]
        for projection in places:
            for level in rule.levels:
                for draw in range(draws if rule.draws else 1):
                    yield from (Change(rule, projection, level, arm, matched, draw) for arm, matched in arms)


def _places(network: TrainedNetwork, rule: OperationRule) -> list[tuple[str, str] | None]:
    """The projections that an operation can change."""
    needs_order = rule.family == "directed" or rule.name == "null-interaction"
    return [
        ends
        for ends, table in network.tables.items()
        if (rule.changes != "delays" or has_delays(table)) and (ends[0] == ORDERED or not needs_order)
    ]


def applies_to(network: TrainedNetwork, change: Change) -> list[tuple[str, str]]:
    """The projections that a change is made to."""
    return [ends for ends in _places(network, change.rule) if ends and change.projection in (None, ends)]


def changed(network: TrainedNetwork, metrics: Mapping[tuple[str, str], InputMetric], change: Change) -> Tables:
    """The projections that a change leaves otherwise than they were, by their ends."""
    rule, result = change.rule, {}
    numbers = {ends: number for number, ends in enumerate(network.tables)}
    for ends in applies_to(network, change):
        table = network.tables[ends]
        random = random_stream(network.seed, Stream.OPERATE, _NUMBERS[rule.name], numbers[ends], change.draw)
        if rule.family == "precision":
            after = imprecise(table, rule.name, change.level, random)
        elif rule.family == "nulls":
            after = _as_a_null_has_it(table, rule, change, random, dt=network.dt)
        else:
            address = int(random.integers(2**63))
            after = directed(
                table, metrics[ends], rule.changes, change.level, cast(Arm, change.arm), matched=change.matched,
                stream=address, draw=change.draw,
            )  # fmt: skip
        if new_synapses(table, after).any():
            result[ends] = after
    return result


def _as_a_null_has_it(
    table: xr.Dataset, rule: OperationRule, change: Change, random: np.random.Generator, *, dt: float
) -> xr.Dataset:
    """A projection in which the synapses of some targets are as in a draw of a null."""
    bins = bins_of_projection(table.attrs, dt=dt) if dt and has_delays(table) else None
    null, n_target = rule.name.removeprefix("null-"), int(table.attrs["n_target"])
    chosen = random.permutation(n_target)[: round(change.level * n_target)]
    drawn = rearranged(table, null, seed=int(random.integers(2**63)), draw=change.draw, bins=bins)
    some = np.isin(table["target"].to_numpy(), chosen)
    moved = drawn.isel(synapse=np.isin(drawn["target"].to_numpy(), chosen))
    result: xr.Dataset = xr.concat([table.isel(synapse=~some), moved], "synapse", combine_attrs="override")
    order = np.argsort(result["target"].to_numpy(), kind="stable")
    return result.isel(synapse=order)


def new_synapses(before: xr.Dataset, after: xr.Dataset) -> np.ndarray:
    """Which synapses (synapse) after are not among those before."""
    names = ["target", "source", "delay", "weight", *(["contact"] if "contact" in before else [])]
    first, then = (list(zip(*(t[name].to_numpy().tolist() for name in names), strict=True)) for t in (before, after))
    there = set(first)
    return np.array([row not in there for row in then], bool)

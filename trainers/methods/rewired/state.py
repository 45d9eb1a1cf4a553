"""A sparse network in training: its state, its synapses as a pass through the network needs them, its births and deaths."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stanalysis.files.rewiring_log import KIND
from trainers.methods.dcls.dense import DclsState
from trainers.methods.dcls.network import DelayLayer
from trainers.methods.dcls.synapses import SynapseRows, connected
from trainers.methods.rewired.config import SparseConfig


@dataclass
class SparseState(DclsState):
    """A network in training: tables of synapses in ``arrays``, and the ``pending`` events that no log holds yet.

    With candidates ``pairs`` a table has a row for every pair, ``alive`` or not; otherwise a row for every synapse, in which
    the next one takes the place of one that died.
    """

    config: SparseConfig
    pending: list[dict[str, NDArray]] = field(default_factory=list)

    @property
    def all_pairs(self) -> bool:
        """Whether the tables have a row for every pair."""
        return self.config.connectivity == "rewired" and self.config.candidates == "pairs"

    def alive(self, layer: DelayLayer) -> NDArray[np.bool_]:
        """Which rows of a projection's table are synapses."""
        if self.all_pairs:
            return self.arrays[layer.array("alive")]
        return np.ones(self.arrays[layer.array("source")].size, bool)


def conducting(state: SparseState, layer: DelayLayer) -> SynapseRows:
    """The synapses of a projection; where moments stay with the slot, the empty slots too, for their gradients."""
    return listed(state, layer, None if state.config.moments == "slot" else state.alive(layer))


def listed(state: SparseState, layer: DelayLayer, alive: NDArray[np.bool_] | None) -> SynapseRows:
    source, target, contact = (state.arrays[layer.array(what)] for what in ("source", "target", "contact"))
    return connected(source, target, contact, n_source=layer.n_source, n_target=layer.n_target, alive=alive)


def note(
    state: SparseState,
    layer: DelayLayer,
    step: int,
    kind: KIND,
    cause: NDArray,
    rows: NDArray,
    gradient: NDArray | None = None,
) -> None:
    """Keep what happened to the synapses in ``rows`` for the log; a ``gradient`` (row), if given, chose them in this order."""
    columns = {what: state.arrays[layer.array(what)][rows] for what in ("source", "target", "contact", "delay", "weight")}
    rewired, known = state.config.connectivity == "rewired", gradient is not None
    columns["sign"] = state.arrays[layer.array("sign")][rows] if rewired else np.where(columns["weight"] < 0, -1, 1)
    if rewired:
        columns["weight"] = np.where(columns["weight"] * columns["sign"] > 0, columns["weight"], 0)
    state.pending.append(
        columns
        | {
            "delay": columns["delay"] * state.data.dt,
            "step": np.full(rows.size, step),
            "projection": np.full(rows.size, layer.index),
            "kind": np.full(rows.size, kind),
            "cause": cause,
            "gradient": gradient if known else np.full(rows.size, np.nan),
            "rank": np.arange(1, rows.size + 1) if known else np.zeros(rows.size, int),
        }
    )

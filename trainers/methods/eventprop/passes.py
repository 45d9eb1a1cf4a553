"""The passes of a batch through an event-based network: forward, and backward."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from trainers.methods.eventprop import backward as exact_backward
from trainers.methods.eventprop import forward as exact_forward
from trainers.methods.eventprop import published
from trainers.methods.eventprop.network import EventNetwork, Projection
from trainers.methods.eventprop.records import Afferents, Blocks, Fired, Guards, Owed, Spikes
from trainers.methods.eventprop.spikes import room_for
from trainers.methods.eventprop.synapses import arranged, gathered, no_gradients, no_synapses

NEVER_FIRES = -np.inf  # a V that never comes back, however long a trial is
Parameters = dict[str, NDArray]


@dataclass
class Passed:
    """What a forward pass leaves for the backward one.

    Attributes
    ----------
    spikes
        Of the input, and of every spiking population.
    heard
        Of every spiking population, what drives it, and its synapses within.
    """

    spikes: list[Spikes]
    heard: list[tuple[Afferents, Blocks]] = field(default_factory=list)


def forward(
    network: EventNetwork,
    arrays: Mapping[str, NDArray],
    spikes: Spikes,
    widths: dict[str, int],
    keep: list[NDArray[np.bool_]] | None = None,
) -> Passed:
    """Run a batch through the spiking populations.

    Parameters
    ----------
    arrays
        Weights and delays in ms by name, dims (target, source).
    spikes
        Of the input.
    widths
        How many spikes of a population there was room for in a sample; kept up to date. No number depends on it.
    keep
        Of every spiking population but the output, which neurons fire in which sample, dims (sample, neuron); None for all.
    """
    for name in (projection.array(what) for projection in network.projections for what in ("weight", "delay")):
        if not np.isfinite(arrays[name]).all():
            raise BadInput(f"{name} holds a number that is not finite; lower the rates, or begin from another checkpoint.")
    done = Passed([spikes])
    for k, (projection, loop) in enumerate(network.layers):
        feed = Afferents(done.spikes[k], _blocks(network, projection, arrays), network.is_continuous(projection))
        within = _blocks(network, loop, arrays) if loop else no_synapses()
        rest = np.zeros((len(spikes.begin), projection.n_target), np.float32)
        if keep and projection.target != "output":
            rest[~keep[k]] = NEVER_FIRES
        done.heard.append((feed, within))
        done.spikes.append(_fired(network, projection.target, feed, within, rest, widths))
    return done


def _blocks(network: EventNetwork, projection: Projection, arrays: Mapping[str, NDArray]) -> Blocks:
    weight, delay = (arrays[projection.array(what)] for what in ("weight", "delay"))
    return arranged(weight, delay, network.grid, rounding=network.rounding(projection))


def _fired(
    network: EventNetwork, name: str, feed: Afferents, within: Blocks, rest: NDArray[np.float32], widths: dict[str, int]
) -> Spikes:
    """The spikes of a population; again, with more room, where there was too little."""
    n_sample, n_neuron = rest.shape
    fire = published.fire if network.published else exact_forward.fire
    n_spikes, width = np.zeros(n_sample, np.int64), widths.get(name, 8 * n_neuron)
    while True:
        spikes = room_for(n_sample, n_neuron, width)
        fire(*feed, within, network.grid, rest, spikes, n_spikes)
        if n_spikes.min(initial=0) < 0:
            often = f"A neuron of {name} fires more than {network.grid.n_steps} times in a sample"
            raise BadInput(f"{often}; lower the rates or the weights, or choose the preset for these data.")
        needed = int(n_spikes.max(initial=0))
        if needed <= width:
            widths[name] = width
            return spikes
        width = needed + needed // 4


def backward(
    network: EventNetwork,
    done: Passed,
    drive: NDArray[np.float32],
    pulls: list[NDArray[np.float32]],
    guards: Guards,
) -> Parameters:
    """The gradients by weights and delays of all projections between spiking populations, dims (target, source).

    Parameters
    ----------
    drive
        The loss's derivative by the time of every spike of the last spiking population, dims (sample, spike). Used up.
    pulls
        Of every spiking population, what is subtracted from lambda_V at a spike, dims (neuron).
    """
    adjoints = published.adjoints if network.published else exact_backward.adjoints
    bars: Parameters = {}
    for k in range(len(network.layers) - 1, -1, -1):
        feed, within = done.heard[k]
        asked = feed.spikes.step.shape if k else (len(feed.spikes.begin), 0)
        owed = Owed(no_gradients(feed.blocks), no_gradients(within), np.zeros(asked, np.float32))
        fired = Fired(done.spikes[k + 1], drive, pulls[k])
        adjoints(*feed, within, network.grid, *fired, guards, *owed)
        for projection, bar in zip(network.layers[k], (owed.feed, owed.within), strict=True):
            if projection:
                bars[projection.array("weight")] = gathered(bar.weight, projection.n_target)
                bars[projection.array("delay")] = gathered(bar.delay, projection.n_target)
        drive = owed.drive
    return bars

"""A pass through the network and back, in time or in frequency: whichever costs less; they differ by rounding alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.methods.dcls import frequency_domain, time_domain
from trainers.methods.dcls.delays import reach
from trainers.methods.dcls.network import Candidates, DelayNetwork, Parameters, Pass, Workspace
from trainers.methods.dcls.synapses import SynapseRows
from trainers.methods.dcls.time_domain import TimePass

# cost in time of a synapse and of each of its taps, against that of a pair of neurons in frequency; measured
SYNAPSE, TAP = 1.4, 0.17


def in_time(network: DelayNetwork, synapses: Sequence[SynapseRows], sigma: float) -> bool:
    """Whether a pass in time costs less than one in frequency."""
    n_taps = 1 if sigma == 0 else min(network.n_bins, int(2 * reach(network.dtype) * sigma) + 1)
    n_pairs = np.dot(network.sizes[1:], network.sizes[:-1])
    return bool(sum(map(len, synapses)) * (SYNAPSE + TAP * n_taps) < n_pairs)


def forward(
    network: DelayNetwork,
    synapses: Sequence[SynapseRows],
    parameters: Parameters,
    x: NDArray,
    *,
    sigma: float,
    keep: list[NDArray],
    running: Parameters | None,
    workspace: Workspace,
) -> Pass:
    """Run the network on ``x`` (channel, time, batch); the potentials of the readout are (output, time, batch).

    Parameters
    ----------
    synapses
        Those of every projection; ``parameters`` holds their weights and delays.
    sigma
        Spread of the delay kernels in bins; 0 deploys the delays.
    keep
        Dropout factor (neuron, batch) of every hidden population.
    running
        Moments for the normalisation; None to use those of the batch.
    """
    domain = time_domain if in_time(network, synapses, sigma) else frequency_domain
    return domain.forward(network, synapses, parameters, x, sigma=sigma, keep=keep, running=running, workspace=workspace)


def adjoint(
    network: DelayNetwork,
    synapses: Sequence[SynapseRows],
    parameters: Parameters,
    done: Pass,
    *,
    sigma: float,
    candidates: Sequence[Candidates],
    workspace: Workspace,
) -> Parameters:
    """Gradient of every parameter, from a pass whose readout holds the gradient of the loss; the pass is used up.

    With ``candidates`` for every projection also ``candidate``, the gradients of their weights.
    """
    domain: Any = time_domain if isinstance(done, TimePass) else frequency_domain
    gradient: Parameters = domain.adjoint(
        network, synapses, parameters, done, sigma=sigma, candidates=candidates, workspace=workspace
    )
    return gradient

"""Statistics that are functions of whole receptive fields: every draw is made as a plane, and given to the function."""

from __future__ import annotations

import numpy as np

from stanalysis.kernels.arrangements import CODES, Synapses, arranged_planes
from stanalysis.stats.engine.measures import Draws, Measure, as_measure
from stanalysis.stats.engine.prepared import NUMBERS_AT_ONCE, AnyFields
from stanalysis.stats.engine.statistics import STATISTICS


def on_planes(fields: AnyFields, synapses: Synapses, draws: Draws, statistics: set[str], drawn: set[str]) -> dict[str, Measure]:
    """The statistics with a function ``of_planes``, with draws for those ``drawn``."""
    functions = {name: function for name in statistics if (function := STATISTICS[name].of_planes) is not None}
    observed = {name: np.asarray(function(fields.planes), np.float64) for name, function in functions.items()}
    n_field, n_source, n_delay = fields.planes.shape
    arranged = {name: np.empty((n_field, draws.n)) for name in functions.keys() & drawn}
    at_once = max(NUMBERS_AT_ONCE // (n_field * n_source * n_delay), 1)
    for first in range(0, draws.n if arranged else 0, at_once):
        planes = np.empty((n_field, min(at_once, draws.n - first), n_source, n_delay))
        arranged_planes(CODES[draws.rule.arrangement], synapses, fields.plane, draws.streams, first, planes)
        for name, values in arranged.items():
            flat = functions[name](planes.reshape(-1, n_source, n_delay))
            values[:, first : first + planes.shape[1]] = np.asarray(flat).reshape(n_field, -1)
    return {name: as_measure(name, observed, arranged, {}, {}, {}, name in drawn) for name in functions}

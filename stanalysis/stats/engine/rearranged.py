"""A projection as one draw of a null has it: not a statistic of it, but its synapses."""

from __future__ import annotations

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.fields.delay_bins import DelayBins
from stanalysis.kernels.arranged_lists import arranged_lists
from stanalysis.kernels.arrangements import CODES
from stanalysis.stats.engine.draws import Purpose, field_streams, stream
from stanalysis.stats.engine.margins import movable
from stanalysis.stats.engine.nulls import NULLS, Null
from stanalysis.stats.engine.synapse_lists import listed, order_of


def rearranged(
    table: xr.Dataset, null: Null, *, seed: int, draw: int, bins: DelayBins | None = None, step: int | None = None
) -> xr.Dataset:
    """The synapses of a projection in one draw of a null: of each target, in the order of the statistics.

    Parameters
    ----------
    table
        Of a checkpoint: ``source``, ``target``, ``delay`` in ms and ``weight``, dims (synapse).
    null
        Its name in `stanalysis.stats.NULLS`; one that has draws.
    seed, draw
        The same give the same synapses, whatever else is drawn: those that statistics with this seed see, but for the null
        ``cells``, of which some have another sampler, and for those that weigh synapses under ``interaction``.
    bins
        Where given, delays are in these bins: what the null moves, comes to lie on them. Otherwise delays are in ms.
    step
        Of training, as for `stanalysis.stats.engine.synapse_lists.listed`.

    Examples
    --------
    >>> from stanalysis.synthetic.network import small_network
    >>> table = small_network()["projections/input__hidden1"].to_dataset()
    >>> drawn = rearranged(table, "delays", seed=0, draw=3)
    >>> sorted(drawn.delay.values) == sorted(table.delay.values), bool((drawn.delay == table.delay).all())
    (True, False)
    """
    if null not in NULLS or not NULLS[null].draws:
        raise BadInput(f"The null is {null!r}; give one of {', '.join(name for name, rule in NULLS.items() if rule.draws)}.")
    rule, lists = NULLS[null], listed(table, bins=bins, step=step)
    synapses = movable(lists, rule, weighed=False)
    streams = field_streams(stream(seed, Purpose.FIELD), lists.labels)
    source, delay, weight = (np.empty_like(column) for column in (synapses.source, synapses.delay, synapses.weight))
    arranged_lists(CODES[rule.arrangement], synapses, lists.plane, draw, source, delay, weight, streams)
    result = table.isel(synapse=order_of(table, bins))
    at = bins.centres[delay.astype(np.int64)] if bins else delay
    moved = delay != synapses.delay  # a synapse that stays keeps its delay within the bin
    columns = {"source": source, "weight": weight, "delay": np.where(moved, at, result["delay"].to_numpy())}
    return result.assign({name: result[name].copy(data=values.astype(result[name].dtype)) for name, values in columns.items()})

"""How far a change goes: its dose, what it moves, and what grouping and which buffers there are afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from trainers.methods.contract import Tables
from trainers.operations.changes import ORDERED, Change, applies_to, has_delays, new_synapses
from trainers.operations.directed import grouping
from trainers.operations.dose import InputMetric, dose
from trainers.operations.trained import TrainedNetwork

Metrics = Mapping[tuple[str, str], InputMetric]


def extent(network: TrainedNetwork, metrics: Metrics, change: Change | None, tables: Tables) -> dict[str, Any]:
    """The columns of operations.csv that say how much a change, which left ``tables``, changed; None is no change.

    ``dose`` is the mean over the projections to which it was applied, those left out whose sources send nothing; NaN where all
    are. ``moved`` is the magnitude of new synapses over that of all. ``grouping`` is of the projection that was changed, or of
    the first one. Without ``metrics`` dose, grouping and buffer are NaN.
    """
    places = applies_to(network, change) if change else []
    doses = [dose(metrics[e], network.tables[e], tables.get(e, network.tables[e])) for e in places if e in metrics]
    known = [value for value in doses if np.isfinite(value)] if change else [0.0]
    new = {ends: new_synapses(network.tables[ends], table) for ends, table in tables.items()}
    magnitude = sum(_magnitude(table).sum() for table in network.tables.values())
    now = {**network.tables, **tables}
    ends = change.projection if change and change.projection else next(iter(now))
    moved = sum(_magnitude(table)[new[e]].sum() for e, table in tables.items())
    return {
        "dose": float(np.mean(known)) if known else float("nan"),
        "n_moved": sum(int(rows.sum()) for rows in new.values()),
        "moved": float(moved / magnitude) if magnitude else 0.0,
        "grouping": grouping(now[ends], metrics[ends]) if ends in metrics and ends[0] == ORDERED else float("nan"),
        "buffer": float(sum(_buffer(now[e], metric) for e, metric in metrics.items())) if metrics else float("nan"),
    }


def _magnitude(table: xr.Dataset) -> np.ndarray:
    return np.abs(table["weight"].to_numpy().astype(np.float64))


def _buffer(table: xr.Dataset, metric: InputMetric) -> int:
    """Steps times neurons: for each target its longest delay; or, where sources have one delay each and that is less, those."""
    if not has_delays(table):
        return 0
    bins = metric.bins(table["delay"].to_numpy())
    longest, shortest = {}, np.full(int(table.attrs["n_source"]), np.iinfo(np.int64).max)
    for end in ("source", "target"):
        longest[end] = np.zeros(int(table.attrs[f"n_{end}"]), np.int64)
        np.maximum.at(longest[end], table[end].to_numpy(), bins)
    np.minimum.at(shortest, table["source"].to_numpy(), bins)
    by_target, by_source = int(longest["target"].sum()), int(longest["source"].sum())
    is_axonal = bool((longest["source"] <= shortest).all())
    return min(by_target, by_source) if is_axonal else by_target

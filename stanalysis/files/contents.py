"""What a checkpoint holds, in numbers a person can judge: behind ``stanalysis inspect``."""

from __future__ import annotations

import numpy as np
import xarray as xr


def population_table(tree: xr.DataTree) -> list[dict[str, object]]:
    """One row per population; silent neurons had no spike on the validation data; None where the file does not say."""
    rows = []
    for name, node in tree["populations"].children.items():
        table = node.to_dataset()
        silent = int((table.rate == 0).sum()) if "rate" in table else None
        negative = int((table.gain < 0).sum()) if "gain" in table else None
        rows.append({"population": name, "neurons": table.sizes["neuron"], "silent": silent, "negative gain": negative})
    return rows


def projection_table(tree: xr.DataTree) -> list[dict[str, object]]:
    """One row per projection; shares run from 0 to 1.

    ``sparsity`` is the share of (target, source) pairs without a synapse; ``at 0 ms`` and ``at the longest`` are the shares
    of synapses whose delay piles up at a bound; ``Dale violations`` counts the sources with both excitatory and inhibitory
    synapses, which Dale's law rules out.
    """
    rows = []
    for name, node in tree["projections"].children.items():
        table = node.to_dataset()
        n_source, n_target = int(table.attrs["n_source"]), int(table.attrs["n_target"])
        pairs = np.unique(table.target.values.astype(np.int64) * n_source + table.source.values)
        excites = np.bincount(table.source.values[table.weight.values > 0], minlength=n_source) > 0
        inhibits = np.bincount(table.source.values[table.weight.values < 0], minlength=n_source) > 0
        delay, longest = table.delay.values, table.attrs["delay_max"]
        n = max(table.sizes["synapse"], 1)
        rows.append(
            {
                "projection": name,
                "sources": n_source,
                "targets": n_target,
                "synapses": table.sizes["synapse"],
                "sparsity": 1 - len(pairs) / (n_source * n_target),
                "excitatory": float((table.weight.values > 0).sum() / n),
                "at 0 ms": float((delay <= 0).sum() / n),
                "at the longest": float((delay >= longest).sum() / n) if longest > 0 else 0.0,
                "Dale violations": int((excites & inhibits).sum()),
                "weights not finite": int((~np.isfinite(table.weight.values)).sum()),
                "targets without synapse": n_target - len(np.unique(table.target.values)),
            }
        )
    return rows


def delay_histogram(tree: xr.DataTree, projection: str, *, n_bars: int) -> tuple[np.ndarray, np.ndarray]:
    """Number of synapses in ``n_bars`` equal ranges of delay, and their edges in ms."""
    table = tree[f"projections/{projection}"].to_dataset()
    longest = max(float(table.attrs["delay_max"]), 1e-9)
    return np.histogram(table.delay.values, bins=n_bars, range=(0, longest))

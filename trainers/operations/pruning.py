"""What a trained network still can do when synapses are taken from it, without training it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import pandas as pd

from stanalysis.errors import BadInput
from stanalysis.files.atomic import require_writable
from stanalysis.files.lock import held
from stanalysis.files.pruning import CRITERIA, TABLE, Criterion, check_pruning, pruned, write_pruning
from trainers.datasets.recordings import Recordings
from trainers.methods.contract import Tables
from trainers.operations.trained import Choice, TrainedNetwork, trained_network
from trainers.training.threads import available, single_threaded_blas


def prune(
    path: Path,
    data: Recordings,
    *,
    fractions: Sequence[float],
    draws: int,
    checkpoint: Choice,
    threads: int | None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Prune the network of a run by every criterion and fraction, and write the accuracies that are left to pruning.csv.

    Every projection is pruned by itself. Nothing else changes: normalisation as trained, delays as deployed.

    Parameters
    ----------
    path
        The run folder.
    data
        What it was trained on, wherever that lies now.
    fractions
        Shares of the synapses of every projection to prune, as for `stanalysis.files.pruning.kept`.
    draws
        Orders in which to prune at random. They are addressed by the run's seed.
    checkpoint
        The network of the epoch best on validation, or the last one; the last one, too, where no epoch has ended.
    threads
        Threads to run on, None for all there are; no number depends on them.
    progress
        Called with the lines that are done and all there will be.

    Returns
    -------
    pandas.DataFrame
        The lines of pruning.csv: ``criterion``, ``fraction``, ``draw``, ``n_synapses`` left in the network,
        ``test_accuracy``, ``validation_accuracy``, ``step`` of the checkpoint. With fraction 0 the accuracies are those of
        the checkpoint.
    """
    check_pruning(CRITERIA, fractions)
    if draws < 1:
        raise BadInput(f"{draws} draws are too few; give at least 1.")
    threads = available(threads)
    require_writable(path / TABLE)
    grid = [
        (criterion, fraction, draw)
        for criterion, fraction in product(CRITERIA, sorted(fractions))
        for draw in range(draws if criterion == "random" else 1)
    ]
    rows = []
    with held(path), single_threaded_blas(threads):
        network = trained_network(path, data, checkpoint)
        whole = _measured(network, None) if 0 in fractions else {}
        for n_done, (criterion, fraction, draw) in enumerate(grid, 1):
            left = whole if fraction == 0 else _measured(network, pruned_tables(network, criterion, fraction, draw=draw))
            rows.append({"criterion": criterion, "fraction": fraction, "draw": draw, **left, "step": network.step})
            if progress:
                progress(n_done, len(grid))
        table = pd.DataFrame(rows)
        write_pruning(path, table)
    return table


def pruned_tables(network: TrainedNetwork, criterion: Criterion, fraction: float, *, draw: int) -> Tables:
    """Every projection of a network with a fraction of its synapses pruned."""
    return {ends: pruned(table, criterion, fraction, seed=network.seed, draw=draw) for ends, table in network.tables.items()}


def _measured(network: TrainedNetwork, tables: Tables | None) -> dict[str, float]:
    """The synapses of a network, with these instead of its own if they are given, and its accuracies."""
    return {
        "n_synapses": sum(table.sizes["synapse"] for table in (network.tables if tables is None else tables).values()),
        **network.accuracies(tables),
    }

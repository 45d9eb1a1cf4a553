"""What a trained network still can do when synapses are taken from it, without training it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from stanalysis.errors import BadInput
from stanalysis.files.pruning import CRITERIA, Criterion, check_pruning, kept, pruning_order, write_pruning
from stanalysis.files.run import Run, open_run
from trainers.datasets import Recordings
from trainers.loop import OF_DATA, available, evaluate, restore, single_threaded_blas
from trainers.methods.dcls import dense as dcls
from trainers.methods.dcls.synapses import connected
from trainers.methods.rewired import sparse

Choice = Literal["best", "last"]
_METHODS: dict[str, tuple[Any, type[dcls.DclsConfig]]] = {
    dcls.NAME: (dcls, dcls.DclsConfig),
    sparse.NAME: (sparse, sparse.SparseConfig),
}


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
    run = open_run(path)
    method, state, step = _trained(run, data, checkpoint)
    grid = [
        (criterion, fraction, draw)
        for criterion, fraction in product(CRITERIA, sorted(fractions))
        for draw in range(draws if criterion == "random" else 1)
    ]
    rows = []
    with single_threaded_blas(threads):
        whole = _measured(method, state, data) if 0 in fractions else {}
        for n_done, (criterion, fraction, draw) in enumerate(grid, 1):
            left = whole if fraction == 0 else _measured(method, pruned_state(state, criterion, fraction, draw=draw), data)
            rows.append({"criterion": criterion, "fraction": fraction, "draw": draw, **left, "step": step})
            if progress:
                progress(n_done, len(grid))
    table = pd.DataFrame(rows)
    write_pruning(path, table)
    return table


def _trained(run: Run, data: Recordings, checkpoint: Choice) -> tuple[Any, dcls.DclsState, int]:
    """The method of a run, its network, and the step of that; `BadInput` unless it was trained on these data."""
    name = run.info.get("method", "")
    if "converted" in run.info:
        raise BadInput(
            f"{run.path} was trained by another program, whose neurons and data are in no file: it cannot be evaluated. "
            "`stanalysis analyze --statistics pruning` tells what pruning leaves of its structure."
        )
    if name not in _METHODS:
        raise BadInput(f"{run.path} holds a run of the method {name!r}; give one of {', '.join(_METHODS)}.")
    held = run.info.get("dataset", {})
    for what in OF_DATA:
        if held.get(what) != getattr(data, what):
            raise BadInput(
                f"{run.path} was trained on data with {what} {held.get(what)}, not {getattr(data, what)}; give those."
            )
    path = run.best if checkpoint == "best" and run.best.is_file() else run.last
    if not path.is_file():
        raise BadInput(f"{run.path} holds no {path.name} yet; train on with --resume.")
    method, kind = _METHODS[name]
    config = dcls.config_from(run.info.get("config"), kind)
    state = method.init(config, run.info.get("seed", 0), data.n_channels, data.n_classes)
    state, tree = restore(method, state, path, run.info, data)
    return method, state, int(tree.attrs["step"])


def _measured(method: Any, network: dcls.DclsState, data: Recordings) -> dict[str, float]:
    """The synapses of a network, and its accuracies."""
    found: dict[str, float] = {"n_synapses": sum(network.rows(layer).size for layer in range(len(network.synapses)))}
    for name, part in (("test", data.test), ("validation", data.validation)):
        found[f"{name}_accuracy"] = evaluate(method, network, part, network.config.batch_size)[1]
    return found


def pruned_state(state: dcls.DclsState, criterion: Criterion, fraction: float, *, draw: int) -> dcls.DclsState:
    """The network with a fraction of the synapses of every projection pruned; a pruned one conducts no more."""
    synapses = []
    for layer, own in enumerate(state.synapses):
        rows = state.rows(layer)
        weight = state.arrays[f"weight_{layer}"].reshape(-1)[rows]
        alive = np.zeros(own.source.size, bool)
        alive[rows[kept(weight, criterion, fraction, random=pruning_order(state.seed, draw))]] = True
        n_source, n_target = state.network.sizes[layer : layer + 2]
        synapses.append(connected(own.source, own.target, own.contact, n_source=n_source, n_target=n_target, alive=alive))
    return replace(state, synapses=synapses)

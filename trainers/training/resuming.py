"""Where a training begins: with a new network, or with the last checkpoint of its run folder."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import read_checkpoint
from stanalysis.files.rewiring_log import read_log, replay, truncate_log
from stanalysis.files.run import METRICS, Run, is_free, open_run, read_metrics
from trainers.datasets import DATA_IDENTITY
from trainers.methods.contract import LearningRule
from trainers.training.snapshot import Progress, Training, versions


def begin(training: Training) -> tuple[Any, Progress]:
    """A new network, or that of the last checkpoint in the run folder; `BadInput` if another run lies there."""
    rule, path = training.rule, training.path
    state = rule.init(training.config, training.seed, training.data.format)
    run = _resumable(path, training.settings)
    if run is None:
        return state, Progress()
    keeps_log = rule.events(state) is not None
    state, last = restore(rule, state, run.last, training.settings)
    step, metrics = int(last.attrs["step"]), read_metrics(path)
    if step == 0:
        return rule.init(training.config, training.seed, training.data.format), Progress()
    if len(metrics):  # a run killed between two files may have written a row too many
        metrics = metrics[metrics["step"] <= step]
    if len(metrics) != step // training.n_batches:
        raise BadInput(f"{path / METRICS} lacks epochs that are in {run.last.name}; restore it, or train anew.")
    if keeps_log:  # a run killed between two files may have logged too much
        truncate_log(run.log, step)
        _require_log(last, run.log)
    sums = last["trainer_state"]
    return state, Progress(step, float(sums["epoch_loss"]), int(sums["epoch_correct"]), metrics, logged=step)


def restore(rule: LearningRule, state: Any, path: Path, settings: Mapping[str, Any]) -> tuple[Any, xr.DataTree]:
    """The state of the checkpoint at ``path``, and that checkpoint; `BadInput` if it is not of a run of these settings."""
    tree = read_checkpoint(path)
    wanted = {"config": json.dumps(settings["config"]), "seed": settings["seed"], "sha256": settings["dataset"]["sha256"]}
    if "trainer_state" not in tree.children or any(tree.attrs.get(name) != value for name, value in wanted.items()):
        raise BadInput(f"{path} is not the {path.stem} checkpoint of this run; restore it, or train anew.")
    arrays = {str(name): a.values for name, a in tree["trainer_state"].data_vars.items()}
    return rule.restored(state, arrays), tree


def _require_log(network: xr.DataTree, path: Path) -> None:
    """Raise `BadInput` unless the log leads to the synapses of the network."""
    living = replay(read_log(path), int(network.attrs["step"]))
    for name, node in network["projections"].children.items():
        alive = living.get(str(name), xr.Dataset())
        table = node.to_dataset()
        order = np.lexsort([table[column].values for column in ("contact", "source", "target")])
        same = alive.sizes.get("synapse") == order.size
        if not same or any((alive[c].values != table[c].values[order]).any() for c in ("target", "source", "contact")):
            raise BadInput(f"{path} is not the log of this run; restore it, or train anew.")


def _resumable(path: Path, settings: Mapping[str, Any]) -> Run | None:
    """The run in ``path`` if training can go on from it, None if there is nothing yet; `BadInput` if it is another run."""
    if is_free(path):
        return None
    run = open_run(path)
    for name, held, wanted in _compared(run.info, settings):
        if held != wanted:
            raise BadInput(f"{path} holds a run with {name} {held}, not {wanted}; resume it with its own settings.")
    stored = run.info.get("versions", {})
    changed = [f"{k} {stored.get(k)} -> {v}" for k, v in versions().items() if stored.get(k) != v]
    if changed:
        warnings.warn(f"resuming with other versions ({', '.join(changed)}): the result may differ", stacklevel=2)
    if not run.last.is_file() and len(read_metrics(path)) > 1:  # 0.6 wrote last.nc after the metrics of the first epoch
        raise BadInput(f"{run.last} is missing, from which the run would go on; restore it, or train anew in another folder.")
    return run if run.last.is_file() else None


def _compared(stored: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """What a resumed run must share: name, stored and wanted value; not its threads, nor the place of its data."""
    for name in ("method", "seed", "n_checkpoints"):
        yield name, stored.get(name), settings[name]
    for group, names in (("config", tuple(settings["config"])), ("dataset", DATA_IDENTITY)):
        held = stored.get(group)
        for name in names:
            yield name, held.get(name) if isinstance(held, dict) else None, settings[group][name]

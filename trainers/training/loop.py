"""The one training loop: batches, evaluation, checkpoints. It knows no method, and looks into no batch.

All randomness is addressed by seed and step, so that a run resumed from its last checkpoint ends bit-identical to one
never interrupted.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stanalysis.errors import BadInput
from stanalysis.files.atomic import write_bytes
from stanalysis.files.checkpoint import checkpoint_bytes
from stanalysis.files.lock import held
from stanalysis.files.rewiring_log import append_events, start_log
from stanalysis.files.run import BEST, LAST, LOG, step_path, write_info, write_metrics
from trainers.datasets.recordings import Recordings
from trainers.methods.contract import Method
from trainers.training.interrupts import interrupts_wait
from trainers.training.resuming import begin
from trainers.training.schedule import require_checkpoints
from trainers.training.snapshot import Progress, Training, measured, snapshot, versions
from trainers.training.threads import available, single_threaded_blas
from trainers.training.watcher import Watcher

_LOG_EVERY = 100  # steps whose births and deaths are kept in memory
# seconds between epochs that are written: of tiny networks an epoch takes less than its checkpoint
WRITE_EVERY = 2.0


def train(
    method: Method,
    config: Any,
    data: Recordings,
    path: Path,
    *,
    seed: int,
    threads: int | None,
    n_checkpoints: int,
    lease: float | None = None,
    watcher: Watcher | None = None,
) -> bool:
    """Train a network, or go on training the one in ``path``, and leave a run folder there.

    Parameters
    ----------
    config
        A configuration of the method.
    data
        Frames or events, as the method wants them.
    path
        The run folder. If it already holds a run of the same settings, that run is resumed from its last checkpoint. No other
        process writes it at the same time.
    threads
        Threads to run on, None for all there are; no number depends on them.
    lease
        Seconds without a heartbeat after which other processes take the folder over.

    Returns
    -------
    bool
        Whether training ended; False after Ctrl-C, when ``last.nc`` holds the state reached. Whenever the process dies, the
        folder holds a run that can be resumed, or nothing.
    """
    if not 0 <= seed < 2**63:
        raise BadInput(f"The seed is {seed}; give a whole number from 0 to 2**63 - 1.")
    require_checkpoints(n_checkpoints)
    if data.content != method.wants:
        raise BadInput(f"{method.verb} learns from {method.wants}, but {data.name} holds {data.content}; give other data.")
    training = Training(method, config, data, path, seed, available(threads), n_checkpoints)
    with held(path, lease=lease), single_threaded_blas(training.threads), interrupts_wait() as interrupted:
        state, progress = begin(training)
        if progress.step == 0:
            _write_first(training, state, progress)
        watcher = watcher or Watcher()
        watcher.begin(progress.step, training.n_steps)
        try:
            for step in range(progress.step, training.n_steps):
                watcher.batch(step // training.n_batches, _learn(training, state, progress))
                stop = interrupted.is_set()
                _keep(training, state, progress, watcher, stop=stop)
                if stop and progress.step < training.n_steps:
                    return False
        except BadInput:
            _write_epochs(path, progress)  # they tell how it came to this
            raise
    return True


def _write_first(training: Training, state: Any, progress: Progress) -> None:
    """Write run.json, the checkpoint of step 0, also as the last, and, if the method keeps one, the log with its synapses."""
    first = snapshot(training, state, progress, *measured(training, state, progress))
    write_info(training.path, {**training.settings, "versions": versions()})
    events = training.rule.events(state)
    if events is not None:
        start_log(training.path / LOG, [str(name) for name in first["projections"].children])
        append_events(training.path / LOG, events, continues=0, complete_to_step=0)
    content = checkpoint_bytes(first)
    write_bytes(step_path(training.path, 0), content)
    write_bytes(training.path / LAST, content)  # last: from here on the run goes on from it


def _learn(training: Training, state: Any, progress: Progress) -> float:
    """Train on the next batch, and return the mean loss of the epoch so far."""
    data, size = training.data.training, training.config.batch_size
    epoch, number = divmod(progress.step, training.n_batches)
    batch, label = data.batch(training.order(epoch)[number * size : (number + 1) * size])
    loss, prediction = training.rule.step(state, batch, label, step=progress.step, epoch=epoch)
    progress.step += 1
    progress.loss += float(loss.sum(dtype=np.float64))
    progress.correct += int((prediction == label).sum())
    return progress.loss / min((number + 1) * size, len(data))


def _keep(training: Training, state: Any, progress: Progress, watcher: Watcher, *, stop: bool) -> None:
    """Write what is due after a batch: the log, a checkpoint, the epochs that ended since the last one that was written."""
    path, step = training.path, progress.step
    epoch_ended, scheduled = step % training.n_batches == 0, step in training.checkpoints
    waited = time.monotonic() - progress.written >= WRITE_EVERY
    write_now = stop or (epoch_ended and (waited or step == training.n_steps))
    if write_now or scheduled or step % _LOG_EVERY == 0:  # the log never lags behind a checkpoint
        _log(training, state, progress)
    if not (epoch_ended or scheduled or stop):
        return
    row, spikes = measured(training, state, progress)
    better = epoch_ended and row["validation_accuracy"] > progress.best_accuracy
    if write_now or scheduled or better:
        tree = snapshot(training, state, progress, row, spikes)
    if epoch_ended:
        _end_epoch(progress, {"epoch": step // training.n_batches, "step": step, **row, **training.rule.watched(state)})
    if not (write_now or scheduled):
        if better:
            progress.best = tree.copy(deep=True)  # the arrays of the state change
        return
    content = checkpoint_bytes(tree)
    if better:
        progress.best = content
    if scheduled:
        write_bytes(step_path(path, step), content)
    if write_now:
        _bring_up_to_date(path, progress, content, watcher)


def _log(training: Training, state: Any, progress: Progress) -> None:
    """Bring the log up to date, of a method that keeps one."""
    events = training.rule.events(state)
    if events is not None:
        append_events(training.path / LOG, events, continues=progress.logged, complete_to_step=progress.step)
        progress.logged = progress.step


def _end_epoch(progress: Progress, line: Mapping[str, float]) -> None:
    """Add a row of metrics, and start new sums."""
    progress.metrics = pd.concat([progress.metrics, pd.DataFrame([line])], ignore_index=True)
    progress.untold.append(line)
    progress.loss, progress.correct = 0.0, 0


def _bring_up_to_date(path: Path, progress: Progress, last: bytes, watcher: Watcher) -> None:
    """Write the epochs, and then the checkpoint to go on from."""
    _write_epochs(path, progress)
    write_bytes(path / LAST, last)
    for row in progress.untold:
        watcher.epoch(row)  # once it cannot be lost any more
    progress.untold, progress.best, progress.written = [], None, time.monotonic()


def _write_epochs(path: Path, progress: Progress) -> None:
    """Write metrics.csv, and the best network if there is a better one."""
    if progress.untold:
        write_metrics(path, progress.metrics)
    if progress.best is not None:
        write_bytes(path / BEST, progress.best if isinstance(progress.best, bytes) else checkpoint_bytes(progress.best))

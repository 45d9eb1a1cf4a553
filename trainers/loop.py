"""The one training loop: batches, evaluation, checkpoints, resuming. It knows no method.

All randomness is addressed by seed and step, so that a run resumed from its last checkpoint ends bit-identical to one
never interrupted. Each number is computed by one thread in a fixed order, whatever the number of threads.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import platform
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import numba
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import checkpoint_tree, read_checkpoint, write_checkpoint
from stanalysis.files.rewiring_log import append_events, read_log, replay, start_log, truncate_log
from stanalysis.files.run import Run, open_run, read_metrics, step_path, write_info, write_metrics
from trainers.datasets import Part, Recordings

_SHUFFLE = 2  # what a random stream is for; the methods use 0, 1, 3 and 4, pruning 5
_LOG_EVERY = 100  # steps whose births and deaths are kept in memory
OF_DATA = ("name", "sha256", "gain", "dt")  # what tells one data set from another, wherever it lies
_PACKAGES = ("numpy", "numba", "scipy", "xarray", "h5netcdf")


class Method(Protocol):
    """What the loop asks of a training method; its state is opaque but for ``arrays``, from which `restored` rebuilds it."""

    NAME: str

    def init(self, config: Any, seed: int, n_source: int, n_classes: int) -> Any: ...
    def step(self, state: Any, x: NDArray, label: NDArray, *, step: int, epoch: int) -> tuple[NDArray, NDArray]: ...
    def evaluate(self, state: Any, x: NDArray, label: NDArray) -> tuple[NDArray, NDArray, list[NDArray]]: ...
    def describe(
        self, state: Any, *, dt: float, epoch: int, frequency: NDArray | None, rate: list[NDArray]
    ) -> tuple[Mapping[str, xr.Dataset], Mapping[tuple[str, str], xr.Dataset]]: ...
    def restored(self, state: Any, arrays: dict[str, NDArray]) -> Any: ...
    def events(self, state: Any, dt: float) -> xr.Dataset | None: ...


class Watcher:
    """Hears how training goes; this one keeps quiet."""

    def begin(self, step: int, n_steps: int) -> None:
        """Training starts at ``step`` of ``n_steps``."""

    def batch(self, epoch: int, loss: float) -> None:
        """One more batch is done, with the mean ``loss`` of the epoch so far."""

    def epoch(self, row: Mapping[str, float]) -> None:
        """An epoch is done; ``row`` is its line of metrics.csv."""


def checkpoint_steps(n_steps: int, n_checkpoints: int) -> list[int]:
    """Steps at which to keep a checkpoint: 0, the end, and between them at equal ratios; fewer where two would coincide.

    Examples
    --------
    >>> checkpoint_steps(1000, 5)
    [0, 1, 10, 100, 1000]
    """
    if n_checkpoints < 2:
        raise BadInput(f"{n_checkpoints} checkpoints are too few; give at least 2, for step 0 and the end.")
    return [0, *(int(s) for s in np.unique(np.rint(np.geomspace(n_steps, 1, n_checkpoints - 1))))]


def versions() -> dict[str, str]:
    """Versions on which a training result depends."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # a package vendored or installed without metadata
            found[name] = "unknown"
    return found


@contextmanager
def single_threaded_blas(threads: int) -> Iterator[None]:
    """Let the kernels run on ``threads`` threads, each calling BLAS on its own."""
    importlib.import_module("scipy.linalg.cython_blas")  # the kernels' BLAS: it must be there to be limited
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        numba.set_num_threads(before)


def available(threads: int | None) -> int:
    """The number of threads asked for, or all that this process may use."""
    most = int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
    if threads is not None and not 1 <= threads <= most:
        raise BadInput(f"{threads} threads are asked for, this machine offers 1 to {most}; give --threads accordingly.")
    return threads or most


@contextmanager
def interrupts_wait() -> Iterator[threading.Event]:
    """Hold back Ctrl-C until the batch is done: the event says that it came. A second one interrupts at once."""
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = signal.getsignal(signal.SIGINT)

    def on_interrupt(_number: int, _frame: object) -> None:
        if came.is_set():
            raise KeyboardInterrupt
        came.set()

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, before)


def evaluate(method: Method, state: Any, part: Part, batch_size: int) -> tuple[float, float, list[NDArray]]:
    """Mean loss, accuracy, and mean spikes per step of every hidden neuron."""
    spikes: list[NDArray] = []
    loss, correct = 0.0, 0
    for start in range(0, len(part), batch_size):
        x, label = part.batch(np.arange(start, min(start + batch_size, len(part))))
        losses, prediction, n_spikes = method.evaluate(state, x, label)
        loss += float(losses.sum(dtype=np.float64))
        correct += int((prediction == label).sum())
        spikes = [a + b for a, b in zip(spikes, n_spikes, strict=True)] if spikes else n_spikes
    return loss / len(part), correct / len(part), [n / len(part) for n in spikes]


@dataclass
class _Progress:
    """Steps done, sums over the samples of the epoch so far, and the rows of metrics.csv."""

    step: int = 0
    loss: float = 0.0
    correct: int = 0
    metrics: pd.DataFrame = field(default_factory=pd.DataFrame)


def train(
    method: Method,
    config: Any,
    data: Recordings,
    path: Path,
    *,
    seed: int,
    threads: int | None,
    n_checkpoints: int,
    watcher: Watcher | None = None,
) -> bool:
    """Train a network, or go on training the one in ``path``, and leave a run folder there.

    Parameters
    ----------
    config
        A frozen dataclass with at least ``batch_size`` and ``epochs``.
    path
        The run folder. If it already holds a run of the same settings, that run is resumed from its last checkpoint.
    threads
        Threads to run on, None for all there are; no number depends on them.

    Returns
    -------
    bool
        Whether training ended; False after Ctrl-C, when ``last.nc`` holds the state reached.
    """
    if not 0 <= seed < 2**63:
        raise BadInput(f"The seed is {seed}; give a whole number from 0 to 2**63 - 1.")
    threads = available(threads)
    settings = {
        "method": method.NAME,
        "config": json.loads(json.dumps(dataclasses.asdict(config))),
        "seed": seed,
        "n_checkpoints": n_checkpoints,
        "dataset": {"name": data.name, "source": data.source, "sha256": data.sha256, "gain": data.gain, "dt": data.dt},
        "threads": threads,
    }
    n_samples, size = len(data.training), config.batch_size
    n_batches = -(-n_samples // size)
    n_steps = config.epochs * n_batches
    kept = set(checkpoint_steps(n_steps, n_checkpoints))
    watcher = watcher or Watcher()
    with single_threaded_blas(threads), interrupts_wait() as interrupted:
        snapshot = partial(_snapshot, method, data, settings, n_batches)
        state, progress = _begin(method, config, data, path, settings, n_batches)
        if progress.step == 0:
            first = snapshot(state, progress)[0]
            write_info(path, {**settings, "versions": versions()})
            _begin_log(method, state, data.dt, path, list(first["projections"].children))
            write_checkpoint(first, step_path(path, 0))
        watcher.begin(progress.step, n_steps)
        for step in range(progress.step, n_steps):
            epoch, batch = divmod(step, n_batches)
            order = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_SHUFFLE, epoch)))
            samples = order.permutation(n_samples)[batch * size : (batch + 1) * size]
            x, label = data.training.batch(samples)
            losses, prediction = method.step(state, x, label, step=step, epoch=epoch)
            progress.step += 1
            progress.loss += float(losses.sum(dtype=np.float64))
            progress.correct += int((prediction == label).sum())
            watcher.batch(epoch, progress.loss / min((batch + 1) * size, n_samples))
            epoch_ends, stop = batch == n_batches - 1, interrupted.is_set()
            due = progress.step in kept or epoch_ends or stop
            if due or progress.step % _LOG_EVERY == 0:  # the log never lags behind a checkpoint
                _extend_log(method, state, data.dt, path, progress.step)
            if not due:
                continue
            tree, row = snapshot(state, progress)
            if progress.step in kept:
                write_checkpoint(tree, step_path(path, progress.step))
            if epoch_ends:
                _end_epoch(path, tree, progress, {"epoch": epoch + 1, "step": progress.step, **row})
                watcher.epoch(row)
            if epoch_ends or stop:
                write_checkpoint(tree, path / "last.nc")
            if stop and progress.step < n_steps:
                return False
    return True


def _begin_log(method: Method, state: Any, dt: float, path: Path, projections: list[str]) -> None:
    """Start rewiring.nc with the synapses of step 0, if the method keeps a log."""
    events = method.events(state, dt)
    if events is not None:
        start_log(path / "rewiring.nc", projections)
        append_events(path / "rewiring.nc", events, complete_to_step=0)


def _extend_log(method: Method, state: Any, dt: float, path: Path, step: int) -> None:
    """Append to rewiring.nc what happened since the last time, up to ``step``."""
    events = method.events(state, dt)
    if events is not None:
        append_events(path / "rewiring.nc", events, complete_to_step=step)


def _begin(
    method: Method, config: Any, data: Recordings, path: Path, settings: Mapping[str, Any], n_batches: int
) -> tuple[Any, _Progress]:
    """A new network, or that of the last checkpoint in ``path``."""
    state = method.init(config, settings["seed"], data.n_channels, data.n_classes)
    run = _resumable(path, settings)
    if run is None:
        return state, _Progress()
    keeps_log = method.events(state, data.dt) is not None
    state, last = restore(method, state, run.last, settings, data)
    step, metrics = int(last.attrs["step"]), read_metrics(path)
    if len(metrics):  # a run killed between two files may have written a row too many
        metrics = metrics[metrics["step"] <= step]
    if len(metrics) != step // n_batches:
        raise BadInput(f"{path / 'metrics.csv'} lacks epochs that are in last.nc; restore it, or train anew.")
    if keeps_log:  # a run killed between two files may have logged too much
        truncate_log(run.log, step)
        _require_log_of(last, run.log)
    sums = last["trainer_state"]
    return state, _Progress(step, float(sums["epoch_loss"]), int(sums["epoch_correct"]), metrics)


def restore(method: Method, state: Any, path: Path, settings: Mapping[str, Any], data: Recordings) -> tuple[Any, xr.DataTree]:
    """The state of the checkpoint at ``path``, and that checkpoint; `BadInput` if it is not of a run of these settings."""
    tree = read_checkpoint(path)
    own = {"config": json.dumps(settings["config"]), "seed": settings["seed"], "sha256": data.sha256}
    if "trainer_state" not in tree.children or any(tree.attrs.get(name) != value for name, value in own.items()):
        raise BadInput(f"{path} is not the {path.stem} checkpoint of this run; restore it, or train anew.")
    arrays = {str(name): a.values for name, a in tree["trainer_state"].data_vars.items()}
    return method.restored(state, arrays), tree


def _require_log_of(network: xr.DataTree, path: Path) -> None:
    """Raise `BadInput` unless the log leads to the synapses of the network."""
    living = replay(read_log(path), int(network.attrs["step"]))
    for name, node in network["projections"].children.items():
        alive = living.get(str(name), xr.Dataset())
        table = node.to_dataset()
        order = np.lexsort([table[column].values for column in ("contact", "source", "target")])
        same = alive.sizes.get("synapse") == order.size
        if not same or any((alive[c].values != table[c].values[order]).any() for c in ("target", "source", "contact")):
            raise BadInput(f"{path} is not the log of this run; restore it, or train anew.")


def _snapshot(
    method: Method, data: Recordings, settings: Mapping[str, Any], n_batches: int, state: Any, progress: _Progress
) -> tuple[xr.DataTree, dict[str, float]]:
    """The checkpoint of the state reached, and its losses and accuracies."""
    size, done = settings["config"]["batch_size"], progress.step
    epoch_ended = done % n_batches == 0
    if not np.isfinite(progress.loss) or not all(np.isfinite(a).all() for a in state.arrays.values()):
        raise BadInput(f"Training diverged within {done} steps: the network is no longer finite; lower the rates or the gain.")
    row: dict[str, float] = {}
    if done:
        seen = len(data.training) if epoch_ended else done % n_batches * size
        row |= {"train_loss": progress.loss / seen, "train_accuracy": progress.correct / seen}
    for name, part in (("test", data.test), ("validation", data.validation)):
        row[f"{name}_loss"], row[f"{name}_accuracy"], spikes = evaluate(method, state, part, size)
    populations, projections = method.describe(
        state,
        dt=data.dt,
        epoch=max(done - 1, 0) // n_batches,
        frequency=data.frequency,
        rate=[n / (data.dt / 1000) for n in spikes],
    )
    sums = {
        "epoch_loss": 0.0 if epoch_ended else progress.loss,
        "epoch_correct": 0 if epoch_ended else progress.correct,
    }
    tree = checkpoint_tree(
        populations=populations,
        projections=projections,
        metrics=row,
        trainer_state={**state.arrays, **{name: np.asarray(value) for name, value in sums.items()}},
        framework="stanalysis",
        method=method.NAME,
        dataset=data.name,
        dt=data.dt,
        step=done,
        epoch=done / n_batches,
        seed=settings["seed"],
        config=json.dumps(settings["config"]),
        sha256=data.sha256,
        versions=json.dumps(versions()),
    )
    return tree, row


def _end_epoch(path: Path, tree: xr.DataTree, progress: _Progress, line: Mapping[str, float]) -> None:
    """Add a row to metrics.csv, keep the network if no earlier one did better on validation, start new sums."""
    earlier = progress.metrics["validation_accuracy"].max() if len(progress.metrics) else -1.0
    progress.metrics = pd.concat([progress.metrics, pd.DataFrame([line])], ignore_index=True)
    write_metrics(path, progress.metrics)
    if line["validation_accuracy"] > earlier:
        write_checkpoint(tree, path / "best.nc")
    progress.loss, progress.correct = 0.0, 0


def _resumable(path: Path, settings: Mapping[str, Any]) -> Run | None:
    """The run in ``path`` if training can go on from it, None if there is nothing yet; `BadInput` if it is another run."""
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return None
    run = open_run(path)
    for name, held, wanted in _compared(run.info, settings):
        if held != wanted:
            raise BadInput(f"{path} holds a run with {name} {held}, not {wanted}; resume it with its own settings.")
    stored = run.info.get("versions", {})
    changed = [f"{k} {stored.get(k)} -> {v}" for k, v in versions().items() if stored.get(k) != v]
    if changed:
        warnings.warn(f"resuming with other versions ({', '.join(changed)}): the result may differ", stacklevel=2)
    if not run.last.is_file() and len(read_metrics(path)):
        raise BadInput(f"{run.last} is missing, from which the run would go on; restore it, or train anew in another folder.")
    return run if run.last.is_file() else None


def _compared(stored: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """What a resumed run must share: name, stored and wanted value; not its threads, nor the place of its data."""
    for name in ("method", "seed", "n_checkpoints"):
        yield name, stored.get(name), settings[name]
    for group, names in (("config", tuple(settings["config"])), ("dataset", OF_DATA)):
        held = stored.get(group)
        for name in names:
            yield name, held.get(name) if isinstance(held, dict) else None, settings[group][name]

"""What the process of `trainers.sweep.one_run` does.

The first line of standard input says what to train, as `trainers.sweep.spec.RunSpec` has it. Standard output has a line of
JSON, ``[kind, content]``: that it has begun, each warning, and how it ended. The line "stop" has it keep its state and
end; the end of standard input, that the parent is gone, has it end at once: a run must not be trained twice at a time.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

from stanalysis.errors import BadInput, sentence_of
from stanalysis.files.lock import HeldElsewhere
from trainers.datasets import load_dataset
from trainers.methods.registry import METHODS, method_named
from trainers.methods.settings import config_from
from trainers.sweep.rows import row_of_run
from trainers.sweep.spec import BEGUN, STOP, WARNING, End, RunSpec
from trainers.training.loop import train
from trainers.training.watcher import Watcher


class _Stopping(Watcher):
    """Interrupts training after a batch once it is told to stop."""

    def __init__(self) -> None:
        self.told = threading.Event()
        self.is_late = False  # whether another trained the run while this process began
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in sys.stdin:
            if line.strip() == STOP:
                self.told.set()
        os._exit(1)

    def begin(self, step: int, n_steps: int) -> None:
        """Learn how far the run is."""
        self.is_late = step == n_steps

    def batch(self, epoch: int, loss: float) -> None:  # noqa: ARG002
        """Interrupt it as Ctrl-C would."""
        if self.told.is_set():
            signal.raise_signal(signal.SIGINT)


def _tell(kind: str, content: Any) -> None:
    print(json.dumps([kind, content]), file=sys.__stdout__, flush=True)


def _train(run: RunSpec, watcher: _Stopping) -> tuple[End, Any]:
    """Train it: how it ended, with its row of sweep.csv or a sentence."""
    path = Path(run.path)
    try:
        if run.method not in METHODS:
            import_module(run.module)
        method = method_named(run.method, "The sweep")
        config = config_from(run.config, method.config)
        data = load_dataset(run.data, gain=run.gain, content=method.wants, dt=run.bin)
        if data.sha256 != run.sha256:
            raise BadInput(f"{run.data} is not what the sweep began with; restore it, or begin another sweep.")
    except (BadInput, OSError, ImportError, MemoryError) as error:  # which may be so on this machine alone
        return "lost", sentence_of(error)
    try:
        finished = train(
            method,
            config,
            data,
            path,
            seed=run.seed,
            threads=1,
            n_checkpoints=run.checkpoints,
            lease=run.lease,
            watcher=watcher,
        )
        if watcher.is_late:
            return "held", "Another process has finished it."
        row = row_of_run(path)
        return ("finished", row) if finished and row else ("kept", None)
    except HeldElsewhere as error:
        return "held", str(error)
    except MemoryError:
        return "lost", "It needs more memory than the machine has; give fewer workers, or a smaller network."
    except BadInput as error:
        return "refused", sentence_of(error)
    except OSError as error:
        return "lost", sentence_of(error)


def main() -> None:
    """Train the run, and tell of warnings and of how it ended."""
    sys.stdout = sys.stderr  # whatever else prints
    run, watcher = RunSpec(**json.loads(sys.stdin.readline())), _Stopping()
    for name in ("SIGTERM", "SIGUSR1"):  # some batch systems tell every process that the time is up
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: watcher.told.set())
    _tell(BEGUN, None)
    warnings.showwarning = lambda message, *_: _tell(WARNING, str(message))
    _tell(*_train(run, watcher))

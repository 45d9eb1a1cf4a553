"""One run of a sweep, in a process of its own: ``python -m trainers.sweep.one_run``.

The first line of standard input says what to train, as `trainers.sweep.processes` writes it. Standard output has a line of
JSON, ``[kind, text]``, for each warning and for the error that ended the run. The line "stop" has it keep its state and end;
the end of standard input, that the parent is gone, has it end at once: a run must not be trained twice at a time.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import warnings
from pathlib import Path

from stanalysis.errors import BadInput, sentence_of
from trainers.datasets import load_dataset
from trainers.methods.registry import METHODS
from trainers.methods.settings import config_from
from trainers.training.loop import train
from trainers.training.watcher import Watcher

WARNING, ERROR, STOP = "warning", "error", "stop"


class _Stopping(Watcher):
    """Interrupts training after a batch once it is told to stop."""

    def __init__(self) -> None:
        self.told = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in sys.stdin:
            if line.strip() == STOP:
                self.told.set()
        os._exit(1)

    def batch(self, epoch: int, loss: float) -> None:  # noqa: ARG002
        """Interrupt it as Ctrl-C would."""
        if self.told.is_set():
            signal.raise_signal(signal.SIGINT)


def _tell(kind: str, text: str) -> None:
    print(json.dumps([kind, text]), file=sys.__stdout__, flush=True)


def main() -> None:
    """Train the run, and tell of warnings and of what went wrong."""
    sys.stdout = sys.stderr  # whatever else prints
    run = json.loads(sys.stdin.readline())
    watcher, method = _Stopping(), METHODS[run["method"]]
    warnings.showwarning = lambda message, *_: _tell(WARNING, str(message))
    try:
        train(
            method,
            config_from(run["config"], method.config),
            load_dataset(run["data"], gain=run["gain"], content=method.wants, dt=run["bin"]),
            Path(run["path"]),
            seed=run["seed"],
            threads=1,
            n_checkpoints=run["checkpoints"],
            watcher=watcher,
        )
    except MemoryError:
        _tell(ERROR, "It needs more memory than the machine has; give fewer workers, or a smaller network.")
    except (BadInput, OSError) as error:
        _tell(ERROR, sentence_of(error))


if __name__ == "__main__":
    main()

"""Trains one run in a process of its own, single-threaded, and waits for it; one that dies takes no other with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from time import monotonic
from typing import IO, Any, Literal, cast

from stanalysis.execution import THREAD_VARIABLES
from trainers.sweep.spec import BEGUN, STOP, WARNING, End, EndedRun, RunSpec

Order = Literal["go on", "stop", "kill"]
_EVERY = 0.2  # seconds
_BEGINS_WITHIN = 300.0  # seconds: so long it may load programs


def supervised(run: RunSpec, order: Callable[[], Order]) -> EndedRun:
    """Train a run, asking every now and then what to do: "stop" has it keep its state and end, "kill" end at once."""
    began, has_begun, told, warnings = monotonic(), False, False, list[str]()
    heard: SimpleQueue[str | None] = SimpleQueue()
    outcome: tuple[End, Any] | None = None
    with suppress(BrokenPipeError), _begun(run) as process:
        hearing = threading.Thread(target=_hear, args=(process.stdout, heard), daemon=True)
        hearing.start()
        while True:
            is_heard = hearing.is_alive()
            with suppress(Empty):
                line = heard.get(timeout=_EVERY)
                if line is None:  # it has ended
                    break
                kind, content = _told(line)
                if kind == BEGUN:
                    has_begun = True
                elif kind == WARNING:
                    warnings.append(content)
                else:
                    outcome = (cast(End, kind), content)
                continue
            if not is_heard or not (has_begun or monotonic() - began < _BEGINS_WITHIN):  # a thread found no memory, or it
                process.kill()
                break
            wish = order()
            if wish == "kill":
                process.kill()
            elif wish == "stop" and not told:
                told = True
                _say(process, STOP + "\n")
    seconds = monotonic() - began
    if outcome is None:
        sentence = f"Its process {'ended early' if has_begun else 'did not begin'}, with code {process.returncode}."
        return EndedRun(run.name, "lost", seconds, sentence, warnings=warnings)
    end, content = outcome
    if end == "finished":
        return EndedRun(run.name, end, seconds, row=content, warnings=warnings)
    return EndedRun(run.name, end, seconds, content or "", warnings=warnings)


def _begun(run: RunSpec) -> subprocess.Popen[str]:
    """A process that trains one run: in a session of its own, so that Ctrl-C reaches this process alone."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "trainers.sweep.one_run"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path)}
        | dict.fromkeys(THREAD_VARIABLES, "1"),
    )
    _say(process, run.line())
    return process


def _say(process: subprocess.Popen[str], text: str) -> None:
    with suppress(BrokenPipeError, ValueError):  # it has ended, and its exit code says how
        process.stdin.write(text)  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]


def _told(line: str) -> tuple[str, Any]:
    try:
        kind, content = json.loads(line)
    except ValueError:  # it died in the middle of a line
        return WARNING, line.strip()
    return kind, content


def _hear(stream: IO[str] | None, heard: SimpleQueue[str | None]) -> None:
    """Pass on what a process prints, and that it has ended."""
    for line in stream or ():
        heard.put(line)
    heard.put(None)

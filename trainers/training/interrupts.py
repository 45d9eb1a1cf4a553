"""Ctrl-C waits until what is under way can be kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class Interrupt(threading.Event):
    """Says that a signal came, and which."""

    number: int | None = None


@contextmanager
def interrupts_wait(numbers: Sequence[int] = (signal.SIGINT,)) -> Iterator[Interrupt]:
    """Hold back Ctrl-C, or such signals, until the batch is done: the event says that it came. A second interrupts at once."""
    came = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = {number: signal.getsignal(number) for number in numbers}

    def on_interrupt(number: int, _frame: object) -> None:
        if came.is_set():
            raise KeyboardInterrupt
        came.number = number
        came.set()

    try:
        for number in numbers:
            signal.signal(number, on_interrupt)
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

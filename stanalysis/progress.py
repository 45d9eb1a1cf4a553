"""How far work is, for whoever waits: a bar on a terminal, plain lines elsewhere. Only command lines show it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

from rich import progress as bars
from rich.console import Console
from rich.text import Text

from stanalysis.errors import printable

EVERY: Final = 30.0  # seconds from one plain line to the next


def is_looked_at(console: Console) -> bool:
    """Whether what is printed can be drawn anew in its place: not in a file, a pipe or a notebook."""
    return console.is_terminal and not console.is_dumb_terminal and not console.is_jupyter


def duration(seconds: float) -> str:
    """Hours, minutes and seconds.

    Examples
    --------
    >>> duration(750.4)
    '0:12:30'
    """
    return str(timedelta(seconds=round(seconds)))


def tell(console: Console, sentence: str | Text) -> None:
    """Print a sentence as it is; where nobody listens any more, as at the end of a pipe that is closed, stay quiet."""
    try:
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    except (BrokenPipeError, SystemExit):  # the latter is what rich makes of the former
        console.quiet = True


class Progress:
    """Shows what is under way and how far it is, until the end of the block.

    A terminal has a bar. Elsewhere there are plain lines, written at once: the first, the last, and between them at most one
    every half minute. Nothing that is shown is markup.

    Parameters
    ----------
    console
        Where to show it.
    monotonic
        A clock, in seconds.

    Examples
    --------
    >>> import sys
    >>> clock = iter((0.0, 10.0, 20.0, 30.0)).__next__
    >>> with Progress(Console(file=sys.stdout, force_terminal=False), monotonic=clock) as progress:
    ...     for epoch in (1, 2, 3):
    ...         progress.reached(epoch, 3, f"epoch {epoch}/3")
    epoch 1/3  about 0:00:20 left
    epoch 3/3
    """

    def __init__(self, console: Console, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.console, self.monotonic = console, monotonic
        self.live = is_looked_at(console)
        columns = bars.TextColumn("{task.description}", markup=False), bars.BarColumn(), bars.TimeRemainingColumn()
        self.bar = bars.Progress(*columns, console=console, transient=True)
        self.task = self.bar.add_task("", total=None)
        self.first, self.began = 0.0, monotonic()  # what was done when the clock was started
        self.spoke, self.counted = self.began - EVERY, False

    def __enter__(self) -> Self:
        if self.live:
            self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self.live:
            self.bar.stop()

    def tell(self, sentence: str) -> None:
        """Print a sentence, wherever that is."""
        tell(self.console, printable(sentence))

    def doing(self, sentence: str) -> None:
        """Show what is under way, and takes as long as it takes."""
        self.bar.update(self.task, description=printable(sentence))
        self._tell_in_time(sentence, self.monotonic())

    def start(self, done: float) -> None:
        """Start the clock of what is left, so much being done before."""
        self.first, self.began = done, self.monotonic()

    def moved(self, done: float, total: float, sentence: str) -> None:
        """Move the bar; no line is worth it."""
        self.bar.update(self.task, description=printable(sentence), completed=done, total=total)

    def reached(self, done: float, total: float, sentence: str) -> None:
        """Show how much is done, of how much, in a unit of the caller's, and how long the rest will take."""
        self.moved(done, total, sentence)
        now = self.monotonic()
        if done > self.first and done < total:
            left = (now - self.began) / (done - self.first) * (total - done)
            sentence = f"{sentence}  about {duration(left)} left"
        self._tell_in_time(sentence, now, always=not self.counted or done >= total)
        self.counted = True

    def is_due(self) -> bool:
        """Whether it is time for a plain line."""
        return not self.live and self.monotonic() - self.spoke >= EVERY

    def _tell_in_time(self, sentence: str, now: float, *, always: bool = False) -> None:
        if not self.live and (always or now - self.spoke >= EVERY):
            self.spoke = now
            self.tell(sentence)

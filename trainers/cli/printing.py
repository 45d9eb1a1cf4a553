"""Sentences on a terminal. What they quote, names of files among it, instructs neither the terminal nor rich."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from stanalysis.errors import printable
from stanalysis.progress import tell


def say(console: Console, sentence: str, *, before: str = "", style: str = "") -> None:
    """Print a sentence as it is, after a word ``before`` it in a style of its own."""
    word = (f"{before} ", style) if before else ""
    tell(console, Text.assemble(word, printable(sentence)))


def warn(console: Console, sentence: str) -> None:
    """Print a warning."""
    say(console, sentence, before="Warning:", style="yellow")


@contextmanager
def warnings_said(console: Console) -> Iterator[None]:
    """Print each warning of Python's in a line, until the end of the block."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: warn(console, str(message))
        yield

"""What the user gave cannot be used; and text from files that a terminal must not obey."""

from __future__ import annotations

import errno
from unicodedata import category

CONTROLS = ("Cc", "Cs", "Zl", "Zp")
TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # of the direction of writing


class BadInput(ValueError):
    """Bad input; the message is one sentence that says what is wrong and what to do. The command line exits with 2."""

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def sentence_of(error: Exception) -> str:
    """What a person should know of an error that is no mistake of the program.

    Examples
    --------
    >>> sentence_of(OSError(errno.ENOSPC, "No space left on device", "run/last.nc"))
    'run/last.nc cannot be written (No space left on device); make room, and give the command again.'
    """
    if isinstance(error, MemoryError):
        return "This needs more memory than the machine has; ask for less."
    if isinstance(error, OSError) and error.filename is not None:
        if error.errno in FULL:
            return printable(f"{error.filename} cannot be written ({error.strerror}); make room, and give the command again.")
        return printable(f"{error.filename2 or error.filename} cannot be used ({error.strerror}); name another place.")
    return printable(str(error))


def printable(text: str) -> str:
    """The text with what would instruct a terminal replaced: control characters, halves of characters, turns of direction.

    Examples
    --------
    >>> printable("weight\x1b[2J of l1")
    'weight�[2J of l1'
    """
    return "".join("�" if c != "\n" and (category(c) in CONTROLS or c in TURNS) else c for c in text)

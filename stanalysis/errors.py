"""What the user gave cannot be used; and text from files that a terminal must not obey."""

from __future__ import annotations

from unicodedata import category

CONTROLS = ("Cc", "Cs", "Zl", "Zp")
TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # of the direction of writing


class BadInput(ValueError):
    """Bad input; the message is one sentence that says what is wrong and what to do. The command line exits with 2."""

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))


def printable(text: str) -> str:
    """The text with what would instruct a terminal replaced: control characters, halves of characters, turns of direction.

    Examples
    --------
    >>> printable("weight\x1b[2J of l1")
    'weight�[2J of l1'
    """
    return "".join("�" if c != "\n" and (category(c) in CONTROLS or c in TURNS) else c for c in text)

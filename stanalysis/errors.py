"""What the user gave cannot be used; and text from files that a terminal must not obey."""

from __future__ import annotations


class BadInput(ValueError):
    """Bad input; the message is one sentence that says what is wrong and what to do. The command line exits with 2."""

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))


def printable(text: str) -> str:
    """The text with what is no letter, sign or blank replaced: escape sequences, and halves of characters.

    Examples
    --------
    >>> printable("weight\x1b[2J of l1")
    'weight�[2J of l1'
    """
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)

"""What the user gave cannot be used."""

from __future__ import annotations


class BadInput(ValueError):
    """Bad input; the message is one sentence that says what is wrong and what to do. The command line exits with 2."""

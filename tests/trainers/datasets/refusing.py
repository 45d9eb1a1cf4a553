"""What all data sets must do with bad input."""

from __future__ import annotations

import re

import pytest

from stanalysis.errors import BadInput


def refused(load, *arguments, file, expected: str) -> None:
    """The input is refused in one sentence that names the file and what was expected."""
    with pytest.raises(BadInput, match=re.escape(str(file))) as caught:
        load(*arguments)
    message = str(caught.value)
    assert re.search(expected, message), message
    assert message.endswith((".", "?"))
    assert "\n" not in message
    assert ". " not in message[:-1]

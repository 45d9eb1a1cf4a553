from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest

from stanalysis.errors import BadInput
from trainers.methods.settings import attribute_texts, config_from, head, require_at_least, require_valid, settings


@dataclass(frozen=True)
class Plain:
    """A plain network,
    in two lines.

    It says more, of ``this``
    and of that.

    Attributes
    ----------
    hidden
        Neurons of each population.

        More of them.
    kind, other
        Either ``a``
        or ``b``.

    Examples
    --------
    hidden
        Not this.
    """

    hidden: tuple[int, ...] = (3,)
    kind: Literal["a", "b"] = "a"
    other: float | None = None
    rate: float = 0.5
    fast: bool = False


@dataclass(frozen=True)
class Derived(Plain):
    """A derived one.

    Attributes
    ----------
    rate
        How fast.
    kind
        Another text.
    """


def test_settings__say_what_the_fields_are():
    described = settings(Derived)
    assert list(described) == ["hidden", "kind", "other", "rate", "fast"]
    assert [s.kind for s in described.values()] == [int, str, float, float, bool]
    assert described["hidden"].many
    assert described["kind"].choices == ("a", "b")
    texts = {name: s.text for name, s in described.items()}
    assert texts == {
        "hidden": "Neurons of each population. More of them.",
        "kind": "Another text.",
        "other": "Either a or b.",
        "rate": "How fast.",
        "fast": "",
    }
    assert attribute_texts(Plain)["kind"] == "Either a or b."


def test_head__gives_the_first_line_and_what_stands_before_the_sections():
    assert head(Plain) == ("A plain network, in two lines.", "It says more, of this and of that.")
    assert head(Derived) == ("A derived one.", "")


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("hidden", [1, 2], (1, 2)),
        ("hidden", [], ()),
        ("hidden", 3, None),
        ("hidden", [True], None),
        ("hidden", [0.5], None),
        ("kind", "b", "b"),
        ("kind", 3, None),
        ("rate", 1, 1.0),
        ("rate", True, None),
        ("rate", "1", None),
        ("rate", [0.5], None),
        ("fast", True, True),
        ("fast", 1, None),
    ],
)
def test_read__takes_only_values_of_its_kind(name, value, read):
    setting = settings(Plain)[name]
    assert setting.fits(value) == (read is not None)
    if read is None:
        with pytest.raises(BadInput, match=f"grid.toml: {name} is .*; give "):
            setting.read(value, "grid.toml")
    else:
        assert setting.read(value, "grid.toml") == read
        assert type(setting.read(value, "grid.toml")) is type(read)


@pytest.mark.parametrize(
    ("change", "message"), [({"kind": "c"}, "kind is 'c'; give one of a, b"), ({"rate": float("nan")}, "finite")]
)
def test_require_valid__refuses_what_no_network_can_have(change, message):
    with pytest.raises(BadInput, match=message):
        require_valid(Plain(**change))
    require_valid(Plain())


def test_require_at_least__refuses_nan_too():
    require_at_least(Plain(), rate=0.5)
    for rate in (0.4, float("nan")):
        with pytest.raises(BadInput, match=r"give 0\.5 or more"):
            require_at_least(Plain(rate=rate), rate=0.5)


def test_config_from__keeps_whole_numbers_whole():
    stored = {"hidden": [4], "kind": "b", "other": 2.0, "rate": 1, "fast": True}
    config = config_from(stored, Plain)
    assert config == Plain(hidden=(4,), kind="b", other=2.0, rate=1, fast=True)
    assert type(config.rate) is int  # checkpoints hold the text of it

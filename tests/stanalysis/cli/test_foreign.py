from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from cyclopts import App

from stanalysis.cli.foreign import Foreign
from stanalysis.readers.contract import BUILT_IN, MAPPING
from stanalysis.readers.options import Options


def parsed(*words):
    app = App(result_action="return_value", exit_on_error=False, print_error=False)

    @app.default
    def verb(*, foreign: Foreign = Options()):  # noqa: B008
        return foreign

    return app(list(words))


def test_foreign__options_that_are_given_make_the_plain_record():
    words = ["--dt", "2", "--kernel-size", "25", "--neurons", "a=3", "b=4", "--no-delay-shift", "--mapping", "m.toml"]
    options = parsed(*words)
    assert options == Options(dt=2.0, kernel_size=25, neurons=("a=3", "b=4"), delay_shift=False, mapping=Path("m.toml"))
    assert type(options) is Options
    assert pickle.loads(pickle.dumps(options)) == options
    assert parsed() == Options()


@pytest.mark.parametrize("words", [["--kernel-size", "2.5"], ["--checkpoints", "3.0"], ["--dt", "long"]])
def test_foreign__numbers_are_not_rounded(words):
    with pytest.raises(Exception, match="Invalid value for"):
        parsed(*words)


def test_options__the_help_names_every_reader():
    text = " ".join(Options.__doc__.split())
    assert f"{', '.join((*BUILT_IN, MAPPING))}, or one that another package brings" in text

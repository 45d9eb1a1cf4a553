from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import stanalysis

SEEN = "import sys, stanalysis; stanalysis.__version__; print(*{'numpy', 'xarray', 'cyclopts'} & set(sys.modules))"


def output(*words):
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True).stdout


def test_version__is_known_without_anything_heavy():
    assert stanalysis.__version__ == version("stanalysis-workbench")
    assert output("-c", SEEN).split() == []


def test_module__is_the_command_line():
    assert output("-m", "stanalysis", "--version").strip() == stanalysis.__version__


def test_package__says_that_it_is_typed():
    assert (Path(stanalysis.__file__).parent / "py.typed").is_file()


def test_public_names__are_all_there():
    for name in stanalysis.__all__:
        assert getattr(stanalysis, name) is not None

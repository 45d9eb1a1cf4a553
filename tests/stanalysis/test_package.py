from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

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


ROOMS = ("", ".fields", ".files", ".findings", ".stats", ".synthetic")


@pytest.mark.parametrize("room", ROOMS)
def test_stub__names_what_is_there(room):
    """The stub is what the runtime hands on, and every name is where it says."""
    package = importlib.import_module(f"stanalysis{room}")
    stub = ast.parse(Path(package.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    names = [alias for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert all(alias.asname == alias.name for alias in names)  # what type checkers take for handed on
    assert sorted(package.__all__) == sorted(alias.name for alias in names)
    for node in (node for node in stub.body if isinstance(node, ast.ImportFrom) and node.module):
        module = importlib.import_module(f"stanalysis{room}.{node.module}")
        for alias in node.names:
            assert getattr(package, alias.name) is getattr(module, alias.name), alias.name


def test_unknown_names__are_no_attributes():
    with pytest.raises(AttributeError):
        _ = stanalysis.turnbull

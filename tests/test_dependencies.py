"""Every package that the source imports is declared, and every declared one is imported."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("stanalysis", "trainers", "reports")
OPTIONAL = {"distributed", "statsmodels"}


def normal(name):
    return re.sub(r"[-_.]+", "-", re.split(r"[ ;<>=!~\[]", name, maxsplit=1)[0]).lower()


def declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = {normal(name) for names in project["optional-dependencies"].values() for name in names}
    assert optional == OPTIONAL
    return {normal(name) for name in project["dependencies"]} | optional


def imported():
    """Packages that the source imports anywhere, but for scripts that are not installed."""
    modules = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if "generator" in path.parts or "notebooks" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    modules |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    modules.add(str(node.module).partition(".")[0])
    owners = packages_distributions()
    foreign = modules - set(sys.stdlib_module_names) - set(PACKAGES)
    return {normal(name) for module in foreign for name in owners.get(module, [module])}


def test_dependencies__what_is_imported_is_declared():
    assert imported() - declared() == set()


def test_dependencies__what_is_declared_is_imported():
    assert declared() - imported() == set()


def test_dependencies__each_has_its_row_in_the_docs():
    page = (ROOT / "docs" / "developers" / "dependencies.md").read_text(encoding="utf-8")
    rows = {normal(name) for name in re.findall(r"^\| `([\w-]+)`", page, re.MULTILINE)}
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"].values()
    assert declared() | {normal(name) for names in groups for name in names if isinstance(name, str)} <= rows

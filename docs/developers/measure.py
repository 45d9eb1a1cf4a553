"""Counts that say how a checkout is built: ``python docs/developers/measure.py [CHECKOUT] [--python PYTHON]``.

Standard library only. The times are those of a Python that has the dependencies (``--python``); they are CPU seconds, the
median of five, and mean something on a quiet machine only.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import resource
import statistics
import subprocess
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PACKAGES: Final = ("stanalysis", "trainers", "reports")
STRICT: Final = tuple(f"stanalysis/{room}/" for room in ("schema", "files", "fields", "stats"))  # no Any in public signatures
WINDOW: Final = 6  # statements that follow each other here as they do elsewhere are a duplicated block
# what has been added by hand before; the places that name one are the places to edit when another is added
ADDITIONS: Final = {
    "null `source-signs`": r"source-signs",
    "scalar statistic `gearys_c`": r"\bgearys_c\b",
    "scalar statistic `bivariate_i`": r"\bbivariate_i\b",
    "scalar statistic `lead`": r"[\"'`.]lead\b",
    "curve statistic `cross_k`": r"\bcross_k\b",
    "method `sparse`": r"[\"'`./:]sparse\b",
    "reader `lava`": r"\blava\b",
    "figure `fig2`": r"\bfig2\b|\bfigure_2\b",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(checkout: Path, *patterns: str) -> list[Path]:
    """Files of the three packages."""
    return sorted(path for package in PACKAGES for pattern in patterns for path in (checkout / package).rglob(pattern))


def functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def parameters(function: Function) -> list[ast.arg]:
    given = function.args
    extra = [argument for argument in (given.vararg, given.kwarg) if argument is not None]
    return [*given.posonlyargs, *given.args, *given.kwonlyargs, *extra]


def n_any(function: Function) -> int:
    """How often a signature says ``Any``."""
    hints = [argument.annotation for argument in parameters(function)] + [function.returns]
    named = [node for hint in hints if hint is not None for node in ast.walk(hint)]
    return sum(isinstance(node, ast.Name) and node.id == "Any" for node in named)


def public(function: Function) -> bool:
    return not function.name.startswith("_")


def n_code_lines(function: Function) -> int:
    first = function.body[0]
    prose = first if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) else None
    ends = [(node.end_lineno or 0) - node.lineno + 1 for node in (function, prose) if node is not None]
    return ends[0] - sum(ends[1:])


def longest(trees: dict[str, ast.Module], length: str) -> str:
    """The three functions of most lines, docstrings apart, or of most parameters."""
    rows = [
        (len(parameters(function)) if length == "parameters" else n_code_lines(function), name, function)
        for name, tree in trees.items()
        for function in functions(tree)
    ]
    top = sorted(rows, key=lambda row: -row[0])[:3]
    return ", ".join(f"{n} (`{name.removesuffix('.py').replace('/', '.')}.{function.name}`)" for n, name, function in top)


def shared_class_names(trees: dict[str, ast.Module]) -> dict[str, int]:
    names = [node.name for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return {name: n for name, n in Counter(names).items() if n > 1}


def n_duplicated(trees: dict[str, ast.Module]) -> int:
    """Lines of code, without imports and docstrings, that lie in a block of ``WINDOW`` lines which stands elsewhere, too."""
    code, where = {}, defaultdict(list)
    for name, tree in trees.items():
        kept = [line.strip() for line in _without_prose(tree) if line.strip()]
        code[name] = kept
        for start in range(len(kept) - WINDOW + 1):
            where[tuple(kept[start : start + WINDOW])].append((name, start))
    twice = {(name, start + k) for places in where.values() if len(places) > 1 for name, start in places for k in range(WINDOW)}
    return len(twice)


def _without_prose(tree: ast.Module) -> list[str]:
    """Code as it would be printed from the syntax tree, without docstrings, imports and brackets that close a call."""
    copy = ast.parse(ast.unparse(tree))
    for node in ast.walk(copy):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [  # type: ignore[attr-defined]
                part
                for part in body
                if not isinstance(part, ast.Import | ast.ImportFrom)
                and not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))
            ]
    return ast.unparse(copy).splitlines()


def n_lines(paths: list[Path]) -> int:
    return sum(path.read_bytes().count(b"\n") for path in paths)


def naming(checkout: Path, pattern: str) -> int:
    """Python files of the packages, notebooks and other data apart, in which something is named."""
    files = [path for path in sources(checkout, "*.py") if "notebooks" not in path.parts and "generator" not in path.parts]
    return sum(bool(re.search(pattern, path.read_text(encoding="utf-8"))) for path in files)


def cpu_seconds(checkout: Path, python: str, code: str) -> float:
    """CPU seconds of a new process, the median of five after one that is not counted."""
    taken = []
    for _ in range(6):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = os.environ | {"PYTHONPATH": str(checkout)}
        subprocess.run([python, "-c", code], cwd=checkout, env=environment, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(taken[1:])


def counts(checkout: Path) -> dict[str, str]:
    paths = sources(checkout, "*.py")
    trees = {str(path.relative_to(checkout)): ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    every = [(name, function) for name, tree in trees.items() for function in functions(tree)]
    inside = [(name, n_any(function)) for name, function in every if name.startswith("stanalysis/") and public(function)]
    shared = shared_class_names(trees)
    top = [path for path in (checkout / "stanalysis").glob("*.py") if not path.name.startswith("__")]
    rooms = {path.parent for path in paths if path.name != "__init__.py"}
    return {
        "modules at the top of stanalysis": str(len(top)),
        "folders with modules": str(len(rooms)),
        "modules": str(len(paths)),
        "modules above 300 lines": str(sum(n_lines([path]) > 300 for path in paths)),
        "lines of source (Python and JavaScript)": f"{n_lines(sources(checkout, '*.py', '*.js')):,}",
        "lines of tests": f"{n_lines(sorted((checkout / 'tests').rglob('*.py'))):,}",
        "duplicated lines": f"{n_duplicated(trees)}",
        "longest functions (lines, docstrings apart)": longest(trees, "lines"),
        "longest parameter lists": longest(trees, "parameters"),
        "class names used more than once": ", ".join(f"`{name}` ({n})" for name, n in sorted(shared.items())) or "0",
        "functions called `of_*` or `_of_*`": str(sum(bool(re.match("_?of_", function.name)) for _, function in every)),
        "`Any` in signatures": str(sum(n_any(function) for _, function in every)),
        "of them in public functions of stanalysis": str(sum(n for _, n in inside)),
        "of these in schema, files, fields, stats": str(sum(n for name, n in inside if name.startswith(STRICT))),
        **{f"files that name the {what}": str(naming(checkout, pattern)) for what, pattern in ADDITIONS.items()},
    }


def times(checkout: Path, python: str) -> dict[str, str]:
    with open(checkout / "pyproject.toml", "rb") as file:
        module, _, function = tomllib.load(file)["project"]["scripts"]["stanalysis"].partition(":")
    start = f"import sys; from {module} import {function}; sys.exit({function}(%r))"
    return {
        "`import stanalysis` [CPU s]": f"{cpu_seconds(checkout, python, 'import stanalysis'):.2f}",
        "`stanalysis --help` [CPU s]": f"{cpu_seconds(checkout, python, start % ['--help']):.2f}",
        "`stanalysis analyze --help` [CPU s]": f"{cpu_seconds(checkout, python, start % ['analyze', '--help']):.2f}",
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, nargs="?", default=Path(__file__).parents[2])
    parser.add_argument("--python", help="also measure times, with this Python")
    chosen = parser.parse_args()
    checkout = chosen.checkout.resolve()
    measured = counts(checkout) | (times(checkout, chosen.python) if chosen.python else {})
    print("| | |\n|---|---|")
    for what, number in measured.items():
        print(f"| {what} | {number} |")

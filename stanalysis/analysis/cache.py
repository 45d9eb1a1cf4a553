"""What networks contributed to earlier analyses, kept in a folder by what it was made of; safe to delete at any time."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, fields, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

import stanalysis
from stanalysis.analysis.one_network import NetworkResult, files_of_network
from stanalysis.analysis.questions import Questions
from stanalysis.analysis.samples import Sample
from stanalysis.files.analysis import cautions_as_json, cautions_from_json
from stanalysis.files.atomic import write_bytes
from stanalysis.files.digest import hash_of
from stanalysis.files.netcdf import TAIL, sealed
from stanalysis.files.run import INFO

MOST: Final = 4_000_000_000  # bytes; the longest unused go
_PACKAGES: Final = ("numpy", "numba", "scipy", "xarray")
_NAME: Final = re.compile(r"[0-9a-f]{64}\.result")
_PLAIN: Final = ("name", "best_step", "dt", "seed", "method", "dataset", "config", "sparsity", "content")


class Cache:
    """Results of networks by what they were made of: files, questions, program and name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def result(self, path: Path, questions: Questions, name: str) -> NetworkResult | None:
        """What is kept of a network; None where nothing is, or it is damaged."""
        files = files_of_network(path, questions)
        place = self._place(files, questions, name)
        if place is None or not place.is_file():
            return None
        try:
            result = _result(place.read_bytes())
        except (OSError, LookupError, TypeError, ValueError):
            return None
        with suppress(OSError):
            os.utime(place)
        return replace(result, files={str(p): hash_of(p) for p in files})

    def keep(self, path: Path, questions: Questions, result: NetworkResult) -> None:
        """Keep a result; nothing is lost where there is no room, nor kept of files that changed meanwhile."""
        files = files_of_network(path, questions)
        place = self._place(files, questions, result.name)
        if place is not None and {str(p): hash_of(p) for p in files} == result.files:
            with suppress(OSError):
                write_bytes(place, _content(result))
                self._forget()

    def _place(self, files: list[Path], questions: Questions, name: str) -> Path | None:
        """Where the result lies; None where what it is made of is not known beforehand, or by its name alone."""
        if not files or not questions.are_built_in():
            return None
        asked = {field.name: getattr(questions, field.name) for field in fields(questions)}
        for without in ("memory", "registered"):
            del asked[without]
        known = {name: asdict(value) if hasattr(value, "__dataclass_fields__") else value for name, value in asked.items()}
        made_of = {
            "name": name,
            "files": [(p.name, hash_of(p)) for p in (*files, *files[0].parent.glob(INFO))],
            "questions": known,
            "program": [_program(), *(version(package) for package in _PACKAGES)],
        }
        text = json.dumps(made_of, sort_keys=True, default=str)
        return self._folder / f"{hashlib.sha256(text.encode()).hexdigest()}.result"

    def _forget(self) -> None:
        """Remove the longest unused where there are too many bytes."""
        ours = [place for place in self._folder.iterdir() if _NAME.fullmatch(place.name)]
        known = [(place.stat().st_mtime, place.stat().st_size, place) for place in ours]
        total = 0
        for _, size, place in sorted(known, reverse=True):
            total += size
            if total > MOST:
                place.unlink(missing_ok=True)


@cache
def _program() -> str:
    """What the source hashes to: numbers may change with any line of it."""
    root = Path(stanalysis.__file__).parent
    digest = hashlib.sha256()
    for place in sorted(root.rglob("*.py")):
        digest.update(str(place.relative_to(root)).encode() + b"\0" + place.read_bytes())
    return digest.hexdigest()


def _content(result: NetworkResult) -> bytes:
    """A result as a file: a line of JSON, and the bytes of its arrays, one after the other."""
    arrays: list[np.ndarray] = []

    def place(value: Any) -> dict[str, Any]:
        array = np.asarray(value)
        array = array.astype(str) if array.dtype == object else array
        arrays.append(array)
        return {"dtype": array.dtype.str, "shape": array.shape}

    def attributes(attrs: Mapping[Any, Any]) -> dict[str, Any]:
        return {name: place(value) if isinstance(value, np.ndarray | np.generic) else value for name, value in attrs.items()}

    head = {
        "result": {name: getattr(result, name) for name in _PLAIN},
        "cautions": cautions_as_json(result.cautions),
        "groups": {
            path: {
                "attrs": attributes(group.attrs),
                "coords": [str(name) for name in group.coords],
                "variables": {n: [v.dims, place(v.values), attributes(v.attrs)] for n, v in group.variables.items()},
            }
            for path, group in result.groups.items()
        },
        "samples": [
            {
                field.name: place(v) if isinstance(v := getattr(sample, field.name), np.ndarray) else v
                for field in fields(sample)
            }
            for sample in result.samples
        ],
    }
    return sealed(json.dumps(head).encode() + b"\n" + b"".join(array.tobytes() for array in arrays))


def _result(content: bytes) -> NetworkResult:
    """A result out of a file; ValueError or LookupError where it is damaged."""
    if sealed(content[:-TAIL]) != content:
        raise ValueError("it is damaged")
    end = content.index(b"\n")
    head, offset = json.loads(content[:end]), end + 1

    def array(told: Mapping[str, Any]) -> np.ndarray:
        nonlocal offset
        dtype, n = np.dtype(told["dtype"]), math.prod(told["shape"])
        values = np.frombuffer(content, dtype, n, offset).reshape(told["shape"]).copy()
        offset += n * dtype.itemsize
        return values

    def known(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        values = array(value)
        return values if values.ndim else values[()]

    groups = {}
    for path, told in head["groups"].items():
        attrs = {name: known(value) for name, value in told["attrs"].items()}
        variables = {}
        for name, (dims, values, of_variable) in told["variables"].items():
            variables[name] = xr.Variable(dims, array(values), {key: known(value) for key, value in of_variable.items()})
        coords = {name: variables.pop(name) for name in told["coords"]}
        groups[path] = xr.Dataset(variables, coords, attrs)
    samples = [Sample(**{name: known(value) for name, value in told.items()}) for told in head["samples"]]
    return NetworkResult(
        **{**head["result"], "content": tuple(head["result"]["content"])},
        groups=groups,
        files={},
        cautions=tuple(cautions_from_json(head["cautions"])),
        samples=tuple(samples),
    )

"""What networks contributed to earlier analyses, kept in a folder by what it was made of; safe to delete at any time."""

from __future__ import annotations

import hashlib
import json
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
from stanalysis.errors import BadInput
from stanalysis.files.analysis import cautions_as_json, cautions_from_json
from stanalysis.files.atomic import write_bytes
from stanalysis.files.digest import hash_of
from stanalysis.files.netcdf import netcdf_bytes, read_tree
from stanalysis.files.records import from_json
from stanalysis.files.run import INFO

MOST: Final = 4_000_000_000  # bytes; the longest unused go
_PACKAGES: Final = ("numpy", "numba", "scipy", "xarray")
_NAME: Final = re.compile(r"[0-9a-f]{64}\.nc")
_PLAIN: Final = ("name", "best_step", "dt", "seed", "method", "dataset", "config", "sparsity", "content")
_ARRAYS: Final = ("source", "delay", "bin", "weight")  # of a sample


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
            result = _result(read_tree(place, "result kept"))
        except (BadInput, LookupError, TypeError, ValueError):
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
                write_bytes(place, netcdf_bytes(_tree(result)))
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
        return self._folder / f"{hashlib.sha256(text.encode()).hexdigest()}.nc"

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


def _tree(result: NetworkResult) -> xr.DataTree:
    """A result as a file."""
    plain = {name: getattr(result, name) for name in _PLAIN}
    attrs = {"result": json.dumps(plain), "cautions": cautions_as_json(result.cautions), "groups": json.dumps([*result.groups])}
    groups = {"/": xr.Dataset(attrs=attrs)}
    groups |= {f"/groups/{path}": group for path, group in result.groups.items()}
    for number, sample in enumerate(result.samples):
        arrays = {name: (f"{name}_synapse", getattr(sample, name)) for name in _ARRAYS}
        told = {f.name: getattr(sample, f.name) for f in fields(sample) if f.name not in _ARRAYS}
        groups[f"/samples/{number:03d}"] = xr.Dataset(arrays, attrs={"sample": json.dumps(told)})
    return xr.DataTree.from_dict(groups)


def _result(tree: xr.DataTree) -> NetworkResult:
    """A result out of a file."""
    plain = from_json(tree.attrs["result"])
    groups = {path: tree[f"groups/{path}"].to_dataset() for path in from_json(tree.attrs["groups"])}
    samples = [_sample(node) for node in tree["samples"].children.values()] if "samples" in tree.children else []
    return NetworkResult(
        **{**plain, "content": tuple(plain["content"])},
        groups=groups,
        files={},
        cautions=tuple(cautions_from_json(tree.attrs["cautions"])),
        samples=tuple(samples),
    )


def _sample(node: Mapping[Any, Any]) -> Sample:
    told = from_json(node.attrs["sample"])  # type: ignore[attr-defined]
    arrays: dict[str, Any] = {name: np.asarray(node[name].values) for name in _ARRAYS}
    return Sample(**told, **arrays)

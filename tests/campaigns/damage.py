"""Damaged copies of each kind of file: flipped bits, lost ends, blocks of zeros or noise; with the digest that tells, and, as a
stranger could make them, with a digest that fits."""

from __future__ import annotations

import json
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.files.analysis import read_analysis
from stanalysis.files.checkpoint import read_checkpoint
from stanalysis.files.netcdf import TAIL, sealed
from stanalysis.files.records import DIGEST
from stanalysis.files.rewiring_log import read_log
from stanalysis.files.run import open_run, read_metrics
from stanalysis.files.sweep import read_sweep
from tests.campaigns.jobs import bounded, forked

SECONDS, MIB = 10, 1024
_WRONG = 3  # exit code of a reading that gave something else than what was written


def _tree(tree: xr.DataTree) -> object:
    return [(node.path, node.to_dataset(inherit=False)) for node in tree.subtree]


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "checkpoint": ("run/last.nc", lambda path: _tree(read_checkpoint(path))),
    "rewiring log": ("run/rewiring.nc", lambda path: [("/", read_log(path))]),
    "analysis": ("an.nc", lambda path: _tree(read_analysis(path))),
    "run.json": ("run/run.json", lambda path: open_run(path.parent).info),
    "metrics.csv": ("run/metrics.csv", lambda path: [("/", read_metrics(path.parent).to_xarray())]),
    "sweep.csv": ("sweep/sweep.csv", lambda path: [("/", read_sweep(path.parent))]),
}


def damaged(content: bytes, rng: random.Random) -> bytes:
    """A copy that differs."""
    changed = bytearray(content)
    at = rng.randrange(len(changed))
    kind = rng.choice(["bit", "bit", "bits", "end", "zeros", "noise", "gap"])
    n = min(rng.choice([1, 16, 512, 4096]), len(changed) - at)
    if kind in ("bit", "bits"):
        for _ in range(1 if kind == "bit" else 20):
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    elif kind == "end":
        del changed[at:]
    elif kind == "gap":
        del changed[at : at + n]
    else:
        changed[at : at + n] = bytes(n) if kind == "zeros" else rng.randbytes(n)
    return bytes(changed)


def copies(kind: str, n: int, seed: int, *, resealed: bool = False) -> Iterator[tuple[str, str]]:
    """Read damaged copies, each in a process of its own, and yield what is wrong; with a digest that fits they may differ."""
    name, read = READERS[kind]
    rng, place = random.Random(seed), Path("damaged") / Path(name).name
    shutil.rmtree(place.parent, ignore_errors=True)
    place.parent.mkdir()
    whole = Path(name).read_bytes()
    if resealed:
        whole = whole[:-TAIL] if name.endswith(".nc") else _without_digest(Path(name))
    expected = read(Path(name))

    def work() -> None:
        bounded(MIB)
        signal.alarm(SECONDS)
        try:
            answer = read(place)
        except BadInput:
            return
        if not resealed and not _same(answer, expected):
            raise SystemExit(_WRONG)

    for _ in range(n):
        content = damaged(whole, rng)
        while content == whole:
            content = damaged(whole, rng)
        place.write_bytes(sealed(content) if resealed and name.endswith(".nc") else content)
        ended = forked(work)
        wrong = {0: "", _WRONG: "another content without a word", -signal.SIGALRM: f"no answer in {SECONDS} s"}
        said = wrong.get(ended.code, f"exit code {ended.code}: {ended.said[-300:]}")
        yield kind, said
    shutil.rmtree(place.parent)


def _without_digest(path: Path) -> bytes:
    if path.suffix == ".json":
        return json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != DIGEST}, indent=2).encode()
    return "\n".join(line.rpartition(",")[0] for line in path.read_text().splitlines()).encode()


def _same(answer: object, expected: object) -> bool:
    if isinstance(answer, list) and isinstance(expected, list):
        return len(answer) == len(expected) and all(
            a == b and x.identical(y) for (a, x), (b, y) in zip(answer, expected, strict=True)
        )
    return answer == expected

"""Mutated files for every reader: `python tests/stanalysis/readers/fuzz.py [N] [FORMAT …]`, N files of each format (20,000).

Each must give a network or one sentence (`BadInput`): no other exception, no crash, nothing over 5 s or 1 GB. A format's files
are read in a process of their own; where that dies or hangs, the next one goes on after the file that killed it.
"""

from __future__ import annotations

import io
import multiprocessing
import resource
import signal
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from stanalysis.errors import BadInput
from stanalysis.readers.choosing import read_with
from stanalysis.readers.options import Options

FILES = Path(__file__).parent / "files"
SECONDS, GIGABYTE = 5, 2**30
OPTIONS = {
    "dt": 1.0,
    "max_delay": 100.0,
    "kernel_size": 25,
    "left_padding": 24,
    "time_axis": 0,
    "ms_per_unit": 1.0,
    "delay_shift": True,
    "network_step": 3,
    "neurons": ("Pop0=6",),
}
TELLING = (0, 1, 0x7F, 0x80, 0xFF)  # bytes that are often a bound


def mutated(data: bytes, random: np.random.Generator) -> bytes:
    """The bytes with a few changes: flipped, cut out, doubled, cut off, or replaced."""
    out = bytearray(data)
    for _ in range(random.integers(1, 4)):
        if not out:
            break
        at, n = int(random.integers(len(out))), int(random.integers(1, 9))
        kind = random.integers(6)
        if kind == 0:
            out[at] ^= 1 << int(random.integers(8))
        elif kind == 1:
            out[at : at + n] = random.bytes(n)
        elif kind == 2:
            del out[at : at + n]
        elif kind == 3:
            out[at:at] = out[at : at + 8 * n]
        elif kind == 4:
            out[at : at + n] = bytes([TELLING[random.integers(len(TELLING))]]) * n
        else:
            del out[at if random.random() < 0.1 else len(out) - n :]
    return bytes(out)


def repacked(data: bytes, random: np.random.Generator) -> bytes:
    """A zip whose entries are mutated and whose sums are right: the damage reaches what reads the entries."""
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        entries = {info.filename: old.read(info) for info in old.infolist()}
    names = list(entries)
    pickles = [name for name in names if name.endswith(".pkl")]
    name = pickles[0] if pickles and random.random() < 0.8 else names[random.integers(len(names))]
    entries[name] = mutated(entries[name], random)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as new:
        for entry, content in entries.items():
            new.writestr(entry, content, zipfile.ZIP_DEFLATED if entry.endswith(".npy") else zipfile.ZIP_STORED)
    return file.getvalue()


@lru_cache
def _older(path: Path) -> bytes:
    """An HDF5 file in the layout without check sums, which stop most damage before it does any."""
    file = io.BytesIO()
    with h5py.File(path) as old, h5py.File(file, "w", libver="earliest") as new:
        for name in old:
            old.copy(name, new)
    return file.getvalue()


def _one_file(paths: list[Path], folder: Path, random: np.random.Generator) -> tuple[Path, Options]:
    source = paths[random.integers(len(paths))]
    data = _older(source) if source.suffix in (".nir", ".net") and random.random() < 0.8 else source.read_bytes()
    path = folder / f"network{source.suffix}"
    path.write_bytes(_damaged(data, random))
    return path, Options(**OPTIONS)


def _npy_folder(paths: list[Path], folder: Path, random: np.random.Generator) -> tuple[Path, Options]:
    place = folder / "network"
    place.mkdir(exist_ok=True)
    arrays = {"0-Conn_Pop0_Pop1-g": 6 * 5, "0-Conn_Pop1_Pop1-g": 25, "0-Conn_Pop1_Pop1-d": 25, "0-Pos0": 5}
    broken = list(arrays)[random.integers(len(arrays))]
    for name, n in arrays.items():
        file = io.BytesIO()
        np.save(file, random.normal(size=n).astype(np.float32))
        data = file.getvalue()
        (place / f"{name}.npy").write_bytes(mutated(data, random) if name == broken else data)
    return place, Options(**OPTIONS)


MAPPING = """
framework = "other"
rounding = "floor"
[[projection]]
source = "input"
target = "hidden1"
weight = "w"
weight_axes = ["target", "source"]
delay = "d"
delay_axes = ["target", "source"]
unit = "steps"
delay_formula = "clip(round(d), 0, 20)"
weight_formula = "w * sign"
present = "w > 0"
[projection.arrays]
sign = {name = "s", axes = ["target", "source"]}
"""


def _mapping(paths: list[Path], folder: Path, random: np.random.Generator) -> tuple[Path, Options]:
    """A mapping or an .npz that is damaged, the other one sound."""
    path, mapping = folder / "network.npz", folder / "mapping.toml"
    file = io.BytesIO()
    np.savez_compressed(file, w=np.ones((5, 6)), d=np.arange(30.0).reshape(5, 6), s=np.ones((5, 6)))
    of_file = random.random() < 0.5
    path.write_bytes(_damaged(file.getvalue(), random) if of_file else file.getvalue())
    mapping.write_bytes(MAPPING.encode() if of_file else mutated(MAPPING.encode(), random))
    return path, Options(**OPTIONS, mapping=mapping)


def _damaged(data: bytes, random: np.random.Generator) -> bytes:
    return repacked(data, random) if data.startswith(b"PK") and random.random() < 0.7 else mutated(data, random)


def _matching(*patterns: str) -> list[Path]:
    return [path for pattern in patterns for path in sorted(FILES.glob(pattern)) if "expected" not in path.stem]


Maker = Callable[[list[Path], Path, np.random.Generator], tuple[Path, Options]]


def formats() -> dict[str, tuple[list[Path], Maker]]:
    """By name: the sound files, and what makes a damaged one."""
    torch = _matching("*.pt", "*.pth")
    zipped = [path for path in torch if zipfile.is_zipfile(path)]
    return {
        "torch (zip)": (zipped, _one_file),
        "torch (legacy)": ([path for path in torch if path not in zipped], _one_file),
        "npy": (_matching("*.npy"), _one_file),
        "nir": (_matching("*.nir"), _one_file),
        "lava": (_matching("*.net"), _one_file),
        "ml_genn": ([], _npy_folder),
        "mapping, npz": ([], _mapping),
    }


def attempt(format_name: str, index: int, folder: Path) -> str:
    """Read the file of this index: "network", or the sentence of its error."""
    paths, make = formats()[format_name]
    path, options = make(paths, folder, np.random.default_rng([index, len(format_name)]))
    try:
        read_with(path, options)
    except BadInput as error:
        return str(error)
    return "network"


def _read_many(format_name: str, first: int, n: int, last: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for index in range(first, n):
            last.value = index
            signal.alarm(SECONDS)  # its default is to kill: also what hangs in a library
            attempt(format_name, index, Path(folder))
        signal.alarm(0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if peak > GIGABYTE:
        raise MemoryError(f"{format_name}: {peak / GIGABYTE:.2f} GiB")


def failures(format_name: str, n: int) -> Iterator[str]:
    """What went wrong among the first ``n`` files of a format."""
    first = 0
    while first < n:
        context = multiprocessing.get_context("spawn")
        last = context.Value("q", first)
        process = context.Process(target=_read_many, args=(format_name, first, n, last))
        process.start()
        process.join()
        if process.exitcode == 0:
            return
        yield f"{format_name}, file {last.value}: exit code {process.exitcode}"
        first = last.value + 1


def main(arguments: list[str]) -> None:
    """Print what failed, and how fast it was."""
    n = int(arguments[0]) if arguments else 20_000
    failed = False
    for name in arguments[1:] or formats():
        start = time.perf_counter()
        wrong = list(failures(name, n))
        failed |= bool(wrong)
        seconds = time.perf_counter() - start
        print(f"{name}: {n} files, {len(wrong)} failed, {1000 * seconds / n:.1f} s per thousand", *wrong, sep="\n  ")
    sys.exit(failed)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Files and folders of arrays, opened once: what every reader looks at."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.readers.formats.hdf5_file import SIGNATURE as HDF5
from stanalysis.readers.formats.hdf5_file import arrays_in, read_hdf5
from stanalysis.readers.formats.numpy_file import read_npy, read_npz
from stanalysis.readers.formats.recording import Recording, left_over, names_in
from stanalysis.readers.formats.torch_file import arrays_of, read_torch

Kind = Literal["torch", "numpy", "npz", "hdf5", "folder"]
LARGEST_EPOCH = 2**53
SERIES_SUFFIXES = (".pt", ".pth", ".ckpt")
TORCH_SUFFIXES = (*SERIES_SUFFIXES, ".bin", ".tar")


@dataclass(frozen=True)
class Container:
    """A foreign file or folder: ``content`` is the object of a torch or numpy file, a dict of groups and arrays of an HDF5
    file, a dict of arrays of an .npz, and the names of the .npy files of a folder with their paths.

    ``taken`` are the names of what was looked up in ``arrays`` and ``record``, so that the rest can be told.
    """

    path: Path
    kind: Kind
    content: Any
    taken: set[str] = field(default_factory=set, compare=False)

    @cached_property
    def arrays(self) -> Recording:
        """All arrays by name, in the order of the file: dotted names, in HDF5 files paths, in folders names without suffix."""
        return Recording(self._arrays, self.taken, separator=self._separator)

    @cached_property
    def record(self) -> Recording:
        """``content`` if it is a dict, else an empty one."""
        return Recording(self.content if isinstance(self.content, dict) else {}, self.taken, separator=self._separator)

    def left_over(self) -> list[str]:
        """Names of arrays, in HDF5 files of all values, that were not taken: of a group, where nothing in it was."""
        names = names_in(self.content, "/") if self.kind == "hdf5" else self.content if self.kind == "folder" else self._arrays
        return left_over(filter(None, names), self.taken, self._separator)

    @property
    def _separator(self) -> str:
        return "/" if self.kind in ("hdf5", "folder") else "."

    @cached_property
    def _arrays(self) -> dict[str, NDArray]:
        if self.kind == "folder":
            files = {name: read_npy(path) for name, path in self.content.items()}
            return {name: array for name, array in files.items() if hasattr(array, "dtype")}
        return arrays_in(self.content) if self.kind == "hdf5" else arrays_of(self.content)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files it consists of."""
        return tuple(self.content.values()) if self.kind == "folder" else (self.path,)

    def __repr__(self) -> str:
        return f"Container({str(self.path)!r}: {self.kind})"


def open_container(path: Path) -> Container:
    """Look into a foreign file or folder; nothing in it is ever executed.

    Raises
    ------
    BadInput
        It does not exist, is damaged, or no file of arrays.
    """
    if path.is_dir():
        return Container(path, "folder", {p.stem: p for p in sorted(path.glob("*.npy")) if p.is_file()})
    if not path.is_file():
        raise BadInput(f"{path} does not exist or is no file; give the path of a network.")
    with path.open("rb") as file:
        start = file.read(len(HDF5))
    if start == HDF5:
        return Container(path, "hdf5", read_hdf5(path))
    if start.startswith(b"\x93NUMPY"):
        return Container(path, "numpy", read_npy(path))
    if path.suffix == ".npz":
        return Container(path, "npz", read_npz(path))
    if path.suffix in TORCH_SUFFIXES or start.startswith(b"PK"):
        return Container(path, "torch", read_torch(path))
    raise BadInput(
        f"{path} is no kind of file that holds a network: expected a checkpoint (.nc), .pt, .pth, .npy, .npz, HDF5 (.nir, "
        ".net), or a folder; convert it to one of these."
    )


def epoch_in(content: Any) -> int | None:
    """The epoch that a training script saved beside the network in a torch file, if it did."""
    epoch = content.get("epoch") if isinstance(content, dict) else None
    if isinstance(epoch, np.ndarray) and epoch.shape == () and epoch.dtype.kind in "iu":
        epoch = int(epoch)
    return epoch if type(epoch) is int and 0 <= epoch < LARGEST_EPOCH else None

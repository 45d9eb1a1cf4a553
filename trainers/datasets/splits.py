"""Which samples are held out, always the same ones; and whether the parts and their files belong together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput

TENTH, FIFTH = 10, 5


def every_tenth(label: NDArray[np.int64], *, first: int = 1) -> NDArray[np.bool_]:
    """Mask of every tenth sample of each class, in the order given, from number ``first`` on, counted from 0."""
    mask = np.zeros(len(label), np.bool_)
    for number in np.unique(label):
        mask[np.flatnonzero(label == number)[first::TENTH]] = True
    return mask


def every_fifth_speaker(speaker: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Mask of the samples of the second, seventh, … speaker, by their numbers.

    Examples
    --------
    >>> every_fifth_speaker(np.array([0, 3, 3, 7])).tolist()
    [False, True, True, False]
    """
    return np.isin(speaker, np.unique(speaker)[1::FIFTH])


def require_known(label: NDArray[np.int64], training_label: NDArray[np.int64], *, where: str, training: str) -> None:
    """Raise `BadInput` where a part has a class that training lacks; ``where`` and ``training`` name their files."""
    if unknown := set(label.tolist()) - set(training_label.tolist()):
        raise BadInput(f"{where} holds the class {min(unknown)}, which {training} lacks: expected the same classes.")


def digest_of(files: Iterable[Path]) -> str:
    """Hex digest of files, one after the other."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()

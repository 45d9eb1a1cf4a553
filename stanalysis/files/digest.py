"""What a file hashes to: which bytes an analysis or a conversion was made of."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path


def hash_of(path: Path) -> str:
    """SHA-256 of a file; a file that has not changed is read once."""
    stat = path.stat()
    return _hash_of(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=4096)
def _hash_of(path: Path, changed: int, size: int) -> str:  # noqa: ARG001
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""JSON and CSV files of this program: both hold a digest of the rest, so that no change passes unnoticed.

In JSON it is the entry ``digest``, in CSV a column of that name, the same in every row. Who edits such a file on purpose leaves
the digest out.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from stanalysis.errors import BadInput
from stanalysis.files.atomic import write_bytes, write_text

DIGEST = "digest"
_DIGEST = re.compile("[0-9a-f]{16}")
_DEPTH = 100  # of JSON: the parser, and what walks through the result, take a call for each level
_FORMULA = tuple("=+-@\t\r")  # beginnings of a cell that a spreadsheet takes for a command


def csv_bytes(table: pd.DataFrame) -> bytes:
    """A table as CSV, without its index; texts that a spreadsheet would obey begin with an apostrophe.

    Examples
    --------
    >>> print(csv_bytes(pd.DataFrame({"run": ["=1+1", "a"], "z": [-1.5, float("nan")]})).decode())
    run,z
    '=1+1,-1.5
    a,
    """
    safe = table.copy()
    for name in safe.select_dtypes(exclude=["number", "bool"]):
        safe[name] = safe[name].map(lambda cell: f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell)
    return safe.to_csv(index=False).encode()


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a CSV file that `read_table` reads, atomically."""
    rows = _rows(csv_bytes(table).decode())
    digest = _digest_of(rows)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([*row, digest if k else DIGEST] for k, row in enumerate(rows))
    write_bytes(path, text.getvalue().encode())


def read_table(
    path: Path, *, remedy: str, dtype: Mapping[str, type] | None = None, texts: Collection[str] = ()
) -> pd.DataFrame:
    """Read a CSV file of this program, numbers to the last bit; `BadInput`, with the ``remedy``, where it is damaged.

    Columns in ``texts`` are read letter by letter, less what `csv_bytes` put in front: no text of them, as "null", is missing.
    """
    try:
        text = path.read_text(encoding="utf-8")
        rows = _rows(text)
        if any(len(row) != len(rows[0]) for row in rows):
            raise ValueError("rows of different lengths")
        # round_trip: the default parser may be off by the last bit
        table = pd.read_csv(
            io.StringIO(text), float_precision="round_trip", dtype=dtype, converters=dict.fromkeys(texts, _as_written)
        )
    except (ValueError, csv.Error) as error:
        if "out of memory" in str(error):  # as pandas calls it: nothing is wrong with the file
            raise MemoryError(str(error)) from error
        raise BadInput(f"{path} cannot be read as a table; {remedy}.") from error
    at = rows[0].index(DIGEST) if DIGEST in rows[0] else -1
    if at < 0 and not any(_DIGEST.fullmatch(cell) for row in rows[1:2] for cell in row):  # its name may be what is damaged
        return table
    told = {row[at] for row in rows[1:]}
    if told - {_digest_of([row[:at] + row[at + 1 :] for row in rows])}:
        raise BadInput(
            f"{path} is not as it was written: its digest does not fit; {remedy}, or, if the change is meant, remove "
            f"the column {DIGEST!r}."
        )
    return table.drop(columns=DIGEST)


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a JSON file that `read_json` reads, atomically."""
    plain = json.loads(json.dumps(content))
    write_text(path, json.dumps({**plain, DIGEST: _digest_of(plain)}, indent=2) + "\n")


def read_json(path: Path, *, remedy: str) -> dict[str, Any]:
    """Read a JSON file of this program; `BadInput`, with the ``remedy``, where it is damaged, or no object."""
    try:
        content = from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"{path} is not valid JSON ({error}); {remedy}.") from error
    if not isinstance(content, dict):
        raise BadInput(f"{path} holds no JSON object; {remedy}.")
    told = content.pop(DIGEST, None)
    misnamed = any(isinstance(value, str) and _DIGEST.fullmatch(value) for value in content.values())
    if misnamed or told not in (None, _digest_of(content)):
        raise BadInput(
            f"{path} is not as it was written: its digest does not fit; {remedy}, or, if the change is meant, remove the entry "
            f"{DIGEST!r}."
        )
    return content


def from_json(text: str) -> Any:
    """What a text of JSON says; ValueError if it is none, or nested deeper than anything that this program writes."""
    depth = 0
    for bracket in re.finditer(r"[\[{]|[\]}]", text):
        depth += 1 if bracket[0] in "[{" else -1
        if depth > _DEPTH:
            raise ValueError("it is nested too deeply")
    return json.loads(text)


def _as_written(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def _rows(text: str) -> list[list[str]]:
    return [row for row in csv.reader(io.StringIO(text)) if row]


def _digest_of(content: Mapping[str, object] | Sequence[Sequence[str]]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

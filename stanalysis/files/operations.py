"""What was done to a trained network without training it again: the operations there are, and the file that says what is left.

``operations.csv`` of a run folder has one line for each setting and draw, as `stanalysis operate` writes it. To add an
operation: its record here, what it does to a table of synapses in `trainers.operations`, and its test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
import pandas as pd
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.files.records import read_table, write_table
from stanalysis.files.run import Run, folder_of
from stanalysis.schema.operations import OPERATED
from stanalysis.schema.variables import labelled

Family = Literal["intact", "precision", "nulls", "directed"]
FAMILIES: Final[tuple[Family, ...]] = get_args(Family)
Arm = Literal["raise", "leave", "lower"]
ARMS: Final[tuple[Arm, ...]] = get_args(Arm)
TABLE: Final = "operations.csv"
_REMEDY = "write it anew with `stanalysis operate`"


@dataclass(frozen=True)
class OperationRule:
    """What an operation does, and how much of it there is.

    Attributes
    ----------
    name
        As the file calls it.
    family
        ``precision``: values become less exact; ``nulls``: synapses are rearranged as a null of the statistics does;
        ``directed``: they are exchanged so that grouping rises, stays or falls.
    changes
        ``delays``, ``weights`` or ``signs``, or what else the null moves.
    text
        What it does, for help and captions.
    level
        What its level counts.
    unit
        Of the level; "1" of numbers and shares.
    levels
        Those it is done at.
    draws
        Whether chance has a part in it.
    harms_upwards
        Whether more of its level changes the network more.
    """

    name: str
    family: Family
    changes: str
    text: str
    level: str
    unit: str
    levels: tuple[float, ...]
    draws: bool = False
    harms_upwards: bool = True


_SHARES = (0.25, 0.5, 0.75, 0.9, 1.0)
_OF_NULLS = (0.25, 0.5, 1.0)
OPERATIONS: Final[dict[str, OperationRule]] = {
    rule.name: rule
    for rule in (
        OperationRule(
            "delay-levels", "precision", "delays", "delays rounded to a grid from 0 to the longest", "levels", "1",
            (1, 2, 3, 4, 8, 16, 32), harms_upwards=False,
        ),
        OperationRule(
            "delay-jitter", "precision", "delays", "normal noise added to delays, within their bounds", "standard deviation",
            "ms", (2.5, 5, 10, 20, 40, 80), draws=True,
        ),
        OperationRule(
            "delay-clip", "precision", "delays", "delays above a maximum set to it", "maximum, as a share of the longest", "1",
            (0.0, 0.25, 0.5, 0.75, 0.9), harms_upwards=False,
        ),
        OperationRule(
            "smallest-delays-to-mean", "precision", "delays", "the smallest delays set to the mean", "share of the delays", "1",
            _SHARES,
        ),
        OperationRule(
            "largest-delays-to-mean", "precision", "delays", "the largest delays set to the mean", "share of the delays", "1",
            _SHARES,
        ),
        OperationRule(
            "random-delays-to-mean", "precision", "delays", "delays chosen at random set to the mean", "share of the delays",
            "1", _SHARES, draws=True,
        ),
        OperationRule("axonal", "precision", "delays", "one delay a source, the mean of its synapses", "", "1", (1,)),
        OperationRule(
            "axonal-weighted", "precision", "delays", "one delay a source, the mean of its synapses by their magnitude", "",
            "1", (1,),
        ),
        OperationRule("dendritic", "precision", "delays", "one delay a target, the mean of its synapses", "", "1", (1,)),
        OperationRule(
            "dendritic-weighted", "precision", "delays", "one delay a target, the mean of its synapses by their magnitude", "",
            "1", (1,),
        ),
        OperationRule(
            "weight-bits", "precision", "weights", "weights rounded to a grid that is even about 0, up to the largest", "bits",
            "1", (1, 2, 3, 4, 6, 8), harms_upwards=False,
        ),
        OperationRule(
            "weight-jitter", "precision", "weights", "normal noise added to weights",
            "standard deviation, in root mean squares", "1", (0.05, 0.1, 0.2, 0.4, 0.8), draws=True,
        ),
        *(
            OperationRule(f"null-{name}", "nulls", moves, what, "share of the targets", "1", _OF_NULLS, draws=True)
            for name, moves, what in (
                ("delays", "delays", "delays exchanged at random among the synapses of a target"),
                ("weights", "weights", "weights exchanged at random among the synapses of a target"),
                ("signs", "signs", "signs exchanged at random among the synapses of a target"),
                ("interaction", "signs", "signs exchanged at random as far as what they owe to source or delay alone stays"),
                ("sources", "sources", "whole sources exchanged at random, each with its synapses on a target"),
            )
        ),
        *(
            OperationRule(
                f"directed-{what}", "directed", what,
                f"{what} exchanged in pairs on a target, so that grouping rises, stays or falls", "share of the synapses",
                "1", levels, draws=True,
            )
            for what, levels in (("delays", (0.2, 0.4, 0.8)), ("signs", (0.1, 0.2, 0.4)))
        ),
    )
}  # fmt: skip

# what tells a line from another, and what it says; the kinds of numpy's dtypes
SETTING: Final[Mapping[str, str]] = {
    "operation": "O", "family": "O", "projection": "O", "level": "if", "arm": "O", "matched": "b", "normalisation": "O",
    "refit": "i",
}  # fmt: skip
VALUES: Final[Mapping[str, str]] = {
    "dose": "if", "n_moved": "i", "moved": "if", "grouping": "if", "buffer": "if", "test_accuracy": "if",
    "validation_accuracy": "if",
}  # fmt: skip
NO_ARM: Final = "none"  # of what is not directed
OF_CHECKPOINT: Final[Mapping[str, str]] = {"step": "i", "checkpoint": "O"}
KEY: Final = (*SETTING, "draw")
INTACT: Final[dict[str, Any]] = {
    "operation": "intact", "family": "intact", "projection": "all", "level": 0.0, "arm": NO_ARM, "matched": False,
    "normalisation": "kept", "refit": 0, "draw": 0,
}  # fmt: skip
_FAMILY_OF: Final = {"intact": "intact"} | {name: rule.family for name, rule in OPERATIONS.items()}


def without_controls(table: pd.DataFrame) -> pd.DataFrame:
    """The lines of networks whose normalisation was kept, and whose weights were not trained again."""
    lines: pd.DataFrame = table[(table["normalisation"] == INTACT["normalisation"]) & (table["refit"] == INTACT["refit"])]
    return lines


def write_operations(run: Path, table: pd.DataFrame) -> None:
    """Write operations.csv atomically."""
    write_table(run / TABLE, table)


def read_lines(run: Run | Path | str) -> pd.DataFrame:
    """The lines of operations.csv; `BadInput` if there is none, or a damaged one."""
    folder = folder_of(run)
    path = folder / TABLE
    if not path.is_file():
        raise BadInput(f"{folder} holds no {TABLE}; write it with `stanalysis operate`.")
    columns = {**SETTING, "draw": "i", **VALUES, **OF_CHECKPOINT}
    table = read_table(path, remedy=_REMEDY, texts=[name for name, kind in columns.items() if kind == "O"])
    may_lack = {"dose", "grouping", "buffer"}
    for name, kinds in columns.items():
        if name not in table or table.empty or table[name].dtype.kind not in kinds:
            raise BadInput(f"{path} has no column {name!r} of its kind; {_REMEDY}.")
        lacks = table[name].eq("") if kinds == "O" else table[name].isna() & (name not in may_lack)
        if lacks.any() or (kinds == "if" and np.isinf(table[name]).any()):
            raise BadInput(f"{path} has no whole column {name!r}; {_REMEDY}.")
    if unknown := set(table["operation"]) - set(_FAMILY_OF):
        raise BadInput(f"{path} holds the operation {min(unknown)!r}, which is not known; {_REMEDY}.")
    shares = table[["test_accuracy", "validation_accuracy"]]
    whole = (
        not table.duplicated(list(KEY)).any()
        and table["step"].nunique() == 1
        and bool(((shares >= 0) & (shares <= 1)).all(axis=None))
        and bool(table["family"].eq(table["operation"].map(_FAMILY_OF)).all())
        and bool(table["arm"].isin([*ARMS, NO_ARM]).all())
    )
    if not whole:
        raise BadInput(f"{path} has lines that contradict each other; {_REMEDY}.")
    if "intact" not in set(table["operation"]):
        raise BadInput(f"{path} has no line of the intact network; {_REMEDY}.")
    return table


def read_operations(run: Run | Path | str) -> xr.Dataset:
    """What a run can still do after operations on it: its operations.csv; `BadInput` if there is none, or a damaged one.

    Returns
    -------
    xarray.Dataset
        ``test_accuracy``, ``validation_accuracy``, ``dose``, ``n_moved``, ``moved``, ``grouping`` and ``buffer``, dims
        (setting, draw), NaN for draws that a setting does not have; coordinates ``operation``, ``family``, ``projection``,
        ``level``, ``arm``, ``matched``, ``normalisation`` and ``refit`` say what a setting is; attribute ``step``, that of
        the checkpoint.
    """
    table = read_lines(run)
    table["setting"] = [setting_name(dict(zip(SETTING, row, strict=True))) for row in table[list(SETTING)].to_numpy()]
    order = table["setting"].drop_duplicates().to_numpy()
    if table.duplicated(["setting", "draw"]).any():
        raise BadInput(f"{folder_of(run) / TABLE} has levels that cannot be told apart; {_REMEDY}.")
    values = table.set_index(["setting", "draw"])[list(VALUES)].to_xarray().astype(float).sel(setting=order)
    values = labelled(OPERATED, **{name: values[name] for name in VALUES})
    first = table.drop_duplicates("setting").set_index("setting")
    said = {name: ("setting", np.asarray(first[name].tolist())) for name in SETTING}
    return values.assign_coords({"setting": order.astype(str), **said}).assign_attrs(step=int(table["step"].iloc[0]))


def setting_name(row: Mapping[str, Any]) -> str:
    """What a setting is called: what it is, with what differs from the plainest.

    Examples
    --------
    >>> setting_name({**INTACT, "operation": "delay-jitter", "level": 5.0})
    'delay-jitter 5'
    >>> setting_name({**INTACT, "operation": "directed-delays", "level": 0.2, "projection": "a__b", "arm": "raise"})
    'directed-delays 0.2 a__b raise'
    """
    words = [str(row["operation"]), f"{row['level']:g}"]
    words += [str(row[name]) for name in ("projection", "arm", "normalisation") if row[name] != INTACT[name]]
    words += ["matched"] * bool(row["matched"]) + [f"refit {row['refit']}"] * bool(row["refit"])
    return " ".join(words)

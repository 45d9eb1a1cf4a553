"""The rewiring log: every birth and death of a synapse in one training, as a file.

A netCDF-4 file, one row per event along the unlimited dim ``event``; columns as `stanalysis.schema.network` declares them in
EVENTS; attrs ``schema_version``, ``projections``, a JSON list of names as ``"input__hidden1"``, and ``complete_to_step``: what
is alive then is censored there, not at the last event.

Steps never fall along the file. Within a step and projection deaths come before births, so a synapse may die and its place
be taken at once. A synapse is its (projection, target, source, contact): it keeps its contact until it dies.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.files.atomic import write_bytes
from stanalysis.files.event_file import CAUSE, KIND, SCHEMA_VERSION, log_bytes
from stanalysis.files.netcdf import read_tree, reading, require_sound
from stanalysis.files.records import from_json
from stanalysis.files.run import LOG, Run, folder_of
from stanalysis.schema.network import EVENTS, SYNAPSES
from stanalysis.schema.variables import Variable, labelled, validate

_WHAT = "a rewiring log (.nc)"
_CAUSES_OF_BIRTH = (CAUSE.INITIAL, CAUSE.REGROWN_BY_GRADIENT, CAUSE.REGROWN_AT_RANDOM, CAUSE.REBORN_IN_PLACE)
_CAUSES_OF_DEATH = (CAUSE.SIGN_CROSSING, CAUSE.MAGNITUDE)
_IDENTITY = ("contact", "source", "target", "projection")  # of a synapse, the key that sorts last in front
_LIVING = SYNAPSES | {
    v.name: v
    for v in (
        Variable("birth_step", ("synapse",), "i", "1", "training step at whose end the synapse was born"),
        Variable("delay", ("synapse",), "f", "ms", "delay at birth"),
        Variable("weight", ("synapse",), "f", "1", "signed synaptic weight at birth"),
    )
}


def start_log(path: Path | str, projections: Sequence[str]) -> None:
    """Write a log without events, atomically; a log that lies there is replaced.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     start_log(f"{folder}/rewiring.nc", ["input__hidden1", "hidden1__output"])
    ...     read_log(f"{folder}/rewiring.nc").sizes["event"]
    0
    """
    write_bytes(Path(path), log_bytes(projections, event_table([]), 0))


def event_table(parts: Sequence[Mapping[str, NDArray[np.generic]]]) -> xr.Dataset:
    """Births and deaths as `append_events` takes them: the columns of EVENTS, of all parts, one after the other."""
    empty = {name: np.empty(0, variable.kind) for name, variable in EVENTS.items()}
    return labelled(EVENTS, **{name: np.concatenate([part[name] for part in parts or [empty]]) for name in EVENTS})


def append_events(path: Path | str, events: xr.Dataset, *, continues: int, complete_to_step: int) -> None:
    """Add rows to a log; one that is interrupted leaves the log as it was.

    The file is written anew, its whole chunks as they are, so many events at once cost little more than one.

    Parameters
    ----------
    events
        All columns of EVENTS, none of a step before the one to which the log is complete; perhaps without rows.
    continues
        Step up to which the log must be complete: where events of earlier steps are missing, none are added.
    complete_to_step
        Step up to which the log will then hold every event.

    Raises
    ------
    BadInput
        The log is damaged or complete to another step, or the events are none of such a log.

    Examples
    --------
    >>> born = labelled(EVENTS, step=[0, 0], projection=[0, 0], kind=[KIND.BIRTH] * 2, cause=[CAUSE.INITIAL] * 2,
    ...                 source=[3, 1], target=[0, 0], contact=[0, 0], delay=[2.0, 7.5], weight=[0.5, -0.1],
    ...                 gradient=[np.nan, np.nan], rank=[0, 0], sign=[1, -1])
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     start_log(f"{folder}/rewiring.nc", ["input__hidden1"])
    ...     append_events(f"{folder}/rewiring.nc", born, continues=0, complete_to_step=0)
    ...     read_log(f"{folder}/rewiring.nc").delay.values
    array([2. , 7.5])
    """
    path = Path(path)
    n_new = events.sizes["event"]
    with _reading(path) as file:
        names, n = _header(file.attrs, str(path)), len(file["step"])
        _last_row(file, n)
        complete = int(np.ravel(file.attrs["complete_to_step"])[0])
        if complete != continues:
            raise BadInput(
                f"{path} is complete to step {complete}, but what is to be added continues it from step {continues}; truncate "
                "the log first, or give all events since."
            )
        where = f"the data set to append to {path}"
        _validate_events(events, len(names), where)
        begins, ends = (int(events["step"][k]) if n_new else complete_to_step for k in (0, -1))
        if min(begins, complete_to_step) < complete:
            raise BadInput(
                f"{where} begins at step {begins}, but the log is complete to step {complete}; truncate the log first."
            )
        if ends > complete_to_step:
            raise BadInput(
                f"{where} ends at step {ends}, beyond complete_to_step {complete_to_step}; give at least its last step."
            )
        content = log_bytes(names, events, complete_to_step, file, n)
    write_bytes(path, content)


def truncate_log(path: Path | str, step: int) -> None:
    """Drop the events after ``step``, atomically; a log that ends there is not touched.

    `BadInput` if the log is not complete up to that step.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     start_log(f"{folder}/rewiring.nc", ["input__hidden1"])
    ...     truncate_log(f"{folder}/rewiring.nc", 0)
    """
    path = Path(path)
    with _reading(path) as file:
        names = _header(file.attrs, str(path))
        kept = bisect_right(file["step"], step)
        _last_row(file, kept)
        complete = int(np.ravel(file.attrs["complete_to_step"])[0])
        if complete < step:
            raise BadInput(f"{path} is complete to step {complete} only, not to step {step}; restore it, or train anew.")
        content = log_bytes(names, event_table([]), step, file, kept) if complete > step else None
    if content is not None:
        write_bytes(path, content)


def read_log(log: Run | Path | str) -> xr.Dataset:
    """Load and validate a whole log, a file or that of a run; `BadInput` says what is wrong with a file that is none.

    Returns
    -------
    Dataset of the columns of EVENTS, dim event; attrs ``schema_version``, ``projections`` (JSON) and ``complete_to_step``.
    """
    path = folder_of(log)
    path = path / LOG if path.is_dir() else path
    events = read_tree(path, _WHAT).to_dataset()
    _validate_events(events, len(_header(events.attrs, str(path))), str(path))
    if events.sizes["event"] and events["step"].values[-1] > events.attrs["complete_to_step"]:
        raise BadInput(f"{path} has events after the step to which it is complete; restore it, or train anew.")
    return events


def replay(log: xr.Dataset, step: int) -> dict[str, xr.Dataset]:
    """The synapses alive after ``step``, by projection.

    Parameters
    ----------
    log
        As `read_log` returns it.

    Returns
    -------
    For each projection a Dataset of ``source``, ``target``, ``contact``, ``birth_step``, ``delay`` [ms] and ``weight``, the
        last two as they were at birth; dim synapse, sorted by (target, source, contact).

    Examples
    --------
    The second synapse dies at step 10.

    >>> log = labelled(EVENTS, step=[0, 0, 10], projection=[0, 0, 0], kind=[KIND.BIRTH, KIND.BIRTH, KIND.DEATH],
    ...                cause=[CAUSE.INITIAL, CAUSE.INITIAL, CAUSE.MAGNITUDE], source=[3, 1, 1], target=[0, 0, 0],
    ...                contact=[0, 0, 0], delay=[2.0, 7.5, 8.0], weight=[0.5, -0.1, -0.01], gradient=[np.nan] * 3,
    ...                rank=[0, 0, 0]).assign_attrs(projections='["input__hidden1"]')
    >>> [replay(log, step)["input__hidden1"].source.values.tolist() for step in (9, 10)]
    [[1, 3], [3]]
    """
    names = projections_of(log.attrs, "the rewiring log")
    log = log.isel(event=slice(0, np.searchsorted(log["step"].values, step, "right")))
    order, first = by_synapse(log)
    last = np.append(first[1:], True)[: order.size]
    alive = order[last & (log["kind"].values[order] == KIND.BIRTH)]
    columns = {name: log[name].values[alive] for name in ("source", "target", "contact", "delay", "weight")}
    columns["birth_step"] = log["step"].values[alive]
    ends = np.searchsorted(log["projection"].values[alive], np.arange(len(names) + 1))
    return {
        name: labelled(_LIVING, **{column: values[start:end] for column, values in columns.items()})
        for name, start, end in zip(names, ends[:-1], ends[1:], strict=True)
    }


def by_synapse(log: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Order (event) that puts the events of one synapse together, as they happened, and which of them are its first.

    `BadInput` unless births and deaths of every synapse take turns, beginning with a birth.
    """
    # lexsort is stable: the events of one synapse stay in the order of the file
    order = np.lexsort([log[name].values for name in _IDENTITY])
    other = np.zeros(max(order.size - 1, 0), bool)
    for name in _IDENTITY:
        column = log[name].values[order]
        other |= column[1:] != column[:-1]
    first = np.append(True, other)[: order.size]
    kind = log["kind"].values[order]
    wrong = order[kind == np.where(first, KIND.DEATH, np.roll(kind, 1))]
    if wrong.size:
        event = log.isel(event=wrong.min())
        what = "a birth of a synapse that is alive" if event["kind"] == KIND.BIRTH else "a death of one that is not alive"
        at = ", ".join(f"{name} {event[name].item()}" for name in ("step", *reversed(_IDENTITY)))
        raise BadInput(f"the rewiring log contradicts itself in row {wrong.min()}, {what} ({at}); restore it, or train anew.")
    return order, first


def turnover(log: xr.Dataset) -> pd.DataFrame:
    """Number of ``births`` and ``deaths`` in each projection and step that has any.

    Examples
    --------
    >>> log = labelled(EVENTS, step=[0, 0, 10], projection=[0, 0, 0], kind=[KIND.BIRTH, KIND.BIRTH, KIND.DEATH])
    >>> turnover(log.assign_attrs(projections='["input__hidden1"]'))
                         births  deaths
    projection     step
    input__hidden1 0          2       0
                   10         0       1
    """
    names = projections_of(log.attrs, "the rewiring log")
    kind = log["kind"].values
    events = pd.DataFrame(
        {
            "projection": log["projection"].values,
            "step": log["step"].values,
            "births": kind == KIND.BIRTH,
            "deaths": kind == KIND.DEATH,
        }
    )
    return events.groupby(["projection", "step"]).sum().rename(index=dict(enumerate(names)), level="projection")


@contextmanager
def _reading(path: Path) -> Iterator[Any]:
    """The file as h5py gives it, to read a few numbers of it; `BadInput` if that fails."""
    require_sound(path, _WHAT)
    with reading(path, _WHAT), h5py.File(path) as file:
        yield file


def _last_row(file: Any, n: int) -> dict[str, Any]:
    """The last of the first ``n`` rows, if any. Ahead of writing it finds damage from which HDF5 would fail or crash."""
    return {name: file[name][max(n - 1, 0) : n] for name in EVENTS}


def _header(attrs: Mapping[Any, Any], where: str) -> list[str]:
    """Names of the projections; `BadInput` unless the attributes are those of a log of this schema."""
    names = projections_of(attrs, where)
    complete = np.ravel(attrs.get("complete_to_step", "none"))
    if complete.dtype.kind not in "iu" or complete[0] < 0:
        raise BadInput(f"{where} is no rewiring log: it has no complete_to_step; give the rewiring.nc of a run.")
    version = np.ravel(attrs.get("schema_version", "none")).tolist()  # h5py gives an array, xarray a number
    if version != [SCHEMA_VERSION]:
        raise BadInput(
            f"{where} has schema version {', '.join(map(str, version))}, this program reads {SCHEMA_VERSION}; "
            "use the version of the program that wrote it."
        )
    return names


def projections_of(attrs: Mapping[str, str], where: str) -> list[str]:
    """Names of the projections of a log, from its attributes; `BadInput` if they do not say."""
    if "projections" not in attrs:
        raise BadInput(f"{where} is no rewiring log: its attribute 'projections' is missing; give the rewiring.nc of a run.")
    try:
        names = from_json(attrs["projections"])
    except (ValueError, TypeError):
        names = None
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names) and len(set(names)) == len(names)):
        raise BadInput(f"{where} has projections {attrs['projections']!r}; expected a JSON list of different names.")
    return names


def _validate_events(events: xr.Dataset, n_projections: int, where: str) -> None:
    validate(events, EVENTS, required=tuple(EVENTS), where=where)
    column = {name: events[name].values for name in EVENTS}
    step, projection, kind, cause = (column[name] for name in ("step", "projection", "kind", "cause"))
    fits = np.where(kind == KIND.DEATH, np.isin(cause, _CAUSES_OF_DEATH), np.isin(cause, _CAUSES_OF_BIRTH))
    checks = [
        ("step", np.append(step[:1] >= 0, step[1:] >= step[:-1]), "steps from 0 that never fall"),
        ("projection", (projection >= 0) & (projection < n_projections), f"0 to {n_projections - 1}"),
        ("kind", np.isin(kind, list(KIND)), _listed(KIND)),
        ("cause", fits, f"{_listed(_CAUSES_OF_BIRTH)} for a birth, {_listed(_CAUSES_OF_DEATH)} for a death"),
        *((name, column[name] >= 0, "at least 0") for name in ("source", "target", "contact", "rank")),
        ("delay", np.isfinite(column["delay"]) & (column["delay"] >= 0), "a finite number of ms, at least 0"),
        ("weight", np.isfinite(column["weight"]), "a finite number"),
        ("sign", np.isin(column["sign"], (-1, 1)), "1 or -1"),
    ]
    for name, right, expected in checks:
        if not right.all():
            row = int(np.argmin(right))
            raise BadInput(f"{where} has {name} = {column[name][row]} in row {row}; expected {expected}.")


def _listed(codes: Iterable[IntEnum]) -> str:
    return ", ".join(f"{code} ({code.name.lower()})" for code in codes)

"""The folder of a sweep.

::

    sweep.json     the grids, and what their runs share (`trainers.sweep.plan`); it may grow, what is shared may not change
    sweep.csv      one line per finished run, in grid order, as `stanalysis.files.sweep` describes it
    <run>/         a run folder, as `stanalysis.files.run` describes it; who trains it claims it (`stanalysis.files.lock`)
    failed/        <run>.json: why a run is not tried any more

The run folders are the state of a sweep. sweep.csv is made from them, and spares opening each anew: a run has its line once
it is finished, and does not change any more.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from stanalysis.errors import BadInput
from stanalysis.files.lock import HeldElsewhere, Holder, held, holder_of
from stanalysis.files.records import read_json, write_json
from stanalysis.files.run import INFO, is_free
from stanalysis.files.sweep import read_lines, write_sweep
from stanalysis.files.temporary import LOCK, is_temporary
from trainers.sweep.plan import SETTINGS, Plan, read_plan
from trainers.sweep.rows import row_of_run, settings_of_run

FAILED: Final = "failed"
_PATIENCE: Final = 60.0  # seconds in which somebody else writes the table

Row = dict[str, Any]


class SweepFolder:
    """A sweep folder, and the lines of the runs in it that are known to be finished."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, Row] = {}
        self._plan = Plan((), {})
        self._methods: list[str] = []  # the first is that of a table that names none

    def begin(self, plan: Plan) -> Plan:
        """Have the folder train this, beside what it trains already; `BadInput` where that does not go together."""
        with held(self.path):
            stored = None if is_free(self.path) else read_plan(self.path)
            whole = stored.joined(plan, self.path) if stored else plan
            self._look(whole)
            if whole != stored:
                write_json(self.path / SETTINGS, whole.content())
            self._write(self.rows)
        for run in self.rows:
            if any(is_temporary(entry) for entry in (self.path / run).iterdir()):  # its process died once all else was done
                with suppress(HeldElsewhere), held(self.path / run):  # it may be pruned right now
                    pass
        return whole

    def open(self) -> Plan:
        """What the folder trains."""
        plan = read_plan(self.path)
        if not plan.grids:
            raise BadInput(f"{self.path} does not say which runs it wants; give the command of the sweep once more.")
        self._look(plan)
        return plan

    def trained_by(self, run: str) -> Holder | None:
        """Who trains a run that is not finished; None where nobody does, or who did is gone."""
        if not (self.path / run / LOCK).exists():
            return None
        holder = holder_of(self.path / run)
        return holder if holder and not holder.is_gone else None

    def is_finished(self, run: str) -> bool:
        """Whether a run that nobody trains is finished."""
        if run not in self.rows and (row := row_of_run(self.path / run)):
            self.rows[run] = {**row, "seconds": float("nan")}
        return run in self.rows

    def finish(self, row: Row, seconds: float) -> Row:
        """Keep the line of a run that took so long."""
        line = self.rows[row["run"]] = {**row, "seconds": round(seconds, 1)}
        self._failure(row["run"]).unlink(missing_ok=True)
        return line

    def fail(self, run: str, sentence: str) -> None:
        """Keep why a run is not tried any more."""
        write_json(self._failure(run), {"error": sentence, "when": time.time()})

    def forget_failure(self, run: str) -> None:
        """Have a run tried anew."""
        self._failure(run).unlink(missing_ok=True)

    def failures(self) -> dict[str, str]:
        """By name why runs are not tried any more."""
        places = sorted((self.path / FAILED).glob("*.json"))
        return {place.stem: str(read_json(place, remedy="remove it").get("error")) for place in places}

    def has_failed(self, run: str) -> bool:
        """Whether a run is not tried any more."""
        return self._failure(run).is_file()

    def write_table(self) -> None:
        """Have sweep.csv list the runs that are known to be finished, beside those of others."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                with held(self.path):
                    self._merge()
                    return
            except HeldElsewhere:  # for a moment only: by another that finished a run
                if time.monotonic() > deadline:
                    raise

    def _merge(self) -> None:
        """Write the lines that are ours and those of the table, if it lacks any, or what one of them took."""
        ours, listed = self.rows, self._listed()
        is_lost = not listed and bool(ours)  # or damaged: what others had in it is in their run folders
        if is_lost:
            self._look(self._plan)
            listed = self.rows
        untold = {run for run, row in listed.items() if row["seconds"] != row["seconds"]}
        told = {run: ours[run] for run in untold & ours.keys() if ours[run]["seconds"] == ours[run]["seconds"]}
        self.rows = {**ours, **listed, **told}
        if is_lost or told or not ours.keys() <= listed.keys():
            self._write(self.rows)

    def _look(self, plan: Plan) -> None:
        """Find the runs that are finished; `BadInput` where one lies there that is not of this sweep."""
        self._plan, self._methods = plan, [*plan.shared]
        self.rows = self._listed()
        for run in sorted(self.names() - self.rows.keys()):
            if not (self.path / run / INFO).is_file():
                continue
            method, settings = settings_of_run(self.path / run)
            if method not in plan.shared:
                raise BadInput(f"{self.path / run} holds a run of another method; move it out of the sweep.")
            if settings != plan.shared[method]:
                raise BadInput(f"{self.path / run} holds a run of other settings; move it out of the sweep.")
            if not self.trained_by(run):
                self.is_finished(run)

    def _write(self, rows: Mapping[str, Row]) -> None:
        write_sweep(self.path, rows.values(), several_methods=len(self._methods) > 1)

    def _listed(self) -> dict[str, Row]:
        """The lines of sweep.csv whose runs are there; none where it is lost or damaged, and to be made anew."""
        try:
            lines = read_lines(self.path)
        except (OSError, BadInput):
            return {}
        there, usual = self.names(), {"method": self._methods[0]}
        return {line["run"]: usual | line for line in lines if line["run"] in there}

    def names(self) -> set[str]:
        """What lies in the folder: one question to the file system, however many runs there are."""
        with os.scandir(self.path) as entries:
            return {entry.name for entry in entries}

    def _failure(self, run: str) -> Path:
        return self.path / FAILED / f"{run}.json"

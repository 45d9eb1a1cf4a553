"""What a sweep trains, as sweep.json has it: grids, and for each method what its runs share."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from stanalysis.errors import BadInput
from stanalysis.files.kinds import OBJECT, TEXT, list_of, mapping_of, number, optional, record, require_kinds, whole
from stanalysis.files.lock import LEASE
from stanalysis.files.records import read_json
from trainers.datasets import DATA_IDENTITY, Recordings, load_dataset
from trainers.methods.registry import method_named
from trainers.methods.settings import config_from
from trainers.sweep.grid import Grid, Settings, settings_of
from trainers.sweep.spec import RunSpec

SCHEMA_VERSION: Final = 2
SETTINGS: Final = "sweep.json"
_REMEDY: Final = "restore it, or start another sweep"
_SHARED: Final = {
    "data": record({"name": TEXT, "sha256": TEXT, "gain": optional(number()), "dt": optional(number())}, required=["sha256"]),
    "checkpoints": whole(2, exact=True),
    "config": OBJECT,
}
_GRID: Final = {
    "method": TEXT,
    "axes": OBJECT,
    "seeds": list_of(whole(0, exact=True)),
    "data": TEXT,
    "gain": optional(number()),
    "bin": optional(number()),
}
_KINDS: Final = {
    "lease": number(1),
    "shared": mapping_of(record(_SHARED, required=_SHARED)),
    "grids": list_of(record(_GRID, required=_GRID)),
}


@dataclass(frozen=True)
class Plan:
    """What a sweep folder trains: its grids, by method what their runs share, and the lease of a claim in seconds."""

    grids: tuple[Grid, ...]
    shared: Mapping[str, Settings]
    lease: float = LEASE

    def specs(self, path: Path) -> list[RunSpec]:
        """Every run, into the folder ``path``; of each grid the longest first, lest they are left alone at the end."""
        specs: dict[str, RunSpec] = {}
        as_json: dict[Any, dict[str, Any]] = {}  # of a configuration, which many seeds share
        for grid in self.grids:
            for point in sorted(grid.points(), key=lambda p: grid.design.effort(p.config), reverse=True):
                if point.config not in as_json:
                    as_json[point.config] = asdict(point.config)
                spec = RunSpec(
                    method=grid.method.name,
                    module=grid.method.config.__module__,
                    config=as_json[point.config],
                    data=grid.data,
                    sha256=self.shared[grid.method.name]["data"]["sha256"],
                    gain=grid.gain,
                    bin=grid.bin,
                    path=os.path.abspath(path / point.name),
                    seed=point.seed,
                    checkpoints=grid.checkpoints,
                    lease=self.lease,
                )
                if specs.setdefault(point.name, spec) != spec:
                    raise BadInput(f"Two runs of the sweep would be called {point.name}; name each method once.")
        return list(specs.values())

    def content(self) -> dict[str, Any]:
        """For sweep.json."""
        grids = [
            {"method": g.method.name, "axes": g.axes, "seeds": g.seeds, "data": g.data, "gain": g.gain, "bin": g.bin}
            for g in self.grids
        ]
        return {"schema_version": SCHEMA_VERSION, "lease": self.lease, "shared": self.shared, "grids": grids}

    def joined(self, later: Plan, where: Path) -> Plan:
        """With the grids of a later one, too; `BadInput` where no method is the same, or what its runs share differs."""
        if self.shared.keys().isdisjoint(later.shared):  # as by a slip: the folder of another sweep
            stored, wanted = (", ".join(plan.shared) for plan in (self, later))
            raise BadInput(f"{where} holds a sweep with method {stored}, not {wanted}; give its own, or another folder.")
        for method in self.shared.keys() & later.shared.keys():
            for name, wanted, stored in _differences(self.shared[method], later.shared[method]):
                raise BadInput(
                    f"{where} holds a sweep with {name} {stored}, not {wanted}; give its own settings, or another folder."
                )
        now = {grid.method.name: grid for grid in later.grids}
        latest = [now.get(grid.method.name, grid) for grid in self.grids]  # the same data may have moved
        known = [replace(g, data=n.data, gain=n.gain, bin=n.bin) for g, n in zip(self.grids, latest, strict=True)]
        every = [grid for n, grid in enumerate([*known, *later.grids]) if grid not in [*known, *later.grids][:n]]
        return Plan(tuple(every), {**self.shared, **later.shared}, later.lease)


def plan_of(grids: Sequence[Grid], lease: float) -> Plan:
    """The plan of some grids, whose data are looked at, and whose networks are tried: a sentence before the long runs."""
    if not 1 <= lease < 1e6:
        raise BadInput(f"The lease is {lease} s; give from 1 second to some days.")
    known: dict[tuple[Any, ...], Recordings] = {}
    shared: dict[str, Settings] = {}
    for grid in grids:
        key = (grid.data, grid.gain, grid.method.wants, grid.bin)
        if key not in known:
            known[key] = load_dataset(grid.data, gain=grid.gain, content=grid.method.wants, dt=grid.bin)
        _require_networks(grid, known[key])
        dataset = {name: getattr(known[key], name) for name in DATA_IDENTITY}
        shared[grid.method.name] = settings_of(grid.method, asdict(grid.config), dataset, grid.checkpoints)
    return Plan(tuple(map(_lasting, grids)), shared, lease)


def _lasting(grid: Grid) -> Grid:
    """As it is read again, from whatever folder: with a whole path, and the fields that its axes set as by default."""
    usual = {name: getattr(grid.method.default, name) for name in grid.design.fields}
    data = os.path.abspath(grid.data) if os.path.exists(grid.data) else grid.data
    return replace(grid, data=data, config=replace(grid.config, **usual))


def read_plan(path: Path) -> Plan:
    """What a sweep folder trains; `BadInput` where it does not say."""
    place = path / SETTINGS
    if not place.is_file():
        raise BadInput(f"{path} is no sweep folder: it holds no {SETTINGS}; name another folder.")
    stored = read_json(place, remedy=_REMEDY)
    if stored.get("schema_version") == 1:
        return Plan((), _shared_of_version_1(stored))
    if stored.get("schema_version") != SCHEMA_VERSION:
        raise BadInput(f"{place} is not of schema version {SCHEMA_VERSION}; use the program version that wrote it.")
    require_kinds(stored, _KINDS, required=_KINDS, where=str(place), remedy=_REMEDY)
    shared = stored["shared"]
    if unknown := {grid["method"] for grid in stored["grids"]} - shared.keys():
        raise BadInput(f"{place} does not say what the runs of {min(unknown)} share; {_REMEDY}.")
    return Plan(tuple(_grid(grid, shared[grid["method"]], place) for grid in stored["grids"]), shared, stored["lease"])


def _grid(stored: Mapping[str, Any], shared: Settings, place: Path) -> Grid:
    method = method_named(stored["method"], str(place))
    try:
        config = config_from(json.loads(json.dumps(asdict(method.default))) | shared["config"], method.config)
        design = method.design
        axes = {axis.name: axis.setting.read(stored["axes"][axis.name], str(place)) for axis in design.axes} if design else {}
    except (BadInput, KeyError) as error:
        raise BadInput(f"{place} holds no grid of the method {method.name}; {_REMEDY}.") from error
    data = {name: stored[name] for name in ("data", "gain", "bin")}
    return Grid(method, axes, config, tuple(stored["seeds"]), checkpoints=shared["checkpoints"], **data)


def _shared_of_version_1(stored: dict[str, Any]) -> dict[str, Settings]:
    """All runs of such a sweep were of one method, and had the same delays between time steps unless it is said."""
    config: dict[str, Any] = {"dt": 10.0, "method": "sparse"} | stored
    del config["schema_version"]
    data = {name: config.pop(key, None) for name, key in zip(DATA_IDENTITY, ("data", "sha256", "gain", "dt"), strict=True)}
    return {str(config.pop("method")): {"data": data, "checkpoints": config.pop("checkpoints", None), "config": config}}


def _require_networks(grid: Grid, data: Recordings) -> None:
    """Raise `BadInput` where a point of the grid has no network for these data."""
    rule = grid.method.rule()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its run warns
        for point in grid.points():
            if point.seed == min(grid.seeds):
                rule.init(point.config, point.seed, data.format)


def _differences(stored: Settings, wanted: Settings) -> list[tuple[str, Any, Any]]:
    """Names of settings that differ, with what is wanted and what is stored."""
    flat = [settings["data"] | {"checkpoints": settings["checkpoints"]} | settings["config"] for settings in (stored, wanted)]
    return [(name, value, flat[0].get(name)) for name, value in flat[1].items() if flat[0].get(name) != value]

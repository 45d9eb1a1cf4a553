"""Grids of sweeps as the command line and TOML files give them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from stanalysis.errors import BadInput
from trainers.cli.options import preset_setting
from trainers.methods.contract import Method
from trainers.methods.registry import METHODS
from trainers.methods.settings import Setting, settings
from trainers.sweep.grid import Grid, design_of, grid_of

METHOD = "methods"  # of a file: a table for each, beside the values of an axis that is called so


def described(method: Method) -> tuple[dict[str, Setting], dict[str, Setting]]:
    """The entries of a grid file of a method, and those of its table config."""
    design = design_of(method)
    entries = {axis.name: axis.setting for axis in design.axes} | settings(Grid) | {"preset": preset_setting(method.presets)}
    return entries, {name: setting for name, setting in settings(method.config).items() if name not in design.fields}


def grids_from(method: Method, file: Path | None, flags: Mapping[str, Any]) -> list[Grid]:
    """The grids of a TOML file, with the ``flags`` instead of its entries.

    A file whose ``methods`` are tables has a grid for each, of the registered method that its ``name`` says; what stands before
    them is for all. Any other file has one, of ``method``. The flags are entries of the file or of its table ``config``, by
    name, and go before the file; both go before the preset.
    """
    stored = _read(file) if file else {}
    tables = stored.get(METHOD)
    if not (isinstance(tables, list) and tables and all(isinstance(table, dict) for table in tables)):
        return [_grid(method, stored, str(file), flags)]
    shared = {name: value for name, value in stored.items() if name != METHOD}
    for name in (*shared, *flags):
        if name not in settings(Grid):
            raise BadInput(f"{name} is for one method; give it in the table of that method in {file}.")
    return [_of_table(table, shared, file, flags) for table in tables]


def _of_table(table: Mapping[str, Any], shared: Mapping[str, Any], file: Path | None, flags: Mapping[str, Any]) -> Grid:
    """The grid of one method of a file of several."""
    methods = {method.verb: method for method in METHODS.values()}
    if (name := table.get("name")) not in methods:
        raise BadInput(f"{file}: the method {name!r} is not known; give one of {', '.join(methods)} as its name.")
    return _grid(methods[name], {**shared, **{k: v for k, v in table.items() if k != "name"}}, f"{file}, {name}", flags)


def _grid(method: Method, stored: Mapping[str, Any], where: str, flags: Mapping[str, Any]) -> Grid:
    entries, of_networks = described(method)
    table = stored.get("config", {})
    if not isinstance(table, dict):
        raise BadInput(f"{where}: config is {table!r}; give a table, [config].")
    stored = _checked(where, {name: value for name, value in stored.items() if name != "config"}, entries)
    table = _checked(where, table, of_networks)
    preset = flags.get("preset", stored.pop("preset", next(iter(method.presets))))
    if preset not in method.presets:
        raise BadInput(f"preset is {preset!r}; give one of {', '.join(method.presets)}.")
    config = table | {name: value for name, value in flags.items() if name in of_networks}
    given = stored | {name: value for name, value in flags.items() if name in entries and name != "preset"}
    given.setdefault("data", method.data_of(preset))
    return grid_of(method, config=replace(method.presets[preset], **config), **given)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError, TOMLDecodeError
        raise BadInput(f"{file} is not valid TOML ({error}); mend it.") from error


def _checked(where: str, entries: Mapping[str, Any], known: Mapping[str, Setting]) -> dict[str, Any]:
    """The values of entries that are settings, each of its kind."""
    for name in entries:
        if name not in known:
            raise BadInput(f"{where}: {name!r} is no entry there; give some of {', '.join(known)}.")
    return {name: known[name].read(value, where) for name, value in entries.items()}

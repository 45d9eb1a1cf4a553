"""The line of sweep.csv that a finished run has."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from stanalysis.files.checkpoint import read_checkpoint
from stanalysis.files.run import INFO, open_run, read_metrics
from trainers.methods.registry import method_named
from trainers.methods.settings import config_from
from trainers.sweep.grid import Settings, design_of, point_of, settings_of


def row_of_run(folder: Path) -> dict[str, Any] | None:
    """The line of a run folder, but for its seconds; None while it is not finished."""
    if not (folder / INFO).is_file():
        return None
    run, metrics = open_run(folder), read_metrics(folder)
    method = method_named(str(run.info.get("method")), str(folder))
    config, design = config_from(run.info.get("config"), method.config), design_of(method)
    if metrics.empty or metrics["epoch"].iloc[-1] < config.epochs or not run.last.is_file():
        return None
    last, best = metrics.iloc[-1], metrics.iloc[int(metrics["validation_accuracy"].argmax())]
    network = read_checkpoint(run.last)
    if network.attrs["step"] != last["step"]:  # killed after the metrics were written, and before the network was
        return None
    tables = {tuple(name.split("__")): table.to_dataset() for name, table in network["projections"].children.items()}
    projections, counts = list(tables.values()), design.n_parameters
    first = network["projections/input__hidden1"].to_dataset()
    return {
        "run": folder.name,
        "method": method.name,
        **design.columns(config),
        **({"n_parameters": counts(config, tables)} if counts else {}),
        "seed": run.info["seed"],
        "n_synapses": sum(table.sizes["synapse"] for table in projections),
        "n_possible": sum(int(table.attrs["n_source"] * table.attrs["n_target"]) for table in projections),
        "in_degree": first.sizes["synapse"] / int(first.attrs["n_target"]),
        "n_input_synapses": first.sizes["synapse"],
        "epochs": config.epochs,
        "last_validation_accuracy": float(last["validation_accuracy"]),
        "last_test_accuracy": float(last["test_accuracy"]),
        "best_epoch": int(best["epoch"]),
        "best_validation_accuracy": float(best["validation_accuracy"]),
        "best_test_accuracy": float(best["test_accuracy"]),
    }


def settings_of_run(folder: Path) -> tuple[str, Settings | None]:
    """The method of a run folder, and what it shares with others of its sweep; None where it is not as its name says."""
    info = open_run(folder).info
    method = method_named(str(info.get("method")), str(folder))
    config, design = config_from(info.get("config"), method.config), design_of(method)
    point = point_of(design, config, tuple(axis.value(config) for axis in design.axes), info.get("seed", -1))
    if folder.name != point.name or config != point.config:
        return method.name, None
    data = {"dt": 10.0} | (info.get("dataset") or {})  # early runs do not say it: all had the same
    return method.name, settings_of(method, asdict(config), data, info.get("n_checkpoints", 0))

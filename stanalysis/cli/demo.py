"""The verb demo: train, analyse and report in one command."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from stanalysis.cli.analyze import analyze


def demo(*, output: Annotated[Path, Parameter(alias="-o")] = Path("demo"), seed: int = 0) -> int | None:
    """Train a small network on the built-in digits, analyse it and write the report.

    Parameters
    ----------
    output
        Folder for the run, the analysis and the report.
    seed
        Seed of the network.
    """
    from stanalysis.files.run import is_free  # here, for the help to be quick

    # the applications are reached by name, so that the library depends on neither
    training = importlib.import_module("trainers.cli.train")
    report = importlib.import_module("reports.cli").report
    dense = training.train_verb(training.METHODS["dcls"])
    code = dense(output=output / "run", hidden=(128,), epochs=25, seed=seed, resume=not is_free(output / "run"))
    if code:
        Console(stderr=True).print("The same demo command goes on, too.")
        return int(code)
    analyze([output / "run"], output=output / "analysis.nc")
    report([output / "analysis.nc"], output=output / "report")
    return None

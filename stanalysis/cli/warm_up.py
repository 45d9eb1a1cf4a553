"""The verb warm-up: compile all kernels before somebody waits for them."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from stanalysis.errors import BadInput
from stanalysis.progress import Progress, duration
from stanalysis.stats.engine.families import FAMILIES


def warm_up() -> None:
    """Compile all that training and analyses run, so that the first of them on this machine need not.

    It trains networks of every method on a few recordings and analyses some, in a temporary folder. The compiled code stays
    beside the program if that folder can be written, otherwise in the user's cache; or in the folder that the environment
    variable NUMBA_CACHE_DIR names.
    """
    import numba  # here, for the help to be quick

    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined] # numba sets it from the environment
        raise BadInput("NUMBA_DISABLE_JIT is set, so that nothing is compiled; unset it.")
    began = time.monotonic()
    with TemporaryDirectory() as folder, Progress(Console(stderr=True)) as progress:
        # trainers are reached by name, so that the library does not depend on them
        runs = importlib.import_module("trainers.cli.warm_up").train_each(Path(folder), progress.doing)
        _analyse(Path(folder), runs, progress)
    console = Console()
    console.print(f"Compiled in {duration(time.monotonic() - began)}. The code is in:", highlight=False)
    for place in places_of_code():
        console.print(place, highlight=False, markup=False, soft_wrap=True)


def _analyse(folder: Path, runs: Sequence[Path], progress: Progress) -> None:
    """Analyse runs, and a small network in all families of statistics; beside the usual null by the one with other kernels."""
    from stanalysis.analysis.analyze import analyze
    from stanalysis.files.checkpoint import write_checkpoint
    from stanalysis.stats.engine.rearranged import rearranged
    from stanalysis.synthetic.network import small_network

    for run in runs:
        progress.doing(f"analysing {run.name}")
        analyze(run, n_permutations=9, seed=0, check=False)
    write_checkpoint(network := small_network(), folder / "small.nc")
    rearranged(network["projections/input__hidden1"].to_dataset(), "delays", seed=0, draw=0)
    for null in ("delays", "cells"):
        progress.doing(f"analysing by the null {null}")
        analyze(folder / "small.nc", statistics=list(FAMILIES), null=null, n_permutations=9, seed=0)


def places_of_code() -> list[str]:
    """The folders that hold the code of what is compiled."""
    from numba.core.dispatcher import Dispatcher

    ours = [vars(module) for name, module in sys.modules.items() if name.partition(".")[0] in ("stanalysis", "trainers")]
    compiled = [thing for module in ours for thing in module.values() if isinstance(thing, Dispatcher) and thing.signatures]
    return sorted({path for dispatcher in compiled if (path := dispatcher.stats.cache_path)})

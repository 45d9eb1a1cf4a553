"""A trained network to operate on: that of a run, whatever method trained it, with any table of synapses.

An operation is a function of a `TrainedNetwork`: it makes tables of synapses from ``tables``, and asks for the ``accuracies``
that they leave. It knows no method.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import UNKNOWN_SEED
from stanalysis.files.digest import hash_of
from stanalysis.files.run import Run, open_run
from trainers.datasets import DATA_IDENTITY, DEFAULTS, load_dataset
from trainers.datasets.recordings import Recordings
from trainers.methods.contract import Method, Tables
from trainers.methods.registry import method_named
from trainers.methods.settings import config_from
from trainers.training.evaluation import evaluate
from trainers.training.resuming import restore

Choice = Literal["best", "last"]


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """The network of a checkpoint: its method, its state, and its synapses as the checkpoint holds them.

    ``dt`` is the resolution of its delays in ms, 0 where they are continuous; ``digest`` tells its checkpoint from others.
    """

    method: Method
    config: Any
    data: Recordings
    state: Any
    tables: Tables
    step: int
    seed: int
    dt: float
    digest: str

    def deployed(self, tables: Tables) -> Any:
        """The state with these synapses in the projections that they are given for; `BadInput` if it cannot run them."""
        deploy = self.method.rule().deploy
        if deploy is None:
            raise BadInput(f"Networks of {self.method.verb} run with no synapses but their own: nothing can be done to them.")
        return deploy(self.state, tables)

    def accuracies(self, tables: Tables | None = None) -> dict[str, float]:
        """Accuracies on test and validation data, of the network as trained or with other synapses."""
        return self.accuracies_of(self.state if tables is None else self.deployed(tables))

    def accuracies_of(self, state: Any) -> dict[str, float]:
        """The same, of a network in some state."""
        return {
            f"{name}_accuracy": evaluate(self.method.rule(), state, part, self.config.batch_size)[1]
            for name, part in (("test", self.data.test), ("validation", self.data.validation))
        }


def recordings_of(path: Path, source: str | None) -> Recordings:
    """The data that a run was trained on; `BadInput` unless it was trained here.

    Parameters
    ----------
    path
        The run folder.
    source
        A name or path for `load_dataset`, where it is no longer the one that the run began with.
    """
    run = open_run(path)
    wants, stored = _method_of(run).wants, run.info.get("dataset", {})
    return load_dataset(
        source or stored.get("source") or DEFAULTS[wants],
        gain=stored.get("gain"),
        content=wants,
        dt=stored.get("dt") if wants == "frames" else None,
    )


def _method_of(run: Run) -> Method:
    """The method that trained a run."""
    if "converted" in run.info:
        raise BadInput(
            f"{run.path} was trained by another program, whose neurons and data are in no file: it cannot be evaluated. "
            "`stanalysis analyze --statistics pruning` tells what pruning leaves of its structure."
        )
    return method_named(run.info.get("method", ""), str(run.path))


def trained_network(path: Path, data: Recordings, checkpoint: Choice) -> TrainedNetwork:
    """The network of a run; `BadInput` unless it was trained here, and on these data.

    Parameters
    ----------
    path
        The run folder.
    checkpoint
        That of the epoch best on validation, or the last one; the last one, too, where no epoch has ended.
    """
    run = open_run(path)
    method = _method_of(run)
    held = run.info.get("dataset", {})
    for what in DATA_IDENTITY:
        if held.get(what) != getattr(data, what):
            raise BadInput(
                f"{run.path} was trained on data with {what} {held.get(what)}, not {getattr(data, what)}; give those."
            )
    file = run.best if checkpoint == "best" and run.best.is_file() else run.last
    if not file.is_file():
        raise BadInput(f"{run.path} holds no {file.name} yet; train on with --resume.")
    config, rule, seed = config_from(run.info.get("config"), method.config), method.rule(), run.info.get("seed", 0)
    if seed == UNKNOWN_SEED:
        raise BadInput(f"{run.path} does not say with which seed it was trained; restore its run.json, or train anew.")
    state, tree = restore(rule, rule.init(config, seed, data.format), file, {"seed": seed, **run.info})
    tables = {tuple(str(name).split("__")): node.to_dataset() for name, node in tree["projections"].children.items()}
    step, dt, digest = int(tree.attrs["step"]), float(tree.attrs["dt"]), hash_of(file)[:16]
    return TrainedNetwork(method, config, data, state, tables, step, seed, dt, digest)  # type: ignore[arg-type]

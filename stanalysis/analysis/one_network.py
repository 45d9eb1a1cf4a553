"""One network analysed: path and questions in, all that it contributes to the analysis out. Nothing here knows of others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import xarray as xr

from stanalysis.analysis.lives.one_network import exploration_of_projection, lives_of_projection, persistence_of_fields
from stanalysis.analysis.one_projection import groups_of_fields, steps_of
from stanalysis.analysis.one_step import lists_of_projection
from stanalysis.analysis.questions import Questions
from stanalysis.analysis.samples import Sample, samples_of_network
from stanalysis.errors import BadInput
from stanalysis.fields.synapse_graph import SynapseGraph
from stanalysis.files.analysis import Caution
from stanalysis.files.digest import hash_of
from stanalysis.files.opening import checkpoints_in, is_ours
from stanalysis.files.operations import TABLE as OPERATIONS_TABLE
from stanalysis.files.operations import read_operations
from stanalysis.files.pruning import TABLE as PRUNING_TABLE
from stanalysis.files.pruning import read_pruning
from stanalysis.files.records import from_json
from stanalysis.files.rewiring_log import read_log
from stanalysis.files.run import LOG
from stanalysis.findings.wording_of_cautions import (
    FROM_READER,
    NO_LATTICE,
    NOT_EXCHANGEABLE,
    STALE_OPERATIONS,
    STALE_PRUNING,
)
from stanalysis.readers.options import Options
from stanalysis.readers.series import read_series
from stanalysis.stats.engine.doubt import Doubt
from stanalysis.stats.engine.families import FAMILIES
from stanalysis.stats.engine.validity import shared_delays, sized_doubts
from stanalysis.stats.lives.persistence import N_PERMUTATIONS
from stanalysis.stats.lives.pruned_structure import pruned_structure


@dataclass(frozen=True)
class Snapshots:
    """One network to analyse: its checkpoints by step, which of them validation chose, births and deaths of its synapses,
    its accuracies when pruned and after other operations, and notes of the reader of a foreign network.
    """

    checkpoints: dict[int, xr.DataTree]
    files: dict[str, str]
    best_step: int | None
    log: xr.Dataset | None = None
    pruning: xr.Dataset | None = None
    operations: xr.Dataset | None = None
    notes: tuple[str, ...] = ()

    @property
    def last(self) -> xr.DataTree:
        """The checkpoint of the last step."""
        return self.checkpoints[max(self.checkpoints)]

    @property
    def has_pruning(self) -> bool:
        """Whether the accuracies when pruned are of a step of which a checkpoint is kept."""
        return self.pruning is not None and self.pruning.attrs["step"] in self.checkpoints

    @property
    def has_operations(self) -> bool:
        """Whether the accuracies after operations are of a step of which a checkpoint is kept."""
        return self.operations is not None and self.operations.attrs["step"] in self.checkpoints


@dataclass(frozen=True)
class NetworkResult:
    """All that one network contributes to an analysis; it can be pickled.

    ``groups`` are those of the analysis file, without the dim run; ``config`` is the text of the training's configuration,
    "" where none is known; ``content`` says which checkpoints they are, empty where their files do not tell; ``sparsity`` is
    that of the last step; ``samples`` are fields to be recomputed by other programs.
    """

    name: str
    groups: dict[str, xr.Dataset]
    files: dict[str, str]
    best_step: int | None
    dt: float
    seed: int
    method: str
    dataset: str
    config: str
    sparsity: float
    content: tuple[str, ...]
    cautions: tuple[Caution, ...]
    samples: tuple[Sample, ...]

    @property
    def configuration(self) -> dict[str, object]:
        """The configuration of the training; empty where it says nothing."""
        return configuration(self.config)

    @property
    def design(self) -> dict[str, object]:
        """What may distinguish it from other networks."""
        return self.configuration | {"method": self.method, "dataset": self.dataset}


def configuration(text: str) -> dict[str, object]:
    """The configuration of a training, kept as JSON; empty where it says nothing."""
    try:
        config = from_json(text or "{}")
    except ValueError:
        return {}
    return config if isinstance(config, dict) else {}


def analyse_network(
    path: Path,
    questions: Questions,
    *,
    name: str = "",
    sampled: bool = False,
    has_read: Callable[[Snapshots], None] | None = None,
    progress: Callable[[float], None] | None = None,
) -> NetworkResult:
    """Read one network and analyse it.

    Parameters
    ----------
    path
        A run folder, a checkpoint file, or a network that another program trained.
    questions
        What is asked.
    name
        What it is called in the analysis, and in errors; by default as its file or folder.
    sampled
        Whether to keep some of its fields as `Sample`.
    has_read
        Called with what was read, before it is analysed.
    progress
        Called with the share that is done, after each step of each projection.
    """
    name = name or path.stem
    network = read_snapshots(path, lives="survival" in questions.statistics, foreign=questions.foreign)
    if has_read:
        has_read(network)
    if not questions.test.rule.draws and 0 not in network.checkpoints:
        raise BadInput(
            f"The null {questions.test.null!r} compares with step 0, of which {name} has no checkpoint; give a whole run "
            "folder, or another null."
        )
    try:
        asked, questions = questions, questions.of_network(float(network.last.attrs["dt"]))
        cautions = tuple(_cautions(name, network, questions, left_out=asked.statistics != questions.statistics))
        groups = groups_of_network(network, questions, progress=progress)
    except BadInput as error:
        raise BadInput(f"{name}: {error}") from error
    trees, last = network.checkpoints.values(), network.last.attrs
    config = str(last.get("config", ""))
    hashes = tuple(str(tree.attrs["sha256"]) for tree in trees if "sha256" in tree.attrs)
    return NetworkResult(
        name=name,
        groups=groups,
        files=network.files,
        best_step=network.best_step,
        dt=float(last["dt"]),
        seed=int(last["seed"]),
        method=str(last["method"]),
        dataset=str(next(iter(trees)).attrs.get("dataset", "")),
        config=config,
        sparsity=_sparsity(network.last),
        content=(*hashes, config) if hashes else (),
        cautions=cautions,
        samples=samples_of_network(name, network.checkpoints, groups, questions) if sampled else (),
    )


def files_of_network(path: Path, questions: Questions) -> list[Path]:
    """The files that the result of a network of ours rests on, in their order; none for a foreign one, whose reader knows."""
    if not is_ours(path):
        return []
    beside = [path / LOG] if "survival" in questions.statistics else []
    return [
        *checkpoints_in(path),
        *(p for p in (*beside, path / PRUNING_TABLE, path / OPERATIONS_TABLE) if path.is_dir() and p.is_file()),
    ]


def read_snapshots(path: Path, *, lives: bool = False, foreign: Options) -> Snapshots:
    """Read a run folder (all its kept steps and the best one; with ``lives`` the rewiring log), a single checkpoint file, or a
    foreign network.
    """
    network = read_series(path, foreign=foreign)
    is_run = path.is_dir() and is_ours(path)
    log = path / LOG if is_run and lives and (path / LOG).is_file() else None
    pruned = path / PRUNING_TABLE if is_run and (path / PRUNING_TABLE).is_file() else None
    operated = path / OPERATIONS_TABLE if is_run and (path / OPERATIONS_TABLE).is_file() else None
    return Snapshots(
        network.checkpoints,
        network.files | {str(p): hash_of(p) for p in (log, pruned, operated) if p is not None},
        network.best_step,
        None if log is None else read_log(log),
        None if pruned is None else read_pruning(path),
        None if operated is None else read_operations(path),
        network.notes,
    )


def groups_of_network(
    network: Snapshots, questions: Questions, *, progress: Callable[[float], None] | None = None
) -> dict[str, xr.Dataset]:
    """All groups of one network, without its dim run."""
    trees = list(network.checkpoints.values())
    n_synapses = {name: max(node.sizes["synapse"], 1) for name, node in network.last["projections"].children.items()}
    total, done = sum(n_synapses.values()) * steps_of(questions, len(trees)), 0.0
    if progress:
        progress(0.0)

    def steps_done(n_step: float, *, of: int) -> None:
        nonlocal done
        done += n_step * of
        if progress and done < total * (1 - 1e-9):  # that all is done is known from the result
            progress(done / total)

    groups: dict[str, xr.Dataset] = {}
    metrics = [t["metrics"].to_dataset().expand_dims(step=[int(t.attrs["step"])]) for t in trees]
    groups["metrics"] = xr.concat(metrics, "step", data_vars="all", join="exact")
    for projection in map(str, trees[0]["projections"].children):
        after_steps = partial(steps_done, of=n_synapses[projection])
        kinds = groups_of_fields(trees, projection, questions, after_steps=after_steps)
        for family, groups_of_family in (("survival", _lives), ("pruning", _pruned)):
            if family in questions.statistics:
                kinds |= groups_of_family(network, projection, questions)
                after_steps(FAMILIES[family].steps)
        groups |= {f"{kind}/{projection}": group for kind, group in kinds.items()}
    if network.pruning is not None and network.has_pruning:
        groups["pruning"] = network.pruning.assign(pruned_step=network.pruning.attrs["step"]).drop_attrs(deep=False)
    if network.operations is not None and network.has_operations:
        left = network.operations
        groups["operations"] = left.assign(operated_step=left.attrs["step"]).drop_attrs(deep=False)
    for name, node in trees[0]["populations"].children.items():
        table = node.to_dataset()
        groups[f"populations/{name}"] = table[[v for v in ("frequency",) if v in table]]
    return groups


def _cautions(name: str, network: Snapshots, questions: Questions, *, left_out: bool) -> Iterator[Caution]:
    """Notes of its reader; why rejecting the null needs no grouping in the last checkpoint; what is left out, all about
    cells among it or not.
    """
    for note in network.notes:
        yield Caution(FROM_READER, networks=(name,), values={"note": note})
    if left_out:
        yield Caution(NO_LATTICE, networks=(name,), values={"ms_per_source": questions.scale(0.0)})
    for projection, node in network.last["projections"].children.items():
        lists = lists_of_projection(network.last, str(projection))
        reasons = sized_doubts(lists, null=questions.test.null, seed=questions.test.seed)
        reasons += map(Doubt, shared_delays(lists, null=questions.test.null, delay_kind=node.attrs["delay_kind"]))
        for reason, measure, size in reasons:
            sized = {} if measure is None else {"measure": measure, "lowest": size, "highest": size}
            values = {"null": questions.test.null, "reason": reason, **sized}
            yield Caution(NOT_EXCHANGEABLE, str(projection), (name,), values)
    if network.pruning is not None and not network.has_pruning:
        yield Caution(STALE_PRUNING, networks=(name,))
    if network.operations is not None and not network.has_operations:
        yield Caution(STALE_OPERATIONS, networks=(name,))


def _lives(network: Snapshots, projection: str, questions: Questions) -> dict[str, xr.Dataset]:
    """Lives of the synapses, as far as they are known; which pairs were tried, where a log tells; and what of each receptive
    field lasts where some died.
    """
    trees = list(network.checkpoints.values())
    dt = float(trees[0].attrs["dt"])
    test = questions.test
    lives = lives_of_projection(trees, network.log, projection, ms_per_source=questions.scale(dt))
    groups = lives | exploration_of_projection(
        network.last,
        lives,
        projection,
        configuration=configuration(str(network.last.attrs.get("config", ""))),
        n_permutations=min(test.n_permutations, N_PERMUTATIONS),
        alternative=test.alternative,
        seed=test.seed,
    )
    bins = questions.bins(trees[0][f"projections/{projection}"].attrs, dt)
    if bins is not None and len(trees) > 1 and any(table.event.any() for table in lives.values()):
        groups["persistence"] = persistence_of_fields(
            trees,
            lives,
            projection,
            bin_width=bins.width,
            lattice=questions.lattice,
            n_permutations=min(test.n_permutations, N_PERMUTATIONS),
            alternative=test.alternative,
            seed=test.seed,
        )
    return groups


def _pruned(network: Snapshots, projection: str, questions: Questions) -> dict[str, xr.Dataset]:
    """What pruning leaves of the structure of the network that `stanalysis prune` pruned, or else of the best on validation."""
    step = max(network.checkpoints) if network.best_step is None else network.best_step
    if network.pruning is not None and network.has_pruning:
        step = network.pruning.attrs["step"]
    tree = network.checkpoints[step]
    structure = pruned_structure(
        tree,
        projection,
        lattice=questions.lattice,
        bin_width=questions.bin_width,
        graph=SynapseGraph(ms_per_source=questions.scale(float(tree.attrs["dt"]))),
        **questions.test.options(),
    )
    return {"structure": structure.assign(pruned_step=step)}


def _sparsity(tree: xr.DataTree) -> float:
    """1 - synapses / pairs of neurons that could have one, not below 0."""
    nodes = tree["projections"].children.values()
    n_pairs = sum(int(node.attrs["n_source"]) * int(node.attrs["n_target"]) for node in nodes)
    return max(1 - sum(node.sizes["synapse"] for node in nodes) / n_pairs, 0.0)

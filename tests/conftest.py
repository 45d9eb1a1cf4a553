"""The order of the test files, and fake sweeps for the tests of the library and of the reports."""

from __future__ import annotations

import json
import os
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
import pytest

from stanalysis.analysis import one_network
from stanalysis.files.checkpoint import checkpoint_tree, population, projection, write_checkpoint
from stanalysis.files.rewiring_log import append_events, replay, start_log
from stanalysis.files.run import step_path, write_info
from stanalysis.stats.lives.pruned_structure import pruned_structure
from stanalysis.synthetic.network import small_network
from stanalysis.synthetic.rewiring import PROJECTION, rewiring_process

# By how long they take, the longest first: two workers that met them last would wait for each other. The first two begin
# together; one compiles the kernels of the statistics, the other those of the trainers, and the cache keeps them for the rest.
LONGEST = (
    "tests/golden/test_golden.py",
    "tests/trainers/methods/rewired/test_sparse.py",
    "tests/reports/test_notebooks.py",
    "tests/benchmarks/test_benchmarks_training.py",
    "tests/trainers/sweep/test_runs.py",
    "tests/stanalysis/analysis/test_analyze.py",
    "tests/stanalysis/analysis/test_cache.py",
    "tests/trainers/sweep/test_work.py",
    "tests/trainers/sweep/test_cluster.py",
    "tests/trainers/operations/test_operating.py",
    "tests/reports/test_cli.py",
    "tests/reports/test_event_based.py",
    "tests/test_readme.py",
    "tests/stanalysis/files/test_kinds.py",
    "tests/campaigns/test_campaign.py",
    "tests/stanalysis/cli/test_analyze.py",
    "tests/trainers/operations/test_pruning.py",
    "tests/trainers/training/test_loop.py",
    "tests/stanalysis/analysis/lives/test_by_condition.py",
    "tests/stanalysis/analysis/test_event_based.py",
    "tests/trainers/sweep/test_eventprop.py",
    "tests/reports/figures/test_statistics_figures.py",
    "tests/stanalysis/cli/test_main.py",
    "tests/stanalysis/stats/spatial/test_autocorrelation.py",
    "tests/reports/figures/test_figures.py",
    "tests/trainers/methods/eventprop/test_training.py",
    "tests/trainers/methods/test_contract.py",
    "tests/reports/test_alike.py",
    "tests/stanalysis/cli/test_sweep_table.py",
    "tests/test_records.py",
    "tests/stanalysis/stats/engine/test_field_statistics.py",
    "tests/reports/page/test_browser.py",
    "tests/stanalysis/analysis/test_check.py",
    "tests/stanalysis/findings/test_cautions.py",
    "tests/stanalysis/readers/formats/test_inert_pickle.py",
    "tests/calibration/test_calibration.py",
    "tests/reports/figures/test_figure_2.py",
    "tests/stanalysis/readers/test_nothing_silent.py",
    "tests/stanalysis/stats/spatial/test_local.py",
    "tests/reports/test_choosing.py",
    "tests/stanalysis/files/test_rewiring_log.py",
    "tests/stanalysis/findings/test_writing.py",
    "tests/reports/atlas/test_browser.py",
    "tests/trainers/methods/eventprop/test_oracle.py",
    "tests/stanalysis/analysis/test_one_network.py",
    "tests/benchmarks/test_benchmarks_local.py",
    "tests/calibration/test_survival_calibration.py",
    "tests/stanalysis/findings/test_effects.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """Set what xdist and the threads of the kernels do, before there are any.

    Files stay in the order of the items: xdist would begin with those of the most tests, and end with the slow ones. Threads
    that wait sleep: each worker has as many as there are cores, and they would take these from those that have work to do.
    """
    config.option.loadscopereorder = False
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    if gone := [name for name in LONGEST if not (config.rootpath / name).is_file()]:
        raise pytest.UsageError(f"tests/conftest.py orders files that are not there: {', '.join(gone)}")
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


@pytest.fixture(scope="module")
def few_prunings():
    """Analyses prune a network 9 times, not 31: most of their time, where the tests are of something else or of any number."""
    few = partial(pruned_structure, fractions=(0.0, 0.5, 0.9), n_random=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(one_network, "pruned_structure", few)
        yield


@pytest.fixture(scope="module")
def png_alone():
    """Figures are written as PNG only, where the tests are of what is drawn, not of formats: fonts in PDF take long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reports.drawn._FORMATS", {".png": {}})
        yield


def sparse_network(*, connectivity, delays, sparsity, seed, step, **sizes):
    """A `small_network` whose synapses, and their delays, stay those of step 0 where they are fixed."""
    tree, first = (small_network(step=s, seed=seed, **sizes) for s in (step, 0))
    config = {"connectivity": connectivity, "delays": delays, "sparsity": sparsity}
    tree.attrs.update(method="sparse", config=json.dumps(config))
    for name in tree["projections"].children:
        table = tree[f"projections/{name}"].to_dataset()
        if delays == "fixed":
            table["delay"] = first[f"projections/{name}"].to_dataset().delay
        random = np.random.default_rng([seed, step if connectivity == "rewired" else 0])
        n = table.sizes["synapse"]
        kept = np.sort(random.choice(n, round((1 - sparsity) * n), replace=False))
        tree[f"projections/{name}"].dataset = table.isel(synapse=kept)
    return tree


def write_fake_sweep(
    folder,
    *,
    connectivity=("fixed", "rewired"),
    delays=("fixed", "learned"),
    sparsities=(0.0, 0.5, 0.95),
    seeds=(0, 1),
    steps=(0, 5),
    **sizes,
):
    """Write a sweep folder; the accuracy of a network is planted: .9 - sparsity / 2 + seed / 100, more by .05 at best."""
    rows = []
    for kind, delay, sparsity, seed in product(connectivity, delays, sparsities, seeds):
        name = f"{kind}-{delay}-{sparsity:g}-{seed}"
        write_info(folder / name, {"method": "sparse", "seed": seed})
        for step in steps:
            design = {"connectivity": kind, "delays": delay, "sparsity": sparsity, "seed": seed}
            tree = sparse_network(**design, step=step, **sizes)
            write_checkpoint(tree, step_path(folder / name, step))
        projections = [node.to_dataset() for node in tree["projections"].children.values()]
        accuracy = 0.9 - sparsity / 2 + seed / 100
        rows.append(
            {
                "run": name,
                **design,
                "n_synapses": sum(p.sizes["synapse"] for p in projections),
                "n_possible": sum(p.n_source * p.n_target for p in projections),
                "in_degree": projections[0].sizes["synapse"] / projections[0].n_target,
                "n_input_synapses": projections[0].sizes["synapse"],
                "epochs": 5,
                "last_validation_accuracy": accuracy,
                "last_test_accuracy": accuracy,
                "best_epoch": 4,
                "best_validation_accuracy": accuracy + 0.05,
                "best_test_accuracy": accuracy + 0.05,
                "seconds": 1.5,
            }
        )
    pd.DataFrame(rows).to_csv(folder / "sweep.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def write_sweep():
    """`write_fake_sweep`."""
    return write_fake_sweep


def write_fake_rewiring_run(folder, *, seed, steps=(0, 10, 40, 100, 200), log=True, config=None, **process):
    """A run that never learned: its synapses die and are born as `rewiring_process` says."""
    options = {"n_synapses": 60, "n_source": 12, "n_target": 8, "n_bins": 5, "n_steps": max(steps), "every": 5} | process
    events = rewiring_process(seed=seed, **options)
    folder.mkdir(parents=True)
    config = {"connectivity": "rewired", "delays": "fixed", "every": options["every"]} | (config or {})
    write_info(folder, {"method": "sparse", "config": config, "seed": seed})
    sizes = {"n_source": options["n_source"], "n_target": options["n_target"]}
    for step in steps:
        living = replay(events, step)[PROJECTION]
        table = projection(
            **sizes,
            delay_max=10.0 * (options["n_bins"] - 1),
            rounding="half even",
            **{name: living[name].values for name in ("source", "target", "contact", "delay", "weight")},
        )
        tree = checkpoint_tree(
            populations={"input": population(sizes["n_source"]), "hidden1": population(sizes["n_target"])},
            projections={tuple(PROJECTION.split("__")): table},
            metrics={"validation_accuracy": 0.5, "test_accuracy": 0.5},
            framework="stanalysis",
            method="sparse",
            dataset="none",
            dt=10.0,
            step=step,
            epoch=float(step),
            seed=seed,
            config=json.dumps(config),
        )
        write_checkpoint(tree, step_path(folder, step))
    if log:
        start_log(folder / "rewiring.nc", [PROJECTION])
        append_events(folder / "rewiring.nc", events, continues=0, complete_to_step=max(steps))
    return folder


@pytest.fixture(scope="session")
def write_rewiring_run():
    """`write_fake_rewiring_run`."""
    return write_fake_rewiring_run

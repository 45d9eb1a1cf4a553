"""Sparse networks against the published code's frozen answers, and what must hold whatever the options."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import read_checkpoint
from stanalysis.files.rewiring_log import CAUSE, KIND, read_log, replay, turnover
from stanalysis.files.run import open_run
from tests.trainers.methods.dcls.networks import data_format
from tests.trainers.recordings import recordings
from tests.trainers.toy_runs import InterruptAt, assert_same_run
from trainers.methods.dcls import dense as dcls
from trainers.methods.dcls.config import DENSE, DclsConfig
from trainers.methods.dcls.network import Candidates, cross_entropies
from trainers.methods.dcls.passes import adjoint, forward, in_time
from trainers.methods.dcls.synapses import connected
from trainers.methods.rewired import rewiring, sparse
from trainers.methods.rewired.config import SPARSE, SparseConfig
from trainers.methods.settings import config_from
from trainers.training.loop import train

REFERENCE = Path(__file__).parents[3] / "reference"
CONFIG = SparseConfig(hidden=(8,), n_bins=5, batch_size=16, epochs=4, sparsity=0.5, every=2, weight_rate=0.05, l1=0.05)
OPTIONS = {
    "defaults": {},
    "sparser": {"sparsity": 0.8},
    "dense": {"sparsity": 0.0},
    "pairs": {"candidates": "pairs"},
    "dense pairs, where only the dead are free": {"candidates": "pairs", "sparsity": 0.0},
    "published": {"candidates": "pairs", "moments": "slot", "every": 1},
    "published, random": {"candidates": "pairs", "moments": "slot", "every": 1, "grow": "random"},
    "random": {"grow": "random"},
    "random pairs": {"grow": "random", "candidates": "pairs"},
    "positive": {"grow": "pos_grad"},
    "RigL": {"grow": "abs_grad", "drop_fraction": 0.3},
    "Dale": {"signs": "source"},
    "Dale pairs": {"signs": "source", "candidates": "pairs"},
    "DEEP R": {"grow": "random", "temperature": 0.01, "every": 1},
    "fixed delays": {"delays": "fixed"},
    "no delays": {"delays": "none"},
    "two hidden populations": {"hidden": (8, 6)},
    "late arrivals": {"late_arrivals": True},
    "few candidates": {"candidate_share": 1e-6, "drop_fraction": 0.9},
}


READ = {}  # the first checkpoint of each content
QUICK = ("defaults",)  # the others are marked slow
RUNS = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in OPTIONS]


@pytest.fixture(scope="module")
def runs():
    """Those trained so far, by the name of their options."""
    return {}


@pytest.fixture(scope="module", params=RUNS)
def run(request, runs, tmp_path_factory):
    name = request.param
    if name not in runs:
        runs[name] = trained(tmp_path_factory.mktemp("sparse") / "run", replace(CONFIG, **OPTIONS[name]))
    return runs[name]


def trained(path, config=CONFIG, *, watcher=None, seed=3, n_checkpoints=4):
    train(SPARSE, config, recordings(), path, seed=seed, threads=1, n_checkpoints=n_checkpoints, watcher=watcher)
    return open_run(path)


@cache
def kept(path):
    """A checkpoint of a `run`, which stays as it is: read once for all tests, as are two with one content."""
    twin = READ.setdefault(path.read_bytes(), path)
    return read_checkpoint(path) if twin == path else kept(twin)


def identities(table):
    return sorted(zip(table.target.values, table.source.values, table.contact.values, strict=True))


def config_of(run):
    return config_from(run.info["config"], SparseConfig)


def test_step__equals_published_code_after_each_step(monkeypatch):
    with np.load(REFERENCE / "system0_rewired_half.npz") as answers:
        frozen = dict(answers)
    n_bins = int(frozen["kernel_size"])
    options = {"candidates": "pairs", "moments": "slot", "every": 1, "sparsity": 0.5, "dropout": 0.0}
    config = SparseConfig(hidden=(16,), n_bins=n_bins, time_constant=float(frozen["tau"]), l1=float(frozen["l1"]), **options)
    state = sparse.init(config, 0, data_format(12, 5), dtype="float64")

    def at(step):
        arrays = {name + "_0": frozen[f"step{step}/projection0/{name}"].copy() for name in ("gain", "bias")}
        for layer in (0, 1):
            theta = frozen[f"step{step}/projection{layer}/weight"].ravel()
            sign = frozen[f"step0/projection{layer}/sign"].ravel()
            arrays |= {f"weight_{layer}": theta * sign, f"alive_{layer}": theta > 0, f"sign_{layer}": sign.astype(np.int8)}
            arrays[f"delay_{layer}"] = n_bins // 2 - frozen[f"step{step}/projection{layer}/position"].ravel()
        return arrays

    state.arrays.update(at(0))
    monkeypatch.setattr(dcls, "one_cycle", lambda *_: (1e-3, 0.9))  # the frozen answers were made at constant rates
    monkeypatch.setattr(dcls, "cosine", lambda *_: 0.1)
    monkeypatch.setattr(dcls, "kernel_spread", lambda *_: float(frozen["sigma_parameter"]) + dcls.SIGMA_FLOOR)
    sparse.events(state)
    moved = 0
    for k in range(len(frozen["x"])):
        x = np.ascontiguousarray(frozen["x"][k].transpose(2, 1, 0))
        sparse.step(state, x, frozen["y"][k].astype(np.int64), step=k, epoch=0)
        for name, expected in at(k + 1).items():
            np.testing.assert_allclose(state.arrays[name], expected, rtol=0, atol=1e-9, err_msg=f"{name} after {k + 1}")
        moved += sum((at(k + 1)[f"alive_{layer}"] & ~at(k)[f"alive_{layer}"]).sum() for layer in (0, 1))
    births = sparse.events(state)
    births = births.isel(event=births.kind.values == KIND.BIRTH)
    assert births.sizes["event"] == moved > 0


def test_train__number_of_synapses_never_changes(run):
    config = config_of(run)
    sizes = (6, *config.hidden, 3)
    expected = [int((1 - config.sparsity) * a * b + 1e-9) for a, b in pairwise(sizes)]
    for path in (*run.steps.values(), run.last, run.best):
        tables = [node.to_dataset() for node in kept(path)["projections"].children.values()]
        assert [table.sizes["synapse"] for table in tables] == expected
        for table in tables:
            assert len(set(identities(table))) == table.sizes["synapse"]
            if config.candidates == "pairs":
                assert not table.contact.any()


def test_train__log_replays_to_the_synapses_of_every_checkpoint(run):
    log = read_log(run.log)
    for path in (*run.steps.values(), run.last, run.best):
        tree = kept(path)
        living = replay(log, int(tree.attrs["step"]))
        for name, node in tree["projections"].children.items():
            table, alive = node.to_dataset(), living[name]
            assert identities(table) == identities(alive)
            if tree.attrs["step"] == 0 or config_of(run).delays != "learned":
                order = np.lexsort((table.contact, table.source, table.target))
                np.testing.assert_allclose(table.delay.values[order], alive.delay.values, rtol=1e-6)


def test_train__deaths_equal_births_at_every_step(run):
    log = read_log(run.log)
    counts = turnover(log).reset_index()
    later = counts[counts.step > 0]
    assert len(later)
    assert (later.births == later.deaths).all()
    config = config_of(run)
    assert (later.step % config.every == 0).all()
    causes = {CAUSE(c) for c in log.cause.values[log.kind.values == KIND.DEATH]}
    assert causes <= {CAUSE.SIGN_CROSSING, CAUSE.MAGNITUDE}
    assert (CAUSE.MAGNITUDE in causes) == (config.drop_fraction > 0)
    reborn = (log.cause.values == CAUSE.REBORN_IN_PLACE).any()
    if reborn:
        assert config.sparsity == 0 or config.delays == "none" or config.candidate_share < 1e-3
    assert reborn or not (config.sparsity == 0 and config.candidates == "pairs")
    assert log.attrs["complete_to_step"] == 12


def test_train__the_log_knows_signs_and_weights_never_cross(run):
    log = read_log(run.log)
    weight, sign = log.weight.values, log.sign.values
    assert (weight * sign >= 0).all()
    crossed = log.cause.values == CAUSE.SIGN_CROSSING
    assert not weight[crossed].any()
    living = {}
    for row in log.to_dataframe().itertuples():
        place = (row.projection, row.source, row.target, row.contact)
        if row.kind == KIND.BIRTH:
            living[place] = row.sign
        else:
            assert living.pop(place) == row.sign


def test_train__births_are_in_the_order_of_their_gradients(run):
    config = config_of(run)
    log = read_log(run.log).to_dataframe()
    grown = log[log.cause == CAUSE.REGROWN_BY_GRADIENT]
    if config.grow == "random":
        assert grown.empty
        return
    assert np.isfinite(grown.gradient).all()
    for _, births in grown.groupby(["step", "projection"]):
        assert births["rank"].tolist() == list(range(1, len(births) + 1))
        score = {"neg_grad": births.gradient, "pos_grad": -births.gradient, "abs_grad": -births.gradient.abs()}[config.grow]
        assert score.is_monotonic_increasing
    rest = log[log.cause != CAUSE.REGROWN_BY_GRADIENT]
    assert rest.gradient.isna().all()
    assert not rest["rank"].any()


def test_train__weights_keep_the_sign_of_their_synapse(run):
    log, config = read_log(run.log), config_of(run)
    for path in run.steps.values():
        tree = kept(path)
        living = replay(log, int(tree.attrs["step"]))
        for name, node in tree["projections"].children.items():
            table = node.to_dataset()
            order = np.lexsort((table.contact, table.source, table.target))
            weight, born = table.weight.values[order], living[name].weight.values
            assert (weight * np.sign(born) >= 0).all()
            if config.signs == "source":
                for source in set(table.source.values):
                    assert len(set(np.sign(born[table.source.values[order] == source]))) == 1


RESUMED = ("defaults", "published", "DEEP R", "Dale pairs")


@pytest.mark.slow
@pytest.mark.parametrize("run", RESUMED, indirect=True)
def test_train__resumed_after_an_interruption_it_ends_the_same(run, tmp_path):
    config = config_of(run)
    for n in (3, 4):
        trained(tmp_path / "run", config, watcher=InterruptAt(n))
    trained(tmp_path / "run", config)
    assert_same_run(run.path, tmp_path / "run")


@pytest.mark.slow
def test_train__fixed_connectivity_keeps_its_synapses_and_lets_signs_change(tmp_path):
    run = trained(tmp_path / "run", replace(CONFIG, connectivity="fixed"))
    log = read_log(run.log)
    assert set(log.cause.values) == {CAUSE.INITIAL}
    first, last = (read_checkpoint(p)["projections/input__hidden1"].to_dataset() for p in (run.steps[0], run.last))
    assert identities(first) == identities(last)
    assert (np.sign(first.weight.values) != np.sign(last.weight.values)).any()


@pytest.mark.slow
def test_train__dense_fixed_connectivity_is_the_dense_method(tmp_path):
    config = replace(CONFIG, connectivity="fixed", sparsity=0.0, epochs=2)
    run = trained(tmp_path / "sparse", config)
    shared = {name: getattr(config, name) for name in DclsConfig.__dataclass_fields__}
    train(DENSE, DclsConfig(**shared), recordings(), tmp_path / "dense", seed=3, threads=1, n_checkpoints=4)
    for name in ("input__hidden1", "hidden1__output"):
        a, b = (read_checkpoint(p)[f"projections/{name}"].to_dataset() for p in (run.last, tmp_path / "dense" / "last.nc"))
        assert a.identical(b)


@pytest.mark.kernel
@pytest.mark.parametrize("sparsity", [0.0, 0.9])
@pytest.mark.filterwarnings("ignore:at sparsity")
def test_adjoint__a_candidate_has_the_gradient_of_a_synapse_of_weight_zero(sparsity):
    random = np.random.default_rng(0)
    state = sparse.init(replace(CONFIG, sparsity=sparsity, hidden=(10, 9)), 1, data_format(6, 8), dtype="float64")
    assert in_time(state.network, state.synapses, 0.5) == (sparsity == 0.9)
    x, label = random.random((6, 12, 4)) * 3, random.integers(0, 8, 4)
    keep = [np.ones((n, 4)) for n in (10, 9)]
    options = {"sigma": 0.5, "workspace": state.workspace}

    def gradient(synapses, arrays, candidates):
        done = forward(state.network, synapses, arrays, x, keep=keep, running=None, **options)
        cross_entropies(done, label)
        return adjoint(state.network, synapses, arrays, done, candidates=candidates, **options)

    candidates, extended, arrays = [], [], dict(state.arrays)
    for layer, synapses in enumerate(state.synapses):
        n_source, n_target = state.network.sizes[layer : layer + 2]
        sizes = {"n_source": n_source, "n_target": n_target}
        source, target = (random.integers(0, n, 30).astype(np.int32) for n in (n_source, n_target))
        delay = random.uniform(0, 4, 30)
        candidates.append(Candidates(connected(source, target, 0 * source, **sizes), delay))
        joined = (np.concatenate([a, b]) for a, b in ((synapses.source, source), (synapses.target, target)))
        extended.append(connected(*joined, np.zeros(synapses.source.size + 30, np.int32), **sizes))
        arrays[f"weight_{layer}"] = np.concatenate([arrays[f"weight_{layer}"], np.zeros(30)])
        arrays[f"delay_{layer}"] = np.concatenate([arrays[f"delay_{layer}"], delay])
    gradients = gradient(state.synapses, state.arrays, candidates)
    expected = gradient(extended, arrays, ())
    assert any(np.abs(gradients[f"candidate_{layer}"]).max() > 1e-3 for layer in range(3))
    for layer in range(3):
        np.testing.assert_allclose(gradients[f"candidate_{layer}"], expected[f"weight_{layer}"][-30:], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(gradients[f"weight_{layer}"], expected[f"weight_{layer}"][:-30], rtol=1e-9, atol=1e-12)


def test_step__a_new_synapse_starts_with_fresh_moments(tmp_path):
    state = sparse.init(replace(CONFIG, every=1), 3, data_format(6, 3))
    sparse.events(state)
    data = recordings().training
    for k in range(12):
        x, label = data.batch(np.arange(16))
        sparse.step(state, x, label, step=k, epoch=1)
        born = state.arrays["born_0"] == k + 1
        for name in ("weight", "delay"):
            assert not state.arrays[f"first_{name}_0"][born].any()
            assert state.arrays[f"first_{name}_0"][~born].any()
        np.testing.assert_allclose(np.abs(state.arrays["weight_0"][born]), 1e-12, rtol=1e-6)
    assert sparse.events(state).sizes["event"] > 4


def test_step__no_two_synapses_of_fixed_delays_share_a_slot():
    config = replace(CONFIG, every=1, delays="fixed", candidate_share=1.0, drop_fraction=0.5, n_bins=3)
    state = sparse.init(config, 3, data_format(6, 3))
    data, slots, born = recordings().training, set(), 0
    for k in range(15):
        sparse.step(state, *data.batch(np.arange(16)), step=k, epoch=0)
        columns = [state.arrays[f"{name}_0"] for name in ("source", "target", "delay")]
        slots = set(zip(*columns, strict=True))
        assert len(slots) == columns[0].size
        born += (state.arrays["born_0"] == k + 1).sum()
    assert born > 50


def test_step__each_synapse_has_an_adam_of_its_own_age(monkeypatch):
    state = sparse.init(replace(CONFIG, every=2), 3, data_format(6, 3), dtype="float64")
    seen = {}
    original = dcls.update

    def watched(state, bar, **schedule):
        seen.update(bar={name: g.copy() for name, g in bar.items()}, **schedule)
        seen["before"] = state.arrays["weight_0"].copy()
        original(state, bar, **schedule)
        seen["after"] = state.arrays["weight_0"].copy()

    monkeypatch.setattr(dcls, "update", watched)
    data = recordings().training
    n = state.arrays["weight_0"].size
    first, second, age = np.zeros(n), np.zeros(n), np.zeros(n, int)
    ages = set()
    for k in range(20):
        x, label = data.batch(np.arange(16))
        sparse.step(state, x.astype(float), label, step=k, epoch=1)
        g, beta = seen["bar"]["weight_0"], seen["beta1"]
        age += 1
        first, second = beta * first + (1 - beta) * g, 0.999 * second + 0.001 * g**2
        move = first / (1 - beta**age) / (np.sqrt(second / (1 - 0.999**age)) + 1e-8)
        np.testing.assert_allclose(seen["after"], seen["before"] - seen["weight_rate"] * move, rtol=0, atol=1e-9)
        ages |= set(age)
        born = state.arrays["born_0"] == k + 1
        first[born], second[born], age[born] = 0, 0, 0
    assert {1, 2, 20} <= ages
    assert (state.arrays["born_0"] > 0).sum() > 3


def test_step__temperature_moves_the_magnitudes():
    data = recordings().training
    weights = []
    for temperature in (0.0, 0.0, 1e-4):
        state = sparse.init(replace(CONFIG, temperature=temperature, every=100), 3, data_format(6, 3))
        sparse.step(state, *data.batch(np.arange(16)), step=0, epoch=0)
        weights.append(np.abs(state.arrays["weight_0"]))
    np.testing.assert_array_equal(weights[0], weights[1])
    walked = (weights[2] - weights[0])[weights[2] > 0]
    rate, _ = dcls.one_cycle(0, CONFIG.epochs, CONFIG.weight_rate)
    assert 0.5 < walked.std() / np.sqrt(2 * rate * 1e-4) < 1.5


def test_step__other_candidates_are_judged_at_each_rewiring(monkeypatch):
    drawn = []
    original = rewiring.random_slots

    def watched(*sizes, **options):
        drawn.append(original(*sizes, **options))
        return drawn[-1]

    monkeypatch.setattr(rewiring, "random_slots", watched)
    state = sparse.init(replace(CONFIG, every=1), 3, data_format(6, 3))
    for k in range(2):
        sparse.step(state, *recordings().training.batch(np.arange(16)), step=k, epoch=0)
    input_projection = [{*zip(*slots, strict=True)} for slots in drawn[::2]]
    assert len(input_projection) == 2
    assert len(input_projection[0] & input_projection[1]) < len(input_projection[0])


@pytest.mark.slow
def test_train__metrics_are_those_of_the_network_in_the_checkpoint(tmp_path):
    run = trained(tmp_path / "run", replace(CONFIG, **OPTIONS["published"]))
    tree = read_checkpoint(run.last)
    state = sparse.init(config_of(run), 3, data_format(6, 3))
    state = sparse.restored(state, {str(name): a.values for name, a in tree["trainer_state"].data_vars.items()})
    for layer, node in enumerate(tree["projections"].children.values()):
        table = node.to_dataset()
        weight = np.zeros_like(state.arrays[f"weight_{layer}"]).reshape(state.network.sizes[layer + 1], -1)
        weight[table.target.values, table.source.values] = table.weight.values
        state.arrays[f"weight_{layer}"] = weight.ravel()
    part = recordings().validation
    losses, _, _ = dcls.evaluate(state, *part.batch(np.arange(len(part))))
    assert float(tree["metrics"].validation_loss) == pytest.approx(losses.mean(), rel=1e-6)


def test_init__too_few_synapses_for_the_outputs_is_a_warning():
    with pytest.warns(UserWarning, match="only 2 synapses lead to the 3 outputs"):
        sparse.init(replace(CONFIG, sparsity=0.9), 0, data_format(6, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sparse.init(CONFIG, 0, data_format(6, 3))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"sparsity": 1.0}, "sparsity is 1.0; give a share"),
        ({"sparsity": -0.1}, "sparsity is -0.1"),
        ({"sparsity": float("nan")}, "sparsity is nan"),
        ({"every": 0}, "every is 0"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"drop_fraction": 1.0}, "drop_fraction is 1.0"),
        ({"candidate_share": 0.0}, "candidate_share is 0.0"),
        ({"grow": "gradient"}, "grow is 'gradient'; give one of"),
        ({"kernel_count": 2}, "kernel_count is 2"),
        ({"moments": "slot"}, "needs candidates 'pairs' and every 1"),
        ({"moments": "slot", "candidates": "pairs", "every": 1, "drop_fraction": 0.1}, "give drop_fraction 0"),
    ],
)
def test_config__bad_values_are_refused(change, sentence):
    with pytest.raises(BadInput, match=sentence):
        replace(CONFIG, **change)


def test_init__a_projection_without_synapses_is_refused():
    with pytest.raises(BadInput, match="left with no synapse"):
        sparse.init(replace(CONFIG, sparsity=0.97), 0, data_format(6, 3))


@pytest.mark.slow
def test_train__resuming_without_the_log_is_refused(tmp_path):
    trained(tmp_path / "run", watcher=InterruptAt(5))
    (tmp_path / "run" / "rewiring.nc").unlink()
    with pytest.raises(BadInput, match=r"rewiring\.nc"):
        trained(tmp_path / "run")


@pytest.mark.slow
def test_train__resuming_with_the_log_of_another_run_is_refused(tmp_path):
    trained(tmp_path / "run", watcher=InterruptAt(5))
    other = trained(tmp_path / "other", seed=4)
    kept = (tmp_path / "run" / "last.nc").read_bytes()
    shutil.copy(other.log, tmp_path / "run" / "rewiring.nc")
    with pytest.raises(BadInput, match="is not the log of this run"):
        trained(tmp_path / "run")
    assert (tmp_path / "run" / "last.nc").read_bytes() == kept


@pytest.mark.slow
def test_train__resuming_without_the_last_network_is_refused(tmp_path):
    trained(tmp_path / "run", watcher=InterruptAt(9))
    (tmp_path / "run" / "last.nc").unlink()
    with pytest.raises(BadInput, match=r"last\.nc is missing"):
        trained(tmp_path / "run")

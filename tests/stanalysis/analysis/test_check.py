from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from stanalysis.analysis import check
from stanalysis.analysis.analyze import analyze
from stanalysis.analysis.check import (
    FEW_CELLS,
    TOLERANCE,
    checked,
    esda_of_cells,
    esda_on_graph,
    esda_on_lattice,
    lifelines_survival,
)
from stanalysis.analysis.questions import Questions
from stanalysis.analysis.samples import N_SAMPLES, Sample
from stanalysis.fields.lattice import QUEEN, ROOK, Lattice
from stanalysis.fields.synapse_graph import SynapseGraph
from stanalysis.files.analysis import Caution, cautions_in, read_analysis
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.findings.cautions import warned
from stanalysis.findings.checks import check_differences, sentence_of_check
from stanalysis.findings.wording_of_cautions import CHECK_DIFFERS, CHECK_FAILED, sentence_of_caution
from stanalysis.findings.writing import write_analysis
from stanalysis.readers.options import Options
from stanalysis.schema.lives import EPISODES
from stanalysis.schema.statistics import CHECK
from stanalysis.schema.variables import labelled, validate
from stanalysis.stats.engine.null_test import NullTest
from stanalysis.stats.lives.life_tables import life_table
from stanalysis.stats.lives.survival import survival_curves
from stanalysis.stats.spatial.autocorrelation import gearys_c, graph_autocorrelation, morans_i
from stanalysis.stats.spatial.clustering import join_counts, weighted_joins
from stanalysis.stats.spatial.local import local_morans_i as local_by_us
from stanalysis.synthetic.network import small_network

pytestmark = pytest.mark.slow

QUANTITIES = [*check.ON_LATTICE, *check.ON_GRAPH]
VALUES = {"n_permutations": 0, "seed": 0, "min_synapses": 2}


def sample_of(field, *, dt=10.0, network="a", target=0):
    source, delay = np.nonzero(field)
    return Sample(network, "input__hidden1", 0, target, source, delay * dt, delay, field[source, delay], *field.shape, dt)


def as_array(field):
    return xr.DataArray(field, {"delay": np.arange(field.shape[1]) * 10.0}, ("source", "delay"))


def random_field(n_source, n_delay, share=0.4):
    random = np.random.default_rng(n_source)
    return random.standard_normal((n_source, n_delay)) * (random.random((n_source, n_delay)) < share)


@pytest.mark.parametrize("lattice", [ROOK, QUEEN, Lattice("rook", standardised=False), Lattice("queen", standardised=False)])
@pytest.mark.parametrize("shape", [(6, 5), (5, 2), (5, 1), (FEW_CELLS // 20, 30)], ids=str)
def test_on_lattice__agrees_whatever_the_lattice(lattice, shape):
    field = random_field(*shape, share=0.8)
    again = esda_on_lattice(sample_of(field), lattice)
    assert again["morans_i"] == pytest.approx(morans_i(as_array(field), lattice=lattice, **VALUES).morans_i.item(), abs=1e-12)
    assert again["gearys_c"] == pytest.approx(gearys_c(as_array(field), lattice=lattice, **VALUES).gearys_c.item(), abs=1e-12)
    counts = join_counts(as_array(field), lattice=lattice, **VALUES)
    assert [again[name] for name in counts.statistic.values] == counts.value.values.tolist()
    weighted = weighted_joins(as_array(field), lattice=lattice, **VALUES)
    assert [again[name] for name in weighted.statistic.values] == pytest.approx(weighted.value.values.tolist(), abs=1e-11)
    local = local_by_us(as_array(field), lattice=lattice, **VALUES).local_i
    np.testing.assert_allclose(esda_of_cells(sample_of(field), lattice), local, atol=1e-11)


@pytest.mark.parametrize("ms_per_source", [10.0, 2.5, 40.0])
def test_on_graph__agrees_among_ties(ms_per_source):
    """On a grid many synapses are equally near."""
    field, graph = random_field(9, 6), SynapseGraph(ms_per_source)
    again = esda_on_graph(sample_of(field), graph)
    for ours in (f(as_array(field), graph=graph, **VALUES) for f in (graph_autocorrelation, weighted_joins)):
        for name in ours.statistic.values:
            assert again[name] == pytest.approx(ours.value.sel(statistic=name).item(), abs=1e-12)


def test_on_graph__one_synapse_has_no_neighbours():
    assert esda_on_graph(sample_of(np.eye(5)[:1]), SynapseGraph(10.0)) == {}


def test_kaplan_meier__agrees_under_ties_and_late_entry():
    random = np.random.default_rng(0)
    entry = 10 * random.integers(0, 3, 200) * (random.random(200) < 0.5)
    lives = labelled(EPISODES, entry=entry, exit=entry + 10 * random.geometric(0.3, 200), event=random.random(200) < 0.7)
    ours = survival_curves(life_table(lives), horizon=50, seed=0).squeeze()
    np.testing.assert_allclose(lifelines_survival(lives, ours.age.values), ours.survival, atol=1e-12)


def test_kaplan_meier__of_no_life_is_nan():
    lives = labelled(EPISODES, entry=[0], exit=[10], event=[True])
    assert np.isnan(lifelines_survival(lives.isel(episode=[]), np.array([0, 10]))).all()


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    for seed in range(2):
        tree = small_network(seed=seed, n_source=8, n_target=6)
        table = tree["projections/input__hidden1"].to_dataset()
        silent = table.target.values == 2
        tree["projections/input__hidden1"].dataset = table.assign(weight=table.weight.where(~silent, 0))
        write_checkpoint(tree, folder / f"n{seed}.nc")
    return sorted(folder.glob("*.nc"))


@pytest.fixture(scope="module")
def analysis(checkpoints):
    return analyze(checkpoints, n_permutations=9, statistics=["lattice", "graph", "local"])


def test_analyze__is_checked_and_agrees(analysis):
    found = analysis["check"].to_dataset()
    validate(found, CHECK, required=tuple(CHECK))
    assert found.quantity.values.tolist() == [*QUANTITIES, "local_i"]
    assert (found.largest_difference < 1e-12).all()
    assert found.attrs["n_fields"] == found.n_compared.max() <= N_SAMPLES
    assert {"esda", "libpysal", "lifelines"} < set(found.attrs)
    assert not [caution for caution in cautions_in(analysis) if caution.code == CHECK_DIFFERS]


def test_analyze__a_silent_neuron_is_no_sample(checkpoints):
    """It has no answer; every other neuron of these few is one."""
    found = analyze(checkpoints[:1], n_permutations=9)
    assert found["check"].attrs["n_fields"] == 5 + 2


def test_analyze__unchecked_has_no_group_and_is_the_same_otherwise(checkpoints, analysis):
    without = analyze(checkpoints, n_permutations=9, statistics=["lattice", "graph", "local"], check=False)
    assert "check" not in without.children
    assert sentence_of_check(without) == ""
    assert check_differences(without).empty
    xr.testing.assert_identical(without, analysis.filter(lambda node: node.name != "check"))


def test_analyze__double_precision_is_checked_in_double_precision(checkpoints, tmp_path):
    """The analysis file holds weights in single precision, the statistics are of those in the checkpoint."""
    tree = small_network(seed=0, n_source=8, n_target=6)
    node = tree["projections/input__hidden1"]
    weight = node["weight"].astype(np.float64, keep_attrs=True) * (1 + 1e-7 / 3)
    node.dataset = node.to_dataset().assign(weight=weight.assign_attrs(node["weight"].attrs))
    write_checkpoint(tree, tmp_path / "double.nc")
    assert analyze([tmp_path / "double.nc"], n_permutations=9)["check"].largest_difference.max() < 1e-12


def test_analyze__a_network_without_any_answer_has_nothing_to_compare(tmp_path):
    tree = small_network()
    for node in tree["projections"].children.values():
        node.dataset = node.to_dataset().isel(synapse=[])
    write_checkpoint(tree, tmp_path / "empty.nc")
    found = analyze([tmp_path / "empty.nc"], n_permutations=9)
    assert found["check"].largest_difference.isnull().all()
    assert (found["check"].n_compared == 0).all()
    assert sentence_of_check(found).endswith("on 0 fields: nothing could be compared.")
    write_analysis(found, tmp_path / "out.nc")
    xr.testing.assert_equal(read_analysis(tmp_path / "out.nc"), found)


@pytest.mark.parametrize("quantity", [*QUANTITIES, "local_i"])
def test_checked__a_wrong_number_is_caught_and_warned_of(checkpoints, monkeypatch, quantity):
    """As where a kernel is wrong: one statistic, a little off."""
    wrong = 1 + 1e-6

    def broken(tree, samples, questions):
        for projection in tree["statistics"].children:
            node = tree[f"{'local' if quantity == 'local_i' else 'statistics'}/{projection}"]
            if quantity == "local_i":
                node["local_i"] = node["local_i"] * wrong
            else:
                node["value"] = node["value"].where(node["statistic"] != quantity, node["value"] * wrong + 1e-7)
        return checked(tree, samples, questions)

    monkeypatch.setattr("stanalysis.analysis.analyze.checked", broken)
    found = analyze(checkpoints[:1], n_permutations=9, statistics=["lattice", "graph", "local"])
    differences = check_differences(found).set_index("quantity").largest_difference
    assert differences.index[differences > TOLERANCE].tolist() == [quantity]
    (caution,) = [one for one in cautions_in(found) if one.code == CHECK_DIFFERS]
    assert caution.values["quantity"] == quantity
    (sentence,) = [one for one in warned(found) if one.startswith("Checked against esda")]
    assert f"{quantity} differs by up to" in sentence
    assert sentence in json.loads(found.attrs["warnings"])


def test_checked__a_wrong_curve_is_caught(write_rewiring_run, tmp_path, monkeypatch):
    run = write_rewiring_run(tmp_path / "run", seed=0)

    def broken(tree, samples, questions):
        tree["survival"]["survival"] = tree["survival"]["survival"] ** 1.001
        return checked(tree, samples, questions)

    right = analyze([run], n_permutations=9)
    assert right["check"].largest_difference.sel(quantity="survival") < 1e-12
    assert right["check"].n_compared.sel(quantity="survival") >= 5
    assert "survival curves: largest difference" in sentence_of_check(right)
    monkeypatch.setattr("stanalysis.analysis.analyze.checked", broken)
    assert any("survival differs by up to" in one and "lifelines" in one for one in warned(analyze([run], n_permutations=9)))


def test_checked__a_constant_field_breaks_nothing(analysis):
    """A neuron that has an answer here and none by esda is not compared."""
    questions = Questions(("lattice",), NullTest(n_permutations=9), ROOK, None, Options())
    constant = replace(sample_of(np.ones((8, 5))), network="n0", step=int(analysis["metrics"].step[0]))
    found = checked(analysis, [constant], questions)["check"]
    for quantity in ("morans_i", "joins_ee"):
        assert found.n_compared.sel(quantity=quantity) == 0
        assert found.largest_difference.sel(quantity=quantity).isnull()


def test_checked__another_program_that_fails_ends_no_analysis(checkpoints, monkeypatch):
    def fails(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(check, "esda_on_graph", fails)
    analysis = analyze(checkpoints[:1], n_permutations=9)
    assert analysis["check"].n_compared.sel(quantity="graph_morans_i") == 0
    assert analysis["check"].n_compared.sel(quantity="morans_i") > 0
    (failure,) = [sentence_of_caution(caution) for caution in cautions_in(analysis) if caution.code == CHECK_FAILED]
    assert "ZeroDivisionError" in failure


def test_sentence_of_check__says_what_was_compared(analysis):
    said = sentence_of_check(analysis)
    assert said.startswith(f"Checked against esda {analysis['check'].attrs['esda']} on ")
    assert "lifelines" not in said
    assert "fields: largest difference " in said
    assert float(said.split()[-1].rstrip(".")) < 1e-12


def test_caution__of_a_difference_says_what_to_do():
    values = {"quantity": "gearys_c", "difference": 0.01, "by": "esda 2.9", "tolerance": 1e-9}
    from stanalysis.findings.wording_of_cautions import sentence_of_caution

    assert sentence_of_caution(Caution(CHECK_DIFFERS, values=values)) == (
        "Checked against esda 2.9, gearys_c differs by up to 0.01, more than rounding explains (1e-09): do not rely on it, and "
        "report the error."
    )


def test_check__imports_the_slow_programs_only_when_it_is_made():
    code = (
        "import sys, stanalysis.analysis.analyze, stanalysis.analysis.check; "
        "assert not {'esda', 'libpysal', 'lifelines'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

from __future__ import annotations

import json

import numpy as np
import pytest

from stanalysis.analysis.analyze import analyze
from stanalysis.errors import BadInput
from stanalysis.files.analysis import Caution, cautions_as_json
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.findings.cautions import cautions, doubts_about, piled_up, unanswered, warned
from stanalysis.findings.tables import statistics_summary
from stanalysis.findings.wording_of_cautions import (
    FROM_READER,
    NOT_EXCHANGEABLE,
    PILED_UP,
    SILENT,
    TOO_FEW_DRAWS,
    TOO_FEW_SEEDS,
    TOO_FEW_SYNAPSES,
    require_wording,
    sentence_of_caution,
)
from stanalysis.synthetic.network import small_network

PROJECTION = "input__hidden1"


def written(path, *, seed=0, few=(), silent=(), late=0.0, n_target=10):
    """A checkpoint of which some targets have three synapses or none, and a share of the synapses the longest delay."""
    tree = small_network(seed=seed, n_source=8, n_target=n_target)
    tree.attrs["config"] = json.dumps({"epochs": 1})
    table = tree[f"projections/{PROJECTION}"].to_dataset()
    source, target = table.source.values, table.target.values
    kept = ~np.isin(target, silent) & ~(np.isin(target, few) & (source >= 3))
    table = table.isel(synapse=kept)
    moved = np.arange(table.sizes["synapse"]) < late * table.sizes["synapse"]
    table["delay"] = table.delay.where(~moved, float(table.attrs["delay_max"])).assign_attrs(table.delay.attrs)
    tree[f"projections/{PROJECTION}"].dataset = table
    write_checkpoint(tree, path)
    return path


def analysed(folder, *, n_networks=1, n_permutations=49, **kwargs):
    paths = [written(folder / f"n{seed}.nc", seed=seed, **kwargs) for seed in range(n_networks)]
    return analyze(paths, n_permutations=n_permutations)


def of(sentences, start):
    return [one for one in sentences if one.startswith(start)]


def test_unanswered__tells_why(tmp_path):
    found = unanswered(analysed(tmp_path, few=(1, 2), silent=(4,)), PROJECTION).loc["n0"]
    assert found[["neurons", "silent", "few", "constant", "min_synapses"]].tolist() == [10, 1, 2, 0, 4]


def test_warned__counts_neurons_without_an_answer_and_silent_ones_apart(tmp_path):
    sentences = warned(analysed(tmp_path, n_networks=2, few=(1, 2), silent=(4,)))
    (few,) = of(sentences, f"Too few synapses in {PROJECTION}")
    assert "4 of 20 neurons of 2 networks together (20 %)" in few
    assert "4 have fewer than 4 synapses" in few
    (silent,) = of(sentences, "Silent neurons")
    assert f"2 of 20 neurons of 2 networks together (10 %) have no synapse of {PROJECTION}" in silent


def test_piled_up__is_the_share_in_the_first_and_last_bin(tmp_path):
    found = piled_up(analysed(tmp_path, late=0.5), PROJECTION).loc["n0"]
    assert found["last"] == pytest.approx(0.5 + 0.5 * found.uniform, abs=0.1)
    assert found["first"] < 0.3
    assert found.uniform == pytest.approx(1 / 5)


def test_warned__delays_are_piled_up_beyond_three_times_what_is_uniform(tmp_path):
    (sentence,) = of(warned(analysed(tmp_path, late=0.9)), "Piled-up delays")
    assert f"synapses of {PROJECTION} lie in the last bin of delays" in sentence
    assert "in 1 of 1 network." in sentence
    assert sentence.endswith("`rows` and `cells` are rejected for that alone.")


def test_warned__a_whole_network_has_few_seeds_and_nothing_else(tmp_path):
    sentences = warned(analysed(tmp_path, n_permutations=999))
    assert sentences == ["Too few seeds: there is one network, which says nothing of others; train more seeds."]


@pytest.mark.slow
@pytest.mark.parametrize(("n", "least"), [(3, "0.25"), (5, "0.0625"), (6, None)])
def test_warned__networks_too_few_for_an_exact_test(tmp_path, n, least):
    sentences = of(warned(analysed(tmp_path, n_networks=n, n_permutations=999, n_target=5)), "Too few seeds")
    assert [f"there are {n} networks" in one and f"below {least};" in one for one in sentences] == [True] * (least is not None)


def test_warned__draws_too_few_for_single_neurons(tmp_path):
    first, *_ = of(warned(analysed(tmp_path, n_permutations=199)), "Too few draws")
    assert "199 draws" in first
    assert "no neuron of input__hidden1 can be significant alone unless at least 2 of 10" in first
    sentences = of(warned(analysed(tmp_path, n_permutations=9)), "Too few draws")
    assert [s.split(" can be significant alone;")[0].split()[-1] for s in sentences] == ["input__hidden1", "hidden1__output"]


def test_warned__begins_with_what_analyze_noted(tmp_path):
    analysis = analysed(tmp_path)
    analysis.attrs["cautions"] = cautions_as_json([Caution(FROM_READER, networks=("n0",), values={"note": "Beware."})])
    assert warned(analysis)[0] == "n0: Beware."


def test_warned__a_file_of_0_6_0_has_sentences_alone(tmp_path):
    analysis = analysed(tmp_path)
    del analysis.attrs["cautions"]
    doubt = f"{PROJECTION} of n0, at the last step: the delays are not uniform."
    analysis.attrs["warnings"] = json.dumps(["Beware.", doubt])
    assert warned(analysis)[:2] == ["Beware.", doubt]
    assert doubts_about(analysis, PROJECTION) == [doubt]
    assert doubts_about(analysis, "hidden1__output") == []


def test_doubts_about__are_what_the_record_says(tmp_path):
    analysis = analyze([written(tmp_path / "n0.nc")], null="cells", n_permutations=9)
    (record,) = [c for c in cautions(analysis) if (c.code, c.projection) == (NOT_EXCHANGEABLE, PROJECTION)]
    assert record.networks == ("n0",)
    assert record.values["null"] == "cells"
    (said,) = doubts_about(analysis, PROJECTION)
    assert "measure" not in record.values
    assert said == f"{PROJECTION} of n0, at the last step: {record.values['reason']}."
    assert said in warned(analysis)
    assert said in json.loads(analysis.attrs["warnings"])  # for readers of 0.6.0


def test_doubts_about__name_the_size_of_what_has_one(tmp_path):
    """Signs that depend on the delay alone."""
    tree = small_network(n_source=40, n_target=32)
    table = tree[f"projections/{PROJECTION}"].to_dataset()
    random = np.random.default_rng(0).random(table.sizes["synapse"])
    table["weight"] = abs(table.weight) * np.where(random < np.where(table.delay < 20, 0.8, 0.2), 1, -1)
    tree[f"projections/{PROJECTION}"].dataset = table
    write_checkpoint(tree, tmp_path / "n0.nc")
    analysis = analyze([tmp_path / "n0.nc"], n_permutations=9)
    (record,) = [c for c in cautions(analysis) if (c.code, c.projection) == (NOT_EXCHANGEABLE, PROJECTION)]
    assert record.values["lowest"] == record.values["highest"] < -0.1
    (said,) = doubts_about(analysis, PROJECTION)
    assert "the sign of weights depends on their delay, which is structure to the null 'delays'" in said
    assert said.endswith(f". Rank correlation within neurons: {record.values['lowest']:.2f}.")
    assert said in warned(analysis)


@pytest.mark.parametrize("lowest", ["-0.2", None])
def test_require_wording__refuses_a_size_that_is_no_number(lowest):
    values = {"reason": "why", "measure": "size", "lowest": lowest, "highest": 0.1}
    with pytest.raises(BadInput, match="has no words for"):
        require_wording(Caution(NOT_EXCHANGEABLE, PROJECTION, ("n0",), values))


def test_cautions__can_be_kept_as_json(tmp_path):
    every = cautions(analysed(tmp_path, n_networks=2, few=(1, 2), silent=(4,), late=0.9))
    assert {TOO_FEW_SYNAPSES, SILENT, PILED_UP, TOO_FEW_SEEDS, TOO_FEW_DRAWS} <= {caution.code for caution in every}
    again = [Caution(**record) for record in json.loads(cautions_as_json(every))]
    assert [sentence_of_caution(caution) for caution in again] == [sentence_of_caution(caution) for caution in every]


@pytest.mark.slow
def test_warned__comparisons_of_unlike_numbers_of_synapses(tmp_path):
    for seed in range(2):
        for name, few in (("many", ()), ("few", range(10))):
            tree = small_network(seed=seed, n_source=8, n_target=10)
            tree.attrs["config"] = json.dumps({"delays": name})
            table = tree[f"projections/{PROJECTION}"].to_dataset()
            kept = ~np.isin(table.target.values, list(few)) | (table.source.values < 4)
            tree[f"projections/{PROJECTION}"].dataset = table.isel(synapse=kept)
            write_checkpoint(tree, tmp_path / f"{name}-{seed}.nc")
    analysis = analyze(sorted(tmp_path.glob("*.nc")), n_permutations=19, compare="delays")
    (sentence,) = of(warned(analysis), "Unlike numbers of synapses")
    assert f"4 of {PROJECTION} on average in few, 8 in many" in sentence


def test_warned__tells_in_how_many_neurons_no_sign_can_move(tmp_path):
    """Of one sign, and of four synapses, which both margins hold: they have a value, and are in no table."""
    tree = small_network(seed=0, n_source=40, n_target=6)
    table = tree[f"projections/{PROJECTION}"].to_dataset()
    one_sign = table.target.values == 1
    table["weight"] = table.weight.where(~one_sign, abs(table.weight)).assign_attrs(table.weight.attrs)
    tree[f"projections/{PROJECTION}"].dataset = table.isel(synapse=(table.target.values != 2) | (table.source.values < 4))
    write_checkpoint(tree, tmp_path / "a.nc")
    analysis = analyze([tmp_path / "a.nc"], n_permutations=19, null="interaction", statistics=["graph"])
    (still,) = (s for s in of(warned(analysis), "Signs that hardly move") if PROJECTION in s)
    assert f"in 2 of 6 neurons (33 %) of {PROJECTION}" in still
    assert "the null 'interaction' says nothing of them" in still
    asked = "statistic == 'graph_joins_ei' and projection == @PROJECTION"
    (joins,) = statistics_summary(analysis).query(asked).to_dict("records")
    assert (joins["answered"], joins["no_answer"]) == (4, 2)
    values = analysis[f"statistics/{PROJECTION}"].value.sel(statistic="graph_joins_ei").squeeze()
    assert joins["median"] == values.isel(target=[0, 3, 4, 5]).median()
    assert not of(warned(analyze([tmp_path / "a.nc"], n_permutations=19, statistics=["graph"])), "Signs that hardly move")

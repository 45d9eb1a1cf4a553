from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from stanalysis.analysis.analyze import analyze
from stanalysis.cli.print_analysis import print_analysis
from stanalysis.errors import BadInput
from stanalysis.files.analysis import Caution, cautions_as_json
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.findings.lives import hazard_terms, hazards
from stanalysis.findings.networks import synapses_at
from stanalysis.findings.view import Analysis, rule_of
from stanalysis.findings.wording_of_cautions import NOT_EXCHANGEABLE, TOLD
from stanalysis.stats.engine.nulls import NULLS
from stanalysis.synthetic.network import small_network

PROJECTION = "input__hidden1"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    for seed in range(2):
        small = small_network(seed=seed, step=3)
        small.attrs["config"] = json.dumps({"epochs": 1})
        write_checkpoint(small, folder / f"n{seed}.nc")
    return analyze(sorted(folder.glob("*.nc")), n_permutations=9, null="signs", alternative="less", seed=4)


def test_analysis__tells_what_the_attributes_say(tree):
    view = Analysis(tree)
    assert view.runs == ["n0", "n1"]
    assert view.conditions == {"": ["n0", "n1"]}
    assert view.condition_of_run == {"n0": "", "n1": ""}
    assert view.best_steps == {"n0": None, "n1": None}
    assert (view.null, view.alternative, view.n_permutations, view.dt) == ("signs", "less", 9, 10.0)
    assert view.statistics == ["lattice", "graph", "survival", "published", "parts"]
    assert view.projections == [PROJECTION, "hidden1__output"]
    assert {len(files) for files in view.files.values()} == {1}
    assert {"numpy", "xarray"} < set(view.versions)


def test_analysis__has_the_record_of_its_null(tree):
    assert Analysis(tree).rule is NULLS["signs"]
    assert rule_of(tree[f"statistics/{PROJECTION}"].attrs) is NULLS["signs"]


def test_analysis__of_a_null_that_is_not_registered_is_bad_input(tree):
    changed = tree.copy()
    changed.attrs["null"] = "toys"
    for use in (print_analysis, lambda tree: Analysis(tree).rule):
        with pytest.raises(BadInput, match="The analysis is of the null 'toys', which is not known here; register it"):
            use(changed)


def test_analysis__groups_are_there_or_empty(tree):
    view = Analysis(tree)
    assert view.has("statistics")
    assert view.has("statistics", PROJECTION)
    assert not view.has("statistics", "nothing__there")
    assert not view.has("episodes", PROJECTION)
    assert not view.table("survival")
    assert view.tables("episodes") == {}
    assert list(view.tables("synapses")) == view.projections
    xr.testing.assert_identical(view.table("network", PROJECTION), tree[f"network/{PROJECTION}"].to_dataset())


def test_analysis__rows_are_those_of_one_network(tree):
    rows = Analysis(tree).rows("synapses", PROJECTION, "n1")
    assert (rows.run == 1).all()
    assert rows.sizes["synapse"] == 24
    xr.testing.assert_identical(synapses_at(tree, PROJECTION, run="n1", step=3), rows)
    assert rows.attrs["n_source"] == 6


def test_analysis__what_was_noted_is_as_it_was_kept(tree):
    kept = [Caution(NOT_EXCHANGEABLE, PROJECTION, ("n0",), {"reason": "why"}), Caution(TOLD, values={"sentence": "Beware."})]
    changed = tree.copy()
    changed.attrs["cautions"] = cautions_as_json(kept)
    assert Analysis(changed).noted == kept


def test_analysis__of_0_6_0_notes_are_sentences_and_doubts_name_their_projection(tree):
    old = tree.copy()
    del old.attrs["cautions"]
    sentences = [f"{PROJECTION} of 2 runs, at the last step: no.", f"{PROJECTION}: without a rewiring log …", "Beware."]
    old.attrs["warnings"] = json.dumps(sentences)
    noted = Analysis(old).noted
    assert [(caution.code, caution.projection) for caution in noted] == [(NOT_EXCHANGEABLE, PROJECTION), (TOLD, ""), (TOLD, "")]
    assert [caution.values["sentence"] for caution in noted] == sentences


@pytest.mark.slow
def test_hazard_terms__of_0_6_0_are_parted_as_those_of_today(write_rewiring_run, tmp_path):
    analysis = analyze([write_rewiring_run(tmp_path / "run", seed=0)], n_permutations=9, check=False)
    today = hazard_terms(analysis)
    assert set(today.among.values) == {"initial", "grown"}
    assert set(today.variant.values) <= {"at birth", "so far"}
    old = analysis.copy()
    old["hazard_ratios"].dataset = today.drop_vars(["among", "variant"])
    again = hazard_terms(old)
    for name in ("among", "variant"):
        np.testing.assert_array_equal(again[name], today[name])
    assert not {"among", "variant"} & set(hazards(analysis))  # the model says both
    assert hazards(analysis).equals(hazards(old))


def test_has_ordered_sources__only_where_no_projection_ends_in_them():
    names = ("input__hidden1", "hidden1__output", "hidden1__hidden1", "cochlea__output")
    view = Analysis(xr.DataTree.from_dict({f"/statistics/{name}": xr.Dataset() for name in names}))
    assert [view.has_ordered_sources(name) for name in names] == [True, False, False, True]

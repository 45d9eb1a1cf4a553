from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from stanalysis.analysis.analyze import analyze
from stanalysis.analysis.assemble import assemble, check_together
from stanalysis.analysis.one_network import analyse_network
from stanalysis.analysis.questions import Questions
from stanalysis.errors import BadInput
from stanalysis.fields.lattice import ROOK
from stanalysis.files.analysis import Caution, cautions_in
from stanalysis.files.checkpoint import UNKNOWN_SEED, write_checkpoint
from stanalysis.findings.wording_of_cautions import FROM_READER, NOT_EXCHANGEABLE, STALE_PRUNING
from stanalysis.readers.options import Options
from stanalysis.stats.engine.null_test import NullTest
from stanalysis.synthetic.network import small_network

ASKED = Questions(("lattice",), NullTest(n_permutations=9), ROOK, None, Options())


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    for seed in range(3):
        write_checkpoint(small_network(seed=seed), folder / f"n{seed}.nc")
    return sorted(folder.glob("*.nc"))


@pytest.fixture(scope="module")
def results(paths):
    return [analyse_network(path, ASKED) for path in paths]


def test_analyse_network__its_result_can_be_pickled(results):
    again = pickle.loads(pickle.dumps(results[0]))
    assert again.groups.keys() == results[0].groups.keys()
    for group, dataset in results[0].groups.items():
        xr.testing.assert_identical(again.groups[group], dataset)
    assert replace(again, groups={}) == replace(results[0], groups={})


def test_assemble__is_what_analyze_gives(paths, results):
    whole = analyze(paths, n_permutations=9, statistics=["lattice"], check=False)
    xr.testing.assert_identical(assemble(results, ASKED), whole)


def test_assemble__keeps_the_order_of_the_results(results):
    turned = assemble(results[::-1], ASKED)
    assert json.loads(turned.attrs["runs"]) == ["n2", "n1", "n0"]
    assert turned["metrics"].run.values.tolist() == ["n2", "n1", "n0"]
    np.testing.assert_array_equal(np.unique(turned["synapses/input__hidden1"].run), [0, 1, 2])


def test_assemble__says_once_what_holds_of_several_networks(results):
    def of(name, *cautions):
        return tuple(replace(caution, networks=(name,)) for caution in cautions)

    doubt = Caution(NOT_EXCHANGEABLE, "input__hidden1", values={"null": "delays", "reason": "delays are odd"})
    note = Caution(FROM_READER, values={"note": "The step is a guess."})
    stale = Caution(STALE_PRUNING)
    warned = [
        replace(results[0], cautions=of("n0", stale, doubt)),
        replace(results[1], cautions=of("n1", doubt, note)),
        replace(results[2], cautions=of("n2", stale, replace(note, values={"note": "Another."}))),
    ]
    analysis = assemble(warned, ASKED)
    records = [(caution.code, caution.networks) for caution in cautions_in(analysis)]
    assert records == [
        (FROM_READER, ("n1",)),
        (FROM_READER, ("n2",)),
        (NOT_EXCHANGEABLE, ("n0", "n1")),
        (STALE_PRUNING, ("n0", "n2")),
    ]
    assert json.loads(analysis.attrs["warnings"]) == [
        "n1: The step is a guess.",
        "n2: Another.",
        "input__hidden1 of 2 runs, at the last step: delays are odd.",
        "pruning.csv of n0, n2 is of a step of which no checkpoint is kept, and left out; run `stanalysis prune` again.",
    ]


def test_assemble__says_the_range_of_sizes_in_which_networks_differ(results):
    def doubting(result, size):
        values = {"null": "delays", "reason": "it is odd", "measure": "rank correlation", "lowest": size, "highest": size}
        return replace(result, cautions=(Caution(NOT_EXCHANGEABLE, "input__hidden1", (result.name,), values),))

    analysis = assemble([doubting(*pair) for pair in zip(results, (-0.2, -0.5, -0.3), strict=True)], ASKED)
    (record,) = cautions_in(analysis)
    assert (record.values["lowest"], record.values["highest"]) == (-0.5, -0.2)
    (said,) = json.loads(analysis.attrs["warnings"])
    assert said == "input__hidden1 of 3 runs, at the last step: it is odd. Rank correlation: -0.50 to -0.20."


def test_check_together__other_time_steps_are_refused(results):
    with pytest.raises(BadInput, match=r"differ in dt \(10 ms, 5 ms\); analyse them apart"):
        check_together([results[0], replace(results[1], dt=5.0)])


def test_check_together__one_network_is_no_two_replicates(results):
    unknown = [replace(result, seed=UNKNOWN_SEED, content=("abc",)) for result in results[:2]]
    with pytest.raises(BadInput, match="n1 and n0 are of the same files"):
        check_together(unknown)
    check_together([replace(unknown[0], content=()), replace(unknown[1], content=())])

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace

import pytest

from stanalysis.analysis.questions import Questions
from stanalysis.errors import BadInput
from stanalysis.fields.lattice import QUEEN
from stanalysis.readers.options import Options
from stanalysis.stats.engine.families import usual_families
from stanalysis.stats.engine.null_test import NullTest
from stanalysis.stats.engine.nulls import NULLS


def asked(**changes):
    test = NullTest(n_permutations=9, alternative="less", seed=3)
    usual = {"statistics": ("lattice",), "test": test, "lattice": QUEEN, "ms_per_source": None, "foreign": Options(dt=2.0)}
    return Questions(**(usual | changes))


def test_questions__can_be_sent_to_another_process():
    assert pickle.loads(pickle.dumps(asked())) == asked()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test": NullTest(n_permutations=0)}, "0 permutations are too few"),
        ({"statistics": ("moran",)}, "statistics name 'moran'; use some of lattice, graph"),
        (
            {"test": NullTest(null="untrained"), "statistics": ("pairs", "pruning")},
            "pairs, pruning: the null .untrained. has no draws",
        ),
    ],
)
def test_questions__that_cannot_be_asked_get_a_sentence(changes, message):
    with pytest.raises(BadInput, match=message):
        asked(**changes)


def test_questions__scale_is_one_bin_by_default():
    assert asked().scale(5.0) == 5.0
    assert asked(ms_per_source=40.0).scale(5.0) == 40.0


def test_questions__are_light_to_import():
    code = "import sys, stanalysis.analysis.questions; assert not {'numpy', 'xarray', 'numba'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_questions__a_process_that_knows_other_statistics_is_refused():
    here = asked()
    here.require_registered()
    with pytest.raises(BadInput, match=r"toy are not known to every process; register it in a module"):
        replace(here, registered=here.registered | {"toy"}).require_registered()


def test_questions__a_null_that_a_process_does_not_know_gets_a_sentence(monkeypatch):
    monkeypatch.setitem(NULLS, "toy", replace(NULLS["signs"], name="toy"))
    test = NullTest(null="toy")
    assert test.rule.name == "toy"
    monkeypatch.delitem(NULLS, "toy")
    with pytest.raises(BadInput, match="'toy', which is not known here; register it"):
        _ = test.rule


def test_questions__of_continuous_delays_are_those_without_cells():
    usual = asked(statistics=usual_families())
    assert usual.of_network(1.0) == usual
    assert usual.of_network(0.0).statistics == ("graph", "survival", "parts")
    assert not usual.of_network(0.0).cells
    assert replace(usual, bin_width=2.0).of_network(0.0).cells
    assert asked(statistics=("graph", "pairs")).of_network(0.0).statistics == ("graph", "pairs")
    with pytest.raises(BadInput, match=r"Statistics lattice, local: they are about cells .* give --bin MS, or leave them out"):
        asked(statistics=("lattice", "graph", "local")).of_network(0.0)


@pytest.mark.parametrize("width", [0.0, -1.0, float("nan"), float("inf")])
def test_questions__a_width_of_bins_is_above_0(width):
    with pytest.raises(BadInput, match=r"width of a bin of delay is .*; give a number of ms above 0"):
        asked(bin_width=width)


def test_questions__scale_of_continuous_delays_is_a_declared_bin_or_1_ms():
    assert asked().scale(0.0) == 1.0
    assert asked(bin_width=4.0).scale(0.0) == 4.0
    assert asked(bin_width=4.0, ms_per_source=3.0).scale(0.0) == 3.0

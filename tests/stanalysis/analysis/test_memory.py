from collections import namedtuple
from dataclasses import replace

import psutil
import pytest

from stanalysis.analysis import memory, one_step
from stanalysis.analysis.memory import PROGRAM, Need, free_memory, require_room
from stanalysis.analysis.one_network import Snapshots, groups_of_network
from stanalysis.analysis.one_step import most_targets
from stanalysis.analysis.questions import Questions
from stanalysis.errors import BadInput
from stanalysis.fields.lattice import ROOK
from stanalysis.readers.options import Options
from stanalysis.stats.engine.null_test import NullTest
from stanalysis.synthetic.network import small_network
from stanalysis.units import bytes_of

PROJECTION = "input__hidden1"


def questions(room: float = float("inf"), n_draw: int = 99, statistics: tuple[str, ...] = ("lattice", "graph")) -> Questions:
    return Questions(statistics, NullTest(n_permutations=n_draw, seed=0), ROOK, None, Options(), memory=room)


def test_need__so_many_targets_fit_as_there_is_room_for():
    need = Need(fixed=100, per_target=10)
    assert [need.targets_within(room) for room in (0, 100, 109, 110, 155)] == [0, 0, 0, 1, 5]
    assert need.targets_within(float("inf")) > 10**6


def test_require_room__says_how_much_would_do():
    with pytest.raises(
        BadInput, match=r"a__b takes about 2.5 GB of memory, more than the 2.0 GB that it may; give --memory 2.6G"
    ):
        require_room(Need(2_450_000_000, 60_000_000), 2e9, projection="a__b")


def test_most_targets__are_fewer_with_less_memory_and_the_numbers_are_the_same():
    tree = small_network(n_source=8, n_target=7)
    whole = groups_of_network(Snapshots({0: tree}, {}, None), questions())
    need = one_step.need_of_projection([tree], PROJECTION, questions())
    room = need.fixed + 3 * need.per_target
    assert most_targets([tree], PROJECTION, questions()) == 7
    assert most_targets([tree], PROJECTION, questions(room)) == 3
    few = groups_of_network(Snapshots({0: tree}, {}, None), questions(room))
    assert all(few[name].identical(group) for name, group in whole.items())


def test_most_targets__without_room_for_one_is_refused_before_anything_is_computed():
    with pytest.raises(BadInput, match=r"give --memory 0\.4G for each worker"):
        groups_of_network(Snapshots({0: small_network()}, {}, None), questions(room=1e6))


@pytest.mark.parametrize("room", [0.0, -5.0, float("nan")])
def test_questions__memory_that_is_none_gets_a_sentence(room):
    with pytest.raises(BadInput, match=r"The memory that an analysis may take is .* bytes; give a number above 0"):
        questions(room)


def test_need_of__maps_of_whole_planes_take_more():
    tree = small_network()
    few, maps = (one_step.need_of_projection([tree], PROJECTION, questions(statistics=s)) for s in ((), ("local",)))
    assert PROGRAM < few.fixed < maps.fixed


def test_free_memory__is_no_more_than_a_group_of_processes_may_take(tmp_path, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: namedtuple("Memory", "available")(10**10))
    monkeypatch.setattr(memory, "_groups", lambda: [tmp_path])
    assert free_memory() == 10**10
    (tmp_path / "memory.current").write_text("300\n")
    for limit, free in (("max\n", 10**10), ("1000\n", 700), ("200\n", 0)):
        (tmp_path / "memory.max").write_text(limit)
        assert free_memory() == free


@pytest.mark.parametrize("text", ["", "G", "-1G", "0", "1.2.3G", "2X", "nan"])
def test_bytes_of__says_what_is_no_memory(text):
    with pytest.raises(BadInput, match="give a number above 0 with K, M, G or T"):
        bytes_of(text)


def test_groups_of_network__cells_of_another_width_are_worked_on_apart():
    """Cells in bins of two steps, and the graph at the delays of the network: the same numbers as asked alone."""
    tree = small_network(n_source=8, n_target=5)
    wide = replace(questions(), bin_width=20.0)
    both = groups_of_network(Snapshots({0: tree}, {}, None), wide)[f"statistics/{PROJECTION}"]
    for names in (("lattice",), ("graph",)):
        alone = groups_of_network(Snapshots({0: tree}, {}, None), replace(wide, statistics=names))[f"statistics/{PROJECTION}"]
        shared = both.sel(statistic=alone.statistic)
        for name in ("value", "p_value", "adjusted_p_value"):
            assert alone[name].drop_attrs().identical(shared[name].drop_attrs()), (names, name)

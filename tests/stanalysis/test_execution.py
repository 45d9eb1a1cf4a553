from __future__ import annotations

import os
import signal
import time

import pytest

from stanalysis.errors import BadInput
from stanalysis.execution import completed


def squared(number: int) -> int:
    if number < 0:
        raise BadInput("No number below 0.")
    return number**2


def pid(_: int) -> int:
    time.sleep(0.3)
    return os.getpid()


def killed(number: int) -> int:
    if number:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("options", [{}, {"workers": 2}])
def test_completed__gives_every_result_once_with_its_position(options):
    assert sorted(completed(squared, [3, 1, 2], **options)) == [(0, 9), (1, 1), (2, 4)]
    assert list(completed(squared, [], **options)) == []


def test_completed__runs_in_other_processes_where_there_are_several_workers():
    pids = {result for _, result in completed(pid, [0, 1], workers=2)}
    assert len(pids) == 2
    assert os.getpid() not in pids


@pytest.mark.parametrize("options", [{}, {"workers": 2}])
def test_completed__raises_what_a_task_raises(options):
    with pytest.raises(BadInput, match="below 0"):
        list(completed(squared, [-1, 2], **options))


def test_completed__says_so_where_a_process_is_killed():
    with pytest.raises(BadInput, match="give fewer workers"):
        list(completed(killed, [0, 1], workers=2))


def test_completed__refuses_no_worker():
    with pytest.raises(BadInput, match="0 workers"):
        list(completed(squared, [1], workers=0))

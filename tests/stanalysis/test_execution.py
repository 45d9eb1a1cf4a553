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


@pytest.mark.parametrize("options", [{}, {"workers": 2}, {"workers": 2, "threads": True}])
def test_completed__gives_every_result_once_with_its_position(options):
    assert sorted(completed(squared, [3, 1, 2], **options)) == [(0, 9), (1, 1), (2, 4)]
    assert list(completed(squared, [], **options)) == []


def test_completed__runs_in_other_processes_where_there_are_several_workers():
    pids = {result for _, result in completed(pid, [0, 1], workers=2)}
    assert len(pids) == 2
    assert os.getpid() not in pids


@pytest.mark.parametrize("options", [{}, {"workers": 2}, {"workers": 2, "threads": True}])
def test_completed__raises_what_a_task_raises(options):
    with pytest.raises(BadInput, match="below 0"):
        list(completed(squared, [-1, 2], **options))


def test_completed__says_so_where_a_process_is_killed():
    with pytest.raises(BadInput, match="give fewer workers"):
        list(completed(killed, [0, 1], workers=2))


def test_completed__refuses_no_worker():
    with pytest.raises(BadInput, match="0 workers"):
        list(completed(squared, [1], workers=0))


def waited(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@pytest.mark.parametrize("threads", [True, False])
def test_completed__calls_back_while_others_work(threads):
    calls = []
    results = list(completed(waited, [1.2, 0.0], workers=2, threads=threads, meanwhile=lambda: calls.append(time.monotonic())))
    assert sorted(results) == [(0, 1.2), (1, 0.0)]
    assert len(calls) >= 3


def test_completed__threads_under_way_are_not_waited_for_when_it_ends_early():
    begun, began = [], time.monotonic()

    def slow(number: int) -> int:
        begun.append(number)
        time.sleep(2 * number)
        return number

    def broken() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(completed(slow, [1, 0, 0, 0], workers=1, threads=True, meanwhile=broken))
    assert time.monotonic() - began < 1.8
    time.sleep(2)
    assert begun == [1]

"""A process that trains a run is not waited for in vain, and does not outlive who watches it."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from tests.trainers.sweep.folders import wait_until
from trainers.sweep import supervise
from trainers.sweep.spec import RunSpec

RUN = RunSpec("sparse", "module", {}, "data", "", None, None, "/nowhere/a", seed=0, checkpoints=1, lease=60.0)


def does(program):
    """Instead of training a run."""

    def begun(run):
        return subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    return begun


def test_supervised__what_does_not_begin_is_ended(monkeypatch):
    monkeypatch.setattr(supervise, "_begun", does("import time; time.sleep(60)"))
    monkeypatch.setattr(supervise, "_BEGINS_WITHIN", 0.1)
    began = time.monotonic()
    ended = supervise.supervised(RUN, lambda: "go on")
    assert (ended.end, ended.sentence) == ("lost", "Its process did not begin, with code -9.")
    assert time.monotonic() - began < 30


def test_supervised__what_has_begun_is_waited_for(monkeypatch):
    program = (
        """import time; print('["begun", null]', flush=True); time.sleep(1); print('["finished", {"a": 1}]', flush=True)"""
    )
    monkeypatch.setattr(supervise, "_begun", does(program))
    monkeypatch.setattr(supervise, "_BEGINS_WITHIN", 0.5)
    ended = supervise.supervised(RUN, lambda: "go on")
    assert (ended.end, ended.row) == ("finished", {"a": 1})


def test_supervised__a_listener_that_died_is_no_reason_to_wait(monkeypatch):
    monkeypatch.setattr(supervise, "_begun", does("import time; time.sleep(60)"))
    monkeypatch.setattr(supervise, "_hear", lambda stream, heard: None)
    assert supervise.supervised(RUN, lambda: "go on").end == "lost"


@pytest.mark.skipif(sys.platform != "linux", reason="there a process hears of its parent's end by its standard input alone")
def test_one_run__that_hears_nothing_ends_with_its_parent_too():
    program = """
import subprocess, sys, time
process = subprocess.Popen([sys.executable, "-c", '''
import time, trainers.sweep.one_run as one_run
one_run._end_with_parent()
print("ready", flush=True)
while True: time.sleep(1)
'''], stdout=subprocess.PIPE)
process.stdout.readline()
print(process.pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)

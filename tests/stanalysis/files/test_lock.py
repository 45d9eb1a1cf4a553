from __future__ import annotations

import errno
import os
import subprocess
import sys
import time

import pytest
from filelock import SoftFileLease

from stanalysis.errors import BadInput
from stanalysis.files import lock
from stanalysis.files.lock import held
from stanalysis.files.temporary import LOCK, temporary_name

HOLDING = """
import sys, time
from pathlib import Path
from stanalysis.files.lock import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(lock, "_PATIENCE", 0.2)


@pytest.fixture
def holder(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLDING, tmp_path / "run"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_held__another_process_is_named_and_refused(holder, impatient, tmp_path):
    with pytest.raises(BadInput, match=rf"run is being written by process {holder.pid} on .+; wait"), held(tmp_path / "run"):
        pass
    assert holder.poll() is None
    assert [path.name for path in (tmp_path / "run").iterdir()] == [LOCK]


def test_held__a_process_that_was_killed_is_replaced_and_its_rest_removed(holder, tmp_path):
    (tmp_path / "run" / temporary_name().replace(f"-{os.getpid()}-", f"-{holder.pid}-")).write_text("half")
    holder.kill()
    holder.wait()
    with held(tmp_path / "run") as hold:
        hold.require()
        assert [path.name for path in (tmp_path / "run").iterdir()] == [LOCK]


def test_held__of_another_host_a_heartbeat_counts(impatient, tmp_path, monkeypatch):
    with held(tmp_path):
        marker = (tmp_path / LOCK).read_text()
    elsewhere = "\n".join("host=elsewhere" if line.startswith("host=") else line for line in marker.splitlines()) + "\n"
    (tmp_path / LOCK).write_text(elsewhere)
    with pytest.raises(BadInput, match="on elsewhere"), held(tmp_path):
        pass
    monkeypatch.setattr(lock, "LEASE", 0.3)
    (tmp_path / LOCK).write_text(elsewhere.replace("duration=60.0", "duration=0.3"))
    time.sleep(0.5)
    with held(tmp_path):
        assert "host=elsewhere" not in (tmp_path / LOCK).read_text()


def test_held__a_folder_that_stays_empty_is_gone(tmp_path):
    with held(tmp_path / "a" / "b"):
        pass
    assert not list(tmp_path.iterdir())
    with held(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "file").touch()
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["file"]


def test_hold__a_folder_that_was_lost_is_noticed_at_once(tmp_path):
    with held(tmp_path) as hold:
        hold.require()
        (tmp_path / LOCK).unlink()
        with pytest.raises(BadInput, match="taken over by another process"):
            hold.require()
        (tmp_path / LOCK).write_text("another\n")
        with pytest.raises(BadInput, match="taken over by another process"):
            hold.require()
    assert (tmp_path / LOCK).read_text() == "another\n"


def test_held__a_lock_of_another_lease_is_no_traceback(holder, impatient, tmp_path):
    marker = (tmp_path / "run" / LOCK).read_text()
    (tmp_path / "run" / LOCK).write_text(marker.replace("duration=60.0", "duration=30.0"))
    with pytest.raises(BadInput, match="is being written by process"), held(tmp_path / "run"):
        pass


def test_held__errors_name_the_folder(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / LOCK))

    monkeypatch.setattr(SoftFileLease, "acquire", full)
    with pytest.raises(OSError, match="No space") as caught, held(tmp_path):
        pass
    assert caught.value.filename == str(tmp_path)

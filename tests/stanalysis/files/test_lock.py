from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from filelock import SoftFileLease

from stanalysis.errors import BadInput
from stanalysis.files import lock
from stanalysis.files.atomic import write_text
from stanalysis.files.lock import HeldElsewhere, held, holder_of
from stanalysis.files.temporary import LOCK, SINCE, remove_orphans, temporary_name

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
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [LOCK, SINCE]


def test_held__a_process_that_was_killed_is_replaced_and_its_rest_removed(holder, tmp_path):
    (tmp_path / "run" / temporary_name().replace(f"-{os.getpid()}-", f"-{holder.pid}-")).write_text("half")
    holder.kill()
    holder.wait()
    with held(tmp_path / "run"):
        assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [LOCK, SINCE]


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


def test_held__nothing_is_replaced_in_a_folder_that_was_lost(tmp_path):
    with held(tmp_path):
        write_text(tmp_path / "a", "mine")
        (tmp_path / LOCK).unlink()
        with pytest.raises(HeldElsewhere, match="taken over by another process"):
            write_text(tmp_path / "a", "late")
        (tmp_path / LOCK).write_text("another\n")
        with pytest.raises(HeldElsewhere, match="taken over by another process"):
            write_text(tmp_path / "a", "late")
    assert (tmp_path / LOCK).read_text() == "another\n"
    assert (tmp_path / "a").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == [LOCK, SINCE, "a"]


def test_held__a_process_stopped_between_asking_and_naming_replaces_nothing(tmp_path, monkeypatch):
    """The last instant there is: it asked, was stopped, another took the folder, it goes on."""
    replace = os.replace

    def stopped(temporary, path):
        monkeypatch.setattr(os, "replace", replace)
        lock = (tmp_path / LOCK).read_text()
        (tmp_path / LOCK).write_text(re.sub(r"token=.*", "token=0123", lock))  # of another
        remove_orphans(tmp_path, held=True)  # as it does
        replace(temporary, path)

    with held(tmp_path):
        write_text(tmp_path / "a", "mine")
        monkeypatch.setattr(os, "replace", stopped)
        with pytest.raises(HeldElsewhere, match="taken over by another process"):
            write_text(tmp_path / "a", "late")
    assert (tmp_path / "a").read_text() == "mine"


def test_holder_of__says_who_and_for_how_long(holder, tmp_path):
    found = holder_of(tmp_path / "run")
    assert found.pid == holder.pid
    assert 0 <= found.seconds < 30
    assert abs(found.silent) < 30
    assert not found.is_gone
    assert holder_of(tmp_path) is None
    holder.kill()
    holder.wait()
    assert holder_of(tmp_path / "run").is_gone


def test_held__a_stopped_process_is_replaced_after_its_lease_and_writes_nothing_when_it_goes_on(tmp_path):
    script = HOLDING.replace("held(Path(sys.argv[1]))", "held(Path(sys.argv[1]), lease=1.0)").replace(
        "    time.sleep(60)", "    time.sleep(3)\n    write_text(Path(sys.argv[1]) / 'a', 'late')"
    )
    script = "from stanalysis.files.atomic import write_text\n" + script
    with subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGSTOP)
        marker = (tmp_path / LOCK).read_text()  # or it is asked whether the process, of this machine, lives
        (tmp_path / LOCK).write_text(re.sub("host=.*", "host=elsewhere", marker))
        with held(tmp_path, lease=1.0):
            write_text(tmp_path / "a", "mine")
            process.send_signal(signal.SIGCONT)
            _, printed = process.communicate(timeout=30)
            assert "taken over by another process" in printed
            assert (tmp_path / "a").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


def test_held__a_lock_of_another_lease_is_no_traceback(holder, impatient, tmp_path):
    marker = (tmp_path / "run" / LOCK).read_text()
    (tmp_path / "run" / LOCK).write_text(marker.replace("duration=60.0", "duration=30.0"))
    with pytest.raises(BadInput, match="is being written by process"), held(tmp_path / "run"):
        pass


@pytest.mark.parametrize("marker", ["", "half a rec"])
def test_held__a_claim_of_which_the_machine_died_before_it_was_written_is_replaced(impatient, tmp_path, marker, monkeypatch):
    (tmp_path / LOCK).write_text(marker)
    with pytest.raises(HeldElsewhere), held(tmp_path):
        pass
    monkeypatch.setattr(lock, "LEASE", 0.3)
    with held(tmp_path):
        write_text(tmp_path / "a", "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_held__where_names_cannot_be_exchanged_who_is_gone_is_replaced(holder, impatient, tmp_path, monkeypatch):
    monkeypatch.setattr("filelock._soft._exclusive._recovery.exchange_names", refused)  # as on network file systems
    holder.kill()
    holder.wait()
    with held(tmp_path / "run"):
        write_text(tmp_path / "run" / "a", "mine")


def refused(*_):
    raise OSError(errno.EINVAL, "Invalid argument")


def test_remove_claim__of_who_was_quicker_stays(tmp_path):
    with held(tmp_path):
        lock._remove_claim(tmp_path / LOCK, (0, 0))
        write_text(tmp_path / "a", "mine")
        assert sorted(path.name for path in tmp_path.iterdir()) == [LOCK, SINCE, "a"]


def test_holder_of__in_a_folder_that_may_only_be_read(holder, tmp_path, monkeypatch):
    def may_not(*_, **__):
        raise PermissionError

    monkeypatch.setattr("pathlib.Path.touch", may_not)
    found = holder_of(tmp_path / "run")
    assert found.pid == holder.pid
    assert not found.is_gone


def test_held__errors_name_the_folder(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / LOCK))

    monkeypatch.setattr(SoftFileLease, "acquire", full)
    with pytest.raises(OSError, match="No space") as caught, held(tmp_path):
        pass
    assert caught.value.filename == str(tmp_path)

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys

import pytest

from stanalysis.errors import BadInput
from stanalysis.files.atomic import make_folder, require_writable, write_text, written_together
from stanalysis.files.temporary import is_temporary, temporary_name


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_write_text__replaces_whole(tmp_path):
    write_text(tmp_path / "new" / "a.txt", "one")
    write_text(tmp_path / "new" / "a.txt", "two")
    assert contents(tmp_path / "new") == {"a.txt": "two"}


def interrupted(folder):
    with written_together() as write:
        write(folder / "a.txt", b"new")
        write(folder / "b.txt", b"new")
        raise KeyboardInterrupt


def test_written_together__an_interruption_keeps_the_old_files_and_leaves_nothing(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path)
    assert contents(tmp_path) == {"a.txt": "old"}


def test_written_together__nothing_has_its_name_before_all_is_written(tmp_path):
    with written_together() as write:
        write(tmp_path / "a.txt", b"a")
        write(tmp_path / "b.txt", b"b")
        assert all(is_temporary(path) for path in tmp_path.iterdir())
    assert contents(tmp_path) == {"a.txt": "a", "b.txt": "b"}


@pytest.fixture
def calls(monkeypatch):
    """What reaches the system, in order."""
    noted = []

    def sync(handle, *, fsync=os.fsync):
        noted.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    def rename(source, target, *, replace=os.replace):
        noted.append("name")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", rename)
    return noted


def test_written_together__what_is_written_reaches_the_disk_before_its_name_and_the_name_too(tmp_path, calls):
    with written_together() as write:
        write(tmp_path / "a.txt", b"a")
        write(tmp_path / "b.txt", b"b")
    assert calls == ["file", "file", "name", "name", "folder"]


def test_make_folder__names_of_new_folders_reach_the_disk(tmp_path, calls):
    make_folder(tmp_path / "a" / "b")
    assert calls == ["folder", "folder"]
    make_folder(tmp_path / "a" / "b")
    assert calls == ["folder", "folder"]


def test_written_together__errors_name_the_file_that_a_person_knows(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    write_text(tmp_path / "a.txt", "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space") as caught:
        write_text(tmp_path / "a.txt", "new")
    assert caught.value.filename == str(tmp_path / "a.txt")
    assert contents(tmp_path) == {"a.txt": "old"}
    with pytest.raises(OSError, match="No space"):
        write_text(tmp_path / "new" / "folder" / "a.txt", "new")
    assert contents(tmp_path) == {"a.txt": "old"}


def test_write_text__removes_what_a_process_that_died_left(tmp_path):
    script = f"from stanalysis.files.temporary import temporary_name; print({str(tmp_path)!r} + '/' + temporary_name())"
    orphan = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    with open(orphan, "w") as file:
        file.write("half")
    of_this_process = tmp_path / temporary_name()
    of_another_host = tmp_path / ".stanalysis-elsewhere-1-0123abcd"
    for path in (of_this_process, of_another_host):
        path.write_text("half")
    write_text(tmp_path / "a.txt", "a")
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", of_this_process.name, of_another_host.name}
    os.utime(of_another_host, (0, 0))
    write_text(tmp_path / "a.txt", "a")
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", of_this_process.name}


def test_write_text__in_a_container_the_predecessor_had_the_same_number(tmp_path):
    mine = temporary_name()
    (tmp_path / mine).write_text("half")
    (tmp_path / f"{mine[:-8]}0123abcd").write_text("half")
    write_text(tmp_path / "a.txt", "a")
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", mine}


def written_onto_a_folder(folder):
    (folder / "b.txt").mkdir()
    with written_together() as write:
        write(folder / "a.txt", b"new")
        write(folder / "b.txt", b"new")


def test_written_together__a_folder_in_the_way_of_one_keeps_all(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(IsADirectoryError) as caught:
        written_onto_a_folder(tmp_path)
    assert caught.value.filename == str(tmp_path / "b.txt")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.txt"]


def test_require_writable__says_so_before_the_work_and_makes_nothing(tmp_path, monkeypatch):
    require_writable(tmp_path / "new" / "folder" / "a.nc")
    require_writable(tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="is a file; name another place"):
        require_writable(tmp_path / "file" / "a.nc")

    def read_only(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.touch", read_only)
    with pytest.raises(BadInput, match=r"a\.nc cannot be written \(Read-only file system\)"):
        require_writable(tmp_path / "new" / "a.nc")

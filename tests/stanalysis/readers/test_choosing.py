from __future__ import annotations

import sys
import textwrap

import numpy as np
import pytest

import stanalysis
from stanalysis.errors import BadInput
from stanalysis.readers import choosing
from stanalysis.readers.arrays import from_arrays
from stanalysis.readers.foreign import ForeignNetwork, Options, chosen_steps, require, step_of

THEIRS = """
    from stanalysis.readers.arrays import from_arrays
    from stanalysis.readers.foreign import ForeignNetwork, require, step_of


    def recognises(container):
        return "theirs" in container.arrays


    def read(container, options):
        require(options, container, {"dt": "the time step in ms"})
        step, notes = step_of(options, None)
        weight = container.arrays["theirs"]
        tree = from_arrays(weight, abs(weight), dt=options.dt, step=step)
        return ForeignNetwork({step: tree}, tuple(notes), container.files)
"""


@pytest.fixture
def other_package(tmp_path, monkeypatch):
    """An installed package that brings a reader."""
    site = tmp_path / "site"
    (site / "theirs-1.0.dist-info").mkdir(parents=True)
    (site / "theirs-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (site / "theirs-1.0.dist-info" / "entry_points.txt").write_text("[stanalysis.readers]\ntheirs = their_reader\n")
    (site / "their_reader.py").write_text(textwrap.dedent(THEIRS))
    monkeypatch.syspath_prepend(site)
    yield
    sys.modules.pop("their_reader", None)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "network.npz"
    np.savez(path, theirs=np.arange(6.0).reshape(2, 3))
    return path


def test_read_foreign__other_packages_bring_readers(other_package, file):
    network = stanalysis.read_foreign(file, dt=1.0)
    assert isinstance(network, ForeignNetwork)
    assert network.notes[0] == "Read by the reader theirs, as guessed from its content."
    assert "taken as 1" in network.notes[1]
    np.testing.assert_array_equal(network.checkpoints[1]["projections/input__hidden1"].weight, np.arange(6.0))


def test_read_foreign__two_readers_that_fit_are_told(other_package, file, monkeypatch):
    monkeypatch.setattr("stanalysis.readers.nir.recognises", lambda container: True)
    with pytest.raises(BadInput, match="could be read by nir and by theirs; say which with --reader"):
        stanalysis.read_foreign(file, dt=1.0)
    assert stanalysis.read_foreign(file, dt=1.0, reader="theirs").notes[0] == "Read by the reader theirs."


def test_known_readers__two_of_one_name_are_refused(other_package, monkeypatch):
    monkeypatch.setattr(choosing, "BUILT_IN", (*choosing.BUILT_IN[:-1], "nir"))
    readers = choosing.known_readers()
    assert {"dcls", "nir", "mapping", "theirs"} <= set(readers)
    only = next(entry for entry in choosing.entry_points(group=choosing.GROUP))
    monkeypatch.setattr(choosing, "entry_points", lambda group: [only, only])
    with pytest.raises(BadInput, match="Two packages bring a reader called 'theirs'"):
        choosing.known_readers()


def test_read_foreign__a_file_no_reader_knows(file):
    with pytest.raises(BadInput, match=r"of no kind that a reader knows .*--mapping"):
        stanalysis.read_foreign(file, dt=1.0)


def test_read_foreign__an_unknown_reader(file):
    with pytest.raises(BadInput, match="no reader 'dlcs'; use one of dcls"):
        stanalysis.read_foreign(file, reader="dlcs")


def test_read_foreign__what_is_missing_is_named_with_the_file(other_package, file):
    with pytest.raises(BadInput, match=r"network.npz .* give --dt \(the time step in ms\)"):
        stanalysis.read_foreign(file)


@pytest.mark.parametrize("make", ["missing", "text", "empty folder"])
def test_read_foreign__no_network_at_all(make, tmp_path):
    path = tmp_path / "place"
    if make == "text":
        path.write_text("hello")
    elif make == "empty folder":
        path.mkdir()
    with pytest.raises(BadInput, match=r"does not exist|no kind of file|holds no network"):
        stanalysis.read_foreign(path)


def test_read_foreign__a_folder_of_files_is_a_series(tmp_path, monkeypatch):
    seen = []

    def read(container, options):
        seen.append(container)
        tree = from_arrays(np.full((2, 2), options.network_step), np.ones((2, 2)), dt=1.0, step=options.network_step)
        return ForeignNetwork({options.network_step: tree}, ("It is well.",), container.files)

    monkeypatch.setattr(choosing, "open_container", fake_container)
    monkeypatch.setattr(choosing, "known_readers", lambda: {"fake": FakeReader(read)})
    for name in ("net2_epoch10.pt", "net2_epoch9.pt", "net2_epoch0.pth", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    network = stanalysis.read_foreign(tmp_path)
    assert list(network.checkpoints) == [0, 9, 10]
    assert network.notes.count("It is well.") == 1
    assert len(network.files) == len(seen) == 3
    assert list(stanalysis.read_foreign(tmp_path, checkpoints=2).checkpoints) == [0, 10]
    assert "the epoch in its name" in network.notes[0]
    (tmp_path / "best.pt").write_bytes(b"")
    np.save(tmp_path / "losses.npy", np.ones(3))
    network = stanalysis.read_foreign(tmp_path)
    assert list(network.checkpoints) == [0, 9, 10]
    assert "Files that do not tell their step are left out: best.pt." in network.notes
    (tmp_path / "net3_epoch9.pt").write_bytes(b"")
    with pytest.raises(BadInput, match="seem to be of the same step, the epoch in its name"):
        stanalysis.read_foreign(tmp_path)


@pytest.mark.parametrize(
    ("names", "contents", "steps", "known_by"),
    [
        (["epoch=2-val_acc=0.174.ckpt", "epoch=0-val_acc=0.9.ckpt"], [{}, {}], [2, 0], "the epoch in its name"),
        (["epoch=2-a=7.ckpt", "epoch=1-a=8.ckpt"], [{"epoch": 5}, {"epoch": 4}], [5, 4], "the epoch stored in it"),
        (["epoch=2-a=7.ckpt", "epoch=1-a=8.ckpt"], [{"epoch": 5}, {}], [2, 1], "the epoch in its name"),
        (["a_step-20.pt", "a_step-3.pt"], [{}, {}], [20, 3], "the step in its name"),
        (["net2_20.pt", "net2_3.pt"], [{}, {}], [20, 3], "the last number in its name"),
        (["a.pt", "b.pt"], [{}, {}], [], ""),
    ],
)
def test_steps_of__the_epoch_inside_wins_over_the_name(tmp_path, monkeypatch, names, contents, steps, known_by):
    paths = [tmp_path / name for name in names]
    held = dict(zip(paths, contents, strict=True))
    monkeypatch.setattr(choosing, "open_container", lambda path: choosing.Container(path, "torch", held[path]))
    assert choosing._steps_of(paths) == (dict(zip(steps, paths, strict=False)), known_by)


class FakeReader:
    def __init__(self, read):
        self.read = read

    def recognises(self, container):
        return container.kind == "torch"


def fake_container(path):
    return choosing.Container(path, "folder" if path.is_dir() else "torch", {} if path.is_dir() else None)


def test_require__names_all_that_is_missing(tmp_path):
    container = choosing.Container(tmp_path / "a.pt", "torch", {})
    needs = {"dt": "the time step in ms", "kernel_size": "in steps, at least 25", "left_padding": "in steps"}
    with pytest.raises(
        BadInput, match=r"a.pt .*--kernel-size \(in steps, at least 25\); --left-padding \(in steps\)\.$"
    ) as error:
        require(Options(dt=1.0), container, needs)
    assert "--dt" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"), [("dt", 0.0), ("dt", -1.0), ("dt", float("nan")), ("max_delay", -1.0), ("dt", 1e300)]
)
def test_require__numbers_must_make_sense(name, value, tmp_path):
    container = choosing.Container(tmp_path / "a.pt", "torch", {})
    with pytest.raises(BadInput, match=f"--{name.replace('_', '-')} is"):
        require(Options(**{name: value}), container, {name: "why"})


def test_step_of__what_is_given_wins():
    assert step_of(Options(network_step=5), 3) == (5, [])
    assert step_of(Options(), 3) == (3, [])
    step, notes = step_of(Options(), None)
    assert step == 1
    assert "--network-step" in notes[0]
    with pytest.raises(BadInput, match="at least 0"):
        step_of(Options(network_step=-1), None)


@pytest.mark.parametrize("text", ["Pop0", "Pop0=", "=3", "Pop0=0", "Pop0=a"])
def test_sizes__are_numbers_by_name(text):
    assert Options(neurons=("Pop0=7", "a=b=2")).sizes() == {"Pop0": 7, "a=b": 2}
    with pytest.raises(BadInput, match="POPULATION=NUMBER"):
        Options(neurons=(text,)).sizes()


def test_chosen_steps__are_the_ends_and_denser_at_the_beginning():
    assert chosen_steps([5, 3, 9], Options()) == [3, 5, 9]
    assert chosen_steps(range(101), Options(checkpoints=5)) == [0, 2, 9, 31, 100]
    assert chosen_steps([0, 1], Options(checkpoints=5)) == [0, 1]
    with pytest.raises(BadInput, match="--checkpoints is 1"):
        chosen_steps([0, 1], Options(checkpoints=1))

from __future__ import annotations

import hashlib
import shutil
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import stanalysis
from stanalysis.errors import BadInput
from stanalysis.readers import choosing
from stanalysis.readers.arrays import from_arrays
from stanalysis.readers.contract import ForeignNetwork, chosen_steps, require, step_of
from stanalysis.readers.options import Options
from stanalysis.readers.series import read_series

FILES = Path(__file__).parent / "files"
THEIRS = """
    from stanalysis.readers.arrays import from_arrays
    from stanalysis.readers.contract import ForeignNetwork, require, step_of


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
    monkeypatch.setattr("stanalysis.readers.programs.nir.recognises", lambda container: True)
    with pytest.raises(BadInput, match="could be read by nir and by theirs; say which with --reader"):
        stanalysis.read_foreign(file, dt=1.0)
    assert stanalysis.read_foreign(file, dt=1.0, reader="theirs").notes[0] == "Read by the reader theirs."


def test_known_readers__two_of_one_name_are_refused(other_package, monkeypatch):
    assert {"dcls", "nir", "mapping", "theirs"} <= set(choosing.known_readers())
    only = next(entry for entry in choosing.entry_points(group=choosing.GROUP))
    monkeypatch.setattr(choosing, "entry_points", lambda group: [only, only])
    with pytest.raises(BadInput, match="Two packages bring a reader called 'theirs'"):
        choosing.known_readers()


def test_read_foreign__networks_of_other_packages_say_who_read_them_and_what(other_package, file):
    attrs = stanalysis.read_foreign(file, dt=1.0).checkpoints[1].attrs
    assert (attrs["reader"], attrs["source_file"]) == ("theirs", "network.npz")
    assert attrs["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import no_such_module", "ModuleNotFoundError"),
        ("recognises = 3", "no functions recognises and read|no attribute 'read'"),
        ("def recognises(c): return True\ndef read(c, o): return c.arrays['x']", "failed .KeyError: 'x'.; tell its authors"),
        ("def recognises(c): return True\ndef read(c, o): raise SystemError('no')", "failed .SystemError: no."),
    ],
)
def test_read_foreign__a_broken_reader_of_another_package_keeps_no_other_from_reading(other_package, file, source, says):
    Path(choosing.importlib.util.find_spec("their_reader").origin).write_text(source)
    with pytest.raises(BadInput, match=says):
        stanalysis.read_foreign(file, reader="theirs", dt=1.0)
    if "True" not in source:  # what loads and recognises all is asked, too
        network = stanalysis.read_foreign(FILES / "dcls_gauss.pt", dt=1.0, kernel_size=25, left_padding=24)
        assert network.notes[0] == "Read by the reader dcls, as guessed from its content."


def test_read_foreign__options_that_are_of_no_use_are_told():
    given = {"dt": 1.0, "kernel_size": 25, "left_padding": 24}
    network = stanalysis.read_foreign(FILES / "dcls_gauss.pt", **given, max_delay=5.0, ms_per_unit=7.0)
    assert "Not used by this reader: --max-delay, --ms-per-unit." in network.notes
    assert not any("Not used" in note for note in stanalysis.read_foreign(FILES / "dcls_gauss.pt", **given).notes)


def test_read_foreign__a_reader_that_is_forced_says_that_the_file_is_of_another_kind():
    with pytest.raises(BadInput, match=r"dcls_gauss.pt: it does not look like what the reader 'ml_genn' reads: "):
        stanalysis.read_foreign(FILES / "dcls_gauss.pt", reader="ml_genn", dt=1.0)


def test_read_foreign__python_may_say_paths_as_text_and_sizes_as_a_dict(tmp_path):
    np.savez(tmp_path / "a.npz", w=np.ones((2, 2)))
    text = 'weight = "w"\nweight_axes = ["target", "source"]\ndelay = 1\nunit = "ms"'
    (tmp_path / "m.toml").write_text(f'dt = 1.0\nmax_delay = 2.0\n[[projection]]\nsource = "a"\ntarget = "b"\n{text}')
    assert stanalysis.read_foreign(str(tmp_path / "a.npz"), mapping=str(tmp_path / "m.toml")).checkpoints
    (tmp_path / "net").mkdir()
    np.save(tmp_path / "net" / "0-Conn_a_b-g.npy", np.ones(6, np.float32))
    tree = stanalysis.read_foreign(tmp_path / "net", dt=1.0, neurons={"a": 3}).checkpoints[1]
    assert tree["populations/b"].sizes["neuron"] == 2


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
    monkeypatch.setattr(choosing, "known_readers", lambda: ["fake"])
    monkeypatch.setattr(choosing, "reader_of", lambda name: FakeReader(read))
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
    ("name", "value"),
    [
        *(("dt", value) for value in (0.0, -1.0, float("nan"), 1e300, "1")),
        *(("max_delay", value) for value in (-1.0, float("nan"))),
        ("kernel_size", 0),
        ("left_padding", -1),
        ("network_step", 10**25),
        ("network_step", -1),
        ("checkpoints", 1),
        ("kernel_size", 25.7),
        ("time_axis", 0.5),
        ("network_step", 1.5),
        ("dt", True),
    ],
)
def test_read_foreign__numbers_must_make_sense(name, value):
    with pytest.raises(BadInput, match=f"--{name.replace('_', '-')} is .*; give a (whole )?number of at least"):
        stanalysis.read_foreign(FILES / "dcls_gauss.pt", **{"dt": 1.0, "kernel_size": 25, "left_padding": 24, name: value})


def test_step_of__what_is_given_wins():
    assert step_of(Options(network_step=5), 3) == (5, [])
    assert step_of(Options(), 3) == (3, [])
    step, notes = step_of(Options(), None)
    assert step == 1
    assert "--network-step" in notes[0]


@pytest.mark.parametrize("text", ["Pop0", "Pop0=", "=3", "Pop0=0", "Pop0=a"])
def test_sizes__are_numbers_by_name(text):
    assert Options(neurons=("Pop0=7", "a=b=2")).sizes() == {"Pop0": 7, "a=b": 2}
    with pytest.raises(BadInput, match="POPULATION=NUMBER"):
        Options(neurons=(text,)).sizes()


@pytest.mark.parametrize(("name", "value"), [("dt", 10**400), ("dt", float("nan")), ("kernel_size", 2.5), ("max_delay", True)])
def test_options__numbers_that_make_no_sense_get_a_sentence(name, value):
    with pytest.raises(BadInput, match=f"--{name.replace('_', '-')} is "):
        Options(**{name: value}).check()


def test_foreign_network__its_repr_is_one_short_line():
    trees = dict.fromkeys((0, 5), from_arrays(np.ones((2, 3)), np.ones((2, 3)), dt=1.0))
    assert repr(ForeignNetwork(trees, ("guessed",), ())) == "ForeignNetwork(steps 0…5)"


def test_chosen_steps__are_the_ends_and_denser_at_the_beginning():
    assert chosen_steps([5, 3, 9], Options()) == [3, 5, 9]
    assert chosen_steps(range(101), Options(checkpoints=5)) == [0, 2, 9, 31, 100]
    assert chosen_steps([0, 1], Options(checkpoints=5)) == [0, 1]
    for n in range(2, 100):
        chosen = chosen_steps(range(100), Options(checkpoints=n))
        assert len(set(chosen)) == n
        assert (chosen[0], chosen[-1]) == (0, 99)
    with pytest.raises(BadInput, match="has 1001 checkpoints; --checkpoints says how many"):
        chosen_steps(range(1001), Options())


def test_read_foreign__numbers_of_numpy_are_numbers():
    given = {"dt": np.float32(10), "kernel_size": np.int64(25), "left_padding": np.uint8(24)}
    network = stanalysis.read_foreign(FILES / "dcls_gauss.pt", **given)
    assert network.checkpoints[1].attrs["dt"] == 10.0


@pytest.mark.parametrize(
    "names", [("seed1.pt", "seed2.pt"), ("w_h128_1.pt", "w_h128_best.pt", "w_h64_2.pt"), ("a_run-1.pt", "a_run-2.pt")]
)
def test_read_foreign__networks_side_by_side_are_no_series(tmp_path, names):
    for name in names:
        shutil.copy(FILES / "dcls_gauss.pt", tmp_path / name)
    with pytest.raises(BadInput, match="do not tell their steps of training"):
        stanalysis.read_foreign(tmp_path, dt=1.0, kernel_size=25, left_padding=24)


def test_read_foreign__one_file_in_a_folder_is_that_file(tmp_path):
    shutil.copy(FILES / "dcls_gauss.pt", tmp_path / "model_h128.pt")
    given = {"dt": 1.0, "kernel_size": 25, "left_padding": 24}
    assert list(stanalysis.read_foreign(tmp_path, **given).checkpoints) == [1]
    assert list(stanalysis.read_foreign(tmp_path, **given, network_step=3).checkpoints) == [3]


def test_read_foreign__a_file_that_is_no_network_does_not_spoil_a_series(tmp_path):
    for step in (1, 2):
        shutil.copy(FILES / "dcls_gauss.pt", tmp_path / f"m_epoch{step}.pt")
    for name in ("data.tar", "log.bin", "odd.pt"):
        (tmp_path / name).write_text("nothing")
    network = stanalysis.read_foreign(tmp_path, dt=1.0, kernel_size=25, left_padding=24, network_step=9)
    assert list(network.checkpoints) == [1, 2]
    assert "Files that do not tell their step are left out: odd.pt." in network.notes
    assert "Not used, for the files tell their steps: --network-step." in network.notes


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("ForeignNetwork({}, (), container.files)", "gives no checkpoint"),
        ("ForeignNetwork({'a': None}, (), container.files)", "failed"),
        ("ForeignNetwork({1: None}, (), container.files)", "failed"),
        ("3", "failed"),
    ],
)
def test_read_foreign__nonsense_of_a_reader_of_another_package_is_told(other_package, file, body, says):
    source = "from stanalysis.readers.contract import ForeignNetwork\nUSES = 5\ndef recognises(c): return True\n"
    Path(choosing.importlib.util.find_spec("their_reader").origin).write_text(
        f"{source}def read(container, options): return {body}"
    )
    with pytest.raises(BadInput, match=says):
        stanalysis.read_foreign(file, reader="theirs")


def test_read_foreign__files_that_a_reader_has_hashed_are_not_hashed_again(monkeypatch):
    monkeypatch.setattr(choosing, "source_attrs", None)  # of a long series it would read every file for every step
    network = stanalysis.read_foreign(FILES / "dcls_gauss.pt", dt=1.0, kernel_size=25, left_padding=24)
    assert network.checkpoints[1].attrs["source_file"] == "dcls_gauss.pt"


def test_read_foreign__a_mapping_that_another_reader_does_not_need_is_told(tmp_path):
    given = {"dt": 1.0, "kernel_size": 25, "left_padding": 24, "mapping": tmp_path / "m.toml", "reader": "dcls"}
    assert "Not used by this reader: --mapping." in stanalysis.read_foreign(FILES / "dcls_gauss.pt", **given).notes


def test_read_foreign__more_checkpoints_than_there_are_is_told(tmp_path):
    for step in (1, 2, 3):
        shutil.copy(FILES / "dcls_gauss.pt", tmp_path / f"m_epoch{step}.pt")
    given = {"dt": 1.0, "kernel_size": 25, "left_padding": 24}
    said = "Not used, for there are no more checkpoints than that: --checkpoints."
    for n, told in ((2, False), (3, True), (9, True)):
        notes = stanalysis.read_foreign(tmp_path, **given, checkpoints=n).notes
        assert (said in notes) == told
        assert not any("Not used by this reader" in note for note in notes)


def test_read_series__of_the_last_alone_says_nothing_of_options_that_nobody_gave():
    options = Options(dt=1.0, kernel_size=25, left_padding=24)
    assert not any("Not used" in note for note in read_series(FILES / "dcls_gauss.pt", foreign=options, last=True).notes)
    history, options = FILES / "delgrad_parameters_training.npy", Options(dt=1.0, ms_per_unit=1.0, max_delay=9.0)
    assert list(read_series(history, foreign=options, last=True).checkpoints) == [0, 3]
    assert list(read_series(history, foreign=options).checkpoints) == [0, 1, 2, 3]


def test_read_foreign__of_a_file_with_very_many_arrays_the_first_are_named(other_package, tmp_path):
    np.savez(tmp_path / "a.npz", theirs=np.ones((2, 3)), **{f"x{k}": np.ones(1) for k in range(60)})
    note = stanalysis.read_foreign(tmp_path / "a.npz", dt=1.0).notes[-1]
    assert note.startswith("In the file, but not used: x0, x1, ")
    assert note.endswith(", x49 and 10 more.")


def test_read_foreign__a_reader_that_takes_nothing_by_its_name_is_not_said_to_leave_all(other_package, file):
    source = "from stanalysis import from_arrays\nfrom stanalysis.readers.contract import ForeignNetwork\n"
    source += "def recognises(c): return True\ndef read(c, o):\n    [w] = c.arrays.values()\n"
    source += "    return ForeignNetwork({1: from_arrays(w, abs(w), dt=1.0)}, (), c.files)\n"
    Path(choosing.importlib.util.find_spec("their_reader").origin).write_text(source)
    assert stanalysis.read_foreign(file, reader="theirs").notes == ("Read by the reader theirs.",)

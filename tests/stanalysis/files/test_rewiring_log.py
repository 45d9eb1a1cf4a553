from __future__ import annotations

import h5netcdf
import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.files.netcdf import TAIL
from stanalysis.files.rewiring_log import CAUSE, KIND, append_events, read_log, replay, start_log, truncate_log, turnover
from stanalysis.files.run import open_run, write_info
from stanalysis.schema.network import EVENTS
from stanalysis.schema.variables import labelled
from stanalysis.synthetic.network import small_network

PROJECTIONS = ["input__hidden1", "hidden1__output", "hidden1__hidden1"]


def process(seed, *, n_steps=12, share=0.4, n=3):
    """Rows (step, projection, kind, cause, source, target, contact, delay, weight, gradient, rank) of a network that
    rewires at random, few places so that pairs are taken again; and the living synapses after each step, by their key."""
    random = np.random.default_rng(seed)
    rows, living, states = [], [{} for _ in PROJECTIONS], []
    places = [(target, source, contact) for target in range(n) for source in range(n) for contact in range(2)]
    for step in range(n_steps):
        for p in (0, 1):  # the third projection stays empty
            for place in [k for k in living[p] if random.random() < share]:
                del living[p][place]
                target, source, contact = place
                cause = random.choice([CAUSE.SIGN_CROSSING, CAUSE.MAGNITUDE])
                rows.append((step, p, KIND.DEATH, cause, source, target, contact, random.random(), random.normal(), np.nan, 0))
            free = [k for k in places if k not in living[p] and random.random() < share / 2]
            for rank, place in enumerate(random.permutation(free).tolist(), 1):
                target, source, contact = place
                delay, weight = random.random(), random.normal()
                living[p][tuple(place)] = (step, delay, weight)
                cause = CAUSE.INITIAL if step == 0 else CAUSE.REGROWN_BY_GRADIENT
                rows.append((step, p, KIND.BIRTH, cause, source, target, contact, delay, weight, random.normal(), rank))
        states.append([dict(synapses) for synapses in living])
    return rows, states


def events(rows):
    columns = pd.DataFrame(rows, columns=[name for name in EVENTS if name != "sign"])
    columns["sign"] = np.where(columns["weight"] < 0, -1, 1)
    columns = columns.astype({n: {"i": int, "f": float}[v.kind] for n, v in EVENTS.items()})
    return labelled(EVENTS, **{str(name): column.to_numpy() for name, column in columns.items()})


def appended(path, new, continues=0):
    step = int(new.step.max()) if new.sizes["event"] else 0
    append_events(path, new, continues=continues, complete_to_step=step)


def unwritten(rows):
    return events(rows).assign_attrs(projections='["input__hidden1", "hidden1__output", "hidden1__hidden1"]')


@pytest.fixture
def path(tmp_path):
    start_log(tmp_path / "run" / "rewiring.nc", PROJECTIONS)
    return tmp_path / "run" / "rewiring.nc"


def only_file(path):
    return [p.name for p in path.parent.iterdir()] == [path.name]


def assert_holds(path, rows):
    log, wanted = read_log(path), events(rows)
    assert list(log.data_vars) == list(EVENTS)
    for name in EVENTS:
        np.testing.assert_array_equal(log[name], wanted[name])


def test_append_events__reads_back_with_types_units_and_codes(path):
    rows, _ = process(0)
    appended(path, events(rows))
    assert_holds(path, rows)
    with xr.open_dataset(path, engine="h5netcdf") as log:
        assert log.encoding["unlimited_dims"] == {"event"}
        assert {str(log[name].dtype) for name in ("source", "target", "contact", "rank", "projection")} == {"int32"}
        assert [str(log[name].dtype) for name in ("step", "kind", "cause", "delay")] == ["int64", "int8", "int8", "float64"]
        assert log.delay.attrs["units"] == "ms"
        assert log.kind.attrs["flag_meanings"] == "birth death"
        assert log.cause.attrs["flag_meanings"].split()[CAUSE.REGROWN_AT_RANDOM] == "regrown_at_random"
        np.testing.assert_array_equal(log.cause.attrs["flag_values"], list(CAUSE))
        assert all({"units", "long_name"} <= column.attrs.keys() for column in log.data_vars.values())


def test_append_events__many_appends_and_a_truncation_leave_the_bytes_of_one(path, tmp_path):
    random = np.random.default_rng(0)
    columns = {name: random.integers(0, 40, 20_000) for name in ("source", "target")}
    zeros = np.zeros(20_000, int)
    columns |= dict.fromkeys(("projection", "kind", "cause", "contact", "rank"), zeros) | {"sign": zeros + 1}
    columns |= {name: random.normal(size=20_000) ** 2 for name in ("delay", "weight", "gradient")}
    every = labelled(EVENTS, step=np.repeat(np.arange(40), 500), **columns)
    start_log(tmp_path / "one.nc", PROJECTIONS)
    appended(tmp_path / "one.nc", every)
    for start in range(0, 20_000, 500):
        appended(path, every.isel(event=slice(start, start + 500)), continues=max(start // 500 - 1, 0))
    assert path.read_bytes() == (tmp_path / "one.nc").read_bytes()
    truncate_log(path, 35)
    appended(path, every.isel(event=slice(36 * 500, None)), continues=35)
    assert path.read_bytes() == (tmp_path / "one.nc").read_bytes()


def test_append_events__without_rows_the_log_is_complete_to_a_later_step(path):
    append_events(path, events([BIRTH]), continues=0, complete_to_step=5)
    assert read_log(path).attrs["complete_to_step"] == 5
    append_events(path, events([]), continues=5, complete_to_step=8)
    assert read_log(path).attrs["complete_to_step"] == 8
    assert_holds(path, [BIRTH])
    with pytest.raises(BadInput, match="truncate the log first"):
        append_events(path, events([(8, *DEATH[1:])]), continues=8, complete_to_step=7)


def test_append_events__an_interruption_keeps_the_old_log_and_leaves_nothing(path, monkeypatch):
    rows, _ = process(0)
    appended(path, events(rows))
    before = path.read_bytes()
    write, written = h5py.Dataset.__setitem__, []

    def killed_at_the_third_column(self, key, value):
        write(self, key, value)
        written.append(self.name)
        if len(written) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(h5py.Dataset, "__setitem__", killed_at_the_third_column)
    with pytest.raises(KeyboardInterrupt):
        appended(path, events([(99, *row[1:]) for row in rows]), continues=rows[-1][0])
    assert len(written) == 3
    assert path.read_bytes() == before
    assert only_file(path)


def test_append_events__refuses_to_leave_a_hole(path):
    append_events(path, events([BIRTH]), continues=0, complete_to_step=5)
    with pytest.raises(BadInput, match="complete to step 5, but what is to be added continues it from step 24"):
        append_events(path, events([(25, *DEATH[1:])]), continues=24, complete_to_step=25)
    assert_holds(path, [BIRTH])


@pytest.mark.parametrize("step", [0, 5, 10])
def test_truncate_log__drops_what_came_later_and_goes_on(path, step):
    rows, _ = process(1)
    appended(path, events(rows))
    truncate_log(path, step)
    assert_holds(path, [row for row in rows if row[0] <= step])
    appended(path, events([row for row in rows if row[0] > step]), continues=step)
    assert_holds(path, rows)
    assert only_file(path)


def test_truncate_log__leaves_a_log_alone_that_ends_there(path):
    rows, _ = process(1)
    append_events(path, events(rows), continues=0, complete_to_step=20)
    before = path.stat()
    truncate_log(path, 20)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    truncate_log(path, 15)  # no event is dropped, but none is known of later steps
    assert read_log(path).attrs["complete_to_step"] == 15
    assert_holds(path, rows)
    with pytest.raises(BadInput, match="complete to step 15 only, not to step 16"):
        truncate_log(path, 16)


@given(seed=st.integers(0, 2**32), share=st.sampled_from([0.1, 0.5, 0.9]))
def test_replay__equals_a_dictionary_of_the_living(seed, share):
    rows, states = process(seed, share=share)
    log = unwritten(rows)
    for step in (0, 5, 11, 99):
        result = replay(log, step)
        assert list(result) == PROJECTIONS
        for table, synapses in zip(result.values(), states[min(step, 11)], strict=True):
            columns = ("target", "source", "contact", "birth_step", "delay", "weight")
            rows_found = list(zip(*(table[name].values.tolist() for name in columns), strict=True))
            assert rows_found == [(*place, *synapses[place]) for place in sorted(synapses)]


def test_replay__before_the_first_step_nothing_lives():
    tables = replay(unwritten(process(0)[0]), -1)
    assert [table.sizes["synapse"] for table in tables.values()] == [0, 0, 0]
    assert tables["input__hidden1"].delay.attrs["units"] == "ms"
    assert tables["input__hidden1"].delay.dtype == float


BIRTH = (0, 1, KIND.BIRTH, CAUSE.INITIAL, 2, 1, 0, 1.0, 0.5, np.nan, 0)
DEATH = (3, 1, KIND.DEATH, CAUSE.MAGNITUDE, 2, 1, 0, 1.0, 0.01, np.nan, 0)
OTHER = (3, 1, KIND.BIRTH, CAUSE.REGROWN_AT_RANDOM, 2, 0, 0, 1.0, 0.5, np.nan, 1)


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        (
            [BIRTH, (3, *BIRTH[1:]), OTHER],
            r"row 1, a birth of .* alive \(step 3, projection 1, target 1, source 2, contact 0\)",
        ),
        ([OTHER, DEATH], "row 1, a death of one that is not alive"),
        ([BIRTH, OTHER, DEATH, DEATH], "row 3, a death"),
    ],
)
def test_replay__refuses_a_log_that_contradicts_itself(rows, named):
    with pytest.raises(BadInput, match=named):
        replay(unwritten(rows), 3)
    replay(unwritten([BIRTH, *rows[1:]]), 0)  # what comes later does not matter


def test_turnover__counts_by_projection_and_step():
    rows, states = process(2)
    counts = turnover(unwritten(rows))
    assert counts.to_numpy().sum() == len(rows)
    for p, name in enumerate(PROJECTIONS[:2]):
        living = (counts.births - counts.deaths).loc[name].reindex(range(12), fill_value=0).cumsum()
        assert living.tolist() == [len(state[p]) for state in states]


def changed(name, value):
    return tuple((dict(zip(EVENTS, BIRTH, strict=False)) | {name: value}).values())


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([DEATH, BIRTH], "step = 0 in row 1"),
        ([changed("step", -1)], "step = -1 in row 0"),
        ([BIRTH, changed("projection", 3)], "projection = 3 in row 1; expected 0 to 2"),
        ([changed("kind", 2)], "kind = 2"),
        ([changed("cause", 6)], "cause = 6"),
        ([changed("cause", CAUSE.MAGNITUDE)], "cause = 2"),
        ([changed("contact", -1)], "contact = -1"),
        ([changed("delay", np.nan)], "delay = nan"),
        ([changed("weight", np.inf)], "weight = inf"),
    ],
)
def test_events__impossible_rows_are_refused_at_writing_and_reading(path, rows, named):
    with pytest.raises(BadInput, match=named):
        appended(path, events(rows))
    with h5netcdf.File(path, "r+") as file:
        file.resize_dimension("event", len(rows))
        for name in EVENTS:
            file[name][:] = events(rows)[name].values
    with pytest.raises(BadInput, match=named) as caught:
        read_log(path)
    assert "\n" not in str(caught.value)


def test_append_events__refuses_steps_before_those_of_the_log_and_missing_columns(path):
    appended(path, events([BIRTH, DEATH]))
    with pytest.raises(BadInput, match="begins at step 0, but the log is complete to step 3"):
        appended(path, events([BIRTH]), continues=3)
    with pytest.raises(BadInput, match="no variable 'rank'"):
        appended(path, events([DEATH]).drop_vars("rank"), continues=3)


READERS = [read_log, lambda path: truncate_log(path, 0), lambda path: appended(path, events([BIRTH]))]


@pytest.mark.parametrize("use", READERS)
@pytest.mark.parametrize("content", [None, b"", b"not netCDF at all", b"\x89HDF\r\n\x1a\n" + bytes(50)])
def test_log__other_files_get_a_sentence(tmp_path, use, content):
    if content is not None:
        (tmp_path / "bad.nc").write_bytes(content)
    with pytest.raises(BadInput, match=r"bad\.nc (cannot be read as|does not exist.*) a rewiring log"):
        use(tmp_path / "bad.nc")


@pytest.mark.parametrize("use", [lambda path: truncate_log(path, 0), lambda path: appended(path, events([DEATH]), continues=3)])
def test_log__damaged_columns_are_found_before_writing(path, use):
    appended(path, events([BIRTH, DEATH]))
    with h5py.File(path) as file:
        chunk = file["weight"].id.get_chunk_info(0)
    damaged = bytearray(path.read_bytes()[:-TAIL])  # without the digest that would tell
    damaged[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(damaged)
    with pytest.raises(BadInput, match=r"rewiring\.nc cannot be read"):
        use(path)
    assert path.read_bytes() == damaged


@pytest.mark.parametrize("use", READERS)
def test_log__checkpoints_and_other_schemas_get_a_sentence(path, use):
    write_checkpoint(small_network(), path.with_name("last.nc"))
    with pytest.raises(BadInput, match=r"last\.nc is no rewiring log"):
        use(path.with_name("last.nc"))
    with h5netcdf.File(path, "r+") as file:
        file.attrs["schema_version"] = 99
    with pytest.raises(BadInput, match="schema version 99"):
        use(path)


@pytest.mark.parametrize("projections", ["[", '"input"', "[1]", '["a", "a"]', 3])
def test_log__projections_that_are_no_list_of_names_get_a_sentence(path, projections):
    with h5netcdf.File(path, "r+") as file:
        file.attrs["projections"] = projections
    with pytest.raises(BadInput, match="expected a JSON list of different names"):
        read_log(path)


def test_log__truncated_and_damaged_files_raise_nothing_but_bad_input(path):
    appended(path, events(process(0)[0]))
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    for share in (0.1, 0.5, 0.9, 0.99):
        path.write_bytes(whole[: int(len(whole) * share)].tobytes())
        for use in READERS:
            with pytest.raises(BadInput, match=r"rewiring\.nc"):
                use(path)
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        harmed = whole.copy()
        harmed[random.integers(0, len(whole), 40)] = random.integers(0, 256, 40)
        path.write_bytes(harmed.tobytes())
        try:
            read_log(path)
        except BadInput:
            refused += 1
    assert refused > 10


def test_run__knows_its_log(tmp_path):
    write_info(tmp_path, {})
    assert open_run(tmp_path).log == tmp_path / "rewiring.nc"


def test_read_log__refuses_events_after_the_step_to_which_it_is_complete(tmp_path):
    rows, _ = process(3)
    path = tmp_path / "late.nc"
    start_log(path, PROJECTIONS)
    appended(path, events(rows))
    with h5py.File(path, "r+") as file:
        file.attrs["complete_to_step"] = 1
    with pytest.raises(BadInput, match="has events after the step to which it is complete; restore it, or train anew"):
        read_log(path)


def test_read_log__takes_a_run_its_folder_a_file_or_a_text(tmp_path, write_rewiring_run):
    folder = write_rewiring_run(tmp_path / "run", seed=0)
    expected = read_log(folder / "rewiring.nc")
    for place in (str(folder / "rewiring.nc"), folder, str(folder), open_run(folder)):
        assert read_log(place).identical(expected)
    with pytest.raises(BadInput, match=r"rewiring\.nc does not exist"):
        read_log(tmp_path)

from __future__ import annotations

import tomllib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import stanalysis
from stanalysis.errors import BadInput
from stanalysis.readers.programs.mapping_template import (
    BLANK,
    LONGEST,
    MOST_GUESSED,
    arrays_at,
    first_blank,
    mapping_template,
    shown,
    write_template,
)

CHAIN = {
    "fc1.weight": np.ones((5, 7)),
    "fc1.bias": np.zeros(5),
    "delay1.delay": np.arange(5.0),
    "fc2.weight": np.ones((3, 5)),
    "fc2.bias": np.zeros(3),
    "delay2.delay": np.ones((3, 5)),
}


def projections(arrays):
    return tomllib.loads(mapping_template(arrays, name="net.pt"))["projection"]


def test_mapping_template__guesses_a_chain_and_the_delays_that_fit():
    first, second = projections(CHAIN)
    assert (first["source"], first["target"], second["source"], second["target"]) == ("input", "hidden1", "hidden1", "output")
    assert first["weight_axes"] == second["weight_axes"] == ["target", "source"]
    assert (first["delay"], first["delay_axes"]) == ("delay1.delay", ["target"])
    assert (second["delay"], second["delay_axes"]) == (BLANK, [BLANK])  # two of them fit
    assert first["unit"] == second["unit"] == BLANK


def test_mapping_template__every_array_and_guess_is_marked():
    text = mapping_template(CHAIN, name="net.pt")
    for name, array in CHAIN.items():
        assert f"#   {name}  {array.shape}  float64\n" in text
    for line in text.splitlines():
        key, _, value = line.partition(" = ")
        if value and not key.startswith("#"):
            assert ("# guess" in value) != (BLANK in value) or (key == "weight" and "# guess" in value), line


@pytest.mark.parametrize(
    ("arrays", "axes"),
    [
        ({"w": np.ones((5, 7)), "v": np.ones((3, 5))}, ["target", "source"]),
        ({"w": np.ones((7, 5)), "v": np.ones((5, 3))}, ["source", "target"]),
        ({"a.weight": np.ones((7, 5)), "a.bias": np.ones(5)}, ["source", "target"]),
        ({"a.weight": np.ones((7, 5, 1)), "a.bias": np.ones(7)}, ["target", "source", "1"]),
        ({"w": np.ones((5, 7))}, [BLANK, BLANK]),
        ({"w": np.ones((5, 7, 1))}, [BLANK, BLANK, "1"]),
        ({"w": np.ones((5, 5)), "v": np.ones((5, 5))}, [BLANK, BLANK]),
        ({"w": np.ones((5, 7)), "v": np.ones((3, 4))}, [BLANK, BLANK]),
        ({"a.weight": np.ones((5, 7)), "a.bias": np.ones(7), "b.weight": np.ones((3, 5))}, [BLANK, BLANK]),
    ],
)
def test_mapping_template__axes_are_guessed_where_one_order_alone_fits(arrays, axes):
    assert projections(arrays)[0]["weight_axes"] == axes


@pytest.mark.parametrize(
    ("delay", "axes"),
    [
        (np.ones(()), []),
        (np.ones(1), ["1"]),
        (np.ones(5), ["target"]),
        (np.ones((7, 1)), ["source", "1"]),
        (np.ones((5, 7)), ["target", "source"]),
        (np.ones((1, 5, 7)), ["1", "target", "source"]),
        (np.ones((7, 5)), None),
        (np.ones(6), None),
    ],
)
def test_mapping_template__delays_are_guessed_by_their_sizes(delay, axes):
    [entry] = projections({"a.weight": np.ones((5, 7)), "a.bias": np.ones(5), "a.delay": delay})
    assert entry["delay_axes"] == ([BLANK] if axes is None else axes)
    assert entry["delay"] == (BLANK if axes is None else "a.delay")


def test_mapping_template__of_square_weights_no_axis_is_guessed():
    [entry] = projections({"w": np.ones((5, 5)), "delays": np.ones(5)})
    assert (entry["delay"], entry["delay_axes"]) == ("delays", [BLANK])


def test_mapping_template__without_weights_one_projection_is_blank():
    [entry] = projections({"g": np.ones(12), "words": np.array(["a"])})
    assert {key for key, value in entry.items() if value not in (BLANK, [BLANK], [BLANK, BLANK])} == set()


def test_mapping_template__is_bounded():
    many = {f"fc{k}.weight": np.ones((2, 2)) for k in range(3000)}
    text = mapping_template(many, name="net.pt")
    assert text.count("[[projection]]") == MOST_GUESSED
    assert "… and 2000 more" in text
    assert len(text.encode()) < 2**18


@given(
    st.dictionaries(
        st.text(max_size=200) | st.sampled_from(["a.weight", "b.weight", "a.delay", "a.bias"]),
        st.lists(st.integers(0, 3), max_size=4),
        max_size=6,
    ),
    st.text(max_size=20),
)
def test_mapping_template__is_toml_whatever_arrays_are_called(shapes, name):
    text = mapping_template({key: np.zeros(shape) for key, shape in shapes.items()}, name=name)
    text.encode()
    settings = tomllib.loads(text)
    assert first_blank(settings) == "dt"
    assert all(entry["weight"] in (BLANK, *shapes) for entry in settings["projection"])


def test_write_template__filled_it_reads_the_network(tmp_path):
    rng = np.random.default_rng(2)
    arrays = {name: rng.uniform(0, 9, array.shape) for name, array in CHAIN.items()}
    np.savez(tmp_path / "net.npz", **arrays)
    path = tmp_path / "mapping.toml"
    write_template(path, arrays_at(tmp_path / "net.npz"), name="net.npz")
    known = {"dt": "2.0", "max_delay": "20.0", "unit": '"steps"', "delay": '"delay2.delay"'}
    known["delay_axes"] = '["target", "source"]'
    lines = path.read_text(encoding="utf-8").splitlines()
    for k, line in enumerate(lines):
        key = line.partition(" = ")[0]
        if BLANK in line and not line.startswith("#"):
            with pytest.raises(BadInput, match=rf"mapping.toml leaves {key}( of projection [12])? blank; fill in"):
                stanalysis.read_foreign(tmp_path / "net.npz", mapping=path)
            lines[k] = f"{key} = {known[key]}"
            path.write_text("\n".join(lines), encoding="utf-8")
    tree = stanalysis.read_foreign(tmp_path / "net.npz", mapping=path).checkpoints[1]
    first, second = (tree[f"projections/{name}"] for name in ("input__hidden1", "hidden1__output"))
    np.testing.assert_allclose(first.weight.values.reshape(5, 7), arrays["fc1.weight"], rtol=1e-6)
    np.testing.assert_allclose(first.delay.values.reshape(5, 7), np.tile(2 * arrays["delay1.delay"][:, None], 7))
    np.testing.assert_allclose(second.delay.values.reshape(3, 5), 2 * arrays["delay2.delay"])


def test_write_template__leaves_a_file_that_is_there(tmp_path):
    path = tmp_path / "mapping.toml"
    path.write_text("mine")
    with pytest.raises(BadInput, match=r"mapping.toml exists already; name another file"):
        write_template(path, CHAIN, name="net.pt")
    assert path.read_text() == "mine"


def test_arrays_at__names_are_those_of_a_mapping(tmp_path):
    np.save(tmp_path / "w.npy", np.ones((2, 3)))
    assert list(arrays_at(tmp_path / "w.npy")) == ["array"]
    assert list(arrays_at(tmp_path)) == ["w"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="empty holds no arrays"):
        arrays_at(tmp_path / "empty")


def test_shown__is_one_line_without_instructions():
    assert shown("a\x1b[2J\nb") == "a�[2J�b"
    assert len(shown("n" * 1000)) == LONGEST

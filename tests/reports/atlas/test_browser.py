"""The atlas as a reader has it: a page from disk, in a real browser."""

from __future__ import annotations

import html
import json

import numpy as np
import pytest
import xarray as xr
from bokeh.embed import file_html
from bokeh.resources import Resources

from reports.atlas import atlas, atlas_of_analysis
from stanalysis.fields.lattice import Lattice
from stanalysis.fields.receptive_field import receptive_fields
from stanalysis.files.analysis import kept_steps
from stanalysis.findings.networks import fields_at
from stanalysis.schema.lives import EPISODES
from stanalysis.schema.variables import labelled
from stanalysis.stats.spatial.autocorrelation import morans_i
from stanalysis.stats.spatial.local import local_morans_i
from stanalysis.synthetic.network import small_network
from tests.reports.atlas.fields import NAMES, fields_of, noise

pytestmark = pytest.mark.browser

PROJECTION = "input__hidden1"
PAINTED = """
    const view = Bokeh.index.find_one_by_id(model(arguments[0]).id)
    return view.canvas_view.primary.canvas.toDataURL()
"""
CHANGED = PAINTED.replace("return ", "return arguments[1] != ")
TOLD = """
    const said = (el) => (el.classList.contains("bk-tooltip-content") ? [el.textContent] : []).concat(
        ...[...el.children, ...(el.shadowRoot?.children ?? [])].map(said))
    return said(document.body).find((text) => text.includes(arguments[0]))
"""
ELEMENTS = """
    const count = (el) => [...el.children, ...(el.shadowRoot?.children ?? [])].map(count).reduce(
        (a, b) => a + b, el.tagName == arguments[0] ? 1 : 0)
    return count(document.body)
"""
STEP_SAID = "return Bokeh.index.find_one_by_id(model('step').id).title_el.textContent"
ORDER = "return Array.from(model('tiles').data.neuron)"


def written(layout, path):
    path.write_text(file_html(layout, Resources(mode="inline"), "atlas"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def page(analysis, tmp_path_factory):
    return written(atlas_of_analysis(analysis)[0], tmp_path_factory.mktemp("page") / "atlas.html")


@pytest.fixture
def shown(browser, page):
    """The page of the analysis, drawn."""
    return opened(browser, page)


def opened(browser, page, **size):
    browser.open(page, **size)
    browser.wait("return model('tiles').data.neuron.length > 0")
    browser.settle()
    return browser


def numbers(analysis, variable="value", statistic="morans_i", *, run=NAMES[0], index=-1):
    table = analysis[f"statistics/{PROJECTION}"].to_dataset().sel(run=run)
    return table[variable].sel(statistic=statistic, step=kept_steps(table)[index]).values


def middle(browser, neuron):
    """Middle of the tile of a neuron, in units of the mosaic."""
    left, right, top, bottom = browser.run(
        "const {data} = model('tiles'); const i = Array.from(data.neuron).indexOf(arguments[0]);"
        "return [data.left[i], data.right[i], data.top[i], data.bottom[i]]",
        neuron,
    )
    return (left + right) / 2, (top + bottom) / 2


def test_atlas__needs_no_network_and_complains_of_nothing(shown):
    shown.run("model('step').value = 0; model('sort').value = 'p_value'; model('network').value = '1'")
    shown.wait("return model('step').title == 'step 200'")
    assert shown.requests() == []
    assert shown.complaints() == []


@pytest.mark.parametrize("width", [1500, 1000, 600])
def test_atlas__fits_its_window(browser, page, width):
    opened(browser, page, width=width)
    wide, inner = browser.run("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= inner
    boxes = browser.run("""
        return ["mosaic", "scatter", "field", "film", "local", "lives"].map((name) => {
            const {left, right, top, bottom} = Bokeh.index.find_one_by_id(model(name).id).el.getBoundingClientRect()
            return [left, right, top, bottom]
        })
    """)
    for i, (left, right, top, bottom) in enumerate(boxes):
        assert 0 <= left < right <= inner
        assert right - left >= 250
        for other in boxes[i + 1 :]:
            assert right <= other[0] or other[1] <= left or bottom <= other[2] or other[3] <= top


def test_atlas__sorts_the_tiles_by_the_numbers_of_the_step(shown, analysis):
    before = shown.run(PAINTED, "mosaic")
    assert shown.run(ORDER) == list(range(24))
    shown.run("model('sort').value = 'morans_i'; model('order').active = 1")
    shown.wait(CHANGED, "mosaic", before)
    values = numbers(analysis)[shown.run(ORDER)]
    answered = values[~np.isnan(values)]
    assert answered.size > 3
    assert (np.diff(answered) <= 0).all()
    assert np.isnan(values[answered.size :]).all()


def test_atlas__filters_by_numbers_and_neurons(shown, analysis):
    p = numbers(analysis, "p_value")
    shown.run("model('filter_p_value').value = [model('filter_p_value').start, 0.5]")
    expected = np.flatnonzero(p <= 0.5).tolist()
    assert 0 < len(expected) < 24
    assert shown.run(ORDER) == expected
    assert f"{len(expected)} of 24 neurons shown" in shown.run("return model('shown').text")
    shown.run("const s = model('filter_p_value'); s.value = [s.start, s.end]; model('neurons').value = '3, 17, 20-60'")
    assert "names no neurons" in shown.run("return model('shown').text")
    assert len(shown.run(ORDER)) == 24
    for text in ("3, 17, 20-22", "3 17 20 – 22,", "20-22;17;3"):
        shown.run("model('neurons').value = arguments[0]", text)
        assert shown.run(ORDER) == [3, 17, 20, 21, 22]
        assert "names no neurons" not in shown.run("return model('shown').text")
    shown.run("model('neurons').value = ' ,'")
    assert len(shown.run(ORDER)) == 24


def test_atlas__filters_let_pass_what_lies_at_their_ends(browser, tmp_path):
    numbers = {"p_value": [0.01, 0.05, 0.1, 1.0], "largest_cluster": [1, 2, 3, 5], "morans_i": [-0.1, -0.041, 0.3, 0.2]}
    statistics = xr.Dataset({name: ("target", np.array(values)) for name, values in numbers.items()})
    opened(browser, written(atlas(noise(4), statistics), tmp_path / "atlas.html"))
    below, above = np.nextafter(0.05, 0), np.nextafter(0.05, 1)  # what a mouse gives instead of .05
    for key, low, high, expected in [
        ("p_value", 0, 0.05, [0, 1]),
        ("p_value", 0, 0.1, [0, 1, 2]),
        ("p_value", 0, below, [0, 1]),
        ("p_value", above, 0.1, [1, 2]),
        ("p_value", 0, 0.04, [0]),
        ("largest_cluster", 2, 3, [1, 2]),
        ("largest_cluster", 3, 5, [2, 3]),
        ("morans_i", -0.04100000000000001, 0.25, [1, 3]),
        ("morans_i", -0.06, -0.04100000000000001, [1]),
    ]:
        browser.run("model(arguments[0]).value = [arguments[1], arguments[2]]", f"filter_{key}", low, high)
        assert browser.run(ORDER) == expected, (key, low, high)
        browser.run("const s = model(arguments[0]); s.value = [s.start, s.end]", f"filter_{key}")


def test_atlas__a_neuron_without_an_answer_passes_an_open_filter_only(shown, analysis):
    unanswered = np.flatnonzero(np.isnan(numbers(analysis)))
    assert unanswered.size
    assert set(unanswered) <= set(shown.run(ORDER))
    shown.run("const s = model('filter_morans_i'); s.value = [s.start + s.step, s.end]")
    assert not set(unanswered) & set(shown.run(ORDER))


def test_atlas__the_slider_paints_another_step_and_says_which(shown, analysis):
    table = analysis[f"statistics/{PROJECTION}"].to_dataset().sel(run=NAMES[0])
    steps = kept_steps(table)
    assert shown.run(STEP_SAID) == f"step {steps[-1]}: 5 of 5 kept"
    before = shown.run(PAINTED, "mosaic")
    shown.run("model('step').value = 1")
    shown.wait(CHANGED, "mosaic", before)
    assert shown.run(STEP_SAID) == f"step {steps[1]}: 2 of 5 kept"
    assert f"at step {steps[1]}" in shown.run("return model('detail').text")


def test_atlas__a_click_opens_the_neuron(shown, analysis):
    before = shown.run(PAINTED, "field")
    shown.point("mosaic", *middle(shown, 17), click=True)
    shown.wait("return model('detail').text.includes('Neuron 17 ')")
    shown.wait(CHANGED, "field", before)
    assert shown.run("return model('ring').data.neuron") == [17]
    episodes = analysis[f"episodes/{PROJECTION}"].to_dataset()
    known = episodes.isel(episode=np.flatnonzero((episodes.run.values == 0) & (episodes.target.values == 17)))
    drawn = shown.run(
        "const {birth, end, source} = model('lives_lines').data; return source.map((s, i) => [s, birth[i], end[i]])"
    )
    truth = zip(known.source.values, known.birth_step.values, (known.birth_step + known.exit).values, strict=True)
    assert sorted(map(tuple, drawn)) == sorted((int(s), int(b), int(e)) for s, b, e in truth)


def test_atlas__neurons_selected_among_the_points_are_outlined_and_can_be_shown_alone(shown):
    outlined = "const {neuron, line_width} = model('tiles').data; return neuron.filter((_, i) => line_width[i] == 2)"
    assert shown.run(outlined) == []
    shown.run("model('points').selected.indices = [4, 9, 11]")
    assert shown.run(outlined) == [4, 9, 11]
    shown.run("model('selected_only').active = true")
    assert shown.run(ORDER) == [4, 9, 11]


def test_atlas__a_click_on_a_point_opens_its_neuron(shown):
    shown.run("model('x').value = 'neuron'; model('y').value = 'neuron'")
    shown.point("scatter", 7, 7, click=True)
    shown.wait("return model('detail').text.includes('Neuron 7 ')")


@pytest.mark.parametrize("place", ["mosaic", "field"])
def test_atlas__tells_the_cell_under_the_mouse(shown, analysis, place):
    shown.run("model('neurons').value = '5'")
    shown.run("model('points').selected.indices = [5]")  # opens it
    last = kept_steps(analysis[f"statistics/{PROJECTION}"].to_dataset().sel(run=NAMES[0]))[-1]
    truth = fields_at(analysis, PROJECTION, run=NAMES[0], step=last).isel(target=5)
    some, none = (np.argwhere(present)[0] for present in (truth.present.values, ~truth.present.values))
    for i, j in (some, none):
        shown.point(place, *middle_of_cell(shown, place, i, j, *truth.present.shape))
        told = shown.wait(TOLD, f"neuron: 5 source: neuron {i} delay: {truth.delay.values[j]:.0f} ms")
        weight = told.split("weight: ")[1].split(" Moran")[0]
        if truth.present.values[i, j]:
            assert float(weight) == pytest.approx(float(truth.receptive_field.values[i, j]), rel=0.01)
        else:
            assert weight == "no synapse"


def test_atlas__tells_the_frequency_of_a_channel(browser, tmp_path):
    fields = receptive_fields(small_network(), PROJECTION)
    opened(browser, written(atlas(fields), tmp_path / "atlas.html"))
    browser.point("field", 20, 3)
    assert browser.wait(TOLD, f"channel 3 ({fields.frequency.values[3]:.0f} Hz) delay: 20 ms")


def middle_of_cell(browser, place, i, j, n_source, n_delay):
    """Middle of a cell of neuron 5, the only tile of the mosaic."""
    if place == "field":
        return 10.0 * j, float(i)
    left, right, top, bottom = browser.run(
        "const {data} = model('tiles'); return ['left', 'right', 'top', 'bottom'].map((s) => data[s][0])"
    )
    return left + (j + 0.5) / n_delay * (right - left), bottom - (i + 0.5) / n_source * (bottom - top)


@pytest.mark.parametrize("lattice", [Lattice("rook"), Lattice("queen"), Lattice("queen", standardised=False)])
def test_atlas__local_morans_i_is_that_of_python(browser, tmp_path, lattice):
    fields = noise(3)
    result = morans_i(fields, lattice=lattice, n_permutations=19, seed=0)
    opened(browser, written(atlas(fields, result), tmp_path / "atlas.html"))
    truth = local_morans_i(fields, lattice=lattice, n_permutations=0, seed=0).local_i
    for neuron in range(3):
        browser.run("model('points').selected.indices = [arguments[0]]", neuron)
        answer = browser.run("return Array.from(model('local_image').data.image[0])")
        expected = truth.isel(target=neuron).values
        np.testing.assert_allclose(np.reshape(answer, expected.shape), expected, rtol=0, atol=1e-3 * abs(expected).max())


def test_atlas__a_name_of_a_stranger_stays_text(browser, analysis, page, tmp_path):
    alone = written(atlas_of_analysis(analysis, [(PROJECTION, NAMES[1])])[0], tmp_path / "atlas.html")
    escaped = html.escape(NAMES[1], quote=False)
    opened(browser, alone)
    assert escaped in browser.run("return model('shown').text")
    assert browser.run(ELEMENTS, "IMG") == 0
    browser.run("model('neurons').value = arguments[0]", NAMES[1])
    assert browser.run("return model('shown').text").count(escaped) == 2
    assert browser.run(ELEMENTS, "IMG") == 0
    opened(browser, page)
    assert browser.run("return model('network').options[1][1]").endswith(NAMES[1])
    assert browser.run(ELEMENTS, "IMG") == 0
    assert browser.run(ELEMENTS, "OPTION") > 2
    assert browser.complaints() == []


def test_atlas__many_neurons_come_in_pages(browser, tmp_path):
    fields = noise(310)
    opened(browser, written(atlas(fields), tmp_path / "atlas.html"))
    assert browser.run(ORDER) == list(range(300))
    browser.run("model('page').value = '1'")
    assert browser.run(ORDER) == list(range(300, 310))
    browser.run("model('order').active = 1")
    assert browser.run(ORDER) == list(range(309, 9, -1))
    browser.run("model('page').value = '1'; model('neurons').value = '0-304'")
    assert browser.run(ORDER)[0] == 304
    browser.run("model('neurons').value = '2'")
    assert browser.run(ORDER) == [2]


def test_atlas__stays_on_its_page_when_the_step_changes(browser, tmp_path):
    fields = xr.concat([noise(310), noise(310)], "step").assign_coords(step=[0, 5])
    opened(browser, written(atlas(fields), tmp_path / "atlas.html"))
    browser.run("model('page').value = '1'; model('step').value = 0")
    assert browser.run(ORDER) == list(range(300, 310))


def test_atlas__shows_a_neuron_that_passes_the_filters_or_says_that_none_does(shown):
    shown.run("model('neurons').value = '17'")
    assert "Neuron 17 " in shown.run("return model('detail').text")
    shown.run("model('neurons').value = '4, 17'")
    assert "Neuron 17 " in shown.run("return model('detail').text")
    shown.run("const s = model('filter_n_synapses'); s.setv({start: -2, value: [-1, -1]})")
    assert shown.run("return model('detail').text") == "<b>No neuron is shown.</b>"
    assert shown.run("return model('field_tile').data.neuron.length + model('film_tiles').data.neuron.length") == 0
    assert shown.run("return model('field_image').data.image[0].every((pixel) => pixel == 0xffffffff)")
    assert shown.run("return model('local_image').data.image[0].every(Number.isNaN)")
    assert shown.complaints() == []


def test_atlas__another_network_is_shown_whole(shown):
    shown.run("model('points').selected.indices = [4, 9]; model('selected_only').active = true")
    assert shown.run(ORDER) == [4, 9]
    shown.run("model('network').value = '1'")
    assert shown.run("return model('selected_only').active") is False
    assert len(shown.run(ORDER)) == 24


def test_atlas__opens_at_the_step_that_was_best_on_validation(browser, analysis, tmp_path):
    other = analysis.copy(deep=True)
    steps = kept_steps(other[f"statistics/{PROJECTION}"].to_dataset().sel(run=NAMES[0]))
    other.attrs["best_steps"] = json.dumps({NAMES[0]: steps[2]})
    other[f"synapses/{PROJECTION}"].attrs["rounding"] = "none"
    opened(browser, written(atlas_of_analysis(other)[0], tmp_path / "atlas.html"))
    assert browser.run(STEP_SAID) == f"step {steps[2]}: 3 of 5 kept, best on validation"
    browser.run("model('step').value = 1")
    assert browser.run(STEP_SAID) == f"step {steps[1]}: 2 of 5 kept"
    browser.run("model('step').value = 4; model('network').value = '1'")
    assert browser.run(STEP_SAID) == f"step {steps[4]}: 5 of 5 kept"
    browser.point("field", 30, 3)  # its delays are continuous
    browser.wait(TOLD, "delay: delay bin of 30 ms")


def test_atlas__says_the_numbers_that_coordinates_give(browser, tmp_path):
    fields = noise(6).assign_coords(target=np.arange(6), source=np.arange(9)).isel(target=[2, 5], source=[1, 4, 8])
    result = morans_i(fields, n_permutations=19, seed=0)
    birth = {"birth_step": [0, 0, 0], "entry": [0, 0, 0], "exit": [4, 4, 4], "event": [True] * 3, "sign": [1, 1, 1]}
    lives = labelled(EPISODES, target=[5, 5, 0], source=[8, 0, 1], **birth)
    opened(browser, written(atlas(fields, result, lives=lives), tmp_path / "atlas.html"))
    assert browser.run(ORDER) == [2, 5]
    assert browser.run("return model('labels').data.text") == ["2", "5"]
    assert browser.run("return [...model('points').data.neuron]") == [2, 5]
    browser.run("model('neurons').value = '5'; model('x').value = 'neuron'")
    assert browser.run(ORDER) == [5]
    assert "Neuron 5 at" in browser.run("return model('detail').text")
    assert browser.run("return [model('ring').data.x[0], model('ring').data.neuron[0]]") == [5, 5]
    assert browser.run("return [...model('lives_lines').data.source]") == [8]
    browser.point("field", 0, 1)
    browser.wait(TOLD, "neuron: 5 source: neuron 4 delay")
    browser.run("model('neurons').value = '1'")
    assert "names no neurons from 2 to 5" in browser.run("return model('shown').text")


def test_atlas__tells_weights_of_every_size(browser, tmp_path):
    weights = [100.0, -1.237, 0.001237, 1.237e-6, 1e-12, -1e-12, np.nan, np.inf]
    fields = fields_of(np.reshape(weights, (1, 4, 2)))
    each = xr.concat([fields.present, fields.present & (fields.receptive_field == -1.237)], "contact")
    opened(browser, written(atlas(fields.assign(contact_present=each)), tmp_path / "atlas.html"))
    said = ["100", "-1.24 (sum of 2 synapses)", "0.00124", "0.0000012", "above 0, < ", "below 0, size < ", "not finite"]
    for i, weight in enumerate([*said, "not finite"]):
        browser.point("field", i % 2, i // 2)
        browser.wait(TOLD, f"source: neuron {i // 2} delay: {i % 2} ms weight: {weight}".replace("0.0000012", "1.2e-6"))
    painted = browser.run("return [...new Set(model('mosaic_image').data.image[0])]")
    assert 0xFFFF00FF in painted
    assert 0xFF000000 not in painted
    assert browser.run("return model('mosaic').below[1].title").endswith("magenta: not finite)")
    assert browser.run("return model('local_said').text") == "No answer: a weight is not finite."


def test_atlas__names_what_has_no_letters(shown):
    shown.driver.execute_cdp_cmd("Accessibility.enable", {})
    nodes = shown.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named = [(node["role"]["value"], node.get("name", {}).get("value")) for node in nodes if not node.get("ignored")]
    roles = ("slider", "combobox", "textbox", "checkbox", "figure")
    spoken = {role: [name for kind, name in named if kind == role] for role in roles}
    assert spoken["slider"][:3] == ["step 200: 5 of 5 kept", "Moran's I, from", "Moran's I, to"]
    assert [len(names) for names in spoken.values()] == [11, 4, 1, 1, 6]
    assert all(name for names in spoken.values() for name in names)


def test_atlas__no_synapse_vanishes_where_sources_are_many(browser, tmp_path):
    weight = np.zeros((40, 900, 3))
    weight[np.arange(40), np.arange(40) * 17 + 1, 1] = 1.0
    opened(browser, written(atlas(fields_of(weight)), tmp_path / "atlas.html"))
    inked = browser.run("""
        const {data} = model('tiles'), image = model('mosaic_image').data.image[0], width = image.shape[1]
        return Array.from(data.neuron, (_, i) => {
            for (let y = data.top[i] + 1; y < data.bottom[i] - 1; y++)
                for (let x = data.left[i] + 1; x < data.right[i] - 1; x++)
                    if (image[y * width + x] != 0xffffffff) return true
            return false
        })
    """)
    assert inked == [True] * 40


def test_atlas__tells_what_shares_a_pixel(browser, tmp_path):
    weight = np.zeros((1, 4000, 3))
    weight[0, 0, 0], weight[0, 1, 0], weight[0, 2000, 0] = 0.5, -2.0, 1.0
    opened(browser, written(atlas(fields_of(weight)), tmp_path / "atlas.html"))
    left, right, top, bottom = browser.run(
        "const {data} = model('tiles'); return ['left', 'right', 'top', 'bottom'].map((s) => data[s][0])"
    )
    browser.point("mosaic", left + 4, bottom - 2)
    told = browser.wait(TOLD, "source: neuron 1 (strongest of 2 in neurons 0–")
    assert "weight: -2" in told
    middle = bottom - 1.7 - 2000 * (bottom - top - 2) // 4000  # in the pixel of neuron 2000
    browser.point("mosaic", left + 4, middle)
    browser.wait(TOLD, "source: neuron 2000 (the only one in neurons ")
    browser.point("mosaic", right - 4, middle)
    told = browser.wait(TOLD, "source: neurons ")
    assert told.index("–") < told.index(" delay: 2 ms weight: no synapse")

"""The atlas of a dense network with two populations of 256 neurons and 10 steps: its size, and how fast it opens and reacts.

    python tests/benchmarks/atlas.py [ANALYSIS] [--steps 10]

With an analysis of three projections of one network: its whole report, built by `stanalysis report`, and its atlas in it.

Needs Debian's chromium and chromedriver. A reaction is the time from the change of a control to the second frame after it,
when all that it changes has been painted. Times of clicks and sliders are medians of ten.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from time import perf_counter

import numpy as np
import xarray as xr

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

SIZES = {"input": 40, "hidden1": 256, "hidden2": 256, "output": 20}
REACTIONS = {
    "slider": "model('step').value = i % last",
    "sort": "model('sort').value = ['morans_i', 'p_value', 'n_synapses'][i % 3]",
    "filter": "const s = model('filter_morans_i'); s.value = [s.start + (i % 2 + 1) * s.step, s.end]",
    "click": "model('points').selected.indices = [i]",
    "network": "model('network').value = String((i + 1) % 3)",
}
TIMED = """
    const model = (name) => Bokeh.documents[0].get_model_by_name(name), i = arguments[0], last = arguments[1] - 1
    const done = arguments[2], start = performance.now()
    {REACTION}
    requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start)))
"""


def fake_analysis(n_step):
    """As much of an analysis as the atlas reads, of one network that was never trained."""
    random = np.random.default_rng(0)
    steps = np.arange(n_step) * 100
    groups = {f"populations/{name}": xr.Dataset(coords={"neuron": np.arange(n)}) for name, n in SIZES.items()}
    groups["populations/input"]["frequency"] = "neuron", np.geomspace(100, 8000, 40)
    for before, after in pairwise(SIZES):
        n_source, n_target = SIZES[before], SIZES[after]
        target, source = (np.tile(index.ravel(), n_step) for index in np.indices((n_target, n_source)))
        columns = {
            "source": source,
            "target": target,
            "step": np.repeat(steps, n_source * n_target),
            "run": 0 * source,
            "delay": random.uniform(0, 240, source.size),
            "weight": random.normal(size=source.size).astype(np.float32),
        }
        attrs = {"n_source": n_source, "n_target": n_target, "delay_max": 240.0, "rounding": "half even"}
        groups[f"synapses/{before}__{after}"] = xr.Dataset({k: ("synapse", v) for k, v in columns.items()}, attrs=attrs)
        dims = ("run", "step", "target", "statistic")
        shape = 1, n_step, n_target, 2
        groups[f"statistics/{before}__{after}"] = xr.Dataset(
            {name: (dims, random.random(shape)) for name in ("value", "p_value", "q_value")}
            | {"n_synapses": (dims[:3], np.full(shape[:3], float(n_source)))},
            {"run": ["dense"], "step": steps, "target": np.arange(n_target), "statistic": ["morans_i", "largest_cluster"]},
        )
    attrs = {"runs": json.dumps(["dense"]), "best_steps": "{}", "dt": 10.0, "contiguity": "rook", "standardised": 1}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attrs), **groups})


def main(arguments=None):
    from bokeh.embed import file_html
    from bokeh.resources import Resources

    from reports.atlas import atlas_of_analysis
    from stanalysis.files.analysis import read_analysis
    from tests.reports.browser import open_browser

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("analysis", type=Path, nargs="?")
    given = parser.parse_args(arguments)
    analysis = read_analysis(given.analysis) if given.analysis else fake_analysis(given.steps)
    n_rows = sum(node.sizes["synapse"] for node in analysis["synapses"].children.values())
    with tempfile.TemporaryDirectory() as folder, open_browser() as browser:
        path = Path(folder) / "report.html"
        start = perf_counter()
        if given.analysis:
            command = [Path(sys.executable).with_name("stanalysis"), "report", given.analysis, "-o", folder]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        else:
            path.write_text(file_html(atlas_of_analysis(analysis)[0], Resources(mode="inline"), "atlas"), encoding="utf-8")
        took = perf_counter() - start
        print(f"{n_rows:,} synapses over all steps: {path.stat().st_size / 1e6:.1f} MB, built in {took:.1f} s")
        browser.open(path)
        times = []
        for _ in range(5):
            start = perf_counter()
            browser.driver.get(path.resolve().as_uri())
            browser.wait("return Boolean(window.Bokeh?.documents.length && model('film_tiles').data.neuron.length)")
            times.append(perf_counter() - start)
            browser.settle()
        print(f"opens in {np.median(times):.2f} s (median of 5; longest {max(times):.2f} s)")
        for name in ("0", "1"):
            browser.run("model('network').value = arguments[0]", name)
            browser.settle()
            print(browser.run("return model('network').options[Number(model('network').value)][1]"))
            for what, script in REACTIONS.items():
                took = [
                    browser.driver.execute_async_script(TIMED.replace("{REACTION}", script), i, given.steps) for i in range(10)
                ]
                print(f"  {what:8s} {np.median(took):6.0f} ms (longest {max(took):.0f} ms)")


if __name__ == "__main__":
    main()

"""The whole chain for networks whose draws all have one value, but for the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from stanalysis.cli.main import main
from stanalysis.files.analysis import read_analysis
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.readers.arrays import from_arrays

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_prunings", "png_alone")]

ALIKE = {
    "one output without delays": (np.random.default_rng(0).normal(size=(1, 10)), np.zeros((1, 10)), 1.0),
    "equal weights, dendritic delays": (np.ones((3, 4)), np.array([[1.0], [2.0], [3.5]]), 0.1),
    "equal weights without delays": (np.full((5, 10), 0.1), np.zeros((5, 10)), 1.0),
}
FAMILIES = ("lattice", "graph", "survival", "local", "correlogram", "smoothing", "pairs", "pruning")


@pytest.mark.parametrize("name", ALIKE)
def test_analyze_and_report__of_a_network_in_which_the_null_moves_nothing(name, tmp_path):
    weight, delay, dt = ALIKE[name]
    write_checkpoint(from_arrays(weight, delay, dt=dt, max_delay=5.0), tmp_path / "network.nc")
    output = tmp_path / "a.nc"
    with pytest.raises(SystemExit) as done:
        main(["analyze", str(tmp_path / "network.nc"), "-o", str(output), "--permutations", "49", "--statistics", *FAMILIES])
    assert done.value.code == 0
    analysis = read_analysis(output)
    (projection,) = analysis["autocorrelation"].children
    moran = analysis[f"autocorrelation/{projection}"].to_dataset()
    assert np.isfinite(moran.morans_i).all()
    assert (moran.p_value == 1).all()
    assert moran.z_score.isnull().all()
    distribution = analysis[f"distribution/{projection}"].to_dataset()
    assert (distribution["count"] > 0).sum() == 1
    with pytest.raises(SystemExit) as done:
        main(["report", str(output), "-o", str(tmp_path / "report")])
    assert done.value.code == 0
    assert "</html>" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.slow

NOTEBOOKS = sorted((Path(__file__).parents[2] / "reports" / "notebooks").glob("*.py"))
MADE = {"1": ["distribution.png", "fields.png"], "2": ["fields.png", "shares.png"], "3": ["hazards.png", "survival.png"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("notebooks")


@pytest.fixture
def environment(monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONWARNINGS", "error::UserWarning")


def test_notebooks__are_four():
    assert [path.name[0] for path in NOTEBOOKS] == ["1", "2", "3", "4"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook__runs_as_a_script(path, folder, environment):
    done = subprocess.run([sys.executable, path], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    made = folder / f"notebook-{path.name[0]}"
    assert sorted(p.name for p in made.glob("*.png")) == MADE.get(path.name[0], [])


@pytest.mark.parametrize("number", [1, 4])
def test_notebook__shows_its_pictures_in_jupyter(number, folder, environment):
    # what the script trained is there already
    notebook = jupytext.read(NOTEBOOKS[number - 1])
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = {kind for output in outputs for kind in output.get("data", {})}
    assert "image/png" in shown
    made = folder / f"notebook-{number}"
    if number == 1:
        assert any(kind.startswith("application/vnd.bokehjs_exec") for kind in shown)
        assert (made / "atlas.html").is_file()  # of the script
    else:
        assert (made / "report" / "report.html").is_file()

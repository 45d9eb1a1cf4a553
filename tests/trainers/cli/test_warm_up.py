import pytest

from stanalysis.files.operations import read_lines
from stanalysis.files.run import open_run
from trainers.cli import warm_up
from trainers.methods.registry import METHODS


@pytest.mark.slow
def test_train_each__trains_every_preset_on_few_recordings(tmp_path, monkeypatch):
    monkeypatch.setattr(warm_up, "METHODS", {"delgrad": METHODS["delgrad"]})
    told = []
    (run,) = warm_up.train_each(tmp_path, told.append)
    assert [sentence.split()[-1] for sentence in told] == [*METHODS["delgrad"].presets, run.name]
    assert set(read_lines(run).family) == {"intact", "directed"}
    assert open_run(run).info["method"] == "delgrad"


def test_train_each__ends_after_ctrl_c(tmp_path, monkeypatch):
    monkeypatch.setattr(warm_up, "train", lambda *_, **__: False)
    with pytest.raises(KeyboardInterrupt):
        warm_up.train_each(tmp_path, lambda sentence: None)

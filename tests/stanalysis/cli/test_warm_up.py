import importlib
import inspect
import pkgutil

import numba
import pytest

from stanalysis import kernels
from stanalysis.cli import main as cli
from trainers.cli import warm_up as training


def entries():
    """The compiled functions that Python calls, by name."""
    for known in pkgutil.iter_modules(kernels.__path__, "stanalysis.kernels."):
        for name, function in vars(importlib.import_module(known.name)).items():
            if inspect.isfunction(function) and "compiled" in (inside := inspect.getclosurevars(function).nonlocals):
                yield f"{known.name}.{name}", inside["compiled"]


@pytest.mark.slow
@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_warm_up__compiles_every_kernel_of_the_statistics_and_says_where_the_code_is(
    write_rewiring_run, tmp_path, monkeypatch, capsys
):
    run = write_rewiring_run(tmp_path / "run", seed=0)
    monkeypatch.setattr(training, "train_each", lambda folder, tell: [run])
    with pytest.raises(SystemExit) as done:
        cli.main(["warm-up"])
    assert done.value.code == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("Compiled in 0:")
    ours = dict(entries())
    assert len(ours) > 15
    of_users = "stanalysis.kernels.arrangements.arranged_planes"  # for statistics that users register
    assert {name for name, compiled in ours.items() if not compiled.signatures} <= {of_users}
    assert {compiled.stats.cache_path for compiled in ours.values() if compiled.signatures} <= set(said[1:])


def test_warm_up__where_nothing_is_compiled_says_so(monkeypatch, capsys):
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    with pytest.raises(SystemExit) as done:
        cli.main(["warm-up"])
    assert done.value.code == 2
    assert "NUMBA_DISABLE_JIT is set" in capsys.readouterr().err

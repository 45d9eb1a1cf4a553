from __future__ import annotations

from stanalysis.analysis.places import Place, places_of_networks
from stanalysis.files.run import open_run, write_info


def test_places_of_networks__a_text_is_one_path_and_a_run_lies_in_its_folder(tmp_path):
    write_info(tmp_path / "a", {"method": "dcls"})
    run = open_run(tmp_path / "a")
    for given in (run, run.path, str(run.path), [str(run.path)], (run,)):
        assert places_of_networks(given) == ([Place("a", tmp_path / "a")], None)


def test_places_of_networks__a_sweep_stands_for_its_runs(tmp_path, write_sweep):
    folder = write_sweep(tmp_path / "sweep", sparsities=(0.5,), seeds=(0,))
    places, table = places_of_networks(str(folder))
    assert [place.name for place in places] == table.run.values.tolist()
    assert [place.path for place in places] == [folder / name for name in table.run.values]

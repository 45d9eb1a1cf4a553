from __future__ import annotations

import numpy as np

from stanalysis.files.contents import delay_histogram, population_table, projection_table
from stanalysis.synthetic.network import small_network


def test_population_table__counts_silent_neurons_where_rates_are_known():
    rows = {row["population"]: row for row in population_table(small_network())}
    assert rows["hidden1"] == {"population": "hidden1", "neurons": 4, "silent": 1, "negative gain": 1}
    assert rows["input"]["silent"] is None


def test_projection_table__counts_what_is_there():
    tree = small_network()
    table = tree["projections/input__hidden1"].to_dataset()
    table["delay"].values[:] = np.r_[np.zeros(6), np.full(12, 40.0), np.full(6, 20.0)]
    table["weight"].values[:] = np.where(table.source.values == 0, 1.0, -1.0)
    table["weight"].values[0] = -1.0
    tree["projections/input__hidden1"] = table.isel(synapse=slice(0, 18))
    row = projection_table(tree)[0]
    assert row["synapses"] == 18
    assert row["sparsity"] == 0.25
    assert row["at 0 ms"] == 6 / 18
    assert row["at the longest"] == 12 / 18
    assert row["Dale violations"] == 1
    assert row["targets without synapse"] == 1


def test_delay_histogram__spans_the_delay_range():
    counts, edges = delay_histogram(small_network(), "input__hidden1", n_bars=4)
    assert counts.sum() == 24
    assert (edges[0], edges[-1]) == (0.0, 40.0)

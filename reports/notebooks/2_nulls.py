# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Nulls, and what they mean
#
# A p-value says how often a null would give what was seen, or more. Which null? Each moves something, and rejecting it says
# that moving this would not give what was seen: for each null that means something else. Here fields whose answer is known
# are tested against every null. Pictures go to the folder `notebook-2`. As a script: `python 2_nulls.py`.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import xarray as xr

import stanalysis
from reports.panels.fields import draw_field
from stanalysis.stats.engine.nulls import NULLS
from stanalysis.synthetic.fields import noise_fields, planted_fields, planted_segregation, planted_sweeps

FOLDER = Path("notebook-2")
FOLDER.mkdir(exist_ok=True)

# %% [markdown]
# ## Fields whose answer is known
# *noise*: delays and weights are drawn independently. *piled-up delays*: the same, but half of the delays lie at the bounds,
# as where training clamps them. *patches*: neighbouring sources share sign and delay. *sweeps*: delays follow a line, weights
# and signs do not. *apart*: excitation on one side, inhibition on the other.

# %%
N = 200
fields = {
    "noise": noise_fields(N, seed=0),
    "piled-up delays": noise_fields(N, delays="clamped", seed=0),
    "patches": planted_fields(N, seed=0),
    "sweeps": planted_sweeps(N, seed=0),
    "apart": planted_segregation(N, seed=0),
}
figure, axes = plt.subplots(1, len(fields), figsize=(10, 3), layout="constrained", sharey=True)
for ax, (name, field) in zip(axes, fields.items(), strict=True):
    one = field.isel(target=0)
    draw_field(ax, xr.Dataset({"receptive_field": one, "present": one != 0}), 2.0)
    ax.set_title(name)
for ax in axes[1:]:
    ax.set_ylabel("")
figure.savefig(FOLDER / "fields.png", dpi=150)
figure  # noqa: B018

# %% [markdown]
# ## Every null
# Moran's I on the lattice, and Moran's I and E–I joins on the graph of synapses: the share of fields in which a null is
# rejected at .05. Where there is nothing it should be about .05.

# %%
SHOWN = ("delays", "weights", "signs", "sources", "rows", "cells")
STATISTICS = ["morans_i", "graph_morans_i", "graph_joins_ei"]
GRAPH = stanalysis.SynapseGraph(ms_per_source=1.0)  # one bin of delay, 1 ms here, is as far as one source
shares = {}
for name, field in fields.items():
    for null in SHOWN:
        result = stanalysis.field_statistics(field, statistics=STATISTICS, null=null, graph=GRAPH, n_permutations=199, seed=0)
        shares[name, null] = (result.p_value <= 0.05).mean("target").to_series()
shares = pd.DataFrame(shares).T.rename_axis(["field", "null"])
print(shares.round(2))

# %%
figure, axes = plt.subplots(1, len(shares.columns), figsize=(10, 2.8), layout="constrained", sharey=True)
for ax, statistic in zip(axes, shares.columns, strict=True):
    table = shares[statistic].unstack("null")[list(SHOWN)].loc[list(fields)]
    image = ax.imshow(table, vmin=0, vmax=1, cmap="Greys")
    for (i, j), share in (
        (index, table.iloc[index]) for index in [(i, j) for i in range(len(fields)) for j in range(len(SHOWN))]
    ):
        ax.text(j, i, f"{share:.2f}".lstrip("0"), ha="center", va="center", color="white" if share > 0.5 else "black", size=7)
    ax.set_xticks(range(len(SHOWN)), SHOWN, rotation=45, ha="right")
    ax.set_yticks(range(len(fields)), fields)
    ax.set_title(statistic)
figure.colorbar(image, ax=axes, label="share rejected at .05")
figure.savefig(FOLDER / "shares.png", dpi=150)
figure  # noqa: B018

# %% [markdown]
# How to read it:
#
# - Under `rows` and `cells` Moran's I on the lattice rejects piled-up delays, in which nothing is grouped: it says only that
#   delays are not uniform. `delays` keeps them as they are, and does not reject.
# - `signs` and `weights` are blind to sweeps, which are a matter of delays alone.
# - Moran's I on the lattice sees less of patches than the graph of synapses does: cells must touch there. Sweeps it alone
#   sees.

# %% [markdown]
# ## In space, in time, or jointly
# Of E–I joins fewer than with signs that move freely, how many are owed to the delay alone, to the source alone, and to both
# jointly? *Apart* is mostly a matter of margins: a line that parts excitation from inhibition shows on both axes. What is left,
# `interaction` tests by itself.

# %%
parts = {
    name: stanalysis.stats.grouping_parts(fields[name].isel(target=slice(0, 50)), ms_per_source=1.0, n_permutations=99, seed=0)
    for name in ("noise", "patches", "apart")
}
for name, result in parts.items():
    joins = result.sel(statistic="graph_joins_ei")
    print(
        name, joins.excess.mean("target").to_series().round(1).to_dict(), f"p = {joins.network_p.sel(test='interaction'):.2f}"
    )

# %%
for null in (*SHOWN, "interaction"):
    print(f"{null}: {NULLS[null].meaning}.\n")

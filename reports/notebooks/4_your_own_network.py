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
# # Bring your own network
#
# Weights and delays in two arrays are enough. Here they are made up: 20 neurons, 40 inputs, grouped excitation and
# inhibition, as if your framework had saved them. Everything is written to the folder `notebook-4`. As a script: `python
# 4_your_own_network.py`.

# %%
import subprocess
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import stanalysis
from stanalysis.synthetic.fields import planted_fields

FOLDER = Path("notebook-4")
FOLDER.mkdir(exist_ok=True)

# %%
grouped = planted_fields(20, seed=0).values  # (target, source, bin)
weight = grouped.sum(axis=2)  # one synapse for each pair
delay = 10.0 * abs(grouped).argmax(axis=2)  # ms
print(f"weight {weight.shape}, delay {delay.shape}, {delay.min():g} to {delay.max():g} ms")

# %% [markdown]
# ## From arrays
# Three lines: arrays, checkpoint, receptive fields. Rows are targets, columns sources.

# %%
checkpoint = stanalysis.from_arrays(weight, delay, dt=10.0)
fields = stanalysis.receptive_fields(checkpoint, "input__hidden1")
moran = stanalysis.morans_i(fields, null="delays", seed=0)
print(moran[["morans_i", "expected", "p_value"]].to_dataframe().describe().loc[["mean", "min", "max"]].round(3))

# %% [markdown]
# ## From a file
# A TOML file names the arrays of a file that no reader knows: weights and delays, their axes and units.

# %%
np.savez(FOLDER / "network.npz", w=weight, d=delay / 10)
(FOLDER / "network.toml").write_text("""
framework = "mine"
dt = 10.0            # ms
max_delay = 240.0    # ms

[[projection]]
source = "input"
target = "hidden1"
weight = "w"
weight_axes = ["target", "source"]
delay = "d"
delay_axes = ["target", "source"]
unit = "steps"
""")
options = f"--mapping {FOLDER / 'network.toml'}"
subprocess.run(f"stanalysis inspect {FOLDER / 'network.npz'} {options}".split(), check=True)

# %% [markdown]
# ## The whole analysis, and its report
# `analyze` writes the analysis and its tables, `report` one page with figures, tables and all receptive fields.

# %%
subprocess.run(f"stanalysis analyze {FOLDER / 'network.npz'} {options} -o {FOLDER / 'analysis.nc'}".split(), check=True)
subprocess.run(f"stanalysis report {FOLDER / 'analysis.nc'} -o {FOLDER / 'report'}".split(), check=True)

# %%
figure, ax = plt.subplots(figsize=(10, 3.4), layout="constrained")
ax.imshow(plt.imread(FOLDER / "report" / "fig1b-input__hidden1.png"))
ax.set_axis_off()
print((FOLDER / "report" / "fig1b-input__hidden1.txt").read_text())
figure  # noqa: B018

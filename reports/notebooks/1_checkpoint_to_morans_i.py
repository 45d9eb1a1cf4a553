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
# # From a checkpoint to Moran's I
#
# A network with learnable delays is trained for half a minute; its receptive fields are read from its checkpoints, looked at,
# and tested. Everything is written to the folder `notebook-1`. As a script: `python 1_checkpoint_to_morans_i.py`.

# %%
import subprocess
from pathlib import Path

import matplotlib.pyplot as plt
from bokeh.io import output_notebook, save, show
from bokeh.resources import INLINE

import stanalysis
from reports.atlas import atlas
from reports.panels.fields import draw_distribution, draw_field, draw_frequencies

FOLDER = Path("notebook-1")

# %% [markdown]
# ## Train
# The command line trains and keeps checkpoints. With `--resume` a second run of this cell finds the network trained.

# %%
command = f"stanalysis train dense --output {FOLDER / 'run'} --hidden 64 --epochs 12 --seed 0"
resume = " --resume" if (FOLDER / "run").exists() else ""
subprocess.run((command + resume).split(), check=True)
run = stanalysis.open_run(FOLDER / "run")
print(f"checkpoints of steps {', '.join(map(str, run.steps))}")

# %% [markdown]
# ## Receptive fields
# For each hidden neuron a plane of input channel × delay, with the weight of each synapse: here one synapse per channel.
# `present` tells a synapse of weight 0 from no synapse.

# %%
first, last = (stanalysis.read_checkpoint(run.steps[step]) for step in (min(run.steps), max(run.steps)))
fields = stanalysis.receptive_fields([first, last], "input__hidden1")
print(fields)

# %% [markdown]
# One neuron, before and after training. Orange excites, blue inhibits, white is no synapse.

# %%
limit = float(abs(fields.receptive_field).quantile(0.999))
figure, axes = plt.subplots(1, 2, figsize=(7, 3.4), layout="constrained", sharey=True)
for ax, step in zip(axes, fields.step.values, strict=True):
    image = draw_field(ax, fields.sel(step=step, target=0), limit)
    ax.set_title(f"neuron 0, step {step}")
axes[1].set_ylabel("")
draw_frequencies(axes[1], fields.sel(step=step, target=0))
figure.colorbar(image, ax=axes, location="bottom", shrink=0.5, label="synaptic weight (white: no synapse)")
figure.savefig(FOLDER / "fields.png", dpi=150)
figure  # noqa: B018

# %% [markdown]
# ## Moran's I
# Are neighbouring cells alike? The null `delays` deals the delays of a neuron's synapses out anew among them. Without
# structure I is `expected`, which is not 0. Neurons of one network are no replicates; what all of them say together is
# `network_z`, for which they share each draw (`joint`).

# %%
moran = stanalysis.morans_i(fields, null="delays", n_permutations=999, joint=True, keep_draws=True, seed=0)
table = moran[["morans_i", "expected", "z_score", "p_value"]].to_dataframe()
print(table.groupby("step")[["morans_i", "expected", "z_score"]].mean().round(3))
print((table.p_value <= 0.05).groupby("step").mean().rename("share with p up to .05, by chance .05"))
print(stanalysis.stats.network_z(moran).to_dataframe().round(3))

# %%
distribution = stanalysis.stats.morans_i_distribution(moran, n_bins=20)
figure, axes = plt.subplots(1, 2, figsize=(7, 2.6), layout="constrained", sharey=True)
for ax, step in zip(axes, distribution.step.values, strict=True):
    draw_distribution(ax, distribution.sel(step=step))
    ax.set_title(f"step {step}")
axes[0].legend()
figure.savefig(FOLDER / "distribution.png", dpi=150)
figure  # noqa: B018

# %% [markdown]
# ## All neurons
# The atlas shows every field, can be sorted and filtered, and opens a neuron on a click. In a script it is written to a page.

# %%
layout = atlas(fields, moran.drop_dims("draw"))
if "get_ipython" in globals():
    output_notebook(INLINE)
    show(layout)
else:
    save(layout, FOLDER / "atlas.html", resources=INLINE, title="Receptive fields")

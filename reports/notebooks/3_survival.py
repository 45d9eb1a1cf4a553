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
# # Did it survive?
#
# A sparse network prunes and regrows synapses while it learns, and logs every birth and death. How long do synapses live, and
# who dies sooner? Everything is written to the folder `notebook-3`. As a script: `python 3_survival.py`.

# %%
import subprocess
from pathlib import Path

import matplotlib.pyplot as plt

import stanalysis
from reports.panels.survival import draw_hazard_ratios, draw_survival, set_ages
from reports.style import STYLE

FOLDER = Path("notebook-3")
plt.rcParams.update(STYLE)  # that of the figures

# %% [markdown]
# ## Train
# The command line trains 48 hidden neurons at 70 % sparsity, in ten seconds. Every 5 steps synapses whose magnitude
# has fallen to 0 are pruned, and as many are born elsewhere.

# %%
options = "--hidden 48 --sparsity 0.7 --weight-rate 0.02 --every 5 --epochs 16 --seed 0"
command = f"stanalysis train sparse --output {FOLDER / 'run'} {options}"
resume = " --resume" if (FOLDER / "run").exists() else ""
subprocess.run((command + resume).split(), check=True)
log = stanalysis.files.read_log(FOLDER / "run" / "rewiring.nc")
print(f"{int((log.step > 0).sum())} births and deaths in {log.attrs['complete_to_step']} steps, of all projections")

# %% [markdown]
# ## Lives
# One row per life of a synapse: its birth, its death, if it died, and its neighbours at birth. What is alive at the end is
# censored: it lived at least so long.

# %%
lives = stanalysis.stats.episodes(log, "input__hidden1", ms_per_source=10.0)
lives["cohort"] = lives.target * 100_000 + lives.birth_step  # synapses of one neuron born in one step
grown = lives.birth_step > 0
n, n_grown, n_ended = lives.sizes["episode"], int(grown.sum()), int(lives.event.sum())
print(f"into hidden neurons {n} lives, {n_grown} of synapses that were grown; {n_ended} ended")

# %% [markdown]
# ## Survival curves
# Initial synapses start at full strength, grown ones at almost none: they are told apart. Bands: 95 %, synapses taken for
# independent; they speak of this network alone.

# %%
figure, axes = plt.subplots(1, 2, figsize=(6, 2.2), layout="constrained", sharey=True)
for ax, (name, chosen) in zip(axes, {"initial": ~grown, "grown": grown}.items(), strict=True):
    table = stanalysis.stats.life_table(lives.isel(episode=chosen.values), by="sign")
    curves = stanalysis.stats.survival_curves(table, horizon=200, seed=0)
    names = ["excitatory" if sign > 0 else "inhibitory" for sign in curves.group.values]
    curves = curves.rename(group="curve").assign_coords(group=("curve", names))
    set_ages(ax, curves.age.values)
    draw_survival(ax, curves)
    ax.set_title(f"{name} synapses")
    print(name, curves[["median", "median_lower", "median_upper"]].to_dataframe(), sep="\n")
axes[1].set_ylabel("")
axes[0].legend()
figure.savefig(FOLDER / "survival.png", dpi=150)
figure  # noqa: B018

# %% [markdown]
# ## Who dies sooner?
# A Cox model compares synapses of the same neuron born in the same step. Above 1: dies sooner. Neighbours count from birth
# on; to count them later would make any neighbour look protective, for a synapse must live to be seen among others.

# %%
covariates = ["same_sign", "opposite_sign"]
ratios = stanalysis.stats.hazard_ratios(lives.isel(episode=grown.values), covariates, strata="cohort", cluster="target")
print(ratios[["hazard_ratio", "lower", "upper", "p_value"]].drop_vars("covariate").to_dataframe().round(3))
figure, ax = plt.subplots(figsize=(5, 1.3), layout="constrained")
draw_hazard_ratios(ax, {"grown synapses, at birth": ratios})
figure.savefig(FOLDER / "hazards.png", dpi=150)
figure  # noqa: B018

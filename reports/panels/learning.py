"""Panels of how a network learns, and what that costs: each draws one Axes from one Dataset and computes nothing."""

from __future__ import annotations

from typing import Final

import xarray as xr
from matplotlib.axes import Axes

from reports.style import CHANGED, DELAY_COLOURS, NULL, OBSERVED, PALE

OF_OUTPUT: Final = (OBSERVED, CHANGED)  # of the output of the first class, and of the second
PROGRAMS: Final = {"eventprop": ("EventProp", OBSERVED, "o"), "dcls": ("DCLS", NULL, "s")}


def draw_voltages(ax: Axes, traces: xr.Dataset) -> None:
    """The membrane of two outputs while a sequence is heard, their highest points, and when each channel's spike arrives.

    Parameters
    ----------
    traces
        ``voltage`` (output, time) [ms], ``peak_time`` and ``peak`` (output), ``arrival`` (output, channel).
    """
    for output, colour in enumerate(OF_OUTPUT):
        here = traces.isel(output=output)
        ax.plot(here.time, here.voltage, color=colour, label=f"output {output + 1}")
        ax.plot(here.peak_time, here.peak, "o", color=colour, markersize=3)
        for channel, mark in enumerate("12"):
            height = -0.035 - 0.035 * output
            ax.annotate(mark, (float(here.arrival[channel]), height), color=colour, ha="center", va="center", fontsize=6)
    ax.set(xlabel="time [ms]", ylabel="V", ylim=(-0.1, None))


def draw_adjoints(ax: Axes, traces: xr.Dataset) -> None:
    """The adjoints of two outputs while a sequence is heard, solid of V, dashed of I.

    Parameters
    ----------
    traces
        ``lambda_v`` and ``lambda_i`` (output, time) [ms].
    """
    ax.axhline(0, color=PALE, linewidth=0.6)
    for output, colour in enumerate(OF_OUTPUT):
        here = traces.isel(output=output)
        ax.plot(here.time, here.lambda_v, color=colour, label=r"$\lambda_V$")
        ax.plot(here.time, here.lambda_i, color=colour, linestyle="--", label=r"$\lambda_I$")
    ax.set(xlabel="time [ms]", ylabel=r"$\lambda_V$ (solid), $\lambda_I$ (dashed)")


def draw_delays(ax: Axes, learned: xr.Dataset) -> None:
    """The delay of every synapse through training, solid from the first channel, dashed from the second.

    Parameters
    ----------
    learned
        ``delay`` (step, output, channel) [ms].
    """
    for output, colour in enumerate(OF_OUTPUT):
        for channel, line in enumerate(("-", "--")):
            delay = learned.delay.isel(output=output, channel=channel)
            ax.plot(learned.step, delay, line, color=colour, label=f"channel {channel + 1} to output {output + 1}")
    ax.set(xlabel="training step", ylabel="delay [ms]")


def draw_costs(ax: Axes, costs: xr.Dataset, what: str) -> None:
    """What a training step costs over the range of delays, a line for each program, both axes logarithmic.

    Parameters
    ----------
    costs
        ``milliseconds`` of a sample and ``memory`` [MiB] (program, n_bins).
    what
        Which of them.
    """
    for program in costs.program.values:
        name, colour, marker = PROGRAMS[str(program)]
        ax.plot(costs.n_bins, costs[what].sel(program=program), color=colour, marker=marker, label=name)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xticks(costs.n_bins.values, [str(n) for n in costs.n_bins.values])
    ax.minorticks_off()
    said = {"milliseconds": "training step [ms per sample]", "memory": "peak memory [MiB]"}
    ax.set(xlabel="delay range [ms]", ylabel=said[what])


def draw_delay_distributions(ax: Axes, distributions: xr.Dataset, kind: str) -> None:
    """The share of delays that are no longer than so many ms, before training and after it.

    Parameters
    ----------
    distributions
        ``delay`` (when, rank) [ms], ascending, and ``share`` (rank); attribute ``longest``, the longest delay there can be.
    kind
        What the delays belong to: it says the colour.
    """
    for when, colour in (("before", NULL), ("after", DELAY_COLOURS[kind])):
        ax.step(distributions.delay.sel(when=when), distributions.share, where="post", color=colour, label=f"{when} training")
    ax.set(xlabel="delay [ms]", ylabel="share of delays", xlim=(0, distributions.attrs["longest"]), ylim=(0, 1.02))
    ax.spines[["top", "right"]].set_visible(False)


def draw_spikes(ax: Axes, spikes: xr.Dataset) -> None:
    """The spikes of a sample, one neuron above the other, and what delays make of them.

    A dot is a spike; the line behind it reaches to its last arrival at a target. Marks are arrivals at the output of the class,
    or at the hidden neuron that fires first: upward where excitatory, downward where inhibitory. A star is that output.

    Parameters
    ----------
    spikes
        ``time`` (neuron) [ms], NaN where silent; ``last`` and ``marked`` arrival, and its ``weight``, NaN for neurons of the
        output; ``height`` (neuron), and ``population``; attribute ``answer``, the neuron of the output that counts.
    """
    ax.hlines(spikes.height, spikes.time, spikes["last"], color=PALE, linewidth=1.5, zorder=1)
    for sign, marker in ((1, 6), (-1, 7)):  # carets whose tip is at the point
        here = spikes.isel(neuron=(sign * spikes.weight > 0).values)
        ax.plot(
            here.marked, here.height, linestyle="none", marker=marker, color=CHANGED if sign < 0 else OBSERVED, markersize=3
        )
    outputs = spikes.isel(neuron=(spikes.population == "output").values)
    others = spikes.isel(neuron=(spikes.population != "output").values)
    ax.plot(others.time, others.height, "k.", markersize=3)
    ax.plot(outputs.time, outputs.height, "o", color=NULL, markersize=4)
    answer = outputs.isel(neuron=int(spikes.attrs["answer"]))
    ax.plot(answer.time, answer.height, "*", color="black", markersize=7)
    names, where = [], []
    for name in ("input", "hidden1", "output"):
        heights = spikes.height.values[spikes.population.values == name]
        names.append(name)
        where.append(heights.mean())
    ax.set_yticks(where, names)
    ax.tick_params(axis="y", length=0)
    ax.set(xlabel="time [ms]")
    ax.spines[["top", "right", "left"]].set_visible(False)

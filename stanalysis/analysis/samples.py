"""Some receptive fields of a network kept as lists of synapses, for other programs to recompute their statistics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import xarray as xr

from stanalysis.analysis.questions import Questions
from stanalysis.fields.delay_bins import bins_of_projection

N_SAMPLES = 32  # fields of an analysis that are recomputed


@dataclass(frozen=True)
class Sample:
    """The synapses of one target at one step, at the delays that the network computes with; ``weight`` as it is in the file."""

    network: str
    projection: str
    step: int
    target: int
    source: np.ndarray  # (synapse)
    delay: np.ndarray  # (synapse), in ms
    bin: np.ndarray  # (synapse), of the lattice
    weight: np.ndarray  # (synapse)
    n_source: int
    n_delay: int  # bins; 0 without a lattice
    dt: float  # of the network, in ms


def samples_per_network(n_networks: int) -> list[int]:
    """How many of its fields each network contributes: `N_SAMPLES` in all, spread evenly.

    Examples
    --------
    >>> samples_per_network(3), sum(samples_per_network(100)), max(samples_per_network(100))
    ([11, 11, 10], 32, 1)
    """
    if n_networks > N_SAMPLES:
        chosen = set(_spread(n_networks, N_SAMPLES))
        return [int(index in chosen) for index in range(n_networks)]
    return [N_SAMPLES // n_networks + (index < N_SAMPLES % n_networks) for index in range(n_networks)]


def chosen_samples(samples: Sequence[Sample], n: int, *, turn: int) -> tuple[Sample, ...]:
    """``n`` of the samples of a network, the first of the projection whose ``turn`` it is: of many networks that give one
    each not all are of the same.
    """
    first = turn % len({sample.projection for sample in samples}) if samples else 0
    return (*samples[first:], *samples[:first])[:n]


def samples_of_network(
    name: str, checkpoints: Mapping[int, xr.DataTree], groups: Mapping[str, xr.Dataset], questions: Questions
) -> tuple[Sample, ...]:
    """Up to `N_SAMPLES` fields that have an answer, spread over steps, projections and targets; beginning with one of each
    projection at the last step, and then at the first.

    Parameters
    ----------
    name
        Of the network.
    checkpoints
        By step.
    groups
        Its groups of the analysis file, of which ``statistics`` tells which fields have an answer.
    questions
        What was asked.
    """
    n = N_SAMPLES
    places = list(_places(checkpoints, groups, n=n))
    samples: list[list[Sample]] = []
    for index, (step, projection, targets) in enumerate(places):
        share = n // len(places) + (index < n % len(places))
        chosen = targets[_spread(targets.size, min(share, targets.size))]
        samples.append([_sample(name, checkpoints[step], projection, int(target), questions) for target in chosen])
    in_turns = zip_longest(*samples)
    return tuple(sample for of_each in in_turns for sample in of_each if sample is not None)


def _places(
    checkpoints: Mapping[int, xr.DataTree], groups: Mapping[str, xr.Dataset], *, n: int
) -> Iterator[tuple[int, str, np.ndarray]]:
    """At most ``n`` steps and projections, with the targets that have an answer there."""
    tables = {path.partition("/")[2]: table for path, table in groups.items() if path.startswith("statistics/")}
    projections = list(tables)
    steps = _ends_first(list(checkpoints), max(n // len(projections), 1))
    for step, projection in [(step, projection) for step in steps for projection in projections][:n]:
        answered = np.flatnonzero(tables[projection].value.sel(step=step).notnull().any("statistic").values)
        if answered.size:
            yield step, projection, answered


def _ends_first(steps: Sequence[int], n: int) -> list[int]:
    """The last step, the first, and some between, ``n`` at most."""
    ends = list(dict.fromkeys((steps[-1], steps[0])))[:n]
    between = steps[1:-1]
    return ends + [between[index] for index in _spread(len(between), min(n - len(ends), len(between)))]


def _spread(size: int, n: int) -> list[int]:
    """``n`` of the first ``size`` numbers, as evenly as can be.

    Examples
    --------
    >>> _spread(10, 3), _spread(5, 0)
    ([1, 5, 8], [])
    """
    return [(2 * index + 1) * size // (2 * n) for index in range(n)]


def _sample(name: str, tree: xr.DataTree, projection: str, target: int, questions: Questions) -> Sample:
    table, dt = tree[f"projections/{projection}"].to_dataset(), float(tree.attrs["dt"])
    rows = table.isel(synapse=np.flatnonzero(table.target.values == target))
    delay, cells = rows.delay.values.astype(np.float64), questions.bins(table.attrs, dt)
    return Sample(
        name,
        projection,
        int(tree.attrs["step"]),
        target,
        rows.source.values.astype(np.int64),
        delay if dt == 0 else bins_of_projection(table.attrs, dt=dt).of(delay) * dt,
        np.zeros(delay.size, np.intp) if cells is None else cells.of(delay),
        rows.weight.values,
        int(table.attrs["n_source"]),
        0 if cells is None else cells.n,
        dt,
    )

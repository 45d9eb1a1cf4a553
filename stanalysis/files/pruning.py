"""Pruning a network that is trained already: which synapses are left, and the file that says what it still can do.

``pruning.csv`` of a run folder has one line for each criterion, fraction and draw, as `stanalysis prune` writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.files.random_streams import Stream, random_stream
from stanalysis.files.records import read_table, write_table
from stanalysis.files.run import Run, folder_of
from stanalysis.schema.lives import PRUNED_ACCURACIES
from stanalysis.schema.variables import labelled

Criterion = Literal["magnitude", "random", "largest"]
CRITERIA: Final[tuple[Criterion, ...]] = get_args(Criterion)
FRACTIONS: Final = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
TABLE: Final = "pruning.csv"
_ACCURACIES = ("test_accuracy", "validation_accuracy")
_KINDS = {"criterion": "O", "fraction": "if", "draw": "i", "n_synapses": "i", **dict.fromkeys(_ACCURACIES, "if"), "step": "i"}


def kept(
    weight: NDArray[np.floating], criterion: Criterion, fraction: float, *, random: np.random.Generator | None = None
) -> NDArray[np.bool_]:
    """Which synapses of a projection are left when a fraction of them is pruned.

    Parameters
    ----------
    weight
        Their weights, any shape; only magnitudes count.
    criterion
        What goes first: the smallest ``"magnitude"``, the ``"largest"`` one, or any at ``"random"``, whatever its weight.
        Of equals, the first of the table. A weight that is not a number goes last.
    fraction
        Share of all synapses to prune, from 0 to 1, rounded to whole synapses. What a larger fraction leaves, a smaller one
        leaves, too.
    random
        For the criterion ``"random"``: a generator in the same state gives the same order in which to prune.

    Examples
    --------
    >>> kept(np.array([0.5, -2.0, 1.0, -0.5]), "magnitude", 0.5)
    array([False,  True,  True, False])
    >>> kept(np.array([0.5, -2.0, 1.0, -0.5]), "largest", 0.5)
    array([ True, False, False,  True])
    """
    check_pruning([criterion], [fraction])
    magnitude = np.abs(weight.reshape(-1))
    if criterion == "random":
        if random is None:
            raise BadInput("Pruning at random needs random numbers; give random=, a numpy Generator.")
        order = random.permutation(magnitude.size)
    else:
        order = np.argsort(magnitude if criterion == "magnitude" else -magnitude, kind="stable")
    left = np.ones(magnitude.size, bool)
    left[order[: round(fraction * magnitude.size)]] = False
    return left.reshape(weight.shape)


def pruning_order(seed: int, draw: int) -> np.random.Generator:
    """The random numbers of one order in which to prune at random, the same for every projection and fraction."""
    return random_stream(seed, Stream.PRUNE, draw)


def pruned(synapses: xr.Dataset, criterion: Criterion, fraction: float, *, seed: int = 0, draw: int = 0) -> xr.Dataset:
    """The synapses of a projection that are left when a fraction of them is pruned.

    Parameters
    ----------
    synapses
        Table of a projection (dim synapse) with its ``weight``.
    criterion, fraction
        As for `kept`: the weights of all targets are judged together.
    seed, draw
        With criterion ``"random"``, each draw has an order of its own.

    Examples
    --------
    >>> from stanalysis.synthetic.network import small_network
    >>> table = small_network()["projections/input__hidden1"].to_dataset()
    >>> table.sizes["synapse"], pruned(table, "random", 0.9, seed=0).sizes["synapse"]
    (24, 2)
    """
    if "weight" not in synapses or synapses["weight"].dims != ("synapse",):
        raise BadInput("The table has no weight for each synapse; give the projection of a checkpoint.")
    left = kept(synapses["weight"].to_numpy(), criterion, fraction, random=pruning_order(seed, draw))
    return synapses.isel(synapse=np.flatnonzero(left))


def check_pruning(criteria: Sequence[Criterion], fractions: Sequence[float]) -> None:
    """Raise `BadInput` unless there are criteria, known ones, and fractions from 0 to 1, each once."""
    for criterion in criteria:
        if criterion not in CRITERIA:
            raise BadInput(f"The criterion is {criterion!r}; give some of {', '.join(CRITERIA)}.")
    for fraction in fractions:
        if not 0 <= fraction <= 1:
            raise BadInput(f"The fraction to prune is {fraction}; give numbers from 0 to 1.")
    for name, values in {"criterion": criteria, "fraction to prune": fractions}.items():
        if not values or len(set(values)) < len(values):
            raise BadInput(f"No {name} is given, or one twice; give each once.")


def write_pruning(run: Path, table: pd.DataFrame) -> None:
    """Write pruning.csv atomically."""
    write_table(run / TABLE, table)


def read_pruning(run: Run | Path | str) -> xr.Dataset:
    """What a run can still do when it is pruned: its pruning.csv; `BadInput` if there is none, or a damaged one.

    Returns
    -------
    xarray.Dataset
        ``test_accuracy`` and ``validation_accuracy``, dims (criterion, fraction, draw), NaN for the draws that a criterion
        does not have; ``n_synapses`` (fraction), synapses left in the network; attribute ``step``, that of the checkpoint.
    """
    folder = folder_of(run)
    path = folder / TABLE
    if not path.is_file():
        raise BadInput(f"{folder} holds no {TABLE}; write it with `stanalysis prune`.")
    table = read_table(path, remedy="write it anew with `stanalysis prune`", dtype={"criterion": object})
    for name, kinds in _KINDS.items():
        if name not in table or table.empty or table[name].dtype.kind not in kinds or table[name].isna().any():
            raise BadInput(f"{path} has no whole column {name!r}; write it anew with `stanalysis prune`.")
    grid = ["criterion", "fraction", "draw"]
    try:
        check_pruning(table["criterion"].unique().tolist(), table["fraction"].unique().tolist())
    except BadInput as error:
        raise BadInput(f"{path} is damaged, write it anew with `stanalysis prune`: {error}") from error
    # every criterion gives the same numbers of synapses, and all lines are of one checkpoint
    one_each = table.groupby("fraction")["n_synapses"].nunique().eq(1).all() and table["step"].nunique() == 1
    shares = table[list(_ACCURACIES)]
    if table.duplicated(grid).any() or not one_each or not ((shares >= 0) & (shares <= 1)).all(axis=None):
        raise BadInput(f"{path} has lines that contradict each other; write it anew with `stanalysis prune`.")
    accuracies = table.set_index(grid)[list(_ACCURACIES)].to_xarray().astype(float)
    accuracies = accuracies.sel(criterion=[c for c in CRITERIA if c in accuracies.criterion])
    n_synapses = table.groupby("fraction")["n_synapses"].first().to_xarray()
    left = labelled(PRUNED_ACCURACIES, n_synapses=n_synapses, **{name: accuracies[name] for name in _ACCURACIES})
    left["criterion"] = left.criterion.astype(str)
    return left.assign_attrs(step=int(table["step"].iloc[0]))

r"""Does the structure of a trained network survive pruning? Its receptive fields at every density, each against its null there.

**What selection does to the nulls.** Pruning looks at magnitudes alone, at those of all targets of the projection together,
or at nothing. The nulls here rearrange what is left, after the pruning. That is right where pruning first and rearranging
then is as likely as the reverse, if the null held of the whole network:

- ``signs``, ``source-signs`` keep each magnitude in its place: the same synapses are left whatever the signs were. Exact,
  after every criterion.
- ``delays``, ``rows`` keep each weight with its source: the same are left whatever their delays were, and those are as
  exchangeable as before. Exact; with several synapses per source, where delays were uniform, for those pruned took places too.
- ``weights``: the places that are left are those of the large (or small) weights; given these places and the weights left,
  every assignment is as likely as before. Exact. That the places themselves lie together is no evidence to it.
- ``sources``, ``cells``: rearranging the whole plane and pruning it then leaves the same rearrangement of what is left. Exact.

So each null is as right after pruning as before, and where it was wrong (`stanalysis.doubts`) it stays so.
Weights left are truncated, which no null minds. What thinning alone takes from a statistic, the criterion ``random`` shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Unpack

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.fields.lattice import ROOK, Lattice
from stanalysis.fields.receptive_field import receptive_fields
from stanalysis.fields.synapse_graph import SynapseGraph
from stanalysis.files.opening import Checkpoint, opened
from stanalysis.files.pruning import CRITERIA, FRACTIONS, Criterion, check_pruning, pruned
from stanalysis.schema.lives import PRUNED
from stanalysis.schema.variables import described
from stanalysis.stats.engine.field_statistics import measured
from stanalysis.stats.engine.null_test import NullOptions, NullTest
from stanalysis.stats.engine.prepared import NUMBERS_AT_ONCE
from stanalysis.stats.engine.rounding import varies
from stanalysis.stats.engine.validity import are_independent, may_share_permutations
from stanalysis.stats.replicates.multiplicity import benjamini_hochberg
from stanalysis.stats.replicates.network import network_z

_LATTICE: Final = ("morans_i", "joins_ee", "joins_ei", "joins_ii")
_GRAPH: Final = tuple(f"graph_{name}" for name in _LATTICE)
N_PERMUTATIONS: Final = 199  # of every density
LEVEL: Final = 0.05  # of the false discovery rate, and of the unpruned network's p
ENOUGH: Final = 0.5  # share of the targets that must still have an answer, for what they retain to be that of the network


def pruned_structure(
    checkpoint: Checkpoint,
    projection: str,
    *,
    criteria: Sequence[Criterion] = CRITERIA,
    fractions: Sequence[float] = FRACTIONS,
    n_random: int = 3,
    lattice: Lattice = ROOK,
    bin_width: float | None = None,
    graph: SynapseGraph | None = None,
    **options: Unpack[NullOptions],
) -> xr.Dataset:
    r"""How much of the grouping of a projection's receptive fields is left when its synapses are pruned.

    .. math:: \text{excess} = \frac{1}{n} \sum_i (x_i - \mathrm{E}\, x_i), \qquad
        \text{retained} = \frac{\sum_i (x_i - \mathrm{E}\, x_i)}{\sum_i (x_i^0 - \mathrm{E}\, x_i^0)}

    over the n targets with an answer, with x a statistic of the pruned field, E its expectation when the null rearranges the
    synapses that are left, and 0 for the same targets before pruning. Without structure the excess is 0.

    Parameters
    ----------
    checkpoint
        One network, as `stanalysis.read_checkpoint` gives it, or a path to it; of a run, or its folder, the newest.
    projection
        Its name, ``<source>__<target>``.
    criteria, fractions
        As for `stanalysis.files.pruning.kept`, which judges the weights of all targets together.
    n_random
        Orders in which to prune at random; ``random`` is the mean over them.
    lattice, **options
        As for `stanalysis.field_statistics`, but 199 permutations where none are asked for; not the null "untrained", which
        has no draws.
    bin_width
        Width of a bin of delay in ms, as for `stanalysis.receptive_fields`; here synapses are at their bins on the graph, too.
    graph
        Which synapses are neighbours; by default the nearest four, one bin of delay being as far as one source.

    Returns
    -------
    xarray.Dataset
        Dims (criterion, fraction, statistic), the statistics ``morans_i``, ``joins_ee``, ``joins_ei``, ``joins_ii`` and the
        same of the synapse graph (``graph_…``), all dimensionless:

        - ``excess``, ``mean_z``, ``answered`` (targets with an answer);
        - ``p_value`` of the mean z: as `network_z`; NaN where the targets share delays or signs, and permutations
          cannot be shared, as they can in a dense network only. Of several orders twice their mean p, at most 1, which is
          never too small however they depend on each other, and larger than needed as a rule;
        - ``significant``: share of the targets with an answer that have q <= .05 (Benjamini & Hochberg over them). With few
          permutations it is 0 unless very many have the smallest p: a fifth of the targets with 199, two-sided, 4 % with 999;
        - ``retained``: NaN unless the unpruned network has p <= .05 there (a ratio to chance says nothing), and where fewer
          than half of its targets with an answer still have one (the rest are a selection). For counts of joins and sparse
          fields it falls with the number of synapses, whatever goes: compare with ``random``.

        Dims (criterion, fraction): ``overlap``, mean over targets of the correlation of the pruned with the unpruned field,
        over cells, 0 for a target of which nothing is left; targets whose unpruned field is constant or not finite do not
        count. ``n_synapses``, synapses left.

        Where no target has an answer, all but the counts and the overlap are NaN.

    References
    ----------
    Vovk & Wang (2020), Combining p-values via averaging, https://doi.org/10.1093/biomet/asaa027

    Examples
    --------
    >>> from stanalysis.synthetic.network import small_network
    >>> result = pruned_structure(small_network(), "input__hidden1", fractions=(0, 0.5), n_permutations=19, seed=0)
    >>> result.n_synapses.values.tolist()
    [[24, 12], [24, 12], [24, 12]]
    >>> result.overlap.round(2).values
    array([[1.  , 0.96],
           [1.  , 0.72],
           [1.  , 0.29]])
    """
    check_pruning(criteria, fractions)
    usual: NullOptions = {"n_permutations": N_PERMUTATIONS}
    test = NullTest(**(usual | options))
    if n_random < 1 or test.n_draws < 1:
        raise BadInput(
            f"{n_random} orders of pruning, {test.n_permutations} permutations of the null {test.null!r}: give at least 1 of "
            "each, and a null that has draws."
        )
    checkpoint = opened(checkpoint)
    fields = receptive_fields(checkpoint, projection, bin_width=bin_width).isel(step=0)
    table = checkpoint[f"projections/{projection}"].to_dataset()
    shared = may_share_permutations(fields, null=test.null)
    # of the unpruned network: with few synapses left nobody could see that they share signs
    independent = are_independent(fields, null=test.null, delay_kind=str(table.attrs["delay_kind"]))
    width = float(checkpoint.attrs["dt"]) if bin_width is None else bin_width
    graph = SynapseGraph(ms_per_source=width) if graph is None else graph

    joint = test.rule.shared_by == "all"  # pruned targets have no other permutation in common
    whole = _structure(fields, fields, joint=shared, valid=shared or independent, lattice=lattice, graph=graph, test=test)

    def at(criterion: Criterion, fraction: float) -> xr.Dataset:
        draws = [whole]
        if fraction > 0:
            orders = range(n_random if criterion == "random" else 1)
            tables = (pruned(table, criterion, fraction, seed=test.seed, draw=draw) for draw in orders)
            trees = (_with(checkpoint, projection, rows) for rows in tables)
            left = (receptive_fields(tree, projection, bin_width=bin_width).isel(step=0) for tree in trees)
            draws = [
                _structure(
                    pruned_fields, fields, joint=joint, valid=joint or independent, lattice=lattice, graph=graph, test=test
                )
                for pruned_fields in left
            ]
        return _together(draws, whole)

    rows = [xr.concat([at(criterion, fraction) for fraction in fractions], "fraction") for criterion in criteria]
    result = xr.concat(rows, "criterion").assign_coords(
        criterion=list(criteria),
        fraction=np.asarray(fractions, float),
        unit=("statistic", ["1"] * len(_LATTICE + _GRAPH)),
    )
    result = result.transpose("criterion", "fraction", "statistic")
    asked = {name: getattr(test, name) for name in ("null", "n_permutations", "alternative", "seed")}
    return described(result, PRUNED).assign_attrs(asked | {"n_random": n_random, "contiguity": lattice.contiguity})


def _with(checkpoint: xr.DataTree, projection: str, table: xr.Dataset) -> xr.DataTree:
    """The checkpoint with another table of synapses."""
    tree = checkpoint.copy()
    tree[f"projections/{projection}"].dataset = table
    return tree


def _structure(
    fields: xr.Dataset,
    unpruned: xr.Dataset,
    *,
    lattice: Lattice,
    graph: SynapseGraph,
    test: NullTest,
    joint: bool,
    valid: bool,
) -> xr.Dataset:
    """What is said of some fields; ``by_target`` is the excess of each. There is a p of all where it is ``valid``."""
    size = max(NUMBERS_AT_ONCE // (fields.sizes["target"] * test.n_draws), 1)
    results, networks = [], []
    for some in (names[i : i + size] for names in (_LATTICE, _GRAPH) for i in range(0, len(names), size)):
        result = measured(
            fields, statistics=some, drawn=some, lattice=lattice, graph=graph, joint=joint, keep_draws=True, test=test
        )
        networks.append(network_z(result, statistic="value"))
        results.append(result.drop_vars(("null_draws", "null_resolution")))
    result, network = xr.concat(results, "statistic", data_vars="minimal"), xr.concat(networks, "statistic")
    excess = result.value - result.expected
    q_value = benjamini_hochberg(result.p_value, dim="target")
    n_tested = q_value.notnull().sum("target")
    said = xr.Dataset(
        {
            "by_target": excess,
            "excess": excess.mean("target"),
            "mean_z": network.mean_z,
            "p_value": network.p_value.where(valid),
            "significant": (q_value <= LEVEL).sum("target") / n_tested.where(n_tested > 0),
            "answered": excess.notnull().sum("target").astype(float),
            "overlap": _overlap(fields.receptive_field.to_numpy(), unpruned.receptive_field.to_numpy()),
            "n_synapses": fields.n_synapses.sum(),
        }
    )
    return said.reset_coords(drop=True).drop_vars("target")


def _together(draws: Sequence[xr.Dataset], unpruned: xr.Dataset) -> xr.Dataset:
    """The mean of several orders of pruning; of their p-values twice the mean, which is valid however they depend."""
    every = xr.concat(draws, "draw")
    result = every.drop_vars("by_target").mean("draw")
    if len(draws) > 1:
        result["p_value"] = np.minimum(2 * result.p_value, 1)
    both = every.by_target.notnull() & unpruned.by_target.notnull()
    left, before = (each.where(both).sum(("draw", "target")) for each in (every.by_target, unpruned.by_target))
    told = (unpruned.p_value <= LEVEL) & (result.answered >= ENOUGH * unpruned.answered) & (result.answered > 0)
    result["retained"] = left / before.where(told)
    result["n_synapses"] = draws[0].n_synapses
    return result


def _overlap(field_now: NDArray[np.floating], unpruned: NDArray[np.floating]) -> float:
    """Mean over targets of the correlation of two fields (target, source, delay) over cells."""
    a, b = (field.reshape(field.shape[0], -1).astype(np.float64) for field in (field_now, unpruned))
    known = np.isfinite(b).all(axis=1) & varies(b, axis=1)
    a = np.where(varies(a, axis=1)[:, None], a, 0)
    a, b = (field[known] - field[known].mean(axis=1, keepdims=True) for field in (a, b))
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return float((np.where(size > 0, (a * b).sum(axis=1), 0) / np.where(size > 0, size, 1)).mean()) if known.any() else np.nan

"""One projection of one network analysed: the groups of the analysis file that its receptive fields make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import xarray as xr

from stanalysis.analysis.memory import cells_of
from stanalysis.analysis.one_step import (
    along_targets,
    lists_of_projection,
    most_targets,
    need_of_projection,
    statistics_of_step,
    targets_at_once,
)
from stanalysis.analysis.questions import Questions
from stanalysis.fields.receptive_field import contact_index, receptive_fields
from stanalysis.schema.statistics import STATISTICS
from stanalysis.schema.variables import described
from stanalysis.stats.engine.families import FAMILIES, MOST_DRAWS, Family, curve_families
from stanalysis.stats.engine.null_test import NullTest
from stanalysis.stats.engine.untrained import against_untrained, untrained_draws
from stanalysis.stats.replicates.multiplicity import benjamini_hochberg
from stanalysis.stats.spatial.autocorrelation import PARTS, as_morans_i, morans_i_distribution

N_BINS = 40  # of the histogram of Moran's I
CELLS_AT_ONCE = 4_000_000  # of receptive fields in memory: bounds it, changes no result
FINISHING = 0.1  # what comes after all of it, tables and the file, in steps

T = TypeVar("T")


def groups_of_fields(
    trees: Sequence[xr.DataTree],
    projection: str,
    questions: Questions,
    *,
    after_steps: Callable[[float], None] = lambda _: None,
) -> dict[str, xr.Dataset]:
    """Statistics and descriptors of every receptive field at every step, by the kind of group; and the synapses.

    ``trees`` are the checkpoints of one network, by step. ``after_steps`` is called with how much more is done, in units
    of the statistics of all targets at one step.
    """
    most = most_targets(trees, projection, questions)
    by_step = [statistics_of_step(tree, projection, questions, most, after_steps) for tree in trees]
    statistics, together, moran_draws, descriptions = (
        xr.concat(parts, "step", join="exact") for parts in zip(*by_step, strict=True)
    )
    if not questions.test.rule.draws:
        statistics, together, moran_draws = _against_untrained(statistics, moran_draws)
    statistics["q_value"] = benjamini_hochberg(statistics.p_value, dim="target")
    moran = as_morans_i(statistics)
    if not questions.cells:  # where no number of a lattice has an answer, none stands in the tables
        statistics, together = (table.drop_sel(statistic=["morans_i", *PARTS]) for table in (statistics, together))
    groups = {
        "statistics": statistics,
        "autocorrelation": moran,
        "network": together,
        # each run has its own bins: as data they stand side by side
        "distribution": morans_i_distribution(moran_draws, n_bins=N_BINS).reset_coords().drop_vars("bin"),
        "descriptors": descriptions,
        "synapses": _all_synapses(trees, projection),
    }
    return groups | _groups_at_both_ends(trees, projection, questions, after_steps)


def _against_untrained(statistics: xr.Dataset, moran_draws: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Statistics, what they say together and the draws of Moran's I, step 0 standing for the draws."""
    statistics = against_untrained(statistics)
    statistics["adjusted_p_value"] = statistics.p_value * np.nan
    # the neurons' values before training are those of one network, and no draws of it
    together = described(statistics[["z_score"]].mean("target").rename(z_score="mean_z"), STATISTICS)
    together["p_value"] = together.mean_z * np.nan
    before = untrained_draws(statistics.sel(statistic="morans_i", drop=True).value)
    return statistics, together, moran_draws.drop_vars("null_draws").assign(null_draws=before)


def fields_by_targets(tree: xr.DataTree, projection: str, questions: Questions) -> Iterator[xr.Dataset]:
    """The receptive fields of all targets, so many at a time that memory is bounded; none where there is no lattice: of
    continuous delays without a width of bins, or of a single cell.
    """
    n_target, n_cell = int(tree[f"projections/{projection}"].attrs["n_target"]), cells_of(tree, projection, questions)
    if n_cell > 1:
        within = need_of_projection([tree], projection, questions).targets_within(questions.memory)
        for first, last in targets_at_once(n_target, max(min(CELLS_AT_ONCE // n_cell, within), 1)):
            yield receptive_fields(tree, projection, bin_width=questions.bin_width, targets=range(first, last))


def steps_of(questions: Questions, n_step: int) -> float:
    """How much there is to do of a projection with so many steps, in units of the statistics at one."""
    asked = [family for family in FAMILIES.values() if family.name in questions.statistics]
    return n_step + FINISHING + sum(family.steps * (len(_ends(range(n_step))) if family.curve else 1) for family in asked)


def _ends(steps: Sequence[T]) -> Sequence[T]:
    """The first and the last, which may be the same."""
    return steps[:: max(len(steps) - 1, 1)]


def _groups_at_both_ends(
    trees: Sequence[xr.DataTree], projection: str, questions: Questions, after_steps: Callable[[float], None]
) -> dict[str, xr.Dataset]:
    """Curves and maps, which have more numbers than a table holds, at the first and the last step only."""
    asked = [family for family in curve_families() if family.name in questions.statistics]
    if not asked:
        return {}
    given = {
        "lattice": questions.lattice,
        "ms_per_source": questions.scale(float(trees[0].attrs["dt"])),
        "delay_kind": trees[0][f"projections/{projection}"].attrs["delay_kind"],
        "alternative": questions.test.alternative,
    }
    groups = {}
    for family in asked:
        options = {name: given[name] for name in family.takes} | _options(family, questions.test)
        known = []
        for tree in _ends(trees):
            if (end := _of_one_end(tree, projection, questions, family, options)) is not None:
                known.append(end)
            after_steps(family.steps)
        if known:
            groups[family.name] = xr.concat(known, "step", join="exact", combine_attrs="override")
    return groups


def _options(family: Family, test: NullTest) -> dict[str, Any]:
    """How a curve or map is tested."""
    if not family.own_nulls:
        return {**test.options()}
    return {"n_permutations": min(test.n_permutations, MOST_DRAWS), "min_synapses": test.min_synapses, "seed": test.seed}


def _of_one_end(
    tree: xr.DataTree, projection: str, questions: Questions, family: Family, options: Mapping[str, Any]
) -> xr.Dataset | None:
    """A curve or map at one step; None without a lattice where it needs one."""
    if not family.needs_lattice:
        return family.function(lists_of_projection(tree, projection), **options)
    parts = [family.function(fields, **options) for fields in fields_by_targets(tree, projection, questions)]
    return along_targets(parts) if parts else None


def _all_synapses(trees: Iterable[xr.DataTree], projection: str) -> xr.Dataset:
    tables = []
    for tree in trees:
        table = tree[f"projections/{projection}"].to_dataset()
        contact = table.contact.values if "contact" in table else contact_index(table)
        table = table.assign(
            contact=("synapse", contact.astype(np.min_scalar_type(contact.max(initial=0)))),
            step=("synapse", np.full(table.sizes["synapse"], tree.attrs["step"], np.int32)),
        )
        # as narrow as they can be: the tables of a sweep are most of its analysis
        narrow = {end: np.min_scalar_type(int(table.attrs[f"n_{end}"]) - 1) for end in ("source", "target")}
        narrow["weight"] = np.dtype(np.float32)
        for name, dtype in narrow.items():
            table[name] = table[name].astype(dtype, keep_attrs=True)
        tables.append(table[[*narrow, "delay", "contact", "step"]])  # a delay narrowed might round to another bin
    return xr.concat(tables, "synapse", combine_attrs="override")

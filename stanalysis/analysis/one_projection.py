"""One projection of one network analysed: the groups of the analysis file that its receptive fields make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import xarray as xr

from stanalysis.analysis.questions import Questions
from stanalysis.fields.receptive_field import contact_index, receptive_fields
from stanalysis.fields.synapse_graph import SynapseGraph
from stanalysis.schema.statistics import STATISTICS
from stanalysis.schema.variables import described
from stanalysis.stats.engine.families import curve_families
from stanalysis.stats.engine.field_statistics import measured
from stanalysis.stats.engine.statistics import names_of
from stanalysis.stats.engine.untrained import against_untrained, untrained_draws
from stanalysis.stats.engine.validity import are_independent, may_share_permutations
from stanalysis.stats.replicates.multiplicity import benjamini_hochberg, max_t
from stanalysis.stats.replicates.network import network_z
from stanalysis.stats.spatial.autocorrelation import PARTS, as_morans_i, morans_i_distribution
from stanalysis.stats.spatial.descriptors import descriptors

N_BINS = 40  # of the histogram of Moran's I
DRAWS_IN_HISTOGRAM = 999  # enough for its band, whatever the p-values need
DRAWS_AT_ONCE = 8_000_000  # numbers kept at a time: bounds the memory, changes no result


def groups_of_fields(
    trees: Sequence[xr.DataTree], projection: str, questions: Questions, *, after_step: Callable[[], None] = lambda: None
) -> dict[str, xr.Dataset]:
    """Statistics and descriptors of every receptive field at every step, by the kind of group; and the synapses.

    ``trees`` are the checkpoints of one network, by step. ``after_step`` is called when the statistics of each are there.
    """
    by_step = []
    for tree in trees:  # one step at a time: fields and draws of a large network fill memory quickly
        by_step.append(_statistics_at(tree, projection, questions))
        after_step()
    statistics, together, moran_draws, descriptions = (
        xr.concat(parts, "step", join="exact") for parts in zip(*by_step, strict=True)
    )
    if not questions.test.rule.draws:
        statistics, together, moran_draws = _against_untrained(statistics, moran_draws)
    statistics["q_value"] = benjamini_hochberg(statistics.p_value, dim="target")
    groups = {
        "statistics": statistics,
        "autocorrelation": as_morans_i(statistics),
        "network": together,
        # each run has its own bins: as data they stand side by side
        "distribution": morans_i_distribution(moran_draws, n_bins=N_BINS).reset_coords().drop_vars("bin"),
        "descriptors": descriptions,
        "synapses": _all_synapses(trees, projection),
    }
    return groups | _groups_at_both_ends(trees, projection, questions)


def _statistics_at(
    tree: xr.DataTree, projection: str, questions: Questions
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset, xr.Dataset]:
    """Of one step: statistics, what they say together, draws of Moran's I, and descriptors."""
    fields = receptive_fields(tree, projection)
    joint = may_share_permutations(fields, null=questions.test.null)
    statistics, network, draws = _with_draws(fields, questions, float(tree.attrs["dt"]), joint=joint)
    delay_kind = tree[f"projections/{projection}"].attrs["delay_kind"]
    if network and not joint and not are_independent(fields, null=questions.test.null, delay_kind=delay_kind):
        # neurons that share delays or signs are not independent
        network["p_value"] = network.p_value * np.nan
        statistics["adjusted_p_value"] = statistics.adjusted_p_value * np.nan
    return statistics, network, draws, descriptors(fields)


def _against_untrained(statistics: xr.Dataset, moran_draws: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Statistics, what they say together and the draws of Moran's I, step 0 standing for the draws."""
    statistics = against_untrained(statistics)
    statistics["adjusted_p_value"] = statistics.p_value * np.nan
    # the neurons' values before training are those of one network, and no draws of it
    together = described(statistics[["z_score"]].mean("target").rename(z_score="mean_z"), STATISTICS)
    together["p_value"] = together.mean_z * np.nan
    before = untrained_draws(statistics.sel(statistic="morans_i", drop=True).value)
    return statistics, together, moran_draws.drop_vars("null_draws").assign(null_draws=before)


def _with_draws(
    fields: xr.Dataset, questions: Questions, dt: float, *, joint: bool
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Every statistic of one step, what each says of the whole network, and some draws of Moran's I."""
    graph = SynapseGraph(ms_per_source=questions.scale(dt))
    n_draw = questions.test.n_draws
    # what has no draws is compared when all steps are known
    test = questions.test if n_draw else questions.test.without_draws
    results, networks = [], []
    for some in drawn_together(questions, n_target=fields.sizes["target"]):
        result = measured(
            fields, statistics=some, drawn=some, lattice=questions.lattice, graph=graph, joint=joint, keep_draws=True, test=test
        )
        if "morans_i" in some:
            moran = result.sel(statistic="morans_i", drop=True).rename(value="morans_i")
            draws = moran[["morans_i", "null_draws", "null_resolution"]].isel(draw=slice(0, DRAWS_IN_HISTOGRAM))
        if n_draw:
            networks.append(network_z(result, statistic="value"))
            result["adjusted_p_value"] = max_t(result)
        results.append(result.drop_vars(("null_draws", "null_resolution")))
    network = xr.concat(networks, "statistic") if networks else xr.Dataset()
    return xr.concat(results, "statistic", data_vars="minimal"), network, draws


def drawn_together(questions: Questions, *, n_target: int) -> list[list[str]]:
    """The statistics asked for, those together whose draws are kept at a time."""
    lattice = list(names_of("lattice") if "lattice" in questions.statistics else ("morans_i", *PARTS))
    families = [lattice, list(names_of("graph"))] if "graph" in questions.statistics else [lattice]
    size = max(DRAWS_AT_ONCE // max(n_target * questions.test.n_draws, 1), 1)
    return [names[i : i + size] for names in families for i in range(0, len(names), size)]


def _groups_at_both_ends(trees: Sequence[xr.DataTree], projection: str, questions: Questions) -> dict[str, xr.Dataset]:
    """Curves and maps, which have more numbers than a table holds, at the first and the last step only."""
    asked = [family for family in curve_families() if family.name in questions.statistics]
    if not asked:
        return {}
    ends = trees[:1] if len(trees) == 1 else [trees[0], trees[-1]]
    fields = receptive_fields(ends, projection)
    given = {"lattice": questions.lattice, "ms_per_source": questions.scale(float(trees[0].attrs["dt"]))}
    return {
        family.name: family.function(fields, **{name: given[name] for name in family.takes}, **questions.test.options())
        for family in asked
    }


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

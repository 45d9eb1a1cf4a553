"""Where the grouping of excitation and inhibition comes from: the delay alone, the source alone, or both jointly."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.fields.lattice import ROOK
from stanalysis.fields.synapse_graph import SynapseGraph
from stanalysis.files.checkpoint import DELAY_KINDS
from stanalysis.schema.statistics import PARTS
from stanalysis.schema.variables import described
from stanalysis.stats.engine.drawn_measures import drawn_measures, fields_at_once
from stanalysis.stats.engine.draws import Purpose, field_streams, stream
from stanalysis.stats.engine.families import MOST_DRAWS
from stanalysis.stats.engine.field_statistics import measured
from stanalysis.stats.engine.measures import Draws
from stanalysis.stats.engine.null_test import MIN_SYNAPSES, NullTest
from stanalysis.stats.engine.nulls import NULLS, Alternative, Margin, NullRule
from stanalysis.stats.engine.prepared import AnyFields, lists_or_fields
from stanalysis.stats.engine.synapse_lists import SynapseLists
from stanalysis.stats.engine.validity import are_independent, may_share_permutations
from stanalysis.stats.replicates.network import network_z
from stanalysis.stats.spatial.curves import curve_dataset

GROUPED: Final = ("graph_joins_ei", "graph_weighted_joins_unlike", "graph_morans_i")
PART_NAMES: Final = ("delay", "source", "interaction")
TESTS: Final = ("delays", "sources", "interaction")
BOTH_TESTS: Final = "delays and sources"
_KEPT: Final[tuple[tuple[Margin, ...], ...]] = ((), ("delay",), ("source",), ("source", "delay"))


def grouping_parts(
    field: xr.DataArray | xr.Dataset | SynapseLists,
    *,
    ms_per_source: float,
    delay_kind: str = "synaptic",
    n_permutations: int = MOST_DRAWS,
    alternative: Alternative = NullTest.alternative,
    min_synapses: int = MIN_SYNAPSES,
    seed: int,
) -> xr.Dataset:
    r"""How much of a statistic of the synapse graph its signs owe to the delay, to the source, and to both jointly.

    With E the mean of a statistic over draws that move signs among a target's synapses and keep their margins (null
    ``interaction``) of the delay (d), of the source (s), of both (sd), or none (null ``signs``), the excess x - E over free
    signs is the sum of

    .. math:: \text{interaction} = x - E_{sd}, \quad \text{delay} = \tfrac12 (E_d - E + E_{sd} - E_s), \quad
        \text{source} = \tfrac12 (E_s - E + E_{sd} - E_d)

    the margins being put in in either order (Shapley). So a share is in the unit of the statistic: joins, not z.

    Parameters
    ----------
    field
        Receptive fields (..., target, source, delay), the delay in ms, or a projection of a checkpoint (dim synapse).
    ms_per_source
        How many ms of delay are as far as one source.
    delay_kind
        Of the projection: with ``axonal`` or ``dendritic`` delays targets depend on each other, and have no ``network_p``.
    n_permutations, alternative, min_synapses, seed
        As for `field_statistics`, of each null; at least one permutation.

    Returns
    -------
    Dataset of ``excess`` (..., target, statistic, part), parts delay, source and interaction; ``total`` (..., target,
        statistic), their sum; ``p_value`` (..., target, statistic, test) and ``network_p`` (..., statistic, test) under the
        nulls delays, sources and interaction, and the larger p of the first two, 1 where they depart to
        different sides: that neither null alone can explain it. Statistics
        are E-I joins, the same weighted, and Moran's I among synapses. NaN as for `field_statistics`. ``mixing`` (..., target,
        statistic) as there, under ``interaction``: where signs hardly move when margins are kept, as with few synapses, the
        whole excess is put down to these, and the interaction has no p-value.

    Raises
    ------
    BadInput
        As for `field_statistics`; no dim ``target``, no permutation, an unknown kind of delay.

    References
    ----------
    Shapley (1953), https://doi.org/10.1515/9781400881970-018

    Examples
    --------
    Excitation at short delays, inhibition at long ones: the delay alone accounts for it.

    >>> from stanalysis.synthetic.fields import noise_fields
    >>> field = np.abs(noise_fields(4, seed=0)) * xr.where(noise_fields(1, seed=0).delay < 12, 1, -1)
    >>> parts = grouping_parts(field, ms_per_source=1.0, n_permutations=99, seed=0)
    >>> parts.excess.sel(statistic="graph_joins_ei").mean("target").values.round(-1).astype(int)
    array([-30,   0,   0])
    """
    if n_permutations < 1:
        raise BadInput(f"there are {n_permutations} permutations, which parts are means over; use 1 or more")
    if delay_kind not in DELAY_KINDS:
        raise BadInput(f"the kind of delay is {delay_kind!r}; use one of {', '.join(DELAY_KINDS)}")
    test = NullTest(
        null="interaction", n_permutations=n_permutations, alternative=alternative, min_synapses=min_synapses, seed=seed
    )
    graph = SynapseGraph(ms_per_source=ms_per_source)
    fields = lists_or_fields(field)
    if "target" not in fields.labels.dims:
        raise BadInput("the field has no dim 'target'; give the fields of a network (..., target, source, delay)")
    tests = {null: _tested(field, null, graph, test, delay_kind) for null in TESTS}
    of_both = tests["interaction"].expected.transpose(*fields.labels.dims, "statistic").to_numpy().reshape(-1, len(GROUPED))
    x, means = _in_draws(fields, graph, test, of_both=of_both)
    free, of_delay, of_source, of_both = (means[keeps] for keeps in _KEPT)
    parts = [(of_delay - free + of_both - of_source) / 2, (of_source - free + of_both - of_delay) / 2, x - of_both]
    result = curve_dataset(
        fields,
        {
            "excess": (("statistic", "part"), np.stack(parts, axis=-1)),
            "total": (("statistic",), x - free),
        },
    ).assign_coords(statistic=list(GROUPED), part=list(PART_NAMES))
    for name in ("p_value", "network_p"):
        of_tests = xr.concat([tests[null][name] for null in TESTS], "test").assign_coords(test=list(TESTS))
        first, second = (tests[null] for null in ("delays", "sources"))
        both = of_tests.sel(test=["delays", "sources"]).max("test", skipna=False)
        apart = first[f"side_of_{name}"] * second[f"side_of_{name}"] < 0
        both = both.where(both.isnull() | ~apart, 1.0).assign_coords(test=BOTH_TESTS)
        result[name] = xr.concat([of_tests, both.expand_dims("test")], "test").transpose(..., "statistic", "test")
    result["mixing"] = tests["interaction"].mixing
    return described(result, PARTS).assign_attrs(n_permutations=test.n_draws, seed=test.seed, ms_per_source=ms_per_source)


def _in_draws(
    fields: AnyFields, graph: SynapseGraph, test: NullTest, *, of_both: np.ndarray
) -> tuple[np.ndarray, dict[tuple[Margin, ...], np.ndarray]]:
    """Of each field and statistic the value, and the means over draws that keep some margins, each (field, statistic); known
    are those that keep both, but of fields that have no answer then.
    """
    observed, means = np.full(of_both.shape, np.nan), {keeps: np.full(of_both.shape, np.nan) for keeps in _KEPT}
    means[_KEPT[-1]] = of_both.copy()
    streams = field_streams(stream(test.seed, Purpose.FIELD), fields.labels)
    answerable = fields.answerable() & (fields.n_synapses() >= test.min_synapses)
    for keeps, mean in means.items():
        unknown = np.flatnonzero(answerable & np.isnan(mean).any(axis=1))
        for chunk in fields_at_once(fields, unknown, test.n_draws):
            draws = Draws(_keeping(keeps), test.n_draws, streams[chunk], stream(test.seed, Purpose.SHARED))
            measures = drawn_measures(fields.some(chunk), draws, set(GROUPED), set(GROUPED), ROOK, graph)
            for k, name in enumerate(GROUPED):
                observed[chunk, k], mean[chunk, k] = measures[name].observed, measures[name].expected
    return observed, means


def _keeping(keeps: tuple[Margin, ...]) -> NullRule:
    """The null that moves signs and keeps these margins."""
    return replace(NULLS["interaction"], keeps=keeps) if keeps else NULLS["signs"]


def _tested(
    field: xr.DataArray | xr.Dataset | SynapseLists, null: str, graph: SynapseGraph, test: NullTest, delay_kind: str
) -> xr.Dataset:
    """The p-values of targets, and of networks, under one null."""
    test = replace(test, null=null)
    joint = may_share_permutations(field, null=null)
    result = measured(
        field,
        statistics=GROUPED,
        drawn=GROUPED,
        lattice=ROOK,
        graph=graph,
        joint=joint,
        keep_draws=True,
        test=test,
    )
    together = network_z(result, statistic="value")
    of_network = together.p_value
    if not joint and not are_independent(field, null=null, delay_kind=delay_kind):
        of_network = of_network * np.nan
    sides = {"side_of_p_value": np.sign(result.value - result.expected), "side_of_network_p": np.sign(together.mean_z)}
    kept = ["p_value", "expected", *(["mixing"] if test.rule.keeps else [])]
    return result[kept].assign(network_p=of_network, **sides).drop_attrs()

"""Synapses as marked points on the plane: how near is excitation to inhibition, and are near synapses of one sign?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.kernels.arrangements import Synapses
from stanalysis.kernels.near_synapses import ALIKE
from stanalysis.kernels.pair_sums import pair_draws
from stanalysis.schema.statistics import POINT_PATTERN
from stanalysis.schema.variables import described, unmasked
from stanalysis.stats.engine.null_test import NullOptions, NullTest
from stanalysis.stats.engine.prepared import lists_or_fields, refuse_training_kernel
from stanalysis.stats.engine.rounding import ROUNDING
from stanalysis.stats.engine.synapse_lists import SynapseLists
from stanalysis.stats.spatial.curves import PARTS, against_null, curve_dataset, unanswered


def cross_k(
    field: xr.DataArray | xr.Dataset | SynapseLists,
    *,
    ms_per_source: float,
    distances: Sequence[float] = (1, 2, 3, 5, 8, 12),
    **options: Unpack[NullOptions],
) -> xr.Dataset:
    r"""Cross-K of excitation and inhibition, and mark correlation of signs, over distance on the (source, delay) plane.

    .. math:: K_{EI}(r) = \frac{A}{n_E n_I} \sum_{i \in E} \sum_{j \in I} [d_{ij} \le r], \qquad
              m(r_k) = \frac{\sum_{i < j} s_i s_j \, [r_{k-1} < d_{ij} \le r_k]}{\sum_{i < j} [r_{k-1} < d_{ij} \le r_k]}

    with :math:`d_{ij}` the distance of `SynapseGraph`, in sources, :math:`A` the area of the plane in sources², :math:`s` the
    sign of a synapse. K is the area about an excitatory synapse that would hold, at even density, as many inhibitory synapses
    as are within r; m is 1 where all pairs are of like sign, -1 where all are of unlike sign. Without structure both are
    ``..._expected``: K is not :math:`\pi r^2`, for nothing lies beyond the edges of the plane. No correction is made for
    that, nor needed, since the draws have the same edges.

    Parameters
    ----------
    field
        As for `field_statistics`, with a coordinate ``delay`` in ms; or a projection of a checkpoint (dim synapse), whose
        delays stay as they are. Weights matter by sign only.
    distances
        Rising, above 0, in sources: r of K, and upper ends of the rings of m, of which the first includes distance 0.
    ms_per_source
        How many ms of delay are as far as one source.
    **options
        As for `field_statistics`, without the null ``untrained``. Only ``signs`` and ``source-signs`` keep all distances, and
        ask about signs alone.
    alternative
        "greater" says of K that excitation and inhibition are near each other, of m that like signs are; "less" the reverse.

    Returns
    -------
    Dataset, dims (..., distance): ``cross_k`` [channel^2, of sources²] and ``mark_correlation`` [1]; of both, after its name
        and an underscore, ``expected``, ``lower``, ``upper``, mean and 95 % of the draws, ``z_score`` and ``p_value`` of each
        distance by itself, and ``global_p`` (...), of the largest departure at any distance, as for `correlogram`.
        ``n_synapses`` (...), and ``n_unanswered``, the targets without cross-K, over the dim ``target``, if there is one.

        All but the counts are NaN as for `field_statistics`; K without excitation or inhibition; m where no pair is in the
        ring. Where a distance has one value in all draws, ``z_score`` is NaN and ``p_value`` 1. Without draws both are NaN.

    Raises
    ------
    BadInput
        As for `field_statistics`; the null ``untrained``; delays not in ms; distances that do not rise.

    Notes
    -----
    A draw without a pair in a ring has no m there. It is left out, of both R and M in (M + 1) / (R + 1): given that a ring
    has pairs, the field and these draws are exchangeable. Counting such draws as extreme would be safe, but say nothing at
    short distances, where few draws have a pair.

    On a plane of n_source sources and D bins of b ms, A = n_source D b / ms_per_source. The sum in K is
    ``scipy.spatial.KDTree.count_neighbors`` of the two sets of synapses. Synapses of weight 0 take part in no pair.

    References
    ----------
    Ripley (1976), https://doi.org/10.2307/3212829; Stoyan & Stoyan (1994), Fractals, Random Shapes and Point Fields

    Examples
    --------
    Excitation at short delays, inhibition at long ones: no pair of unlike sign is near.

    >>> field = xr.DataArray(np.zeros((6, 5)), {"delay": 10.0 * np.arange(5)}, ("source", "delay"))
    >>> field[:3, 0], field[3:, 4] = 1, -1
    >>> result = cross_k(field, distances=(1, 5), ms_per_source=10.0, n_permutations=0, seed=0)
    >>> result.cross_k.round(1).values, result.mark_correlation.round(2).values
    (array([ 0., 20.]), array([ 1. , -0.5]))
    """
    test = NullTest(**options)
    test.require_draws()
    if not isinstance(field, SynapseLists):
        refuse_training_kernel(field, test.n_draws)
    edges = unmasked(distances, "distances").astype(float)
    if edges.ndim != 1 or edges.size == 0 or not (np.diff(edges, prepend=0) > 0).all() or not np.isfinite(edges).all():
        raise BadInput(f"the distances are {distances}; give at least one number of sources above 0, and rising ones")
    if not 0 < ms_per_source < np.inf:
        raise BadInput(f"ms_per_source is {ms_per_source}; give the ms of delay that are as far as one source, above 0")
    fields = lists_or_fields(field)
    if np.isnan(fields.bin_width):
        raise BadInput("the coordinate 'delay' is missing or not in even steps; distances need delays in ms")
    per_source = ms_per_source / fields.bin_width
    area = fields.plane.n_source * fields.plane.extent / per_source

    def engine(code: int, synapses: Synapses, streams: np.ndarray, out: np.ndarray) -> None:
        pair_draws(code, synapses, fields.plane, per_source, edges**2 * ALIKE, streams, out)

    families = {"cross_k": slice(0, edges.size), "mark_correlation": slice(edges.size, 2 * edges.size)}
    answers = against_null(
        fields,
        engine,
        resolution=np.repeat([ROUNDING * area, ROUNDING], edges.size),
        families=list(families.values()),
        weighed=False,
        test=test,
    )

    if area == 0:  # continuous delays up to 0 make no plane
        for part, answer in answers.items():
            answer[:, [0] if part == "global_p" else families["cross_k"]] = np.nan

    values: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for m, (name, family) in enumerate(families.items()):
        values |= {name if part == "value" else f"{name}_{part}": (("distance",), answers[part][:, family]) for part in PARTS}
        values[f"{name}_global_p"] = (), answers["global_p"][:, m]
    result = curve_dataset(fields, values)
    result = result.assign_coords(distance=("distance", edges, {"units": "channel", "long_name": "distance in sources"}))
    if "target" in fields.labels.dims:
        result["n_unanswered"] = unanswered(result.cross_k, fields.labels.dims)
    attrs = {
        "null": test.null,
        "ms_per_source": ms_per_source,
        "n_permutations": test.n_permutations,
        "alternative": test.alternative,
        "min_synapses": test.min_synapses,
        "seed": test.seed,
    }
    return described(result, POINT_PATTERN).assign_attrs(attrs)

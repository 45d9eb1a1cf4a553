"""The analysis file: what is in it, writing and reading it, and what can be made of it without analysing again.

The analysis is an `xarray.DataTree`, on disk a netCDF-4 file; every group below has a dim ``run`` with the coordinates
``seed``, ``method``, ``sparsity``, ``connectivity`` and ``delays``, so that networks can be replicates::

    /                              attrs: null, permutations, …, provenance (JSON: the files read, with hashes), command (not
                                   where it was made from Python)
    /metrics                       loss and accuracy (run, step)
    /statistics/<projection>       value, expected, z-score, p, q and max-T-adjusted p of every statistic of every receptive
                                   field (run, step, target, statistic)
    /network/<projection>          what the fields say together: mean z and its p-value (run, step, statistic)
    /autocorrelation/<projection>  of the statistics Moran's I, with its parts (run, step, target)
    /distribution/<projection>     its histogram over targets, and the null's (run, step, bin)
    /descriptors/<projection>      where and how wide the fields are, balance, modulation, sweeps (run, step, target)
    /local, /correlogram, /smoothing, /pairs   where asked for, at the first and last step
    /parts/<projection>            what the grouping of signs is owed to: delay, source, both jointly (run, step, target,
                                   statistic, part), at the first and last step
    /published/<projection>        the published test beside it (run, step, target), at the first and last step
    /comparison/<projection>       conditions compared, networks as replicates (comparison, statistic), where asked for
    /synapses/<projection>         the synapse tables (synapse), with their run and step
    /episodes/<projection>         the life of every synapse (episode), with its run; from checkpoints alone /sightings
    /exploration/<projection>      which pairs were ever joined, how often growth came back to those left, beside growth at
                                   random (run); the first as a curve (run, step); only where there is a rewiring log
    /survival                      survival curves of groups of synapses (curve, age), by projection and condition
    /contrasts, /hazard_ratios     how groups differ (contrast); what goes with dying sooner (term)
    /persistence/<projection>      what of each field lives on to the last step (run, step, target)
    /structure/<projection>        what pruning leaves of the structure (run, criterion, fraction, statistic), where asked for
    /pruning                       accuracies of the pruned networks (run, criterion, fraction, draw), where measured
    /operations                    accuracies, doses and more after operations (run, setting, draw), where measured; its
                                   coordinates say what a setting is
    /populations/<name>            what is known of the neurons (neuron)
    /sweep                         the table of a sweep (run), with what was asked for; only where one was given
    /check                         how far independent programs are from these numbers (quantity), unless left out

``dt`` is that of the networks, 0 where their delays are continuous. ``bin`` is the width in ms of the bins of delay of their
lattices, where one was declared; otherwise it is dt, and there is no lattice where that is 0: /statistics and /network name
statistics of the synapse graph alone then, and /autocorrelation, /distribution and /descriptors have no answer.

A condition is networks that differ in their seed alone; the attribute ``conditions`` (JSON) names the runs of each. The groups
from /episodes to /persistence are there where synapses were born or died.

What a reader must be warned of is in the attribute ``cautions`` (JSON), as records; ``warnings`` says the same in sentences,
for readers of 0.6.0, whose files have these alone.

``connectivity`` and ``delays`` are what the training's configuration says, "" where it says nothing. ``sparsity`` is measured
at the last step: 1 - synapses / (target, source) pairs of the network, not below 0. Rewiring does not change it, even where it
gives one pair several synapses.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import ATTRS_OF_PROJECTION, require_resolution
from stanalysis.files.kinds import (
    OBJECT,
    TEXT,
    in_json,
    list_of,
    mapping_of,
    number,
    one_of,
    optional,
    record,
    require_kinds,
    whole,
)
from stanalysis.files.netcdf import netcdf_bytes, read_tree
from stanalysis.files.operations import SETTING
from stanalysis.files.records import from_json
from stanalysis.schema.network import OPTIONAL_OF_SWEEPS, SWEEP
from stanalysis.schema.operations import OPERATED

SCHEMA_VERSION = 3
REQUIRED_ATTRS = (
    *("null", "n_permutations", "alternative", "contiguity", "standardised", "seed", "dt"),
    *("runs", "conditions", "best_steps", "warnings", "provenance", "versions"),  # JSON
)
_CAUTION = record(
    {"code": TEXT, "projection": TEXT, "networks": list_of(TEXT), "values": OBJECT},
    required=("code", "networks"),
    closed=True,
)
ATTRS_OF_GROUPS = {  # of the file, or of any group that has them
    "null": TEXT,
    "n_permutations": whole(0),
    "alternative": one_of("two-sided", "greater", "less"),
    "contiguity": one_of("rook", "queen"),
    "seed": whole(0),
    **dict.fromkeys(("min_synapses", "nearest", "n_fields", "n_random"), whole(0)),
    "n_output": whole(1),
    **dict.fromkeys(("dataset", "esda", "libpysal", "lifelines"), TEXT),
}
ATTRS = ATTRS_OF_GROUPS | {
    "standardised": whole(0),
    "dt": number(0),
    "bin": number(1e-12),
    **dict.fromkeys(("kernel", "command"), TEXT),
    **{name: in_json(list_of(TEXT)) for name in ("runs", "statistics", "warnings")},
    "conditions": in_json(mapping_of(list_of(TEXT))),
    "best_steps": in_json(mapping_of(optional(whole(0)))),
    "cautions": in_json(list_of(_CAUTION)),
    "provenance": in_json(mapping_of(mapping_of(TEXT))),
    "versions": in_json(mapping_of(TEXT)),
}
COORDS_OF_RUN = ("seed", "method", "sparsity", "connectivity", "delays")
CONTENT = {  # of each projection, what a reader of the file relies on
    "autocorrelation": (
        *("morans_i", "expected", "z_score", "p_value", "q_value", "n_synapses", "run", "step", "target"),
        *COORDS_OF_RUN,
    ),
    "statistics": ("value", "expected", "z_score", "p_value", "q_value", "statistic", "unit"),
    "network": ("mean_z", "p_value", "statistic"),
    "descriptors": (),
    "distribution": ("count", "null_mean", "null_lower", "null_upper", "bin_lower", "bin_upper", "n_unanswered"),
    "synapses": ("run", "step", "source", "target", "contact", "delay", "weight"),
    "populations": (),
}
_SHAPES = {  # of each projection, the dims of these variables
    "autocorrelation": (("run", "step", "target"), ("morans_i", "expected", "z_score", "p_value", "q_value", "n_synapses")),
    "statistics": (("run", "step", "target", "statistic"), ("value", "expected", "z_score", "p_value", "q_value")),
    "network": (("run", "step", "statistic"), ("mean_z", "p_value")),
    "distribution": (("run", "step", "bin"), ("count", "null_mean", "null_lower", "null_upper")),
    "synapses": (("synapse",), CONTENT["synapses"]),
}
SURVIVAL_CONTENT = ("survival", "median", "n_episodes", "projection", "condition", "grouping", "among", "group")

_OF_OPERATIONS = ("run", "setting", "draw")
OPERATIONS_CONTENT = (*OPERATED, *SETTING, *_OF_OPERATIONS)
CHECK_CONTENT = ("quantity", "largest_difference", "n_compared")
_OF_SYNAPSES = ("n_source", "n_target", "delay_max", "rounding")
_REMEDY = "make it anew with `stanalysis analyze`"


@dataclass(frozen=True)
class Caution:
    """Something a reader must be warned of, as data; `stanalysis.findings.wording_of_cautions` puts it into words.

    ``code`` says what it is; ``projection``, "" for all; ``networks``, by their names; ``values``, what the words need besides,
    as JSON has it.
    """

    code: str
    projection: str = ""
    networks: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)


def cautions_as_json(cautions: Sequence[Caution]) -> str:
    """What the attribute ``cautions`` holds."""
    return json.dumps([asdict(caution) for caution in cautions])


def cautions_in(analysis: xr.DataTree) -> list[Caution] | None:
    """What ``analyze`` noted; None in a file of 0.6.0, which holds no records."""
    if "cautions" not in analysis.attrs:
        return None
    return cautions_from_json(analysis.attrs["cautions"])


def cautions_from_json(text: str) -> list[Caution]:
    """What `cautions_as_json` wrote."""
    return [Caution(**{**record, "networks": tuple(record["networks"])}) for record in from_json(text)]


def attribute(analysis: xr.DataTree, name: str) -> Any:
    """An attribute of the file that holds JSON."""
    return from_json(analysis.attrs[name])


def analysis_bytes(analysis: xr.DataTree) -> bytes:
    """The content of the analysis file; `stanalysis.findings.write_analysis` writes it, and tables beside it."""
    packed = {
        node.path: [str(name) for name, a in node.data_vars.items() if a.ndim and a.dtype.kind in "biuf"]
        for node in analysis.subtree
    }
    return netcdf_bytes(analysis, packed=packed)


def read_analysis(path: Path | str) -> xr.DataTree:
    """Load an analysis file; `BadInput` says what is wrong with one that is none."""
    analysis = read_tree(Path(path), "an analysis file (.nc)")
    validate_analysis(analysis, where=str(path))
    return analysis


def validate_analysis(analysis: xr.DataTree, *, where: str = "the analysis") -> None:
    """Raise `BadInput`, saying what is wrong, unless ``analysis`` is a whole analysis of this schema."""
    require_kinds(analysis.attrs, {"schema_version": whole()}, where=where, remedy=_REMEDY)
    complete = analysis.attrs.get("schema_version") == SCHEMA_VERSION and set(REQUIRED_ATTRS) <= set(analysis.attrs)
    for group, variables in CONTENT.items():
        children = analysis[group].children.values() if group in analysis.children else ()
        complete &= bool(children) and all(set(variables) <= set(node.variables) for node in children)
    complete &= "check" not in analysis.children or set(CHECK_CONTENT) <= set(analysis["check"].variables)
    if "survival" in analysis.children:
        complete &= set(SURVIVAL_CONTENT) <= set(analysis["survival"].variables)
    if "operations" in analysis.children:
        complete &= set(OPERATIONS_CONTENT) <= set(analysis["operations"].variables)
    if "sweep" in analysis.children:
        complete &= {"run", *SWEEP} - {*OPTIONAL_OF_SWEEPS} <= set(analysis["sweep"].variables)
    if complete:
        _require_attributes(analysis, where)
    if not (complete and _fits_together(analysis)):
        raise BadInput(f"{where} is no whole analysis file of this version; make one with `stanalysis analyze`.")


def _require_attributes(analysis: xr.DataTree, where: str) -> None:
    """Raise `BadInput` unless the attributes of the file and its groups are what their readers take them for."""
    require_kinds(analysis.attrs, ATTRS, where=where, remedy=_REMEDY)
    for node in analysis.descendants:
        require_kinds(node.attrs, ATTRS_OF_GROUPS, where=f"{node.path} of {where}", remedy=_REMEDY)
    for name, node in analysis["synapses"].children.items():
        here = f"/synapses/{name} of {where}"
        require_kinds(node.attrs, ATTRS_OF_PROJECTION, required=_OF_SYNAPSES, where=here, remedy=_REMEDY)
        require_resolution(node.attrs, analysis.attrs["dt"], where=here)


def _fits_together(analysis: xr.DataTree) -> bool:
    """Whether attributes speak of the same networks, variables have their dims, and synapses join neurons that there are."""
    runs, best, conditions, files = (attribute(analysis, name) for name in ("runs", "best_steps", "conditions", "provenance"))
    told = set(best) == set(files) == {run for members in conditions.values() for run in members} == set(runs)
    told &= {run for caution in cautions_in(analysis) or () for run in caution.networks} <= set(runs)
    for group, (dims, names) in _SHAPES.items():
        for node in analysis[group].children.values():
            told &= all(set(node[name].dims) == set(dims) for name in names)
    if "operations" in analysis.children:
        table = analysis["operations"].to_dataset()
        told &= all(set(table[name].dims) == set(_OF_OPERATIONS) for name in OPERATED)
        told &= all(table[name].dims == ("setting",) for name in SETTING)
    if not told:
        return False
    for node in analysis["synapses"].children.values():
        table = node.to_dataset()
        for end in ("source", "target"):
            index = table[end].to_numpy()
            told &= not index.size or bool(0 <= index.min() <= index.max() < table.attrs[f"n_{end}"])
    return told


def kept_steps(table: xr.Dataset) -> list[int]:
    """Steps of which a run kept a checkpoint; one that only other runs kept is NaN in its table (step, target)."""
    return [int(step) for step in table.step.values[table.n_synapses.notnull().any("target").values]]

"""What a reader is warned of, in words: one sentence or two for every `Caution`, by its code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from stanalysis.errors import BadInput
from stanalysis.files.analysis import Caution
from stanalysis.files.kinds import REAL, TEXT, Kind, number, optional, record
from stanalysis.stats.engine.doubt import said_size
from stanalysis.stats.engine.nulls import NULLS

# noted by ``analyze``
FROM_READER: Final = "from_reader"
NO_LATTICE: Final = "no_lattice"
NOT_EXCHANGEABLE: Final = "not_exchangeable"
STALE_PRUNING: Final = "stale_pruning"
STALE_OPERATIONS: Final = "stale_operations"
FROM_CHECKPOINTS: Final = "from_checkpoints"
NO_LIFETIMES: Final = "no_lifetimes"
CHECK_DIFFERS: Final = "check_differs"
CHECK_FAILED: Final = "check_failed"
TOLD: Final = "told"  # by 0.6.0, in a sentence
# seen in the file
TOO_FEW_SYNAPSES: Final = "too_few_synapses"
SILENT: Final = "silent"
IMMOVABLE: Final = "immovable"
PILED_UP: Final = "piled_up"
UNLIKE_SYNAPSES: Final = "unlike_synapses"
TOO_FEW_SEEDS: Final = "too_few_seeds"
TOO_FEW_DRAWS: Final = "too_few_draws"

_NOTED: Final[dict[str, dict[str, Kind]]] = {  # what the words for what ``analyze`` noted need besides
    FROM_READER: {"note": TEXT},
    NO_LATTICE: {"ms_per_source": number()},
    NOT_EXCHANGEABLE: {"reason": TEXT},
    STALE_PRUNING: {},
    STALE_OPERATIONS: {},
    FROM_CHECKPOINTS: {"condition": TEXT, "unseen_share": optional(number()), "unknown": number()},
    NO_LIFETIMES: {},
    CHECK_DIFFERS: {"by": TEXT, "quantity": TEXT, "difference": REAL, "tolerance": number()},
    CHECK_FAILED: {"n": number(), "first": TEXT},
}
_MAY_BE_NOTED: Final[dict[str, dict[str, Kind]]] = {  # what they can say besides
    NOT_EXCHANGEABLE: {"measure": TEXT, "lowest": REAL, "highest": REAL},
}


def require_wording(caution: Caution) -> None:
    """Raise `BadInput` where there are no words for what ``analyze`` is said to have noted."""
    known = _NOTED.get(caution.code)
    if "sentence" in caution.values:
        return
    if known is None or not record(known | _MAY_BE_NOTED.get(caution.code, {}), required=known).fits(caution.values):
        raise BadInput(
            f"The analysis has a caution {caution.code!r} that this version has no words for; make it anew with `stanalysis "
            "analyze`."
        )


def sentence_of_caution(caution: Caution) -> str:
    """The caution in words.

    Examples
    --------
    >>> sentence_of_caution(Caution(FROM_READER, networks=("a", "b"), values={"note": "The step is taken as 1."}))
    '2 runs: The step is taken as 1.'
    """
    if "sentence" in caution.values:
        return str(caution.values["sentence"])
    return _WORDS[caution.code](caution, caution.values)


def _from_reader(caution: Caution, values: Any) -> str:
    return f"{_runs(caution.networks)}: {values['note']}"


def _no_lattice(caution: Caution, values: Any) -> str:
    return (
        f"{_runs(caution.networks)}: delays are continuous (dt 0), and have a lattice of cells only with a declared width of "
        "bins: what is about cells (statistics of the lattice, descriptors, what lasts of fields, pictures of fields) is left "
        f"out; give `--bin` for it. Among synapses {values['ms_per_source']:g} ms are as far as one source."
    )


def _not_exchangeable(caution: Caution, values: Any) -> str:
    said = f"{caution.projection} of {_runs(caution.networks)}, at the last step: {values['reason']}."
    if not {"measure", "lowest", "highest"} <= set(values):
        return said
    lowest, highest = (said_size(values[end]) for end in ("lowest", "highest"))
    measure = values["measure"][:1].upper() + values["measure"][1:]
    return f"{said} {measure}: {lowest}{'' if lowest == highest else f' to {highest}'}."


def _stale_pruning(caution: Caution, _: Any) -> str:
    return (
        f"pruning.csv of {', '.join(caution.networks)} is of a step of which no checkpoint is kept, and left out; run "
        "`stanalysis prune` again."
    )


def _stale_operations(caution: Caution, _: Any) -> str:
    return (
        f"operations.csv of {', '.join(caution.networks)} is of a step of which no checkpoint is kept, and left out; run "
        "`stanalysis operate` again."
    )


def _from_checkpoints(caution: Caution, values: Any) -> str:
    where = f"{caution.projection} ({values['condition']})" if values["condition"] else caution.projection
    unseen, unknown = values["unseen_share"], values["unknown"]
    share = "an unknown share" if unseen is None else f"at least about {unseen:.0%}"
    return (
        f"{where}: without a rewiring log lifetimes are fitted to what the checkpoints show; {share} of the "
        "synapses grown died unseen, more where the youngest die sooner than a Weibull model has it; one born again in "
        "its place between two checkpoints counts as one that lived on; grown ones are not parted by sign where a "
        "weight of 0 tells none."
        + (f" {unknown} synapses there at the first checkpoint are left out, for their age is unknown." * (unknown > 0))
    )


def _no_lifetimes(_: Caution, __: Any) -> str:
    return "There are no lifetimes: no synapse is known to have been born or to have died in training."


def _check_differs(_: Caution, values: Any) -> str:
    return (
        f"Checked against {values['by']}, {values['quantity']} differs by up to {values['difference']:.2g}, more than rounding "
        f"explains ({values['tolerance']:g}): do not rely on it, and report the error."
    )


def _check_failed(_: Caution, values: Any) -> str:
    return f"Not all could be checked: another program failed {values['n']} times, first with {values['first']}."


def _too_few_synapses(caution: Caution, values: Any) -> str:
    few, constant, n = values["few"], values["constant"], values["neurons"]
    why = {
        f"{few} have fewer than {values['min_synapses']} synapses": few,
        f"the fields of {constant} do not vary, or have one source": constant,
    }
    most = f"; most in {values['most_in']} ({_share(values['most'])})" if values["most_in"] else ""
    share = _share((few + constant) / n)
    return (
        f"Too few synapses in {caution.projection}: {few + constant} of {_neurons(n, caution)} ({share}) have no answer, "
        "and are left out of every mean: "
        f"{' and '.join(text for text, count in why.items() if count)}{most}."
    )


def _silent(caution: Caution, values: Any) -> str:
    silent, n = values["silent"], values["neurons"]
    return (
        f"Silent neurons: {silent} of {_neurons(n, caution)} ({_share(silent / n)}) have no synapse of {caution.projection}; "
        "they are left out of every mean."
    )


def _immovable(caution: Caution, values: Any) -> str:
    still, n = values["still"], values["neurons"]
    return (
        f"Signs that hardly move: in {still} of {_neurons(n, caution)} ({_share(still / n)}) of {caution.projection}, as they "
        f"have few synapses or one sign, or as margins decide their signs; the null {values['null']!r} says nothing of them."
    )


def _piled_up(caution: Caution, values: Any) -> str:
    between = " to ".join(dict.fromkeys(_share(share) for share in (values["lowest"], values["highest"])))
    networks = f"{values['of']} network{'s' * (values['of'] > 1)}"
    where = f"have the {'shortest' if values['end'] == 'first' else 'longest'} delay there can be ({values['at']:g} ms)"
    if values["uniform"] > 0:
        alike = f"{_share(values['uniform'])} if all bins were alike"
        where = f"lie in the {values['end']} bin of delays ({values['at']:g} ms; {alike})"
    rejected = [f"`{rule.name}`" for rule in NULLS.values() if "uniform delays" in rule.assumes]
    return (
        f"Piled-up delays: {between} of the synapses of {caution.projection} {where} in {len(caution.networks)} of {networks}. "
        f"The bound, not the network, may have chosen these delays; {' and '.join(rejected)} are rejected for that alone."
    )


def _unlike_synapses(caution: Caution, values: Any) -> str:
    return (
        f"Unlike numbers of synapses: a neuron has {values['in_a']:.3g} of {caution.projection} on average in {values['a']}, "
        f"{values['in_b']:.3g} in {values['b']}; what each statistic has beyond its null grows with them, whatever the "
        "grouping."
    )


def _too_few_seeds(_: Caution, values: Any) -> str:
    networks, n, total = values["networks"], values["conditions"], values["of"]
    some = f"{n} of {total} conditions {'has' if n == 1 else 'have'} "
    if networks == 1:
        there = some if total > 1 else "there is "
        return f"Too few seeds: {there}one network, which says nothing of others; train more seeds."
    there = some if total > 1 else "there are "
    return (
        f"Too few seeds: {there}{networks} networks, of which no exact test (signs of differences exchanged) can reach a "
        f"p-value below {values['smallest_p']:.3g}; intervals over networks take these for normally distributed."
    )


def _too_few_draws(caution: Caution, values: Any) -> str:
    needed, n, drawn = values["needed"], values["neurons"], values["drawn"]
    unless = f" unless at least {needed} of {n} reach the smallest p-value there is" if needed <= n else ""
    what = "draws" if drawn else "other neurons to compare with"
    do = "; raise `--permutations` to see single ones" if drawn else ""
    return (
        f"Too few draws: with {values['draws']} {what} no neuron of {caution.projection} can be significant alone{unless}{do}."
    )


_WORDS: Final[dict[str, Callable[[Caution, Any], str]]] = {
    FROM_READER: _from_reader,
    NO_LATTICE: _no_lattice,
    NOT_EXCHANGEABLE: _not_exchangeable,
    STALE_PRUNING: _stale_pruning,
    STALE_OPERATIONS: _stale_operations,
    FROM_CHECKPOINTS: _from_checkpoints,
    NO_LIFETIMES: _no_lifetimes,
    CHECK_DIFFERS: _check_differs,
    CHECK_FAILED: _check_failed,
    TOO_FEW_SYNAPSES: _too_few_synapses,
    SILENT: _silent,
    IMMOVABLE: _immovable,
    PILED_UP: _piled_up,
    UNLIKE_SYNAPSES: _unlike_synapses,
    TOO_FEW_SEEDS: _too_few_seeds,
    TOO_FEW_DRAWS: _too_few_draws,
}


def _runs(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} runs"


def _neurons(n: int, caution: Caution) -> str:
    networks = len(caution.networks)
    return f"{n} neurons" + (f" of {networks} networks together" if networks > 1 else "")


def _share(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "less than 1 %"

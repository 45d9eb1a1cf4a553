"""The reader that a TOML file directs: any file of arrays whose weights and delays somebody can name.

::

    framework = "snnTorch"
    dt = 1.0              # ms; --dt wins
    max_delay = 50.0      # ms; --max-delay wins
    rounding = "none"     # or "half even", "half up", "floor": how the network deploys its delays

    [[projection]]
    source = "input"
    target = "hidden1"
    weight = "fc1.weight"                  # name of an array in the file
    weight_axes = ["target", "source"]     # what its axes are: target, source, contact; "1" is one of length 1 to drop
    delay = "delay1.delay"                 # name of an array, or one number for all
    delay_axes = ["target"]                # along other axes the delays do not differ
    unit = "steps"                         # steps, ms, s, us, or a number of ms
    delay_formula = "clip(d, 0, 50)"       # of d, as in the file
    weight_formula = "w * sign"            # of w, and of the arrays below
    present = "w > 0"                      # where there is a synapse, if not everywhere

    [projection.arrays]                    # further arrays that the formulas name
    sign = {name = "fc1.sign", axes = ["target", "source"]}

Flat arrays are given the lengths of their axes: ``weight_shape``, ``delay_shape``, ``shape``. Lists of synapses have the axes
``["synapse"]``, and besides ``source_index`` and ``target_index`` (names of arrays), ``n_source`` and ``n_target``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import ROUNDINGS
from stanalysis.readers.arrays import network_tree, population_name
from stanalysis.readers.contract import ForeignNetwork, require, step_of
from stanalysis.readers.formats.containers import Container
from stanalysis.readers.options import Options
from stanalysis.readers.programs.mapping_synapses import UNITS, MappedSynapses, mapped_synapses
from stanalysis.readers.programs.mapping_template import BLANK, first_blank, named_arrays

KEYS = ("framework", "dt", "max_delay", "rounding", "projection")
TEXT, LIST, INTEGER, TABLE, TEXT_OR_NUMBER = (str,), (list,), (int,), (dict,), (str, int, float)
REQUIRED: dict[str, tuple[type, ...]] = {
    "source": TEXT,
    "target": TEXT,
    "weight": TEXT,
    "weight_axes": LIST,
    "delay": TEXT_OR_NUMBER,
    "unit": TEXT_OR_NUMBER,
}
OPTIONAL: dict[str, tuple[type, ...]] = {
    "weight_shape": LIST,
    "weight_formula": TEXT,
    "delay_axes": LIST,
    "delay_shape": LIST,
    "delay_formula": TEXT,
    "present": TEXT,
    "arrays": TABLE,
    "source_index": TEXT,
    "target_index": TEXT,
    "n_source": INTEGER,
    "n_target": INTEGER,
}
NAMES = {str: "a text", list: "a list", int: "a whole number", float: "a number", dict: "a table"}
LARGEST = 2**24  # neurons of a population
LARGEST_FILE = 2**18  # bytes
LONGEST_LINE = 2000  # characters


def recognises(container: Container) -> bool:  # noqa: ARG001
    """Never: it is chosen by giving a TOML file."""
    return False


def read(container: Container, options: Options) -> ForeignNetwork:
    """The network that ``options.mapping`` finds in a file or folder of arrays.

    Raises
    ------
    BadInput
        The TOML file has unknown or missing keys, or names arrays that are not there, or whose axes do not fit; the sentence
        names the projection and the key.
    """
    if options.mapping is None:
        raise BadInput(f"{container.path} needs a TOML file that names its weights and delays; give it with --mapping.")
    path = options.mapping
    settings = _settings(path)
    dt, max_delay = (_number(settings, key, path) for key in ("dt", "max_delay"))
    times = Options(
        dt=dt if options.dt is None else options.dt,
        max_delay=max_delay if options.max_delay is None else options.max_delay,
    )
    times.check()
    arrays = named_arrays(container)
    mapped: dict[tuple[str, str], MappedSynapses] = {}
    for entry in settings["projection"]:
        where = f"{path}, projection from {entry.get('source')!r} to {entry.get('target')!r}"
        _require_keys(entry, where)
        if (pair := (entry["source"], entry["target"])) in mapped:
            raise BadInput(f"{where}: it is there twice; give several synapses of a pair as contacts of one projection.")
        try:
            mapped[pair] = mapped_synapses(entry, arrays)
        except BadInput as error:
            raise BadInput(f"{where}: {error}") from error
    longest = ", ".join(
        f"{synapses.longest:g} ({synapses.unit}) from {pair[0]} to {pair[1]}" for pair, synapses in mapped.items()
    )
    require(
        times,
        container,
        {
            "dt": f"the time step in ms, or dt in {path.name}",
            "max_delay": f"the longest delay in ms that a synapse can have, or max_delay in {path.name}; here they go up to "
            f"{longest}",
        },
    )
    dt, delay_max = float(times.dt or 0), float(times.max_delay or 0)
    step, notes = step_of(options, None)
    rounding = settings.get("rounding", "none")
    tables = {}
    for (source, target), synapses in mapped.items():
        try:
            tables[source, target] = synapses.table(dt=dt, delay_max=delay_max, rounding=rounding)
        except BadInput as error:
            raise BadInput(f"{path}, projection from {source!r} to {target!r}: {error}") from error
    framework, files = settings.get("framework", "unknown"), (*container.files, path)
    tree = network_tree(tables, reader="mapping", framework=framework, dt=dt, step=step, files=files)
    return ForeignNetwork({step: tree}, tuple(notes), files)


def _settings(path: Path) -> dict[str, Any]:
    """The TOML file, its keys checked but for those of the projections."""
    if not path.is_file():
        raise BadInput(f"{path} does not exist or is no file; give the path of a TOML file.")
    if path.stat().st_size > LARGEST_FILE:
        raise BadInput(f"{path} has more than {LARGEST_FILE} bytes; name fewer arrays.")
    try:
        text = path.read_text(encoding="utf-8")
        if max(map(len, text.splitlines()), default=0) > LONGEST_LINE:  # long dotted keys take memory by their square
            raise BadInput(f"{path} has a line of more than {LONGEST_LINE} characters; break it.")
        settings = tomllib.loads(text)
        _require_bounded(settings, path)
        blank = first_blank(settings)
    except (OSError, RecursionError, tomllib.TOMLDecodeError, UnicodeError) as error:
        raise BadInput(f"{path} cannot be read as TOML ({error}); mend it.") from error
    if blank is not None:
        raise BadInput(f"{path} leaves {blank} blank; fill in every {BLANK!r}, or remove its line.")
    if unknown := [key for key in settings if key not in KEYS]:
        raise BadInput(f"{path} has the unknown key {unknown[0]!r}; use {', '.join(KEYS)}.")
    entries = settings.get("projection")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise BadInput(f"{path} names no projection; write at least one [[projection]].")
    if settings.get("rounding", "none") not in ROUNDINGS:
        raise BadInput(f"{path} has rounding = {settings['rounding']!r}; use one of {', '.join(map(repr, ROUNDINGS))}.")
    if not isinstance(settings.get("framework", ""), str):
        raise BadInput(f"{path} has framework = {settings['framework']!r}; give a name in quotes.")
    return settings


def _require_bounded(settings: Any, path: Path) -> None:
    """Raise `BadInput` if any number is too long to be shown."""
    rest = [settings]
    while rest:
        value = rest.pop()
        if isinstance(value, int) and abs(value) >= 2**63:
            raise BadInput(f"{path} has a whole number beyond 64 bits; mend it.")
        rest += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _number(settings: Mapping[str, Any], key: str, path: Path) -> float | None:
    value = settings.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise BadInput(f"{path} has {key} = {value!r}; give a number of ms.")
    return value


def _require_keys(entry: dict[str, Any], where: str) -> None:
    """Raise `BadInput` unless a projection has the keys it needs, and no others, of the right kinds."""
    known = REQUIRED | OPTIONAL
    if missing := [key for key in REQUIRED if key not in entry]:
        raise BadInput(f"{where} lacks {', '.join(missing)}; add it.")
    if unknown := [key for key in entry if key not in known]:
        raise BadInput(f"{where} has the unknown key {unknown[0]!r}; use {', '.join(known)}.")
    for key, value in entry.items():
        if not isinstance(value, known[key]) or isinstance(value, bool):
            raise BadInput(f"{where} has {key} = {value!r}; give {' or '.join(NAMES[kind] for kind in known[key])}.")
    for key in ("source", "target"):
        if population_name(entry[key]) != entry[key]:
            raise BadInput(f"{where} has {key} = {entry[key]!r}; use a plain name, such as hidden1, without '__' and '/'.")
    if not isinstance(entry["delay"], str) and not 0 <= entry["delay"] < 1e12:
        raise BadInput(f"{where} has delay = {entry['delay']!r}; give the name of an array, or a number of at least 0.")
    unit = entry["unit"]
    if unit not in UNITS and not (isinstance(unit, int | float) and 0 < unit < 1e12):
        raise BadInput(f"{where} has unit = {unit!r}; use steps, ms, s, us, or a number of ms.")
    sparse = [key for key in ("source_index", "target_index", "n_source", "n_target") if key in entry]
    if len(sparse) not in (0, 4):
        raise BadInput(
            f"{where} has {', '.join(sparse)}; a list of synapses needs source_index, target_index, n_source and n_target."
        )
    if sparse and not all(0 < entry[key] <= LARGEST for key in ("n_source", "n_target")):
        raise BadInput(f"{where} has n_source or n_target below 1 or above {LARGEST}; give the sizes of the populations.")

"""A foreign network as a run folder of ours."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stanalysis.errors import BadInput
from stanalysis.files.atomic import require_writable, whole_folder
from stanalysis.files.checkpoint import UNKNOWN_SEED, write_checkpoint
from stanalysis.files.lock import held
from stanalysis.files.opening import is_ours
from stanalysis.files.run import is_free, step_path, write_info
from stanalysis.readers.options import Options
from stanalysis.readers.series import Series, read_series


def convert(
    path: Path | str,
    output: Path | str,
    *,
    options: Options,
    seed: int | None = None,
    config: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Series:
    """Read a foreign network and write it as a run folder.

    Parameters
    ----------
    path
        What a reader of foreign networks reads.
    output
        The run folder to make; it must not exist, or be empty.
    options
        What no file can know.
    seed
        Seed of the training, where it is known: in comparisons networks of equal seed are partners.
    config
        What the network's condition is, by name: what ``analyze --compare`` compares. Networks alike in all of it are
        replicates.
    progress
        Called with the checkpoints that are written and all there will be, before each is written.

    Returns
    -------
    Series
        What was read, its checkpoints as they were written.

    Raises
    ------
    BadInput
        The network cannot be read, is a run already, or the output is taken.
    """
    path, output = Path(path), Path(output).resolve()
    if is_ours(path):
        raise BadInput(f"{path} is a run or checkpoint of this program already; analyse it as it is.")
    if seed is not None and not 0 <= seed < 2**63:
        raise BadInput(f"The seed is {seed}; give a whole number of at least 0, or none where it is not known.")
    if not is_free(output):
        raise BadInput(f"{output} exists already; name another folder, or remove it.")
    require_writable(output)
    if output.exists():
        with held(output):  # what a killed process left there goes
            pass
        if any(output.iterdir()):
            raise BadInput(f"{output} holds unfinished work of a process on another host; name another folder.")
    network = read_series(path, foreign=options)
    known: dict[str, Any] = {"seed": UNKNOWN_SEED if seed is None else seed}
    if config:
        known["config"] = json.dumps(dict(config))
    for tree in network.checkpoints.values():
        tree.attrs |= known
    first = next(iter(network.checkpoints.values())).attrs
    info = {
        "method": first["method"],
        "config": dict(config or {}),
        "seed": known["seed"],
        "converted": {
            "files": {Path(name).name: digest for name, digest in network.files.items()},
            "reader": first["reader"],
            "options": {name: str(v) if isinstance(v, Path) else v for name, v in options.given().items()},
            "notes": list(network.notes),
        },
        "versions": {name: version(name) for name in ("stanalysis-workbench", "numpy", "xarray")},
    }
    with whole_folder(output) as folder:
        write_info(folder, info)
        for n_done, (step, tree) in enumerate(network.checkpoints.items()):
            if progress:
                progress(n_done, len(network.checkpoints))
            write_checkpoint(tree, step_path(folder, step))
    return network

"""The verb analyze: parse, analyse, write, and print what a person wants to know first."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console

from stanalysis.cli.foreign import Foreign
from stanalysis.errors import BadInput
from stanalysis.progress import Progress
from stanalysis.readers.options import Options
from stanalysis.stats.engine.families import FAMILIES, help_of_families
from stanalysis.stats.engine.null_test import NullTest
from stanalysis.stats.engine.nulls import NULLS, Alternative, help_of_nulls
from stanalysis.units import bytes_of, said_bytes

if TYPE_CHECKING:
    from stanalysis.analysis.extent import Extent, Stage

    Null = str
    FamilyName = str
else:
    Null, FamilyName = Literal[tuple(NULLS)], Literal[tuple(FAMILIES)]


def analyze(
    runs: list[Path],
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    null: Annotated[Null, Parameter(help=help_of_nulls())] = NullTest.null,
    permutations: int = NullTest.n_permutations,
    alternative: Alternative = NullTest.alternative,
    contiguity: Literal["rook", "queen"] = "rook",
    statistics: Annotated[
        list[FamilyName] | None, Parameter(help=help_of_families(), consume_multiple=True, negative="")
    ] = None,
    ms_per_source: float | None = None,
    bin_width: Annotated[float | None, Parameter(name="--bin")] = None,
    compare: str | None = None,
    replicates: str = "networks",
    seed: int = NullTest.seed,
    workers: int = 1,
    memory: str | None = None,
    scheduler: str | None = None,
    scheduler_file: Path | None = None,
    cache: Path | None = None,
    check: bool = True,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    foreign: Foreign = Options(),  # noqa: B008
) -> None:
    """Analyse runs or checkpoints and print whether their receptive fields are clustered.

    Beside the analysis file come its tables: OUTPUT-summary.csv, OUTPUT-neurons.csv, of what signs are grouped by
    OUTPUT-grouping.csv, -grouping-conditions.csv and -published.csv; with --compare OUTPUT-comparison.csv; of networks whose
    synapses are born and die OUTPUT-lifetimes.csv, -hazards.csv, -exploration.csv, -lasting.csv and -episodes.csv; of
    pruned ones OUTPUT-retained.csv and -pruning.csv; and of those that were operated on OUTPUT-operations.csv,
    -tolerances.csv and -surgery.csv.

    Parameters
    ----------
    runs
        Run folders, sweep folders (their finished runs), checkpoint files, or networks that another program trained.
    output
        The analysis file to write (.nc).
    permutations
        Draws from the null for every receptive field.
    alternative
        Which departure from the null counts.
    contiguity
        Which cells are neighbours: rook, with a common side; queen, also with a common corner.
    ms_per_source
        How many ms of delay are as far as one source, among synapses. By default one bin; 1 where delays are continuous.
    bin_width
        Width in ms of a bin of delay, among cells. By default the time step; where delays are continuous nothing is said of
        cells without it.
    compare
        Compare conditions, networks being the replicates: step (first with last), method, sparsity, connectivity, delays,
        or a name in the training's configuration.
    replicates
        Only networks: neurons of one network are not independent.
    seed
        Seed of the permutations.
    workers
        How many networks are analysed at a time, in processes that share the cores. The numbers are the same.
    memory
        How much memory all of it may take, as 2G. By default half of what is free. With a scheduler, each thread of a worker.
    scheduler
        Address of a dask scheduler, as tcp://10.0.0.1:8786, whose workers see the same files: they analyse the networks.
    scheduler_file
        File in which a dask scheduler wrote its address.
    cache
        Folder in which what each network contributes is kept, for the next analysis or for this one if it is interrupted. It
        may be deleted at any time. By default OUTPUT-cache where there are several networks.
    check
        Recompute some of the numbers with esda and lifelines, and say how far these are from them.
    as_json
        Print the table as JSON.
    """
    # imported here, for the help to be quick
    from stanalysis.analysis.analyze import analyze as analyze_runs
    from stanalysis.cli.print_analysis import print_analysis, print_json
    from stanalysis.cluster import client_of
    from stanalysis.fields.lattice import Lattice
    from stanalysis.files.records import from_json
    from stanalysis.files.sweep import is_sweep
    from stanalysis.findings.writing import write_analysis

    _require_sound(runs, output, statistics)
    if cache is None and (len(runs) > 1 or is_sweep(runs[0])):
        cache = output.with_name(f"{output.stem}-cache")
    with Progress(Console(stderr=True)) as progress, client_of(scheduler, scheduler_file) as client:
        if client is not None:
            progress.tell(f"Dashboard: {client.dashboard_link}")
        analysis = analyze_runs(
            runs,
            null=null,
            n_permutations=permutations,
            alternative=alternative,
            lattice=Lattice(contiguity),
            statistics=statistics,
            ms_per_source=ms_per_source,
            bin_width=bin_width,
            compare=compare,
            replicates=replicates,
            seed=seed,
            foreign=foreign,
            workers=workers,
            memory=None if memory is None else bytes_of(memory),
            client=client,
            cache=cache,
            check=check,
            progress=StageShown(progress, workers),
        )
        options: dict[str, Any] = {"output": output, "null": null, "permutations": permutations, "alternative": alternative}
        answered = list(from_json(analysis.attrs["statistics"]))
        options |= {"contiguity": contiguity, "statistics": answered, "ms-per-source": ms_per_source, "bin": bin_width}
        options |= {"compare": compare}
        options |= {"seed": seed, "check": None if check else False}
        analysis.attrs["command"] = _command(runs, options | foreign.given())
        written = write_analysis(analysis, output)
    if as_json:
        print_json(analysis)
        return
    print_analysis(analysis)
    said = "Written: " + ", ".join(str(p) for p in written)
    Console().print(said, highlight=False, markup=False, soft_wrap=True)


class StageShown:
    """Shows how far an analysis is, and before it begins how much there is to do."""

    def __init__(self, progress: Progress, workers: int) -> None:
        self.progress, self.workers, self.said = progress, workers, False

    def __call__(self, stage: Stage) -> None:
        """Show it."""
        if stage.extent is not None and not self.said:
            self.said = True
            self.progress.tell(said_extent(stage.extent, stage.n_networks, self.workers))
        if stage.extent is not None and stage.done == 0:  # what comes before the first share is not like the rest
            self.progress.start(0)
        share = f"{stage.done / stage.n_networks:.0%}"
        sentence = f"analysing {', '.join(stage.under_way)}  {share}" if stage.under_way else f"analysed  {share}"
        if stage.done > 0:
            self.progress.reached(stage.done, stage.n_networks, sentence)
        else:
            self.progress.moved(stage.done, stage.n_networks, sentence)


def said_extent(extent: Extent, n_networks: int, workers: int) -> str:
    """How much there is to analyse, in a sentence.

    Examples
    --------
    >>> from stanalysis.analysis.extent import Extent
    >>> said_extent(Extent(n_steps=11, n_projections=2, n_fields=1628, n_draws=999, memory=310_000_000), 1, 1)
    '1 network, 11 steps × 2 projections: 1,628 receptive fields, 999 draws for each; about 310 MB of memory'
    """
    parts = [(extent.n_steps, "step"), (extent.n_projections, "projection")]
    counts = " × ".join(_counted(n, name) for n, name in parts)
    networks, alike = f"1 network, {counts}", ""
    if n_networks > 1:
        networks, alike = f"{n_networks} networks, the first of {counts}", ", about as many of each other network"
    each = f" for each of {min(workers, n_networks)} workers" if min(workers, n_networks) > 1 else ""
    return (
        f"{networks}: {_counted(extent.n_fields, 'receptive field')}{alike}, {_counted(extent.n_draws, 'draw')} for each; "
        f"about {said_bytes(extent.memory)} of memory{each}"
    )


def _counted(n: int, name: str) -> str:
    return f"{n:,} {name}" if n == 1 else f"{n:,} {name}s"


def _require_sound(runs: Sequence[Path], output: Path, statistics: Sequence[str] | None) -> None:
    """Raise `BadInput` where nothing could be analysed, or written; an analysis may be replaced, a checkpoint may not."""
    from stanalysis.files.analysis import read_analysis
    from stanalysis.files.atomic import require_writable

    if output.suffix != ".nc":
        raise BadInput(f"The output {output} does not end in .nc; name it so.")
    if not runs:
        raise BadInput("No run is given; name at least one run folder or checkpoint file.")
    if statistics is not None and not statistics:
        raise BadInput(f"--statistics names none; use some of {', '.join(FAMILIES)}.")
    require_writable(output)
    try:
        if output.exists():
            read_analysis(output)
    except BadInput as error:
        raise BadInput(f"{output} exists and is no analysis file of this version; name another, or move it away.") from error


def _command(runs: Sequence[Path], options: Mapping[str, Any]) -> str:
    """The command line that asks the same, with every option that has a value.

    Examples
    --------
    >>> _command([Path("my run")], {"null": "signs", "neurons": ("Pop0=7",), "delay_shift": False, "compare": None})
    "stanalysis analyze 'my run' --null signs --neurons Pop0=7 --no-delay-shift"
    """
    words = ["stanalysis", "analyze", *map(str, runs)]
    for name, value in options.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        elif value is not None:
            words += [f"--{option}", *map(str, value if isinstance(value, list | tuple) else [value])]
    return shlex.join(words)

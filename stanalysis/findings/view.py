"""A typed view of the analysis file: its attributes as what they are, its groups by kind and projection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.fields.delay_bins import DelayBins, bins_of_projection
from stanalysis.files.analysis import Caution, attribute, cautions_in
from stanalysis.findings.wording_of_cautions import NOT_EXCHANGEABLE, TOLD, require_wording
from stanalysis.stats.engine.nulls import NULLS, NullRule

if TYPE_CHECKING:
    from stanalysis.stats.engine.nulls import Alternative, Null


@dataclass(frozen=True)
class Analysis:
    """An analysis as `stanalysis.analyze` makes it, or `stanalysis.read_analysis` reads it.

    Examples
    --------
    >>> Analysis(xr.DataTree(xr.Dataset(attrs={"runs": '["a", "b"]', "null": "signs"}))).runs
    ['a', 'b']
    """

    tree: xr.DataTree

    @property
    def runs(self) -> list[str]:
        """Names of the networks; their places in this list are what ``run`` is in tables of synapses and lives."""
        return [str(run) for run in attribute(self.tree, "runs")]

    @property
    def conditions(self) -> dict[str, list[str]]:
        """The networks of each condition, by its name, "" where there is only one."""
        conditions: dict[str, list[str]] = attribute(self.tree, "conditions")
        return conditions

    @property
    def condition_of_run(self) -> dict[str, str]:
        """The condition of each network."""
        return {run: name for name, runs in self.conditions.items() for run in runs}

    @property
    def best_steps(self) -> dict[str, int | None]:
        """The step of each network that was best on validation; None where that is not known."""
        steps: dict[str, int | None] = attribute(self.tree, "best_steps")
        return steps

    @property
    def files(self) -> dict[str, dict[str, str]]:
        """Of each network the files that were read, with their SHA-256."""
        files: dict[str, dict[str, str]] = attribute(self.tree, "provenance")
        return files

    @property
    def versions(self) -> dict[str, str]:
        """Of each package that the analysis was made with."""
        versions: dict[str, str] = attribute(self.tree, "versions")
        return versions

    @property
    def statistics(self) -> list[str]:
        """Which kinds were asked for."""
        return [str(name) for name in attribute(self.tree, "statistics")]

    @property
    def null(self) -> Null:
        """The null."""
        null: Null = self.tree.attrs["null"]
        return null

    @property
    def rule(self) -> NullRule:
        """What is known of the null; `BadInput` where it is not registered."""
        return rule_of(self.tree.attrs)

    @property
    def keeps_margins(self) -> bool:
        """Whether it is of a null that keeps margins; one that is not registered here does not."""
        rule = NULLS.get(str(self.tree.attrs["null"]))
        return rule is not None and bool(rule.keeps)

    @property
    def alternative(self) -> Alternative:
        """Which departure from the null counts."""
        alternative: Alternative = self.tree.attrs["alternative"]
        return alternative

    @property
    def n_permutations(self) -> int:
        """Draws of the null."""
        return int(self.tree.attrs["n_permutations"])

    @property
    def dt(self) -> float:
        """Time step of the networks [ms]; 0 where their delays are continuous."""
        return float(self.tree.attrs["dt"])

    @property
    def bin(self) -> float | None:
        """Width of a bin of delay of the receptive fields [ms]; None where there are none: of continuous delays, of which no
        width of bins was declared.
        """
        return float(self.tree.attrs["bin"]) if "bin" in self.tree.attrs else self.dt or None

    def has_ordered_sources(self, projection: str) -> bool:
        """Whether its sources are the input, whose channels have an order: no projection ends in them."""
        return projection.split("__")[0] not in {name.split("__")[-1] for name in self.projections}

    def bins(self, projection: str) -> DelayBins:
        """The bins of delay of a projection; `BadInput` where there are none."""
        return bins_of_projection(self.table("synapses", projection).attrs, dt=self.dt, width=self.require_fields())

    def require_fields(self) -> float:
        """Raise `BadInput` where there are no receptive fields; the width of their bins of delay [ms]."""
        if self.bin is None:
            raise BadInput(
                "The delays are continuous, and receptive fields are made of them with a declared width of bins only; analyse "
                "with --bin."
            )
        return self.bin

    @property
    def projections(self) -> list[str]:
        """Names of the projections, ``<source>__<target>``."""
        return list(self.tables("statistics"))

    @property
    def n_output(self) -> int:
        """Neurons of the population that projects to none: classes that a network tells apart."""
        projections = {tuple(name.split("__")): table for name, table in self.tables("synapses").items()}
        sources = {source for source, _ in projections}
        return next(int(table.attrs["n_target"]) for (_, target), table in projections.items() if target not in sources)

    def moran(self, projection: str) -> xr.Dataset:
        """Moran's I (run, step, target): of cells, or where there are none among synapses; attribute ``statistic``: which."""
        table = self.table("statistics", projection)
        name = "morans_i" if "morans_i" in table.statistic.values else "graph_morans_i"
        return table.sel(statistic=name, drop=True).assign_attrs(statistic=name)

    @property
    def noted(self) -> list[Caution]:
        """What ``analyze`` noted for a reader to be warned of."""
        records = cautions_in(self.tree)
        if records is not None:
            for caution in records:
                require_wording(caution)
            return records
        return [self._told(sentence) for sentence in attribute(self.tree, "warnings")]

    def has(self, group: str, projection: str = "") -> bool:
        """Whether the file has a group, and in it this projection."""
        return group in self.tree.children and (not projection or projection in self.tree[group].children)

    def table(self, group: str, projection: str = "") -> xr.Dataset:
        """A group of the file, or the part of it that is of one projection; empty where there is none."""
        if not self.has(group, projection):
            return xr.Dataset()
        return self.tree[f"{group}/{projection}" if projection else group].to_dataset()

    def tables(self, group: str) -> dict[str, xr.Dataset]:
        """A group of the file by projection; empty where there is none."""
        children = self.tree[group].children if self.has(group) else {}
        return {str(projection): node.to_dataset() for projection, node in children.items()}

    def rows(self, group: str, projection: str, run: str) -> xr.Dataset:
        """Those rows of a table of synapses or lives that are of one network, by its name."""
        table = self.table(group, projection)
        return table.isel({table.run.dims[0]: np.flatnonzero(table.run.values == self.runs.index(run))})

    def _told(self, sentence: str) -> Caution:
        """A warning of a file of 0.6.0, which has sentences only: those about a null begin with the projection."""
        about = [name for name in self.projections if sentence.startswith(f"{name} of ")]
        return Caution(NOT_EXCHANGEABLE if about else TOLD, "".join(about[:1]), values={"sentence": sentence})


def rule_of(attrs: Mapping[Any, Any]) -> NullRule:
    """What is known of the null of an analysis, or of a table with its attributes; `BadInput` where it is not registered."""
    name = attrs["null"]
    if name not in NULLS:
        raise BadInput(
            f"The analysis is of the null {name!r}, which is not known here; register it, or use the version that made the "
            "file."
        )
    return NULLS[name]

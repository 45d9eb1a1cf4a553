"""Spatio-temporal receptive fields of spiking networks with learnable delays.

The everyday names are here; all others are in their rooms: `stanalysis.files`, `stanalysis.fields`, `stanalysis.stats`,
`stanalysis.findings`, `stanalysis.synthetic`.
"""

import importlib
import warnings
from typing import Any

import lazy_loader

_lazy, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

# names that 0.6.0 had here, by the room they are in now
_MOVED = {
    "files": "checkpoint_tree population projection write_checkpoint pruned read_pruning read_log replay turnover read_sweep",
    "findings": (
        "accuracy_by_sparsity biographies comparisons hazards lasting lifetimes neurons retained statistics_summary summary "
        "write_analysis"
    ),
    "stats": (
        "benjamini_hochberg benjamini_yekutieli bivariate_i changes correlogram cross_k descriptors episodes fit_lifetimes "
        "gearys_c graph_autocorrelation hazard_ratios lead life_table lifetime_differences local_morans_i log_rank max_t "
        "morans_i_distribution neighbours_of network_z persistence power_of_seeds pruned_structure seeds_needed sightings "
        "sign_clusters smoothed_morans_i start_stop survival_curves"
    ),
    "synthetic": "rewiring_process true_survival",
}
_ROOMS = {name: room for room, names in _MOVED.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("stanalysis-workbench")
    if name not in _ROOMS:
        return _lazy(name)
    place = f"stanalysis.{_ROOMS[name]}"
    warnings.warn(
        f"stanalysis.{name} is {place}.{name} now; the old name goes with the next version.", DeprecationWarning, stacklevel=2
    )
    return getattr(importlib.import_module(place), name)

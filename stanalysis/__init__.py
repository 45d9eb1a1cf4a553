"""Spatio-temporal receptive fields of spiking networks with learnable delays."""

from typing import Any

import lazy_loader

_lazy, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "analysis.assemble": ["analyze"],
        "files.analysis": ["read_analysis"],
        "readers.conversion": ["convert"],
        "files.checkpoint": ["checkpoint_tree", "population", "projection", "read_checkpoint", "write_checkpoint"],
        "stats.lives.episodes": ["episodes", "neighbours_of", "sightings"],
        "errors": ["BadInput"],
        "fields.lattice": ["QUEEN", "ROOK", "Lattice"],
        "files.pruning": ["pruned", "read_pruning"],
        "readers.arrays": ["from_arrays"],
        "readers.choosing": ["read_foreign"],
        "fields.receptive_field": ["receptive_fields"],
        "files.rewiring_log": ["read_log", "replay", "turnover"],
        "files.run": ["open_run"],
        "stats.spatial.autocorrelation": ["gearys_c", "graph_autocorrelation", "morans_i", "morans_i_distribution"],
        "stats.spatial.clustering": ["bivariate_i", "join_counts", "lead", "sign_clusters"],
        "stats.replicates.comparison": ["compare"],
        "stats.spatial.correlogram": ["correlogram"],
        "stats.spatial.descriptors": ["descriptors"],
        "stats.engine.field_statistics": ["field_statistics"],
        "stats.lives.hazards": ["hazard_ratios", "start_stop"],
        "stats.lives.interval_censoring": ["fit_lifetimes"],
        "stats.lives.life_tables": ["life_table"],
        "stats.spatial.local": ["local_morans_i"],
        "stats.lives.log_rank": ["log_rank"],
        "stats.replicates.multiplicity": ["benjamini_hochberg", "benjamini_yekutieli", "max_t"],
        "stats.replicates.network": ["network_z"],
        "stats.lives.persistence": ["persistence"],
        "stats.spatial.point_pattern": ["cross_k"],
        "stats.replicates.power": ["power_of_seeds", "seeds_needed"],
        "stats.lives.pruned_structure": ["pruned_structure"],
        "stats.spatial.smoothing": ["smoothed_morans_i"],
        "stats.lives.survival": ["lifetime_differences", "survival_curves"],
        "stats.engine.validity": ["doubts"],
        "findings.tables": ["comparisons", "neurons", "statistics_summary", "summary", "write_analysis"],
        "findings.lives": ["biographies", "hazards", "lasting", "lifetimes", "retained"],
        "files.sweep": ["accuracy_by_sparsity", "read_sweep"],
        "stats.lives.changes": ["changes"],
        "fields.synapse_graph": ["SynapseGraph"],
        "synthetic.rewiring": ["rewiring_process", "true_survival"],
    },
)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("stanalysis-workbench")
    return _lazy(name)

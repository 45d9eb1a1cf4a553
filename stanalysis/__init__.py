"""Spatio-temporal receptive fields of spiking networks with learnable delays."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "analysis": ["analyze"],
        "analysis_file": ["read_analysis"],
        "checkpoint": ["checkpoint_tree", "population", "projection", "read_checkpoint", "write_checkpoint"],
        "errors": ["BadInput"],
        "lattice": ["QUEEN", "ROOK", "Lattice"],
        "receptive_field": ["receptive_fields"],
        "rewiring_log": ["read_log", "replay", "turnover"],
        "run": ["open_run"],
        "stats.autocorrelation": ["gearys_c", "graph_autocorrelation", "morans_i", "morans_i_distribution"],
        "stats.clustering": ["bivariate_i", "join_counts", "lead", "sign_clusters"],
        "stats.comparison": ["compare"],
        "stats.correlogram": ["correlogram"],
        "stats.descriptors": ["descriptors"],
        "stats.field_statistics": ["field_statistics"],
        "stats.local": ["local_morans_i"],
        "stats.multiplicity": ["benjamini_hochberg", "benjamini_yekutieli", "max_t"],
        "stats.network": ["network_z"],
        "stats.point_pattern": ["cross_k"],
        "stats.power": ["power_of_seeds", "seeds_needed"],
        "stats.smoothing": ["smoothed_morans_i"],
        "stats.validity": ["doubts"],
        "summaries": ["comparisons", "neurons", "statistics_summary", "summary", "write_analysis"],
        "sweep": ["accuracy_by_sparsity", "read_sweep"],
        "synapse_changes": ["changes"],
        "synapse_graph": ["SynapseGraph"],
    },
)

"""Spatio-temporal receptive fields of spiking networks with learnable delays."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "analysis": ["analyze", "read_analysis", "summary", "write_analysis"],
        "checkpoint": ["checkpoint_tree", "population", "projection", "read_checkpoint", "write_checkpoint"],
        "errors": ["BadInput"],
        "lattice": ["QUEEN", "ROOK", "Lattice"],
        "receptive_field": ["receptive_fields"],
        "rewiring_log": ["read_log", "replay", "turnover"],
        "run": ["open_run"],
        "stats.autocorrelation": ["morans_i", "morans_i_distribution"],
        "stats.multiplicity": ["benjamini_hochberg"],
        "sweep": ["accuracy_by_sparsity", "read_sweep"],
        "synapse_changes": ["changes"],
    },
)

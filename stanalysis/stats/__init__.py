"""Statistics of receptive fields: Dataset in, Dataset out."""

from stanalysis.stats.autocorrelation import morans_i, morans_i_distribution
from stanalysis.stats.multiplicity import benjamini_hochberg

__all__ = ["benjamini_hochberg", "morans_i", "morans_i_distribution"]

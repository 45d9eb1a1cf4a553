"""Statistics of receptive fields: Dataset in, Dataset out."""

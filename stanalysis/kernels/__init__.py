"""Arrays in, arrays out: the numba kernels under the statistics; no labels, no defaults, no validation."""

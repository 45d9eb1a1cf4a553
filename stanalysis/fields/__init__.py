"""Receptive fields: synapses on the (source, delay) plane, as a lattice of cells or as a graph."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

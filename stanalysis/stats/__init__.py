"""The statistics: of single fields, of the lives of synapses, of networks as replicates."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""The files: checkpoints, runs, rewiring logs, sweeps, analyses; all that trainers see of the library."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

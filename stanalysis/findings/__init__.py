"""What an analysis says: effects, tables, lives, cautions; read through a typed view of its file."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

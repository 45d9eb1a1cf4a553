"""Other people's networks: foreign checkpoints in, ours out. Only readers know steps, centred positions and orderings.

::

    path ──> containers ──> a reader ──> arrays ──> checkpoint
             torch_file     choosing picks it       synapse tables in ms
             numpy_file     dcls, delrec, delgrad, lava, ml_genn, nir,
             hdf5_file      or mapping, with a TOML file

``inert_pickle`` reads pickles as data, `foreign` says what a reader is and what no file can know.
"""

"""Other people's networks: foreign checkpoints in, ours out. Only readers know steps, centred positions and orderings.

::

    path ──> formats/ ──────> programs/ ─────> arrays ──> checkpoint
             containers       choosing picks   synapse tables in ms
             opens it         one of them

`contract` says what a reader is, which there are, and what no file can know; `series` gives all checkpoints of one network,
ours or foreign; `conversion` writes a foreign one as a run.
"""

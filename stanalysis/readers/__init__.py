"""Other people's networks: foreign checkpoints in, ours out. Only readers know steps, centred positions and orderings."""

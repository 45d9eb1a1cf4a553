"""When a training keeps a checkpoint."""

from __future__ import annotations

from stanalysis.errors import BadInput


def require_checkpoints(n: int) -> None:
    """Raise `BadInput` unless there is one for step 0 and one for the end."""
    if n < 2:
        raise BadInput(f"{n} checkpoints are too few; give at least 2, for step 0 and the end.")


def checkpoint_steps(n_steps: int, n_checkpoints: int) -> list[int]:
    """Steps at which to keep a checkpoint: 0, the end, and between them at equal ratios; fewer where two would coincide.

    Examples
    --------
    >>> checkpoint_steps(1000, 5)
    [0, 1, 10, 100, 1000]
    """
    import numpy as np  # the help of the command line reads this module, and needs none

    require_checkpoints(n_checkpoints)
    return [0, *(int(s) for s in np.unique(np.rint(np.geomspace(n_steps, 1, n_checkpoints - 1))))]

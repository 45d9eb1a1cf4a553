"""Small NIR graphs: `python make_nir_files.py` writes them beside itself. Made with nir 1.0.8, h5py 3.16 and numpy 2.4.

`nir.write` takes the oldest layout of HDF5, in which an empty group has kilobytes; here it is made to take the newest.
"""

from functools import partial
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import h5py
import nir
import numpy as np

HERE = Path(__file__).parent


def lif(n):
    return nir.LIF(tau=np.full(n, 0.02), r=np.ones(n), v_leak=np.zeros(n), v_threshold=np.ones(n))


def weights(rng, target, source):
    return rng.normal(size=(target, source)).astype(np.float32)


def write(name, nodes, edges):
    with patch("h5py.File", partial(h5py.File, libver="latest")):
        nir.write(HERE / name, nir.NIRGraph(nodes=nodes, edges=edges))


def chain(*names):
    return list(pairwise(names))


def main():
    rng = np.random.default_rng(5)
    ends = {"input": nir.Input(np.array([4])), "output": nir.Output(np.array([3]))}
    axonal = nir.Delay(np.array([0.0, 0.004, 0.011, 0.02]))
    dendritic = nir.Delay(np.array([0.001, 0.0026, 0.009]))
    write(
        "feedforward.nir",
        {**ends, "axonal": axonal, "fc": nir.Linear(weights(rng, 3, 4))},
        chain("input", "axonal", "fc", "output"),
    )
    write(
        "layers.nir",
        {
            **ends,
            "axonal": axonal,
            "fc1": nir.Affine(weights(rng, 5, 4), np.zeros(5)),
            "lif1": lif(5),
            "fc2": nir.Linear(weights(rng, 3, 5)),
            "scale": nir.Scale(np.array([2.0, -1.0, 0.5])),
            "dendritic": dendritic,
            "lif2": lif(3),
        },
        chain("input", "axonal", "fc1", "lif1", "fc2", "scale", "dendritic", "lif2", "output"),
    )
    write(
        "recurrent.nir",
        {
            **ends,
            "axonal": axonal,
            "fc": nir.Linear(weights(rng, 3, 4)),
            "dendritic": dendritic,
            "lif": lif(3),
            "late": nir.Delay(np.full(3, 0.005)),
            "w_rec": nir.Linear(weights(rng, 3, 3)),
        },
        [*chain("input", "axonal", "fc", "dendritic", "lif", "output"), *chain("lif", "late", "w_rec", "lif")],
    )
    write(
        "contacts.nir",
        {
            **ends,
            "fast": nir.Linear(weights(rng, 3, 4)),
            "axonal": axonal,
            "slow": nir.Linear(weights(rng, 3, 4)),
            "lif": lif(3),
        },
        [*chain("input", "fast", "lif", "output"), *chain("input", "axonal", "slow", "lif")],
    )
    inner = nir.NIRGraph(
        nodes={
            "input": nir.Input(np.array([3])),
            "lif": lif(3),
            "late": nir.Delay(np.full(3, 0.005)),
            "w_rec": nir.Linear(weights(rng, 3, 3)),
            "output": nir.Output(np.array([3])),
        },
        edges=[*chain("input", "lif", "output"), *chain("lif", "late", "w_rec", "lif")],
    )
    write(
        "nested.nir",
        {**ends, "axonal": axonal, "fc": nir.Linear(weights(rng, 3, 4)), "layer": inner},
        chain("input", "axonal", "fc", "layer", "output"),
    )
    write(
        "convolution.nir",
        {
            "input": nir.Input(np.array([1, 6])),
            "conv": nir.Conv1d(6, weights(rng, 2, 3).reshape(2, 1, 3), 1, 0, 1, 1, np.zeros(2)),
            "flatten": nir.Flatten(input_type={"input": np.array([2, 4])}, start_dim=0, end_dim=-1),
            "fc": nir.Linear(weights(rng, 3, 8)),
            "lif": lif(3),
            "out": nir.Linear(weights(rng, 3, 3)),
            "output": ends["output"],
        },
        chain("input", "conv", "flatten", "fc", "lif", "out", "output"),
    )


if __name__ == "__main__":
    main()

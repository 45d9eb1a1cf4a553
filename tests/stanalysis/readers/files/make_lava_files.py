"""A network as lava-dl exports it: `python make_lava_files.py` writes ``blocks.net`` beside itself.

lava-dl 0.6 needs an older Python, so that this writes with h5py 3.16 what its blocks' ``export_hdf5`` write.
"""

from pathlib import Path

import h5py
import numpy as np

HERE = Path(__file__).parent


def main():
    rng = np.random.default_rng(7)
    with h5py.File(HERE / "blocks.net", "w", libver="latest") as file:
        layer = file.create_group("layer")
        block = layer.create_group("0")
        block.create_dataset("type", (1,), "S10", [b"input"])
        block["shape"] = np.array([6])
        block["neuron/type"] = "CUBA"
        for number, (target, source) in enumerate(((5, 6), (3, 5)), 1):
            block = layer.create_group(str(number))
            block.create_dataset("type", (1,), "S10", [b"dense"])
            block["shape"] = np.array([target])
            block["inFeatures"], block["outFeatures"] = source, target
            block["weight"] = 2 * rng.integers(-128, 128, size=(target, source)).astype(np.float32)
            block["delay"] = np.floor(rng.uniform(0, 12, size=target)).astype(np.float32)
            block["neuron/type"], block["neuron/vThMant"] = "CUBA", 80


if __name__ == "__main__":
    main()

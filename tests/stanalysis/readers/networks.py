"""A network of every kind that the readers of this package read, and the options that it needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

FILES = Path(__file__).parent / "files"
COMMON = {
    "dt": 1.0,
    "max_delay": 100.0,
    "kernel_size": 25,
    "left_padding": 24,
    "time_axis": 0,
    "ms_per_unit": 1.0,
    "delay_shift": True,
    "neurons": ("Pop9=5",),
    "network_step": 3,
    "checkpoints": 2,
}
OF_ONE_FILE: dict[str, dict[str, Any]] = {
    "dcls_groups": {"neurons": ("input=6",)},
    "dcls_plane": {"kernel_size": 5, "left_padding": 4},
}
MAPPING = """
[[projection]]
source = "input"
target = "hidden1"
weight = "fc1.weight"
weight_axes = ["target", "source"]
delay = "delay1.delay"
delay_axes = ["target"]
unit = "steps"
delay_formula = "clip(d, 0, 50)"
"""
Maker = Callable[[Path], tuple[Path, dict[str, Any]]]


def _file(path: Path) -> Maker:
    return lambda _: (path, OF_ONE_FILE.get(path.stem, {}))


def lava(path: Path, *, neuron: str = "CUBA", delays: tuple[float, ...] = (3.0, 20.0, 61.0)) -> Path:
    """Two dense blocks with biases, three neurons between them."""
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        for k, (n_out, n_in) in enumerate([(len(delays), 4), (2, len(delays))]):
            block = file.create_group(f"layer/{k}")
            block.create_dataset("type", (1,), "S10", [b"dense"])
            block["shape"], block["bias"], block["neuron/type"] = [n_out], rng.normal(size=n_out), neuron.encode()
            block["weight"], block["neuron/gain"] = (40 * rng.normal(size=(n_out, n_in))).round(), 3
        file["layer/0/delay"] = np.array(delays, "f4")
    return path


def nir(path: Path) -> Path:
    """An affine node, without any delay, between inputs and neurons."""
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file["version"] = "1.0.8"
        node = file.create_group("node")
        node["type"] = "NIRGraph"
        node["edges"] = np.array([["input", "fc"], ["fc", "lif"], ["lif", "output"]], h5py.string_dtype())
        nodes = {
            "input": {"type": "Input", "shape": [4]},
            "fc": {"type": "Affine", "weight": rng.normal(size=(3, 4)), "bias": rng.normal(size=3)},
            "lif": {"type": "LIF", "tau": np.full(3, 0.02), "v_threshold": np.ones(3)},
            "output": {"type": "Output", "shape": [3]},
        }
        for name, values in nodes.items():
            for key, value in values.items():
                node[f"nodes/{name}/{key}"] = value
    return path


def ml_genn(folder: Path, *, delays: bool = True, epochs: tuple[str, ...] = ("0-", "1-", "7-")) -> Path:
    """A recurrent network; beside it losses, and positions that no population has."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for epoch in epochs:
        for name, n in {"Conn_Pop0_Pop1": 20, "Conn_Pop1_Pop1": 16}.items():
            np.save(folder / f"{epoch}{name}-g.npy", rng.normal(size=n).astype("f4"))
            if delays:
                np.save(folder / f"{epoch}{name}-d.npy", rng.uniform(0, 30, n).astype("f4"))
    np.save(folder / "losses.npy", np.arange(5.0))
    np.save(folder / "last-Conn_Pop0_Pop1-d.npy", np.arange(20.0))
    return folder


def history(path: Path) -> Path:
    """A training history of a network of DelGrad that has no delays."""
    rng = np.random.default_rng(0)
    shapes = [(4, 5), (5, 3)]
    np.save(path, {k: {"name": "NeuronLayer", "params": rng.normal(size=(4, *s))} for k, s in enumerate(shapes)})
    return path


def _mapped(folder: Path) -> tuple[Path, dict[str, Any]]:
    (folder / "mapping.toml").write_text(MAPPING)
    return FILES / "delay_module.pt", {"mapping": folder / "mapping.toml"}


def _series(folder: Path) -> tuple[Path, dict[str, Any]]:
    place = folder / "series"
    place.mkdir()
    for epoch in range(4):
        (place / f"net_epoch{epoch}.pt").write_bytes((FILES / "dcls_gauss.pt").read_bytes())
    return place, {}


def networks() -> dict[str, Maker]:
    """By name: what makes the network in an empty folder, and the options, beside the common ones, that it needs."""
    patterns = ("dcls_*.pt", "snntorch_*.pt", "delgrad_*network.pt", "delgrad_*training.npy", "delrec.pth", "*.net", "*.nir")
    paths = [path for pattern in patterns for path in sorted(FILES.glob(pattern))]
    return {path.name: _file(path) for path in paths} | {
        "lava with biases": lambda folder: (lava(folder / "a.net"), {}),
        "lava without shifts": lambda folder: (_affine(folder / "a.net"), {}),
        "nir without delays": lambda folder: (nir(folder / "a.nir"), {}),
        "ml_genn": lambda folder: (ml_genn(folder / "a"), {"neurons": ("Pop0=5",)}),
        "ml_genn without delays": lambda folder: (ml_genn(folder / "a", delays=False), {"neurons": ("Pop0=5",)}),
        "ml_genn, one moment": lambda folder: (ml_genn(folder / "a", epochs=("best-",)), {"neurons": ("Pop0=5",)}),
        "history without delays": lambda folder: (history(folder / "a_parameters_training.npy"), {}),
        "mapping": _mapped,
        "series": _series,
    }


def _affine(path: Path) -> Path:
    """A block without neurons, which does not shift, before another."""
    lava(path)
    with h5py.File(path, "a") as file:
        del file["layer/0/neuron"]
    return path

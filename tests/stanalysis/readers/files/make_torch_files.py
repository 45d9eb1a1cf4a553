"""Make torch_*.pt, files of `torch.save`, and torch_*.npz, the arrays in them: ``python make_torch_files.py``.

The files here were made with torch 2.13.0 (CPU) and numpy 2.4.6 on Python 3.11.
"""

from __future__ import annotations

import collections
import os
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
os.chdir(HERE)
# the legacy layout saves the source of modules and its path: of ours without folders, of torch's not at all
__file__ = Path(__file__).name
torch.nn.modules.container.__file__ = torch.nn.modules.linear.__file__ = None


class Layer(torch.nn.Module):
    """Parameters, buffers, and attributes that are neither."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weights = torch.nn.Parameter(torch.arange(n_in * n_out, dtype=torch.float64).reshape(n_in, n_out) / 7)
        self.bias = torch.nn.Parameter(torch.zeros(n_out)) if n_out == 2 else None
        self.register_buffer("scale", torch.tensor(0.5))
        self.register_buffer("trace", torch.ones(n_out), persistent=False)
        self.recorded = torch.arange(3)
        self.activation = self.squash

    def squash(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(x)


class Network(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList([Layer(3, 4), Layer(4, 2)])
        self.readout = torch.nn.Linear(2, 2, bias=False)
        torch.nn.init.constant_(self.readout.weight, 0.25)
        self.params = {"tau": 20.0, "names": ["a", "b"]}


def tensors() -> dict[str, torch.Tensor]:
    kinds = ("float16", "bfloat16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64", "uint16", "complex64")
    named = {kind: (torch.arange(6) * 3 - 5).abs().to(getattr(torch, kind)).reshape(2, 3) for kind in kinds}
    named["bool"] = torch.tensor([True, False, True])
    named["third"] = torch.tensor([1 / 3, float("nan"), -float("inf")], dtype=torch.bfloat16)
    base = torch.arange(24, dtype=torch.float32)
    named |= {"whole": base, "part": base[5:11].reshape(2, 3), "every_second": base[1::2]}
    named["transposed"] = base.reshape(2, 3, 4).permute(2, 0, 1)
    named["expanded"] = torch.tensor([1.5, 2.5]).unsqueeze(1).expand(2, 3)
    named |= {"scalar": torch.tensor(3.25), "empty": torch.zeros(0, 3)}
    named["parameter"] = torch.nn.Parameter(torch.ones(2, 1))
    return named


def expected(named: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    wide = {name: t.float() if t.dtype == torch.bfloat16 else t for name, t in named.items()}
    return {name: t.detach().numpy() for name, t in wide.items()}


def main() -> None:
    named = tensors()
    np.savez_compressed("torch_state.npz", **expected(named))
    checkpoint = {
        "model": collections.OrderedDict(named),
        "acc": np.float64(0.875),
        "epoch": 3,
        "shape": torch.Size([2, 3]),
        "history": {"loss": np.arange(4.0), "best": (1, None)},
        "quantised": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
        "conjugate": torch.tensor([1 + 2j]).conj(),
    }
    torch.save(checkpoint, "torch_state.pt")
    torch.save(checkpoint, "torch_state_legacy.pt", _use_new_zipfile_serialization=False)
    torch.save(checkpoint, "torch_state_protocol_5.pt", pickle_protocol=5)

    network = Network()
    np.savez_compressed("torch_module.npz", **expected(network.state_dict()))
    torch.save(network, "torch_module.pt")
    torch.save(network, "torch_module_legacy.pt", _use_new_zipfile_serialization=False)
    torch.jit.script(torch.nn.Linear(1, 1)).save("torch_script.pt")


if __name__ == "__main__":
    main()

"""Make dcls_*.pt, state dicts of layers of DCLS, and dcls_*.npz, what these layers answer: ``python make_dcls_files.py``.

The files here were made with DCLS 0.1.1, torch 2.13.0 (CPU) and numpy 2.4.6 on Python 3.11. An .npz holds ``input`` (time,
source), ``trained`` (time, target), the output of the layer as it is, and where the layer has SIG also ``deployed``: its output
with rounded and clamped positions, SIG 0 and the triangular kernel. ``left_padding`` zeros lie in front of the input.
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from DCLS.construct.modules import Dcls1d, Dcls2d
from torch import Tensor, nn

HERE = Path(__file__).parent
STEPS = 60
TIES = (-1.5, -0.5, 0.5, 1.5)
torch.manual_seed(0)


def layer(n_in: int, n_out: int, size: int, *, kernel_count: int = 1, groups: int = 1, version: str = "gauss") -> Dcls1d:
    """A layer with positions all over its kernel, at both ends, and at ties of rounding."""
    made = Dcls1d(n_in, n_out, kernel_count, dilated_kernel_size=size, groups=groups, bias=False, version=version, padding=0)
    with torch.no_grad():
        made.P.uniform_(-(size // 2), size // 2)
        ends = (-(size // 2), size // 2, *TIES)
        flat = made.P.view(-1)
        flat[: len(ends)] = torch.tensor(ends[: len(flat)], dtype=torch.float32)
        if made.SIG is not None:
            made.SIG.uniform_(-2.0, 2.0)
    return made


def padded(x: Tensor, left_padding: int) -> Tensor:
    return nn.functional.pad(x, (left_padding, 0))


@torch.no_grad()
def deployed(module: nn.Module) -> nn.Module:
    """The module as it is evaluated: positions rounded and clamped, SIG 0, the triangular kernel."""
    module = copy.deepcopy(module)
    for part in module.modules():
        if isinstance(part, Dcls1d | Dcls2d) and part.SIG is not None:
            part.P.round_()
            part.clamp_parameters()
            part.SIG.zero_()
            part.version = part.DCK.version = "max"
    return module


@torch.no_grad()
def save(name: str, module: nn.Module, n_in: int, left_padding: int, state: dict[str, Tensor] | None = None) -> None:
    x = torch.randn(1, n_in, STEPS)
    answers = {"input": x[0].T.numpy(), "left_padding": np.int64(left_padding)}
    answers["trained"] = module(padded(x, left_padding))[0].T.numpy()
    if any(name.endswith("SIG") for name in module.state_dict()):
        answers["deployed"] = deployed(module)(padded(x, left_padding))[0].T.numpy()
    np.savez_compressed(HERE / f"dcls_{name}.npz", **answers)
    torch.save(module.state_dict() if state is None else state, HERE / f"dcls_{name}.pt")


class Axonal(nn.Module):
    """One delay for each source, before the weights, as AxDenSynDelaySNN has it."""

    def __init__(self, n_in: int, n_out: int, size: int) -> None:
        super().__init__()
        self.delay_layer = layer(n_in, n_in, size, groups=n_in)
        nn.init.constant_(self.delay_layer.weight, 1.0)
        self.W = nn.Linear(n_in, n_out, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.W(self.delay_layer(x).mT).mT


class Dendritic(nn.Module):
    """One delay for each target, after the weights."""

    def __init__(self, n_in: int, n_out: int, size: int) -> None:
        super().__init__()
        self.W = nn.Linear(n_in, n_out, bias=False)
        self.delay_layer = layer(n_out, n_out, size, groups=n_out)
        nn.init.constant_(self.delay_layer.weight, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.delay_layer(self.W(x.mT).mT)


class Plane(nn.Module):
    """A layer in two dimensions, its input the same all along the other one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = Dcls2d(3, 2, 2, dilated_kernel_size=(5, 5), bias=False, version="gauss")
        with torch.no_grad():
            self.conv.P.uniform_(-2, 2)
            self.conv.P[0].view(-1)[:4] = torch.tensor(TIES)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x[:, :, None].expand(-1, -1, 5, -1))[:, :, 0]


@torch.no_grad()
def rewired() -> None:
    """Two layers with magnitudes and signs; what has died is zero or below, what was just born is 1e-12."""
    model = nn.Sequential(layer(6, 5, 25), nn.BatchNorm1d(5), nn.Identity(), nn.Identity(), layer(5, 3, 25)).eval()
    model[1].weight.copy_(torch.tensor([1.0, -2.0, 0.5, 1.5, -0.1]))
    model[1].running_mean.uniform_(-1, 1)
    model[1].running_var.uniform_(0.5, 2)
    state = {}
    for name, value in model.state_dict().items():
        state[f"model.{name}"] = value.clone()
        if name in ("0.weight", "4.weight"):
            magnitude = value.abs()
            sign = torch.sign(torch.randn(value.shape, dtype=torch.float64))
            flat = magnitude.view(-1)
            flat[::4], flat[1], flat[5], flat[2] = 0.0, -3e-4, -1e-5, 1e-12
            state[f"model.{name}"] = magnitude
            state[f"model.{name[0]}.sign"] = sign
            alive = magnitude.clamp(min=0) * sign.float()
            model[int(name[0])].weight.copy_(alive)
    for k, n_in in ((0, 6), (4, 5)):
        save(f"rewired_{k}", model[k], n_in, 24)
    (HERE / "dcls_rewired_0.pt").unlink()
    (HERE / "dcls_rewired_4.pt").unlink()
    torch.save(state, HERE / "dcls_rewired.pt")


save("gauss", layer(6, 5, 25), 6, 24)
save("two_contacts", layer(6, 5, 25, kernel_count=2), 6, 24)
save("odd_centre", layer(6, 5, 23), 6, 22)
save("more_padding", layer(6, 5, 25), 6, 27)
save("even", layer(6, 5, 24), 6, 23)
save("max", layer(6, 5, 25, version="max"), 6, 24)
save("v1", layer(6, 5, 25, version="v1"), 6, 24)
save("v0", layer(6, 5, 25, version="v0"), 6, 24)
save("groups", layer(6, 4, 25, groups=2), 6, 24)
save("plane", Plane(), 3, 4)
save("axonal", Axonal(6, 6, 25), 6, 24)
save("dendritic", Dendritic(6, 6, 25), 6, 24)
rewired()

"""Makes delay_module.pt and delrec.pth. Run with torch 2.13.0 and snntorch 1.0.0.

The neurons are those of snnTorch; its 1.0.0 has no layer of delays yet, so that one is made here as its development version
has it: one delay a channel in steps, after the weights. The recurrent module has the parameters of DelRec.
"""

from pathlib import Path

import numpy as np
import snntorch
import torch

FOLDER = Path(__file__).parent


class SynapticDelay(torch.nn.Module):
    """Delays of channels in steps."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.delay = torch.nn.Parameter(torch.rand(n) * 9 - 0.5)


class Recurrent(torch.nn.Module):
    """Weights (post, pre) and delays of the neurons before them."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.recurrent_weights = torch.nn.Parameter(torch.randn(n, n))
        self.recurrent_delays = torch.nn.Parameter(torch.rand(n) * 6)


def main() -> None:
    """Write the files, and what is in them beside as arrays."""
    torch.manual_seed(0)
    network = torch.nn.ModuleDict(
        {"fc1": torch.nn.Linear(7, 5), "delay1": SynapticDelay(5), "lif1": snntorch.Leaky(beta=0.9, learn_beta=True)}
    )
    torch.save(network.state_dict(), FOLDER / "delay_module.pt")
    arrays = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    np.savez(FOLDER / "delay_module_expected.npz", **arrays)
    network = torch.nn.Sequential(torch.nn.Linear(7, 6, bias=False), Recurrent(6), torch.nn.Linear(6, 3, bias=False))
    torch.save({"net": network.state_dict(), "acc": np.float64(91.5), "epoch": 12}, FOLDER / "delrec.pth")
    arrays = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    np.savez(FOLDER / "delrec_expected.npz", **arrays)


if __name__ == "__main__":
    main()

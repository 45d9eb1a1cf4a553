"""Makes snntorch_*.pt, and the currents that their layers answer impulses with, snntorch_*.npz.

Run with torch 2.13.0 and snnTorch of the commit 07dfa181662dc8850a86c24c12650d9c728e1898, the first to have `SynapticDelay`;
the files here were made with the module of that commit in snnTorch 1.0.0.
"""

from pathlib import Path

import numpy as np
import torch
from snntorch import Leaky, LeakyParallel
from snntorch._neurons.synapticdelay import SynapticDelay

FOLDER = Path(__file__).parent
STEPS = 24


class Network(torch.nn.Module):
    """Delays behind the first weights, before and behind the second; learned until some lie beyond their bounds."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = torch.nn.Linear(4, 5)
        self.delay1 = SynapticDelay(8, channels=5, learn_delay=True)
        self.lif1 = Leaky(beta=0.9)
        self.axons = SynapticDelay(8, 2.25)
        self.fc2 = torch.nn.Linear(5, 3, bias=False)
        self.delay2 = SynapticDelay(8, torch.tensor([0.0, 3.5, 6.75]), channels=3)
        self.lif2 = Leaky(beta=0.9, learn_beta=True)
        self.delay1.delay.data = torch.tensor([-0.4, 0.0, 2.5, 7.3, 8.6])


class Parallel(torch.nn.Module):
    """Delays of whole sequences before neurons that have the weights."""

    def __init__(self) -> None:
        super().__init__()
        self.delay = SynapticDelay(6, torch.tensor([5.0, 0.0, 1.5]), channels=3, learn_delay=True, step_mode=False)
        self.lif = LeakyParallel(3, 4, beta=0.9)


def current(modules: list[torch.nn.Module], n_source: int) -> np.ndarray:
    """What comes out of some modules after an impulse of each source, without bias: (target, source, step)."""
    answers = []
    for impulse in torch.eye(n_source):
        for module in modules:
            if isinstance(module, SynapticDelay):
                module.reset_delay()
        signals = [impulse[None] if t == 0 else torch.zeros(1, n_source) for t in range(STEPS)]
        for module in modules:
            bias = getattr(module, "bias", None)
            signals = [module(signal) - (0 if bias is None else bias) for signal in signals]
        answers.append(torch.cat(signals))
    return torch.stack(answers).permute(2, 0, 1).detach().numpy()


def main() -> None:
    """Write the files."""
    torch.manual_seed(0)
    network = Network()
    torch.save({"model_state_dict": network.state_dict(), "epoch": 7}, FOLDER / "snntorch_steps.pt")
    first = current([network.fc1, network.delay1], 4)
    second = current([network.axons, network.fc2, network.delay2], 5)
    np.savez(FOLDER / "snntorch_steps.npz", input__hidden1=first, hidden1__output=second)

    network = Parallel()
    torch.save(network.state_dict(), FOLDER / "snntorch_parallel.pt")
    impulses = torch.zeros(STEPS, 3, 3)
    impulses[0] = torch.eye(3)
    answer = network.delay(impulses) @ network.lif.rnn.weight_ih_l0.T  # (step, source, target)
    np.savez(FOLDER / "snntorch_parallel.npz", input__hidden1=answer.permute(2, 1, 0).detach().numpy())


if __name__ == "__main__":
    main()

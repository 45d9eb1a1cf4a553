"""Makes the files of DelGrad that the tests read: networks pickled whole, and a training history.

Made with torch 2.13.0 and numpy 2. The classes have the names, attributes and formulas of the published ones, in modules of the
same names, so that the pickles say ``networks.Net`` and ``utils.DelayLayer``. Beside each network lie the weights, effective
delays and sources that it computes with.
"""

import sys
import types
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
torch.set_default_dtype(torch.float64)
networks, utils = types.ModuleType("networks"), types.ModuleType("utils")
sys.modules |= {"networks": networks, "utils": utils}


def published(module):
    def place(thing):
        thing.__module__, thing.__qualname__ = module.__name__, thing.__name__
        setattr(module, thing.__name__, thing)
        return thing

    return place


@published(utils)
def clip_negatives(delays):
    return torch.clamp(delays, min=0)


@published(utils)
class NeuronLayer(torch.nn.Module):
    def __init__(self, n_in, n_out, trainable=True):
        super().__init__()
        self.device, self.neuron_params, self.monitor = "cpu", {"tau_syn": 1.0, "threshold": 1.0}, True
        weights = torch.randn(n_in, n_out) + 1
        self.weights = torch.nn.Parameter(weights) if trainable else weights


@published(utils)
class BroadcastLayer(torch.nn.Module):
    def __init__(self, n_out):
        super().__init__()
        self._n_postsyn, self.trainable, self.monitor, self.lr = n_out, False, False, None


@published(utils)
class BiasesLayer(torch.nn.Module):
    def __init__(self, times):
        super().__init__()
        self._times, self.monitor, self.lr = torch.tensor(times), False, None


@published(utils)
class MultiplexLayer(torch.nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.trainable, self.monitor, self.factor, self.lr = False, False, factor, None


@published(utils)
class DelayLayer(torch.nn.Module):
    def __init__(self, shape, n_out, positivity="sigmoid", shared=(1, 1), trainable=True, shift=0.0, scale=1.0):
        super().__init__()
        self.lr, self._n_postsyn, self.monitor, self.jitter = None, n_out, True, 0.0
        if positivity == "sigmoid":
            self._fn_on_delay, self._fn_on_rectify = self.scaled_shift_sigmoid, None
            self.sigmoid_shift, self.sigmoid_scale = shift, scale
        else:
            self._fn_on_delay, self._fn_on_rectify = None, clip_negatives
        self.presyn_sharing_factor, self.postsyn_sharing_factor = shared
        raw = torch.randn(shape) if positivity == "sigmoid" else clip_negatives(torch.randn(shape))
        self._delay_parameters = torch.nn.Parameter(raw) if trainable else raw

    def effective_delays(self):
        delays = self._delay_parameters if self._fn_on_delay is None else self._fn_on_delay(self._delay_parameters)
        return delays.repeat(self.presyn_sharing_factor, 1).repeat(1, self.postsyn_sharing_factor)

    def scaled_shift_sigmoid(self, delays):
        return self.sigmoid_shift + self.sigmoid_scale * torch.sigmoid(delays)


@published(networks)
class Net(torch.nn.Module):
    def __init__(self, n_inputs, layers):
        super().__init__()
        self.n_inputs, self.device, self.rounding = n_inputs, torch.device("cpu"), False
        self.layers = torch.nn.ModuleList(layers)


def expected(net):
    """Weights and delays (row, target) of each layer of neurons, and the source of each row, -1 for a bias.

    Times of spikes are sent through the layers as the published code does: what each row adds to its source is its delay.
    """
    arrays = {}
    n, k = net.n_inputs, 0
    times, sources = torch.zeros(n, 1), torch.arange(n)
    for layer in net.layers:
        if isinstance(layer, DelayLayer):
            times = times + layer.effective_delays()
        elif isinstance(layer, BiasesLayer):
            times = torch.cat((times, layer._times.unsqueeze(1).repeat(1, times.shape[1])), 0)
            sources = torch.cat((sources, -torch.ones(len(layer._times), dtype=torch.long)))
        elif isinstance(layer, MultiplexLayer):
            times, sources = times.repeat_interleave(layer.factor, dim=0), sources.repeat_interleave(layer.factor)
        elif isinstance(layer, NeuronLayer):
            weights = layer.weights.detach()
            arrays |= {f"weight{k}": weights, f"delay{k}": times.detach().expand(weights.shape), f"source{k}": sources}
            n, k = weights.shape[1], k + 1
            times, sources = torch.zeros(n, 1), torch.arange(n)
    return {name: array.numpy() for name, array in arrays.items()}


def main():
    torch.manual_seed(5)
    layers = {
        "synaptic": [
            *(DelayLayer((4, 5), 5), NeuronLayer(4, 5)),
            *(DelayLayer((5, 3), 3, shift=0.5, scale=1.5), NeuronLayer(5, 3)),
        ],
        "axonal": [
            *(DelayLayer((4, 1), 5), NeuronLayer(4, 5)),
            *(DelayLayer((1, 3), 3, trainable=False), NeuronLayer(5, 3)),
        ],
        "shared": [DelayLayer((2, 3), 6, shared=(2, 2)), NeuronLayer(4, 6)],
        "clip": [
            *(DelayLayer((4, 5), 5, "clip"), NeuronLayer(4, 5)),
            *(BroadcastLayer(3), NeuronLayer(5, 3, trainable=False)),
        ],
        "biases": [
            *(BiasesLayer([0.9]), DelayLayer((5, 5), 5), NeuronLayer(5, 5)),
            *(DelayLayer((5, 2), 2), BiasesLayer([0.3, 0.4]), NeuronLayer(7, 2)),
        ],
        "multiplex": [MultiplexLayer(2), DelayLayer((8, 4), 4), NeuronLayer(8, 4)],
    }
    for name, parts in layers.items():
        net = Net(4, parts)
        torch.save(net, HERE / f"delgrad_{name}_network.pt")
        np.savez_compressed(HERE / f"delgrad_{name}.npz", **expected(net))
    rng = np.random.default_rng(5)
    shapes = {
        0: ("DelayLayer", (4, 5)),
        1: ("NeuronLayer", (4, 5)),
        2: ("NeuronLayer", (5, 6)),
        3: ("DelayLayer", (6, 1)),
        4: ("NeuronLayer", (6, 3)),
    }
    history = {k: {"name": name, "params": rng.random((4, *shape))} for k, (name, shape) in shapes.items()}
    np.save(HERE / "delgrad_parameters_training.npy", history)
    np.savez_compressed(HERE / "delgrad_history.npz", **{f"layer{k}": layer["params"] for k, layer in history.items()})


if __name__ == "__main__":
    main()

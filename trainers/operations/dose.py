"""How much an operation changes a network: the energy of the change of its receptive fields, as its input sees it.

Two changes of equal dose move the currents of the neurons by as much, whatever else they do. The metric is the covariance of
the input over source and delay: a change between channels that say the same counts for little.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from trainers.operations.trained import TrainedNetwork

MOST_SAMPLES = 1024  # of which the covariance is taken: of the first ones


@dataclass(frozen=True, eq=False)
class InputMetric:
    """The covariance of what one population sends, over source and delay.

    Attributes
    ----------
    spectra
        Of what the sources send, less their means over time and samples: products summed over samples, dims (frequency,
        source, source); divided so that the energy of a field is the variance of the current that it makes.
    n_time
        Steps of the transform: a signal and the longest delay fit in.
    n_delay
        Delay bins.
    dt
        Width of a bin in ms.
    """

    spectra: NDArray[np.complex64]
    n_time: int
    n_delay: int
    dt: float

    def planes(self, table: xr.Dataset) -> NDArray[np.float64]:
        """The receptive fields of a table of synapses, dims (target, source, delay)."""
        n_target, n_source = int(table.attrs["n_target"]), int(table.attrs["n_source"])
        planes = np.zeros((n_target, n_source, self.n_delay))
        place = table["target"].to_numpy(), table["source"].to_numpy(), self.bins(table["delay"].to_numpy())
        np.add.at(planes, place, table["weight"].to_numpy())
        return planes

    def bins(self, delay: NDArray[np.floating]) -> NDArray[np.int64]:
        """The bins of delays in ms."""
        return np.clip(np.rint(delay / self.dt), 0, self.n_delay - 1).astype(np.int64)

    def energy(self, planes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Variance over time and samples of the currents of fields (target, source, delay), shape (target,)."""
        transformed = np.moveaxis(rfft(planes, self.n_time, axis=2), 2, 0)  # frequency, target, source
        seen = np.matmul(transformed.conj(), self.spectra)
        energy = np.einsum("fts,fts->ft", seen, transformed).real
        twice = np.full(len(energy), 2.0)
        twice[0] = 1
        twice[-1] = 2 if self.n_time % 2 else 1
        result: NDArray[np.float64] = twice @ energy
        return result

    @cached_property
    def covariance(self) -> NDArray[np.float32]:
        """Of two sources, the second so many steps later: dims (source, source, lag), the lags from 0 on, then from -1 down."""
        lags = irfft(np.moveaxis(self.spectra, 0, 2), self.n_time, axis=2) * self.n_time
        width = self.n_delay
        kept = np.concatenate([lags[:, :, :width], lags[:, :, :-width:-1]], axis=2)
        return np.ascontiguousarray(kept, np.float32)


def input_metrics(network: TrainedNetwork) -> dict[tuple[str, str], InputMetric]:
    """The metric of every projection, from what the network as trained sends for its training data; empty if unknown."""
    send = network.method.rule().sent
    if send is None:
        return {}
    size, data = network.config.batch_size, network.data.training
    n_samples = min(len(data), MOST_SAMPLES)
    signals: dict[str, list[NDArray]] = {}
    dt = 0.0
    for start in range(0, n_samples, size):
        activity = send(network.state, data.batch(np.arange(start, min(start + size, n_samples)))[0])
        dt = activity.dt
        for name, values in activity.sent.items():
            signals.setdefault(name, []).append(values.astype(np.float32))
    return {
        ends: input_metric(np.concatenate(signals[ends[0]], axis=2), float(table.attrs["delay_max"]), dt)
        for ends, table in network.tables.items()
        if ends[0] in signals
    }


def input_metric(signal: NDArray[np.float32], longest: float, dt: float) -> InputMetric:
    """The metric of a projection.

    Parameters
    ----------
    signal
        What its sources send, dims (source, time, sample).
    longest
        Its longest delay in ms.
    dt
        Of a time step in ms.
    """
    n_steps, n_samples = signal.shape[1:]
    n_delay = int(np.rint(longest / dt)) + 1
    n_time = next_fast_len(n_steps + n_delay, real=True)
    mean = signal.mean(axis=(1, 2), keepdims=True, dtype=np.float64).astype(np.float32)
    transformed = np.moveaxis(rfft(signal - mean, n_time, axis=1), 1, 0)  # frequency, source, sample
    spectra = np.matmul(transformed, np.moveaxis(transformed, 1, 2).conj()).conj()
    return InputMetric((spectra / (n_steps * n_samples * n_time)).astype(np.complex64), n_time, n_delay, dt)


def dose(metric: InputMetric, before: xr.Dataset, after: xr.Dataset) -> float:
    """Energy of the change of all fields of a projection, over that of the fields; NaN where these have none."""
    planes = metric.planes(before)
    whole = metric.energy(planes).sum()
    return float(metric.energy(metric.planes(after) - planes).sum() / whole) if whole > 0 else float("nan")

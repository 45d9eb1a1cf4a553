"""Mel bands in plain numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FFT_LENGTH = 1024  # samples
WINDOW = 0.025  # s


def mel_edges(n_mels: int, fmin: float, fmax: float) -> NDArray[np.float64]:
    """Edges of the mel bands in Hz, length n_mels + 2: band i rises from edge i, peaks at i + 1, ends at i + 2."""
    lowest, highest = (2595.0 * np.log10(1.0 + f / 700.0) for f in (fmin, fmax))
    return 700.0 * (10.0 ** (np.linspace(lowest, highest, n_mels + 2) / 2595.0) - 1.0)


def mel_bank(sample_rate: int, n_mels: int, fmin: float, fmax: float) -> NDArray[np.float64]:
    """Triangular weights (band, frequency bin) that average power within each band."""
    edges = mel_edges(n_mels, fmin, fmax)
    frequency = np.arange(FFT_LENGTH // 2 + 1) * sample_rate / FFT_LENGTH
    lower, centre, upper = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    weight = np.minimum((frequency - lower) / (centre - lower), (upper - frequency) / (upper - centre))
    weight = np.maximum(weight, 0.0)
    return weight / weight.sum(1, keepdims=True)


def mel_power(
    sound: NDArray[np.float64], sample_rate: int, centres: NDArray[np.float64], bank: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Power (frame, band) in Hann windows around ``centres`` (s); outside the sound is silence."""
    length = round(WINDOW * sample_rate)
    window = np.hanning(length + 2)[1:-1]
    window = window / np.sqrt((window**2).sum())
    padded = np.concatenate([np.zeros(length), sound, np.zeros(length)])
    start = np.round(centres * sample_rate).astype(int) - length // 2 + length
    start = np.clip(start, 0, len(padded) - length)
    frames = padded[start[:, None] + np.arange(length)[None, :]] * window
    return (np.abs(np.fft.rfft(frames, FFT_LENGTH, axis=1)) ** 2) @ bank.T

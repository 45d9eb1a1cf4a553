"""What the generator may vary, and the values that made the shipped file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Recipe:
    """Settings of the generator; a standard deviation is ``_sd``, a range runs from ``_lo`` to ``_hi``.

    The field names are the keys of the ``config`` array in the file.
    """

    seed: int = 2024
    n_spk_train: int = 40  # speakers
    n_spk_test: int = 10
    n_frames: int = 80
    hop: float = 0.010  # s between frames
    n_mels: int = 40
    fmin: float = 60.0  # Hz, lower edge of the lowest mel band
    fmax: float = 8000.0  # Hz, upper edge of the highest mel band
    floor_db: float = 45.0  # range below the loudest cells that the levels cover
    levels: int = 16
    snr_lo: float = 10.0  # dB
    snr_hi: float = 35.0
    eq_spk: float = 4.0  # dB, standard deviation of a speaker's spectral tilt and curvature
    eq_utt: float = 2.0  # dB, the same from one utterance to the next
    warp: float = 0.18  # standard deviation of the slowest component of the log local speed
    onset: float = 0.06  # s, the longest silence before the word
    rate_lo: float = 100.0  # words per minute, a speaker's mean
    rate_hi: float = 190.0
    rate_utt: float = 0.10  # standard deviation of the log rate from one utterance to the next
    reverb_p: float = 0.5  # probability of reverberation
    form_jit: float = 0.06  # relative standard deviation of a formant's frequency
    form_w: float = 125.0  # per cent, mean formant width
    vtl_sd: float = 0.06  # standard deviation of a speaker's formant scale (vocal tract length)
    utt_vtl: float = 0.02  # the same from one utterance to the next

    def to_json(self, *, espeak_ng: str) -> str:
        """All settings and the eSpeak NG version, as they are stored in the file."""
        settings = asdict(self)
        settings["T"] = settings.pop("n_frames")
        # two settings that no longer do anything: without them the file would not be the same bit for bit
        return json.dumps({**settings, "align": 1, "gain_db": 0.0, "espeak_ng": espeak_ng}, sort_keys=True)

"""Synthetic speakers: an eSpeak NG voice each for German and English, a spectral colouring, a way of speaking."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from recipe import Recipe

ENGLISH_VOICES = {
    "gmw/en": 0.25,
    "gmw/en-US": 0.35,
    "gmw/en-GB-x-rp": 0.1,
    "gmw/en-GB-scotland": 0.06,
    "gmw/en-GB-x-gbclan": 0.06,
    "gmw/en-GB-x-gbcwmd": 0.06,
    "gmw/en-029": 0.06,
    "gmw/en-US-nyc": 0.06,
}  # voice: probability
KINDS = {"man": 0.45, "woman": 0.45, "child": 0.10}  # kind: probability
FORMANT_SCALE = {"man": 0.98, "woman": 1.13, "child": 1.26}
GERMAN_ACCENT = (
    ("T s", 0.6),
    ("w v", 0.6),
    ("r R", 0.5),
    ("z s", 0.4),
)  # English phoneme and its substitute: probability


@dataclass(frozen=True)
class Speaker:
    """Voice and habits of one speaker; ``colouring`` in dB per mel band, ``rate`` in words per minute."""

    number: int
    kind: str
    voice: str
    accent: str
    english_voice: str
    colouring: NDArray[np.float64]
    rate: float
    casual: bool

    def variants(self) -> dict[str, str]:
        """The text of the speaker's two eSpeak NG variant files, by name."""
        gender = "female" if self.kind == "woman" else "male"
        bodies = {"de": self.voice, "en": f"{self.voice}\n{self.accent}"}
        names = {language: self._variant(language) for language in bodies}
        return {
            names[language]: f"language variant\nname {names[language]}\ngender {gender}\n{body}\n"
            for language, body in bodies.items()
        }

    def voice_name(self, language: str) -> str:
        """What eSpeak NG calls this speaker's voice in ``language`` (de, en)."""
        return f"{'gmw/de' if language == 'de' else self.english_voice}+{self._variant(language)}"

    def _variant(self, language: str) -> str:
        return f"s{self.number:03d}{language}"


def draw_speaker(number: int, rng: np.random.Generator, recipe: Recipe) -> Speaker:
    """A random speaker. The order of the draws defines the data set: do not change it."""
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    # all three are drawn, whichever is used
    pitch = {"man": rng.uniform(85, 140), "woman": rng.uniform(160, 235), "child": rng.uniform(225, 290)}[kind]
    scale = FORMANT_SCALE[kind] + rng.normal(0, recipe.vtl_sd)
    pitch_span = rng.uniform(1.25, 1.7)
    # eSpeak NG reads whole numbers: every value is truncated
    lines = [f"pitch {int(pitch)} {int(pitch * pitch_span)}"]
    for formant in range(1, 9):
        frequency = 100 * scale * (1 + rng.normal(0, recipe.form_jit))
        strength = np.clip(100 * np.exp(rng.normal(0, 0.18)), 50, 160)
        width = np.clip(recipe.form_w * np.exp(rng.normal(0, 0.20)), 70, 220)
        lines.append(f"formant {formant} {int(frequency)} {int(strength)} {int(width)}")
    lines.append(f"flutter {rng.integers(0, 9)}")
    lines.append(f"roughness {rng.integers(0, 4)}")
    lines.append(f"voicing {rng.integers(80, 125)}")
    lines.append(f"consonants {rng.integers(60, 145)} {rng.integers(60, 145)}")
    if rng.random() < 0.35:
        most = rng.integers(1, 6)
        lines.append("breath 0 " + " ".join(str(rng.integers(0, most + 1)) for _ in range(7)))
    if rng.random() < 0.25:
        lines.append(f"klatt {rng.integers(1, 5)}")
    accent = []
    if rng.random() < 0.5:
        accent = [f"replace 0 {phonemes}" for phonemes, probability in GERMAN_ACCENT if rng.random() < probability]
    return Speaker(
        number=number,
        kind=kind,
        voice="\n".join(lines),
        accent="\n".join(accent),
        colouring=draw_colouring(rng, recipe.eq_spk, recipe.n_mels),
        rate=rng.uniform(recipe.rate_lo, recipe.rate_hi),
        english_voice=str(rng.choice(list(ENGLISH_VOICES), p=list(ENGLISH_VOICES.values()))),
        casual=rng.random() < 0.4,
    )


def draw_colouring(rng: np.random.Generator, sd: float, n_mels: int) -> NDArray[np.float64]:
    """A smooth random spectral colouring in dB per mel band: three cosines over the mel axis."""
    band = np.arange(n_mels) / n_mels
    return sum((rng.normal(0, sd) * np.cos(np.pi * order * band) for order in (1, 2, 3)), np.zeros(n_mels))

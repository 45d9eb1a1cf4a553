"""One spoken digit: synthesis, room, noise, tempo, and its mel energies."""

from __future__ import annotations

import numpy as np
from espeak import SAMPLE_RATE, Espeak
from mel import mel_power
from numpy.typing import NDArray
from recipe import Recipe
from speakers import Speaker, draw_colouring

WORDS = {
    "de": ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"),
    "en": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
}
CASUAL_FORMS = {"fünf": "fümf", "sieben": "siebm"}
SENTENCE_ENDS = {"": 0.4, ".": 0.2, "!": 0.1, "?": 0.15, ",": 0.15}  # intonation: probability
LEAD = 0.2  # s of noise before the word, room for the first window
RUN_IN = 0.03  # s kept before the first loud sample: soft onsets
ENVELOPE = 220  # samples, 10 ms
SILENCE = 10**-3.5  # of the loudest power


def draw_utterance(
    engine: Espeak,
    speaker: Speaker,
    language: str,
    digit: int,
    rng: np.random.Generator,
    recipe: Recipe,
    bank: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float]:
    """Mel energies (frame, band) from 0 to 1 of one random utterance, and its duration in s.

    The order of the draws defines the data set: do not change it.
    """
    sound = _speak(engine, speaker, language, digit, rng, recipe)
    first, last = _extent(sound)
    power = (sound[first:last] ** 2).mean()
    if rng.random() < recipe.reverb_p:
        sound = _reverberate(sound, rng)
    scene = _place(sound, first, recipe)
    snr = rng.uniform(recipe.snr_lo, recipe.snr_hi)
    scene += _noise(rng, len(scene), rng.uniform(0, 2)) * np.sqrt(power * 10 ** (-snr / 10))
    frames = mel_power(scene, SAMPLE_RATE, _frame_centres(rng, recipe), bank)
    colouring = speaker.colouring + draw_colouring(rng, recipe.eq_utt, recipe.n_mels)
    decibel = 10 * np.log10(frames + 1e-12) + colouring
    decibel = _stretch_bands(decibel, rng.normal(0, recipe.utt_vtl))
    energy = (decibel - np.percentile(decibel, 99.5)) / recipe.floor_db + 1.0
    return np.clip(energy, 0, 1), (last - first) / SAMPLE_RATE


def _speak(
    engine: Espeak, speaker: Speaker, language: str, digit: int, rng: np.random.Generator, recipe: Recipe
) -> NDArray[np.float64]:
    text = WORDS[language][digit]
    if speaker.casual and text in CASUAL_FORMS and rng.random() < 0.5:
        text = CASUAL_FORMS[text]
    text += str(rng.choice(list(SENTENCE_ENDS), p=list(SENTENCE_ENDS.values())))
    return engine.say(
        text,
        voice=speaker.voice_name(language),
        rate=np.clip(speaker.rate * np.exp(rng.normal(0, recipe.rate_utt)), 80, 240),
        pitch=np.clip(rng.normal(50, 8), 25, 75),
        pitch_range=np.clip(rng.normal(50, 18), 5, 99),
        seed=int(rng.integers(1, 2**31 - 1)),
    ).astype(np.float64)


def _extent(sound: NDArray[np.float64]) -> tuple[int, int]:
    """First and last sample that is not silence."""
    envelope = np.convolve(sound**2, np.ones(ENVELOPE) / ENVELOPE, "same")
    loud = np.where(envelope > envelope.max() * SILENCE)[0]
    return int(loud[0]), int(loud[-1])


def _reverberate(sound: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Add a room: noise that decays by 60 dB within a random reverberation time."""
    reverberation_time = rng.uniform(0.08, 0.35)
    n_tail = int(reverberation_time * SAMPLE_RATE)
    response = rng.normal(size=n_tail) * 10 ** (-3 * np.arange(n_tail) / n_tail)
    response *= 10 ** (rng.uniform(-16, -6) / 20) / np.sqrt((response**2).sum())
    n_sound = len(sound) + n_tail
    n_fft = 1 << n_sound.bit_length()
    room = np.fft.irfft(np.fft.rfft(sound, n_fft) * np.fft.rfft(response, n_fft), n_fft)[:n_sound]
    return np.concatenate([sound, np.zeros(n_tail)]) + room


def _place(sound: NDArray[np.float64], first: int, recipe: Recipe) -> NDArray[np.float64]:
    """Silence long enough for the slowest tempo, with the word's first loud sample at ``LEAD``."""
    lead = int(LEAD * SAMPLE_RATE)
    scene = np.zeros(int((recipe.n_frames * recipe.hop * 1.6 + 0.3) * SAMPLE_RATE) + lead)
    start = max(first - int(RUN_IN * SAMPLE_RATE), 0)
    offset = lead - (first - start)
    word = sound[start:][: len(scene) - offset]
    scene[offset : offset + len(word)] += word
    return scene


def _noise(rng: np.random.Generator, n_samples: int, slope: float) -> NDArray[np.float64]:
    """Noise of power 1 whose spectrum falls as frequency to the power -``slope``."""
    frequency = np.fft.rfftfreq(n_samples, 1.0)
    frequency[0] = frequency[1]
    spectrum = (rng.normal(size=frequency.size) + 1j * rng.normal(size=frequency.size)) * frequency ** (-slope / 2)
    noise = np.fft.irfft(spectrum, n_samples)
    return noise / np.sqrt((noise**2).mean())


def _frame_centres(rng: np.random.Generator, recipe: Recipe) -> NDArray[np.float64]:
    """Times in s at which the frames are taken: they advance at a smoothly varying speed, so the tempo varies."""
    phase = np.arange(recipe.n_frames) / recipe.n_frames
    log_speed = sum(
        (rng.normal(0, recipe.warp / order) * np.cos(np.pi * order * phase + rng.uniform(0, 2 * np.pi)) for order in (1, 2, 3)),
        np.zeros(recipe.n_frames),
    )
    step = recipe.hop * np.exp(np.clip(log_speed, -0.45, 0.45))
    start = int(LEAD * SAMPLE_RATE) / SAMPLE_RATE - rng.uniform(0, recipe.onset)
    return start + np.concatenate([[0], np.cumsum(step)[:-1]])


def _stretch_bands(decibel: NDArray[np.float64], stretch: float) -> NDArray[np.float64]:
    """Read the bands at (1 + ``stretch``) times their index, by linear interpolation."""
    n_mels = decibel.shape[1]
    position = np.clip(np.arange(n_mels) * (1 + stretch), 0, n_mels - 1)
    below = np.minimum(position.astype(int), n_mels - 2)
    fraction = position - below
    return decibel[:, below] * (1 - fraction) + decibel[:, below + 1] * fraction

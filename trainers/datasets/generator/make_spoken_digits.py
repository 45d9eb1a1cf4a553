"""Make the embedded data set ``spoken_digits.npz``: synthesised spoken digits, German and English.

    pip install numpy==2.4.6 espeakng-loader==0.2.4     # eSpeak NG 1.52.0 inside
    python trainers/datasets/generator/make_spoken_digits.py OUT.npz

Every random choice comes from one seed, and the utterances are made in a fixed order in one process, because eSpeak NG
keeps some state between utterances: the same versions give the same file.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from espeak import SAMPLE_RATE, Espeak
from mel import mel_bank
from numpy.typing import NDArray
from recipe import Recipe
from speakers import draw_speaker
from utterances import draw_utterance

ESPEAK_VERSION = "1.52.0"
N_CLASSES = 20  # 0-9 German, 10-19 English


def make_spoken_digits(recipe: Recipe, *, n_train: int, n_test: int) -> dict[str, NDArray[np.uint8]]:
    """The arrays of the file: encoded levels, labels and speakers of both parts, and the settings as JSON."""
    speaker_seed, utterance_seed = np.random.SeedSequence(recipe.seed).spawn(2)
    speakers = [
        draw_speaker(number, np.random.Generator(np.random.PCG64(seed)), recipe)
        for number, seed in enumerate(speaker_seed.spawn(recipe.n_spk_train + recipe.n_spk_test))
    ]
    variants = {name: text for speaker in speakers for name, text in speaker.variants().items()}
    bank = mel_bank(SAMPLE_RATE, recipe.n_mels, recipe.fmin, recipe.fmax)
    arrays: dict[str, NDArray[np.uint8]] = {}
    with tempfile.TemporaryDirectory() as folder:
        engine = Espeak(Path(folder), variants)
        if engine.version != ESPEAK_VERSION:
            raise RuntimeError(f"eSpeak NG is {engine.version}; the data set is made with {ESPEAK_VERSION}")
        parts = (("train", n_train, speakers[: recipe.n_spk_train]), ("test", n_test, speakers[recipe.n_spk_train :]))
        for part, n_samples, members in parts:
            levels = np.zeros((n_samples, recipe.n_frames, recipe.n_mels), np.uint8)
            label, number = np.zeros(n_samples, np.uint8), np.zeros(n_samples, np.uint8)
            duration = np.zeros(n_samples)
            for sample, seed in enumerate(utterance_seed.spawn(1)[0].spawn(n_samples)):
                label[sample] = sample % N_CLASSES
                speaker = members[sample // N_CLASSES % len(members)]
                number[sample] = speaker.number
                language, digit = "de" if label[sample] < 10 else "en", int(label[sample] % 10)
                rng = np.random.Generator(np.random.PCG64(seed))
                energy, duration[sample] = draw_utterance(engine, speaker, language, digit, rng, recipe, bank)
                # float32 before rounding: the shipped file was made so
                levels[sample] = np.round(energy.astype(np.float32) * (recipe.levels - 1))
            arrays |= {f"{part}_x_dt": encode(levels), f"{part}_y": label, f"{part}_speaker": number}
            print(_summary(part, levels, duration, recipe))
    arrays["config"] = np.frombuffer(recipe.to_json(espeak_ng=engine.version).encode(), np.uint8)
    return arrays


def encode(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Time difference modulo 256 of (sample, frame, band): it compresses about a seventh smaller than the levels."""
    return np.diff(levels, axis=1, prepend=np.zeros_like(levels[:, :1]))


def write_atomically(file: Path, arrays: dict[str, NDArray[np.uint8]]) -> None:
    """Write a compressed .npz under a temporary name, then rename it: ``file`` is whole or not there."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as stream:
            np.savez_compressed(stream, allow_pickle=False, **arrays)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def _summary(part: str, levels: NDArray[np.uint8], duration: NDArray[np.float64], recipe: Recipe) -> str:
    shortest, longest = np.percentile(duration, [1, 99])
    cut = (duration > recipe.n_frames * recipe.hop).mean()
    return (
        f"{part} {levels.shape}: duration mean {duration.mean():.3f} s, 1-99 % {shortest:.3f}-{longest:.3f} s, "
        f"cut {cut:.2%}, silent cells {(levels == 0).mean():.1%}, mean {levels.mean() / (recipe.levels - 1):.3f}"
    )


def main() -> None:
    """Parse the command line, make the data set, write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, metavar="OUT.npz", help="file to write")
    parser.add_argument("--train", type=int, default=4000, help="training utterances (%(default)s)")
    parser.add_argument("--test", type=int, default=1000, help="test utterances (%(default)s)")
    parser.add_argument("--seed", type=int, default=Recipe.seed, help="of every random choice (%(default)s)")
    options = parser.parse_args()
    arrays = make_spoken_digits(replace(Recipe(), seed=options.seed), n_train=options.train, n_test=options.test)
    write_atomically(options.file, arrays)


if __name__ == "__main__":
    main()

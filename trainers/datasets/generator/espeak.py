"""eSpeak NG driven in this process, with speakers of our own."""

from __future__ import annotations

import ctypes
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import espeakng_loader
import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 22050  # Hz, the only one eSpeak NG has

# from eSpeak NG's speak_lib.h
AUDIO_OUTPUT_SYNCHRONOUS = 2
BUFFER_LENGTH = 500  # ms
PARAMETER_RATE, PARAMETER_VOLUME, PARAMETER_PITCH, PARAMETER_RANGE = 1, 2, 3, 4
POSITION_CHARACTER = 1
TEXT_UTF8 = 1
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Espeak:
    """One eSpeak NG engine; it is global to the process and keeps some state between utterances.

    Parameters
    ----------
    folder
        Scratch folder for the engine's data.
    variants
        Text of a voice variant file by name; ``voice="gmw/de+name"`` selects one.
    """

    def __init__(self, folder: Path, variants: Mapping[str, str]) -> None:
        data = folder / "espeak-ng-data"
        shutil.copytree(espeakng_loader.get_data_path(), data)
        _keep_only(data, variants)
        self._library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        self._declare()
        self.version: str = self._library.espeak_Info(None).decode().split()[0]
        rate = self._library.espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, BUFFER_LENGTH, str(data).encode(), 0)
        if rate != SAMPLE_RATE:
            raise RuntimeError(f"eSpeak NG answered {rate} instead of its sample rate {SAMPLE_RATE}")
        self._sound: list[NDArray[np.int16]] = []
        self._callback = CALLBACK(self._collect)  # kept, or it would be collected while the engine still calls it
        self._library.espeak_SetSynthCallback(self._callback)

    def say(self, text: str, *, voice: str, rate: float, pitch: float, pitch_range: float, seed: int) -> NDArray[np.float32]:
        """Waveform of ``text``, full scale 1; ``rate`` in words per minute, pitch and its range in eSpeak's 0-100."""
        self._sound = []
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise RuntimeError(f"eSpeak NG has no voice {voice}")
        self._library.espeak_ng_SetRandSeed(seed)
        settings = (
            (PARAMETER_RATE, rate),
            (PARAMETER_VOLUME, 100),
            (PARAMETER_PITCH, pitch),
            (PARAMETER_RANGE, pitch_range),
        )
        for parameter, value in settings:
            self._library.espeak_SetParameter(parameter, int(value), 0)
        message = text.encode() + b"\0"
        error = self._library.espeak_Synth(message, len(message), 0, POSITION_CHARACTER, 0, TEXT_UTF8, None, None)
        if error != 0 or not self._sound:
            raise RuntimeError(f"eSpeak NG could not say {text!r} with voice {voice} (error {error})")
        return np.concatenate(self._sound).astype(np.float32) / 32768.0

    def _collect(self, wave: Any, n_samples: int, _events: int | None) -> int:
        if wave and n_samples > 0:
            self._sound.append(np.ctypeslib.as_array(wave, (n_samples,)).copy())
        return 0

    def _declare(self) -> None:
        integer, text, pointer, unsigned = ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_uint
        library = self._library
        library.espeak_Info.restype = text
        library.espeak_Initialize.argtypes = [integer, integer, text, integer]
        library.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
        library.espeak_SetVoiceByName.argtypes = [text]
        library.espeak_SetParameter.argtypes = [integer, integer, integer]
        library.espeak_Synth.argtypes = [
            text,
            ctypes.c_size_t,
            unsigned,
            integer,
            unsigned,
            unsigned,
            pointer,
            pointer,
        ]


def _keep_only(data: Path, variants: Mapping[str, str]) -> None:
    """Replace the engine's own variants and keep only German and English: it lists at most 349 voices."""
    folder = data / "voices" / "!v"
    for file in folder.iterdir():
        file.unlink()
    shutil.rmtree(data / "voices" / "mb", ignore_errors=True)
    for file in (data / "lang").rglob("*"):
        if file.is_file() and file.name != "de" and not file.name.startswith("en"):
            file.unlink()
    for name, text in variants.items():
        (folder / name).write_text(text, encoding="utf-8")

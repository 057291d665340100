"""What is held fixed: for each case, a function that computes the values to store."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tiny_voice import write_voice

from sori.audio.level import loudness
from sori.core.audio import Audio
from sori.speak.voice import Voice

FOLDER = Path(__file__).parent
PHONEMES = "ðə bˈɜɹʧ kənˈu slˈɪd, ˌɑn ðə smˈuð plˈæŋks."
BANDS_HZ = (0, 150, 300, 600, 1200, 2400, 4800, 12000)


def describe(audio: Audio) -> dict[str, object]:
    """Length, loudness and the level of each band in decibels."""
    power = np.abs(np.fft.rfft(audio.samples)) ** 2 / len(audio.samples)
    edges = np.searchsorted(np.fft.rfftfreq(len(audio.samples), 1 / audio.sample_rate), BANDS_HZ)
    bands = [power[start:stop].sum() for start, stop in zip(edges, edges[1:], strict=False)]
    return {
        "samples": len(audio.samples),
        "loudness": round(loudness(audio), 2),
        "bands_db": [round(float(10 * np.log10(band + 1e-9)), 2) for band in bands],
    }


def spoken(kind: str) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        voice = Voice(write_voice(Path(folder) / "tiny.onnx", kind))
    return describe(voice.say_phonemes(PHONEMES, speaker="ada(2)+ben(1)", speed=1.25, seed=7))


CASES: dict[str, Callable[[], dict[str, object]]] = {
    "wave-voice": lambda: spoken("wave"),
    "source-filter-voice": lambda: spoken("source-filter"),
}


def stored(name: str) -> dict[str, object]:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))

"""Reads words that no dictionary holds, with a small network of ours through onnxruntime."""

import json
from itertools import groupby
from pathlib import Path
from typing import Any

from sori.text.phonemes import VOWELS, common_letters

MODEL = Path(__file__).parent / "data" / "g2p.onnx"
LONGEST_LETTERS = 40  # longer strings are read part by part


class LetterReader:
    """Guesses the phonemes of a word from its letters; the network is loaded at the first word."""

    def __init__(self, accent: str):
        self._accent = accent
        self._session: Any = None
        self._card: dict[str, Any] = {}

    def __call__(self, word: str) -> str:
        """Return phonemes with stress; "" if the word has no letter that the network knows."""
        if self._session is None:
            self._open()
        ids = [self._letters[c] for c in word.lower() if c in self._letters]
        parts = [ids[i : i + LONGEST_LETTERS] for i in range(0, len(ids), LONGEST_LETTERS)]
        return common_letters("".join(map(self._guess, parts)), self._accent)

    def _open(self) -> None:
        # Importing onnxruntime costs more than the rest of the front end together.
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(MODEL, options, ["CPUExecutionProvider"])
        metadata = self._session.get_modelmeta().custom_metadata_map
        self._card = json.loads(metadata["sori.card"])
        self._letters = {c: i for i, c in enumerate(self._card["letters"]) if i}

    def _guess(self, letters: list[int]) -> str:
        import numpy as np

        inputs = {
            "letters": np.array([letters], np.int64),
            "accent": np.array([self._card["accents"].index(self._accent)], np.int64),
        }
        (scores,) = self._session.run(["scores"], inputs)
        best = scores[0].argmax(axis=1)
        ids = [i for i, _ in groupby(best.tolist()) if i]
        return stressed("".join(self._card["symbols"][i] for i in ids))


def stressed(phonemes: str) -> str:
    """Return phonemes with marks only before vowels and one main stress if there is a vowel."""
    letters: list[str] = []
    mark = ""
    main_seen = False
    for letter in phonemes:
        if letter in "ˈˌ":
            mark = letter
            continue
        if letter in VOWELS and mark:
            letters.append("ˌ" if mark == "ˈ" and main_seen else mark)
            main_seen = main_seen or mark == "ˈ"
            mark = ""
        letters.append(letter)
    text = "".join(letters)
    if main_seen:
        return text
    first = next((i for i, letter in enumerate(text) if letter in VOWELS), None)
    if "ˌ" in text:
        return text.replace("ˌ", "ˈ", 1)
    return text if first is None else f"{text[:first]}ˈ{text[first:]}"

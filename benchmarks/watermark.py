"""The watermark: is it found in what is left of a recording, is it ever found where none is, and
what does it cost in quality?

    .venv-judge/bin/python benchmarks/watermark.py CORPUS --out benchmarks/results/watermark.json

Marks excerpts of recordings, damages them as people do with files, and counts in how many the mark
is found; then looks for it in as many excerpts that bear none, damaged alike. With `--quality N`,
DistillMOS and PESQ of N excerpts with and without the mark.
"""

import argparse
import io
import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from processes import describe_machine

from sori.audio.files import read
from sori.audio.resample import resample
from sori.audio.watermark import THRESHOLD, detect, mark
from sori.core.audio import Audio
from sori.learn.data.corpora import read_pipe_separated
from sori.learn.evaluation.clips import Take
from sori.learn.evaluation.naturalness import DistillMOS

VOICE_RATE = 24_000
MP3_BITS_PER_SECOND = 64_000


def encode_mp3(audio: Audio) -> bytes:
    """The recording as MP3 of 64 kbit/s."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=audio.sample_rate)
        stream.bit_rate = MP3_BITS_PER_SECOND
        stream.layout = "mono"
        pcm = np.round(audio.samples.clip(-1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16p", layout="mono")
        frame.sample_rate = audio.sample_rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()


def through_mp3(audio: Audio) -> Audio:
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(encode_mp3(audio)), dtype="float32")
    return Audio(samples, rate)


def through_rate(rate: int) -> Callable[[Audio], Audio]:
    return lambda audio: resample(resample(audio, rate), 44_100)


def trim(audio: Audio) -> Audio:
    """The middle of the excerpt: the first 0.7134 s and the last half second are cut off."""
    first, last = round(0.7134 * audio.sample_rate), audio.sample_rate // 2
    return Audio(audio.samples[first:-last], audio.sample_rate)


def quieten(audio: Audio) -> Audio:
    return Audio(0.1 * audio.samples, audio.sample_rate)


def everything(audio: Audio) -> Audio:
    return through_mp3(quieten(trim(through_rate(16_000)(audio))))


DAMAGE: dict[str, Callable[[Audio], Audio]] = {
    "nothing": lambda audio: audio,
    "MP3 at 64 kbit/s": through_mp3,
    "resampled to 16 kHz and 44.1 kHz": through_rate(16_000),
    "resampled to 8 kHz and 44.1 kHz": through_rate(8_000),
    "trimmed at both ends": trim,
    "20 dB softer": quieten,
    "16 kHz, trimmed, softer, MP3": everything,
}


def excerpts(corpus: Path, count: int, seconds: float) -> Iterator[Audio]:
    """Beginnings of different recordings, drawn with seed 0, at the rate of a voice."""
    utterances = list(read_pipe_separated(corpus))
    random.Random(0).shuffle(utterances)
    found = 0
    for utterance in utterances:
        audio = resample(read(utterance.audio), VOICE_RATE)
        if audio.seconds >= seconds and found < count:
            found += 1
            yield Audio(audio.samples[: round(seconds * VOICE_RATE)], VOICE_RATE)
    if found < count:
        raise SystemExit(f"{corpus} has only {found} recordings of {seconds} s")


def marked(audio: Audio) -> Audio:
    return Audio(mark(audio.samples, audio.sample_rate), audio.sample_rate)


def count_found(clips: list[Audio]) -> dict[str, Any]:
    """Detections and false alarms under every kind of damage."""
    table = {}
    for name, damage in DAMAGE.items():
        with_mark = [detect(damage(marked(clip))) for clip in clips]
        without = [detect(damage(clip)) for clip in clips]
        table[name] = {
            "found": sum(m.is_there for m in with_mark),
            "false_alarms": sum(m.is_there for m in without),
            "weakest": round(min(m.strength for m in with_mark), 2),
            "median": round(float(np.median([m.strength for m in with_mark])), 2),
            "strongest_unmarked": round(max(m.strength for m in without), 2),
        }
        print(f"{name:36} {table[name]}", flush=True)
    return table


def quality(clips: list[Audio]) -> dict[str, float]:
    """DistillMOS before and after, and PESQ of the marked against the unmarked."""
    from pesq import pesq

    judge = DistillMOS()
    before = [judge.hear(Take(clip))["distillmos"] for clip in clips]
    after = [judge.hear(Take(marked(clip)))["distillmos"] for clip in clips]
    pairs = [(resample(c, 16_000).samples, resample(marked(c), 16_000).samples) for c in clips]
    scores = [pesq(16_000, plain, with_mark, "wb") for plain, with_mark in pairs]
    noise = [10 * np.log10(np.sum(a**2) / np.sum((a - b) ** 2)) for a, b in pairs]
    return {
        "clips": len(clips),
        "distillmos_unmarked": round(float(np.mean(before)), 3),
        "distillmos_marked": round(float(np.mean(after)), 3),
        "pesq": round(float(np.mean(scores)), 3),
        "pesq_lowest": round(float(np.min(scores)), 3),
        "signal_to_mark_db": round(float(np.mean(noise)), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, help="a folder with metadata.csv and audio/")
    parser.add_argument("--clips", type=int, default=500)
    parser.add_argument("--seconds", type=float, nargs="+", default=[3.0, 6.0])
    parser.add_argument("--quality", type=int, default=60, help="clips that are also judged")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    result: dict[str, Any] = {
        "command": " ".join(["python", *sys.argv[:1], options.corpus.name, *sys.argv[2:]]),
        "machine": describe_machine(),
        "corpus": options.corpus.name,
        "clips": options.clips,
        "threshold": THRESHOLD,
        "by_seconds": {},
    }
    for seconds in options.seconds:
        print(f"{options.clips} excerpts of {seconds} s")
        clips = list(excerpts(options.corpus, options.clips, seconds))
        result["by_seconds"][str(seconds)] = count_found(clips)
    if options.quality:
        result["quality"] = quality(clips[: options.quality])
        print(result["quality"])
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

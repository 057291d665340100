"""Proof that the judges judge: known damage to real recordings must order as it must.

    python benchmarks/degradations.py CORPUS/audio/slt --others CORPUS/audio/bdl OTHER/audio/name

Each ladder damages the same recordings more from step to step, and names the metrics that must
follow from the untouched recording to the last step: strictly, except that a recogniser hears
through mild damage, so its errors may stay where they are before they rise. Exit status 1 if a
metric does not follow.
Runs in the environment of setup_judges.py. Results: benchmarks/results/degradations.json.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
import torch
from scipy import signal
from sentences import read_table
from setup_judges import ROOT

from sori.audio.files import read, write
from sori.audio.resample import resample
from sori.core.audio import Audio
from sori.learn.evaluation.clips import Clip
from sori.learn.evaluation.evaluation import full_panel
from sori.learn.evaluation.intelligibility import Whisper
from sori.learn.evaluation.metrics import METRICS, summarise
from sori.learn.evaluation.panel import judge

RESULTS = ROOT / "benchmarks" / "results" / "degradations.json"
WORK = ROOT / "runs" / "degradations"
SAMPLE_RATE = 16_000
SPEAKER_RECORDINGS = 20  # of the same speaker, none of them damaged and judged
UNTOUCHED = "untouched"
PATIENT = ("wer", "cer")  # may wait on a step, but never turn back, and must end worse

Damage = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Ladder:
    """Steps of growing damage, and the metrics that must fall or rise along them."""

    name: str
    steps: Mapping[str, Damage]
    must_fall: Sequence[str] = ()
    must_rise: Sequence[str] = ()


def add_noise(ratio_db: float) -> Damage:
    """Return white noise at a ratio of speech to noise."""

    def damage(samples: np.ndarray) -> np.ndarray:
        noise = np.random.default_rng(0).normal(size=len(samples))
        loudness = np.sqrt(np.mean(samples**2)) * 10 ** (-ratio_db / 20)
        return samples + loudness * noise

    return damage


def low_pass(edge_hz: float) -> Damage:
    sections = signal.butter(8, edge_hz, fs=SAMPLE_RATE, output="sos")
    return lambda samples: np.asarray(signal.sosfiltfilt(sections, samples))


def stretch(speed: float) -> Damage:
    """Return faster speech at the same pitch, by a phase vocoder.

    Windows of 32 ms: the 128 ms that librosa takes by default at this rate smear speech so much
    that the smallest change of speed already sounds as bad as the largest.
    """
    return lambda samples: librosa.effects.time_stretch(samples, rate=speed, n_fft=512)


def shuffle_words(whisper: Whisper, share: float) -> Damage:
    """Return the recording cut between words, with a share of the pieces changed around."""

    def damage(samples: np.ndarray) -> np.ndarray:
        segments, _ = whisper.model.transcribe(
            samples.astype(np.float32), language="en", temperature=0.0, word_timestamps=True
        )
        words = [word for segment in segments for word in segment.words]
        cuts = [round(word.start * SAMPLE_RATE) for word in words[1:]]
        pieces = np.split(samples, cuts)
        draw = np.random.default_rng(0)
        moved = np.sort(draw.permutation(len(pieces))[: round(share * len(pieces))])
        order = np.arange(len(pieces))
        order[moved] = draw.permutation(moved)
        return np.concatenate([pieces[place] for place in order])

    return damage


def ladders(whisper: Whisper) -> list[Ladder]:
    return [
        Ladder(
            "noise, dB",
            {f"{ratio}": add_noise(ratio) for ratio in (20, 10, 0)},
            must_fall=("distillmos", "dnsmos", "dnsmos_noise", "stoi", "pesq"),
            must_rise=("wer", "cer", "mcd_db", "voicing"),
        ),
        Ladder(
            "low-pass, Hz",
            {f"{edge}": low_pass(edge) for edge in (2000, 1000, 500)},
            must_fall=("distillmos", "stoi", "pesq"),
            must_rise=("wer", "cer", "mcd_db"),
        ),
        Ladder(
            "faster, times",
            {f"{speed}": stretch(speed) for speed in (1.5, 2.0, 3.0)},
            must_fall=("distillmos",),
            must_rise=("wer", "cer", "mcd_db"),
        ),
        Ladder(
            "words moved, %",
            {f"{round(100 * share)}": shuffle_words(whisper, share) for share in (0.5, 1.0)},
            must_rise=("wer", "cer", "mcd_db"),
        ),
    ]


def recordings_of(folder: Path) -> dict[str, Path]:
    """Return recordings by what they say; the corpus' table lies above the folder."""
    table = next(up / "metadata.csv" for up in folder.resolve().parents if up.name != "audio")
    files = {file.name: file for file in folder.iterdir()}
    rows = read_table(table)
    return {
        row["text"]: files[Path(row["audio"]).name]
        for row in rows
        if Path(row["audio"]).name in files
    }


def write_step(folder: Path, sounds: Mapping[str, np.ndarray], originals: Path) -> list[Clip]:
    """Write one step of a ladder; sounds are keyed by their text, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = []
    for number, (text, samples) in enumerate(sounds.items(), start=1):
        name = f"{number:03}.wav"
        # Loud noise must not clip: that would be a second damage.
        peak = max(1.0, float(np.abs(samples).max()))
        write(folder / name, Audio((samples / peak).astype(np.float32), SAMPLE_RATE))
        clips.append(Clip(folder / name, text, originals / name))
    return clips


def make_steps(
    own: Mapping[str, np.ndarray],
    others: Mapping[str, Mapping[str, np.ndarray]],
    only: Sequence[str] | None,
) -> tuple[list[Ladder], dict[tuple[str, str], list[Clip]]]:
    """Write all recordings that are judged, by ladder and step."""
    originals = WORK / UNTOUCHED
    made = {("", UNTOUCHED): write_step(originals, own, originals)}
    climbed = [ladder for ladder in ladders(Whisper()) if not only or ladder.name in only]
    for ladder in climbed:
        for step, damage in ladder.steps.items():
            sounds = {text: damage(samples) for text, samples in own.items()}
            folder = WORK / ladder.name.split(",")[0].replace(" ", "-") / step
            made[ladder.name, step] = write_step(folder, sounds, originals)
    for name, sounds in others.items():
        made["another speaker", name] = write_step(WORK / "others" / name, sounds, originals)
    return climbed, made


def check(ladder: Ladder, summaries: Mapping[tuple[str, str], Mapping]) -> dict[str, dict]:
    """Say for each metric of a ladder whether its values order as they must."""
    keys = [("", UNTOUCHED), *((ladder.name, step) for step in ladder.steps)]
    found = {}
    for metric in (*ladder.must_fall, *ladder.must_rise):
        # The untouched recording is its own reference, so all have what a reference gives; only
        # a step that changes the timing has no STOI or PESQ, and no ladder asks it.
        values = [summaries[key][metric].value for key in keys]
        steps = np.diff(values) * (-1 if metric in ladder.must_fall else 1)
        follows = (steps >= 0).all() and steps.sum() > 0 if metric in PATIENT else (steps > 0).all()
        found[metric] = {
            "must": "fall" if metric in ladder.must_fall else "rise",
            "values": dict(zip((step for _, step in keys), values, strict=True)),
            "ordered": bool(follows),
        }
    return found


def check_speakers(names: Sequence[str], summaries: Mapping[tuple[str, str], Mapping]) -> dict:
    """Every other speaker must be less like the speaker than the speaker."""
    values = {UNTOUCHED: summaries["", UNTOUCHED]["similarity"].value}
    values |= {name: summaries["another speaker", name]["similarity"].value for name in names}
    ordered = all(values[name] < values[UNTOUCHED] for name in names)
    return {"similarity": {"must": "fall", "values": values, "ordered": ordered}}


def markdown(result: Mapping[str, Mapping[str, Mapping]]) -> str:
    lines = ["| damage | metric | must | values | ordered |", "| --- | --- | --- | --- | --- |"]
    labels = {metric.name: metric.label for metric in METRICS}
    for ladder, metrics in result.items():
        for metric, found in metrics.items():
            values = ", ".join(f"{step}: {value:.2f}" for step, value in found["values"].items())
            verdict = "yes" if found["ordered"] else "**no**"
            lines.append(
                f"| {ladder} | {labels[metric]} | {found['must']} | {values} | {verdict} |"
            )
    return "\n".join(lines)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("speaker", type=Path, help="folder with recordings of one speaker")
    parser.add_argument("--others", type=Path, nargs="+", required=True)
    parser.add_argument("--only", nargs="+", help="ladders; the others keep their stored result")
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def known_ladders(head: Mapping[str, object]) -> dict[str, dict]:
    """Return the stored result, if it is of the same recordings and judges."""
    stored = json.loads(RESULTS.read_text())
    if {name: stored[name] for name in head} != head:
        raise SystemExit(f"{RESULTS.name} is of other recordings; run all ladders")
    return stored["ladders"]


def main() -> int:
    options = read_arguments()
    torch.set_num_threads(options.threads)
    own = recordings_of(options.speaker)
    others = {folder.name: recordings_of(folder) for folder in options.others}
    shared = sorted(text for text in own if all(text in other for other in others.values()))
    chosen = list(np.random.default_rng(0).permutation(shared)[: options.clips])
    apart = [read(file) for text, file in own.items() if text not in chosen][:SPEAKER_RECORDINGS]

    def sounds(files: Mapping[str, Path]) -> dict[str, np.ndarray]:
        return {
            text: resample(read(files[text]), SAMPLE_RATE).samples.astype(np.float64)
            for text in chosen
        }

    spoken = {} if options.only else {name: sounds(files) for name, files in others.items()}
    climbed, made = make_steps(sounds(own), spoken, options.only)
    clips = [clip for step in made.values() for clip in step]
    verdict = judge(clips, full_panel(True, apart, threads=options.threads))
    rows = iter(verdict.rows)
    summaries = {key: summarise([next(rows) for _ in step]) for key, step in made.items()}

    head = {"clips": len(chosen), "speaker": options.speaker.name, "missing": verdict.missing}
    result = known_ladders(head) if options.only else {}
    result |= {ladder.name: check(ladder, summaries) for ladder in climbed}
    if not options.only:
        result["another speaker"] = check_speakers(list(others), summaries)
    RESULTS.write_text(json.dumps(head | {"ladders": result}, indent=1) + "\n")
    print(markdown(result))
    return 0 if all(found["ordered"] for each in result.values() for found in each.values()) else 1


if __name__ == "__main__":
    sys.exit(main())

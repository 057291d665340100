"""How much breath suits every speaker of a voice: the amount that a judge of naturalness prefers.

    python benchmarks/breath.py ACOUSTIC VOCODER CARD.toml WORK_FOLDER --json RESULT.json

Exports the voice once for every amount, speaks a few sentences as everybody, judges them in
`.venv-judge` (benchmarks/setup_judges.py), and reports for every speaker the amount at the top of a
parabola through the means. The sentences are not those of peers.py or every_speaker.py. What is in
WORK_FOLDER is not made again.
"""

import argparse
import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from statistics import mean

import numpy as np
from judging import judged_clips, sentences

import sori
from sori.learn import registry
from sori.learn.export.voice import join, read_voice_card

FIRST, COUNT = 60, 5
AMOUNTS = (0.4, 0.8, 1.2, 1.6, 2.0)  # nepers


def speak(options: argparse.Namespace) -> None:
    """Write AMOUNT/NAME-0-AMOUNT.wav and so on for every amount and speaker."""
    acoustic, vocoder = registry.load(options.acoustic), registry.load(options.vocoder)
    card = read_voice_card(options.card)
    for amount in AMOUNTS:
        folder = options.work / "speech" / f"{amount}"
        if folder.is_dir():
            continue
        path = options.work / f"{amount}.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        alike = tuple(replace(speaker, breath=amount) for speaker in card.speakers)
        join(acoustic, vocoder, replace(card, speakers=alike), path)
        voice = sori.load(path)
        part = folder.with_suffix(".part")
        part.mkdir(parents=True, exist_ok=True)
        for name in voice.speakers:
            for number, line in enumerate(sentences(FIRST, COUNT)):
                sori.write(part / f"{name}-{number}-{amount}.wav", voice.say(line, speaker=name))
        part.rename(folder)


def best(scores: dict[float, float]) -> float:
    """The amount at the top of a parabola through all scores, within those that were tried."""
    amounts = np.array(list(scores))
    bend, slope, _ = np.polyfit(amounts, list(scores.values()), 2)
    if bend >= 0:
        return max(scores, key=lambda amount: scores[amount])
    return float(np.clip(-slope / (2 * bend), amounts.min(), amounts.max()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("acoustic", type=Path)
    parser.add_argument("vocoder", type=Path)
    parser.add_argument("card", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    speak(options)
    found: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for clip in judged_clips(options.work / "speech", options.work / "judged.json", "distillmos"):
        name, _, amount = Path(clip["clip"]).stem.rsplit("-", 2)
        found[name][float(amount)].append(clip["distillmos"])
    speakers = {}
    for name, clips in found.items():
        scores = {amount: round(mean(clips[amount]), 3) for amount in sorted(clips)}
        speakers[name] = {"best": round(best(scores), 1), "distillmos": scores}
    result = {
        "command": "python benchmarks/breath.py ACOUSTIC VOCODER CARD WORK_FOLDER",
        "sentences_each": COUNT,
        "speakers": speakers,
    }
    options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

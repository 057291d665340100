"""How well `sori corpus check` notices that a text does not belong to its recording.

    python benchmarks/corpus_check.py CORPORA [NAME...]

Of every corpus some recordings are measured. Then their texts are swapped at random, or the sound
is taken for a half of itself, and what is called a misfit is counted.
"""

import argparse
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from sori.learn.data.check import Measured, measure, misfit, usual_speeds
from sori.learn.data.corpora import Utterance, read_corpus

RECORDINGS = 200


def share(measured: Sequence[Measured], speeds: Sequence[float]) -> str:
    found = sum(bool(misfit(m, speed)) for m, speed in zip(measured, speeds, strict=True))
    return f"{100 * found / len(measured):9.1f} %"


def shortened(m: Measured, part: float) -> Measured:
    """The same text on a part of the sound."""
    spoken = m.seconds - m.silence_before - m.silence_after
    return replace(m, seconds=part * spoken, silence_before=0.0, silence_after=0.0)


def swapped(measured: Sequence[Measured]) -> list[Measured]:
    """Every sound with the text of another one."""
    texts = [m.phonemes for m in measured]
    random.shuffle(texts)
    return [replace(m, phonemes=phonemes) for m, phonemes in zip(measured, texts, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    random.seed(0)
    kinds: dict[str, Callable[[Sequence[Measured]], Sequence[Measured]]] = {
        "own text": lambda measured: measured,
        "half": lambda measured: [shortened(m, 0.5) for m in measured],
        "70 %": lambda measured: [shortened(m, 0.7) for m in measured],
        "swapped": swapped,
    }
    print(f"{'corpus':20}", *(f"{kind:>11}" for kind in kinds))
    names = given.names or sorted(f.parent.name for f in given.corpora.glob("*/metadata.csv"))
    for name in names:
        utterances: list[Utterance] = read_corpus(given.corpora / name)
        chosen = random.sample(utterances, min(RECORDINGS, len(utterances)))
        measured = [measure(utterance, "us") for utterance in chosen]
        usual = usual_speeds(chosen, measured)
        speeds = [usual[utterance.speaker] for utterance in chosen]
        print(f"{name:20}", *(share(change(measured), speeds) for change in kinds.values()))


if __name__ == "__main__":
    main()

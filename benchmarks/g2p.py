"""How well the front end reads words that it does not know, and how fast it is.

    python benchmarks/g2p.py

Words of held-out lemmas, which the network never saw, are read by the exported network alone.
Writes `benchmarks/results/g2p.json`.
"""

import json
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from processes import commit

from sori.learn.data.lexicon import Pronounced, is_held_out, read_words
from sori.text.frontend import FrontEnd
from sori.text.lexicon import DATA
from sori.text.network import MODEL, LetterReader

RESULTS = Path(__file__).parent / "results" / "g2p.json"
TEXT_BYTES = 1_000_000
STORY = (
    "The old harbour was quiet on the morning of 5 March 1987, when Dr. Ellis paid $3.50 for "
    "coffee and read the paper. Nobody had seen the Zorbifax since 9:30 p.m.; it lay at anchor, "
    'about 2.5 km from the coast. "Will you come with me?" she asked. He refused to answer.\n\n'
)


def distance(want: str, got: str) -> int:
    """Return the number of letters to insert, delete or replace."""
    row = list(range(len(got) + 1))
    for i, letter in enumerate(want, 1):
        above, row[0] = row[0], i
        for j, other in enumerate(got, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (letter != other))
    return row[-1]


def without_stress(phonemes: str) -> str:
    """Return the sounds alone."""
    return phonemes.replace("ˈ", "").replace("ˌ", "")


def judge(words: Sequence[Pronounced], accent: str) -> dict[str, float]:
    """Compare the network's readings with the dictionaries'; any reading they list is right."""
    wanted: dict[str, list[str]] = {}
    for word in words:
        if word.accent == accent and is_held_out(word.word):
            wanted.setdefault(word.word, []).append(word.phonemes)
    reader = LetterReader(accent)
    whole = sounds = errors = letters = 0
    for word, readings in wanted.items():
        got = reader(word)
        best = min(readings, key=lambda want: distance(want, got))
        bare, bare_got = without_stress(best), without_stress(got)
        whole += got == best
        sounds += bare == bare_got
        errors += distance(bare, bare_got)
        letters += len(bare)
    return {
        "words": len(wanted),
        "word_accuracy_with_stress": round(whole / len(wanted), 4),
        "word_accuracy": round(sounds / len(wanted), 4),
        "phoneme_error_rate": round(errors / letters, 4),
    }


def speed() -> dict[str, float]:
    """Time the opening of a front end, its first sentence, and a megabyte of text, in CPU time."""
    times = []
    for _ in range(5):
        began = time.process_time()
        next(FrontEnd().sentences("The birch canoe slid on the smooth planks."))
        times.append(time.process_time() - began)
    text = STORY * (TEXT_BYTES // len(STORY) + 1)
    began = time.process_time()
    sentences = sum(1 for _ in FrontEnd().sentences(text))
    seconds = time.process_time() - began
    return {
        "first_sentence_cpu_ms": round(1000 * float(np.median(times)), 2),
        "cpu_seconds": round(seconds, 2),
        "megabytes_per_cpu_second": round(len(text) / 1e6 / seconds, 3),
        "sentences": sentences,
    }


def main() -> None:
    """Measure and write the result."""
    words = read_words(("us", "gb"))
    result = {
        "command": "python " + " ".join(sys.argv),
        "commit": commit(),
        "machine": f"{platform.machine()}, Python {platform.python_version()}, one thread",
        "held_out": {accent: judge(words, accent) for accent in ("us", "gb")},
        "bytes": {path.name: path.stat().st_size for path in sorted(DATA.glob("*.bin"))}
        | {MODEL.name: MODEL.stat().st_size},
        "speed": speed(),
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

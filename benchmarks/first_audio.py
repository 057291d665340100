"""How long a listener waits: from a loaded voice to the first piece of a long paragraph.

    python benchmarks/first_audio.py benchmarks/sentences.txt [--voice FILE]

`peers.py` starts it in Sori's own environment, once for every number: the first text that a voice
reads also opens the dictionary. It prints one JSON object.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import sori


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sentences", type=Path, help="one a line; together they are the paragraph")
    parser.add_argument("--voice", help="by name or file")
    options = parser.parse_args()
    paragraph = " ".join(options.sentences.read_text(encoding="utf-8").split("\n")).strip()
    start = time.perf_counter()
    voice = sori.load(options.voice)
    loaded = time.perf_counter()
    first = next(voice.stream(paragraph))
    heard = time.perf_counter()
    report = {
        "load_seconds": loaded - start,
        "first_audio_seconds": heard - loaded,
        "first_piece_seconds": first.seconds,
        "paragraph_characters": len(paragraph),
    }
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()

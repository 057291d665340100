"""Speak a text file of any length; memory holds one sentence at a time.

python examples/book.py BOOK.txt BOOK.opus
"""

import sys
from pathlib import Path

import sori
from sori.audio.files import AudioWriter

source, target = Path(sys.argv[1]), Path(sys.argv[2])
voice = sori.load()
with AudioWriter(target, voice.card.sample_rate) as writer:
    for piece in voice.stream(source.read_text(encoding="utf-8")):
        writer.write(piece.samples)

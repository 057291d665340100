"""Hear the beginning of a text while the rest is still being made.

A real program would hand each piece to a sound device; this one tells when each was ready.
"""

import time

import sori

TEXT = """Glue the sheet to the dark blue background. It is easy to tell the depth of a well.
These days, a chicken leg is a rare dish. Rice is often served in round bowls."""

voice = sori.load()
started = time.perf_counter()
for piece in voice.stream(TEXT):
    waited = time.perf_counter() - started
    print(f"after {1000 * waited:.0f} ms: {piece.seconds:.2f} s of sound")

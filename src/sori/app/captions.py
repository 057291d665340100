"""Captions: what is said when, as SRT and as WebVTT with the times of words.

Source: W3C, "WebVTT: The Web Video Text Tracks Format", section 4.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """A word and when it is said, in seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Cue:
    """A sentence and when it is said; its words."""

    text: str
    start: float
    end: float
    words: tuple[Word, ...]


def srt(cues: Iterable[Cue]) -> Iterator[str]:
    """Lines of an SRT file."""
    for number, cue in enumerate(cues, start=1):
        yield from (str(number), f"{clock(cue.start, ',')} --> {clock(cue.end, ',')}", cue.text, "")


def vtt(cues: Iterable[Cue]) -> Iterator[str]:
    """Lines of a WebVTT file; a time stands in front of every word but the first."""
    yield from ("WEBVTT", "")
    for cue in cues:
        first, *later = cue.words or (Word(cue.text, cue.start, cue.end),)
        timed = [escaped(first.text), *(f"<{clock(w.start)}>{escaped(w.text)}" for w in later)]
        yield from (f"{clock(cue.start)} --> {clock(cue.end)}", " ".join(timed), "")


def clock(seconds: float, point: str = ".") -> str:
    thousandths = round(seconds * 1000)
    minutes, thousandths = divmod(thousandths, 60_000)
    return (
        f"{minutes // 60:02}:{minutes % 60:02}:{thousandths // 1000:02}"
        f"{point}{thousandths % 1000:03}"
    )


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

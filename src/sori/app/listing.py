"""What `sori voices` and `sori phonemes` print."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sori.core.errors import SoriError
from sori.speak.card import Card, Speaker, read_card
from sori.speak.catalogue import files
from sori.text.frontend import FrontEnd, Step

ACCENT_NAMES = {"us": "US", "gb": "UK"}


def voice_lines() -> Iterator[str]:
    """Every installed voice, and under it what its speakers are."""
    installed = files()
    if not installed:
        raise SoriError("no voice is installed; install Sori again, or set SORI_VOICES to a folder")
    for name, path in installed.items():
        try:
            yield from lines_of(name, read_card(path), path.stat().st_size)
        except SoriError as error:  # one damaged file does not hide the others
            yield f"{name}: {error}"


def lines_of(name: str, card: Card, size_bytes: int) -> Iterator[str]:
    number = len(card.speakers)
    yield (
        f"{name}: {size_bytes / 1e6:.1f} MB, {card.sample_rate} Hz, {card.language}, "
        f"{number} speaker{'s' if number > 1 else ''}, {card.licence}"
    )
    if card.quality:
        yield f"  measured: {in_words(card.quality)}"
    width = max(len(speaker.name) for speaker in card.speakers)
    for speaker in card.speakers:
        mark = "*" if speaker.name == card.default_speaker else " "
        yield f"{mark} {speaker.name:{width}}  {about(speaker)}"


def about(speaker: Speaker) -> str:
    quality = in_words(speaker.quality) if speaker.quality else ""
    parts = [ACCENT_NAMES[speaker.accent], speaker.description, speaker.licence, quality]
    return "; ".join(part for part in parts if part)


def in_words(value: Any) -> str:
    """A measurement of a card: a mapping as `name value` pairs, anything else as it is."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key.replace('_', ' ')} {in_words(each)}" for key, each in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def phoneme_lines(text: str, accent: str, lexicon: Path | None) -> Iterator[str]:
    """Each step from text to phonemes; a blank line parts the sentences."""
    for number, step in enumerate(FrontEnd(accent, lexicon).explain(text)):
        if step.name == "text" and number:
            yield ""
        yield from step_lines(step)


def step_lines(step: Step) -> Iterator[str]:
    """A step on one line, or its words in columns: written, spoken, phonemes, who said so."""
    if not step.words:
        yield f"{step.name:9} {step.value}"
        return
    columns = [
        [getattr(word, column) for word in step.words]
        for column in ("written", "spoken", "phonemes", "source")
    ]
    widths = [max(map(len, column)) for column in columns]
    for number, row in enumerate(zip(*columns, strict=True)):
        name = "" if number else step.name
        cells = [f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)]
        yield f"{name:9} {'  '.join(cells)}".rstrip()

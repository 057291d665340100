"""`sori read`: a whole book, chapter by chapter, each paragraph spoken once.

A paragraph's sound is kept under a name made of everything that decides it: the voice file, the
manner, the text. A killed run finds what it had finished, and an edited book finds what has not
changed; so the same command always ends with the same sound.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sori.app.books import Chapter
from sori.app.captions import Cue, Word, srt, vtt
from sori.audio.files import AudioWriter, read
from sori.core.errors import SoriError
from sori.speak.edges import rest_between
from sori.speak.manner import Manner
from sori.speak.speakers import mix
from sori.speak.voice import Voice
from sori.text.frontend import PARAGRAPH_SECONDS

KEPT, MANIFEST = ".sori-paragraphs", "manifest.json"
# Changes when the same paragraph would be kept in another form.
FORM = 1
LONGEST_NAME = 40


class Progress(NamedTuple):
    """How far a reading is."""

    chapter: str
    done_characters: int
    all_characters: int
    spent_seconds: float
    skipped: str = ""

    def line(self) -> str:
        """For people: what is done, and how long the rest will take at the pace so far."""
        share = self.done_characters / max(1, self.all_characters)
        left = self.spent_seconds * (1 - share) / share if share else 0.0
        return f"{share:4.0%}  {self.chapter}  {left:.0f} s left"


@dataclass(frozen=True)
class Order:
    """Where a book goes, in which format, and how it is spoken."""

    folder: Path
    suffix: str
    manner: Manner


class Paragraph(NamedTuple):
    """A kept paragraph: its sound and its captions, from the paragraph's start."""

    samples: np.ndarray
    cues: tuple[Cue, ...]


class Reading:
    """Reads chapters aloud into a folder."""

    def __init__(self, voice: Voice, order: Order):
        self.voice = voice
        self.order = order
        self.kept = order.folder / KEPT
        # Speaker and lexicon are checked now: later, a fault is taken for one of a paragraph.
        voice.front_end(mix(voice.card, order.manner.speaker).accent)
        with voice.path.open("rb") as file:
            self.identity = hashlib.file_digest(file, "sha256").hexdigest()
        if voice.lexicon is not None:
            self.identity += hashlib.sha256(voice.lexicon.read_bytes()).hexdigest()

    def run(self, chapters: Sequence[Chapter]) -> Iterator[Progress]:
        """Speak what is not yet spoken; progress after every paragraph."""
        make_folder(self.kept)
        self.clear_parts()
        everything = sum(len(each) for chapter in chapters for each in chapter.paragraphs)
        started = time.monotonic()
        done = 0
        old = self.finished()
        entries: list[dict] = []
        for number, chapter in enumerate(chapters, start=1):
            name = file_name(number, len(chapters), chapter.title)
            keys = [self.key(text) for text in chapter.paragraphs]
            for text, key in zip(chapter.paragraphs, keys, strict=True):
                skipped = self.keep(text, key)
                done += len(text)
                spent = time.monotonic() - started
                yield Progress(chapter.title or name, done, everything, spent, skipped)
            entry = {"file": name + self.order.suffix, "title": chapter.title, "paragraphs": keys}
            if entry not in old or not (self.order.folder / entry["file"]).exists():
                self.join(name, keys)
            entries.append(entry)
            # Chapters of an older run stay listed until the book is complete.
            written = {entry["file"] for entry in entries}
            rest = [entry for entry in old if entry["file"] not in written]
            write_text(self.order.folder / MANIFEST, manifest([*entries, *rest]))
        self.clear(old, entries)
        write_text(self.order.folder / MANIFEST, manifest(entries))

    def key(self, text: str) -> str:
        """The name of a paragraph's sound."""
        said = json.dumps([FORM, self.identity, asdict(self.order.manner), text])
        return hashlib.sha256(said.encode()).hexdigest()[:32]

    def keep(self, text: str, key: str) -> str:
        """Speak a paragraph unless it is kept; return why nothing of it could be spoken."""
        note = self.kept / f"{key}.json"
        if note.exists():
            return ""
        try:
            sentences = list(self.voice.read(text, self.order.manner.speaker))
        except SoriError as error:  # a paragraph of signs, as between two scenes
            write_text(note, json.dumps([]))
            return str(error)
        cues: list[Cue] = []
        seconds = 0.0
        with AudioWriter(self.kept / f"{key}.flac", self.voice.card.sample_rate) as writer:
            for utterance in self.voice.speak(sentences, self.order.manner):
                words = [
                    Word(w.label, seconds + w.start_seconds, seconds + w.end_seconds)
                    for w in utterance.words
                ]
                writer.write(utterance.audio.samples)
                seconds += utterance.audio.seconds
                if words:
                    said = " ".join(word.text for word in words)
                    cues.append(Cue(said, words[0].start, words[-1].end, tuple(words)))
        # Written last: a paragraph counts as kept when this file is there.
        write_text(note, json.dumps([asdict(cue) for cue in cues]))
        return ""

    def paragraph(self, key: str) -> Paragraph:
        """A kept paragraph."""
        raw = json.loads((self.kept / f"{key}.json").read_text(encoding="utf-8"))
        cues = tuple(
            Cue(r["text"], r["start"], r["end"], tuple(Word(**word) for word in r["words"]))
            for r in raw
        )
        path = self.kept / f"{key}.flac"
        return Paragraph(read(path).samples if cues else np.zeros(0, np.float32), cues)

    def join(self, name: str, keys: Sequence[str]) -> None:
        """Write a chapter and its captions from its kept paragraphs, one in memory at a time."""
        rate = self.voice.card.sample_rate
        rest = np.zeros(
            round(rest_between(PARAGRAPH_SECONDS / self.order.manner.speed) * rate), np.float32
        )
        cues: list[Cue] = []
        samples = 0
        path = self.order.folder / f"{name}{self.order.suffix}"
        with AudioWriter(path, rate) as writer:
            for key in keys:
                kept = self.paragraph(key)
                if samples and len(kept.samples):
                    writer.write(rest)
                    samples += len(rest)
                cues += [later(cue, samples / rate) for cue in kept.cues]
                writer.write(kept.samples)
                samples += len(kept.samples)
        write_text(path.with_suffix(".srt"), "\n".join(srt(cues)))
        write_text(path.with_suffix(".vtt"), "\n".join(vtt(cues)))

    def finished(self) -> list[dict]:
        """Chapters that an older run finished."""
        try:
            text = (self.order.folder / MANIFEST).read_text(encoding="utf-8")
            return list(json.loads(text)["chapters"])
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            place = self.order.folder / MANIFEST
            raise SoriError(f"{place} is damaged; remove it, or name another folder") from error

    def clear_parts(self) -> None:
        """Remove what a killed run was in the midst of writing."""
        for folder in (self.order.folder, self.kept):
            for path in folder.glob(".*.part"):
                path.unlink(missing_ok=True)

    def clear(self, old: Sequence[dict], entries: Sequence[dict]) -> None:
        """Remove what the book no longer has: files of gone chapters, sound of gone paragraphs."""
        files = {entry["file"] for entry in entries}
        for gone in {str(entry["file"]) for entry in old} - files:
            for suffix in (Path(gone).suffix, ".srt", ".vtt"):
                # A name from a file that anybody may have edited stays inside the folder.
                (self.order.folder / Path(gone).name).with_suffix(suffix).unlink(missing_ok=True)
        keys = {key for entry in entries for key in entry["paragraphs"]}
        for path in self.kept.iterdir():
            if path.stem not in keys:
                path.unlink()


def later(cue: Cue, seconds: float) -> Cue:
    """The same cue, so much later."""
    words = tuple(Word(w.text, w.start + seconds, w.end + seconds) for w in cue.words)
    return Cue(cue.text, cue.start + seconds, cue.end + seconds, words)


def file_name(number: int, last: int, title: str) -> str:
    """A name that sorts, and that every file system takes."""
    words = re.sub(r"[^a-z0-9]+", "-", title.lower())[:LONGEST_NAME].strip("-")
    return f"{number:0{len(str(last))}}-{words or 'chapter'}"


def manifest(entries: Sequence[dict]) -> str:
    return json.dumps({"chapters": list(entries)}, indent=1)


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SoriError(f"cannot make the folder {folder}: {error.strerror}") from error


def write_text(path: Path, text: str) -> None:
    """Write beside the file, then rename."""
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise SoriError(f"cannot write {path}: {error.strerror}") from error

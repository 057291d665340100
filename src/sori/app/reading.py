"""`sori read`: a whole book, chapter by chapter, each sentence spoken once.

A sentence's take is kept under a name made of everything that decides it: the voice file, the
manner, the text. A killed run finds what it had finished, and an edited book finds what has not
changed; so the same command always ends with the same bytes, whoever spoke which sentence.
"""

import hashlib
import json
import re
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sori.app.books import Chapter
from sori.app.captions import Cue, Word, srt, vtt
from sori.app.takes import Booth, Take, record, skipped_in, unpacked
from sori.audio.files import FORMATS, AudioWriter
from sori.audio.level import soft_limit
from sori.audio.mp4 import M4bWriter, Tags
from sori.audio.watermark import mark
from sori.core.engines import Engine
from sori.core.errors import SoriError
from sori.core.files import make_folder, write_bytes
from sori.speak.card import read_card
from sori.speak.edges import rest_between
from sori.speak.speakers import mix
from sori.text.frontend import PARAGRAPH_SECONDS, FrontEnd
from sori.text.sentences import split
from sori.text.ssml import is_ssml, parts

KEPT, MANIFEST = ".sori-takes", "manifest.json"
CAPTIONS = {".srt": srt, ".vtt": vtt}
BOOK = ".m4b"
# Files that can hold a whole book, with marks for its chapters.
MARKED = (BOOK, ".opus")
SUFFIXES = (*FORMATS, BOOK)
CHAPTER_SECONDS = 1.5  # silence between chapters of one file
LONGEST_NAME = 40
# A sentence that fills pages is taken in parts of about so many characters.
LONGEST_LINE = 5000


class Progress(NamedTuple):
    """How far a reading is."""

    chapter: str
    share: float
    left_seconds: float
    skipped: str = ""

    def line(self) -> str:
        """For people: what is done, and how long the rest will take at the pace so far."""
        minutes, seconds = divmod(round(self.left_seconds), 60)
        hours, minutes = divmod(minutes, 60)
        left = f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
        return f"{self.share:4.0%}  {self.chapter}  {left} left"


@dataclass(frozen=True)
class Order:
    """Where a book goes, in which format, and whether its chapters share one file.

    Args:
        name: of that file.
        tags: what an m4b file says of the book.
    """

    folder: Path
    suffix: str
    name: str
    one_file: bool = False
    tags: Tags = Tags("")

    def identity(self) -> str:
        """What a file says besides its chapters."""
        if self.suffix != BOOK:
            return ""
        cover = hashlib.sha256(self.tags.cover).hexdigest()
        return f"\n{self.tags.title}\n{self.tags.author}\n{cover}"


class Line(NamedTuple):
    """A sentence, or a paragraph of SSML, and the name of its take."""

    key: str
    text: str
    starts_paragraph: bool


class Section(NamedTuple):
    """A chapter, the file that it goes to without its suffix, and its lines."""

    title: str
    name: str
    lines: tuple[Line, ...]


class Reading:
    """Reads chapters aloud into a folder.

    Raises:
        SoriError: speaker, lexicon or folder cannot be used.
    """

    def __init__(self, booth: Booth, order: Order):
        self.booth = booth
        self.order = order
        self.card = read_card(booth.voice)
        self.speed = booth.manner.speed
        self.speaker = booth.manner.speaker
        FrontEnd(mix(self.card, self.speaker).accent, booth.lexicon)
        self.identity = booth.identity()
        self.kept = order.folder / KEPT
        make_folder(self.kept)

    def run(self, chapters: Sequence[Chapter], engine: Engine) -> Generator[Progress, None, None]:
        """Speak what is not yet spoken; progress after every sentence."""
        sections = [self.section(n, chapters) for n in range(len(chapters))]
        self.clear_parts()
        old = self.finished()
        lines = [line for section in sections for line in section.lines]
        missing = {line.key: line.text for line in lines if not self.place(line).exists()}
        pace = Pace(lines, missing)
        made = engine(partial(record, self.booth), list(missing.values()))
        entries: list[dict] = []
        for group in self.files(sections):
            for section in group:
                for line in section.lines:
                    skipped = ""
                    if is_new := missing.pop(line.key, None) is not None:
                        take = next(made)
                        write_bytes(self.place(line), take)
                        skipped = skipped_in(take)
                    yield pace.after(line, is_new, section.title, skipped)
            entries += self.bound(group, old)
            # Files of an older run stay listed until the book is complete.
            names = {entry["file"] for entry in entries}
            rest = [entry for entry in old if entry["file"] not in names]
            write_bytes(self.order.folder / MANIFEST, manifest([*entries, *rest]))
        self.clear(old, entries, {line.key for line in lines})
        write_bytes(self.order.folder / MANIFEST, manifest(entries))

    def section(self, number: int, chapters: Sequence[Chapter]) -> Section:
        chapter = chapters[number]
        title = chapter.title or f"Chapter {number + 1}"
        name = file_name(number + 1, len(chapters), chapter.title)
        if self.order.one_file:
            name = re.sub(r"[^\w.-]+", "-", self.order.name).strip("-.") or "book"
        return Section(title, name, tuple(chain.from_iterable(map(self.lines, chapter.paragraphs))))

    def lines(self, paragraph: str) -> Iterator[Line]:
        """The sentences of a paragraph; one of SSML stays whole."""
        if is_ssml(paragraph):
            for part in parts(paragraph):
                mix(self.card, part.speaker or self.speaker)
        texts = [paragraph] if is_ssml(paragraph) else sentences(paragraph)
        for number, text in enumerate(texts):
            key = hashlib.sha256(f"{self.identity}\n{text}".encode()).hexdigest()[:32]
            yield Line(key, text, number == 0)

    def files(self, sections: Sequence[Section]) -> list[list[Section]]:
        """Sections by the file that they go to."""
        return [list(sections)] if self.order.one_file else [[section] for section in sections]

    def place(self, line: Line) -> Path:
        return self.kept / line.key

    def content(self, section: Section) -> str:
        """Tells whether a section that was written before is still the same."""
        said = " ".join(line.key for line in section.lines) + self.order.identity()
        return hashlib.sha256(said.encode()).hexdigest()[:32]

    def bound(self, group: Sequence[Section], old: Sequence[dict]) -> list[dict]:
        """Write the file of some sections unless it is there; return what the manifest says."""
        path = self.order.folder / f"{group[0].name}{self.order.suffix}"
        known = [entry for entry in old if entry.get("file") == path.name]
        wanted = [(section.title, self.content(section)) for section in group]
        if path.exists() and wanted == [(e.get("title"), e.get("content")) for e in known]:
            return known
        entries: list[dict] = []
        cues: list[Cue] = []
        with self.writer(path) as writer:
            position = 0
            for section in group:
                if entries:
                    silence = self.silence(CHAPTER_SECONDS)
                    writer.write(silence)
                    position += len(silence)
                if self.order.one_file:
                    writer.chapter(section.title)
                start = position / self.card.sample_rate
                for samples, spoken in self.sounds(section):
                    writer.write(self.marked(samples, position))
                    cues += [later(cue, position / self.card.sample_rate) for cue in spoken]
                    position += len(samples)
                seconds = position / self.card.sample_rate
                told = {"file": path.name, "title": section.title, "content": self.content(section)}
                times = {"start_seconds": round(start, 6), "seconds": round(seconds - start, 6)}
                entries.append(told | times)
        for suffix, lines in CAPTIONS.items():
            write_bytes(path.with_suffix(suffix), "\n".join(lines(cues)).encode())
        return entries

    def writer(self, path: Path) -> AudioWriter | M4bWriter:
        if path.suffix == BOOK:
            return M4bWriter(path, self.card.sample_rate, self.order.tags)
        return AudioWriter(path, self.card.sample_rate)

    def sounds(self, section: Section) -> Iterator[tuple[np.ndarray, tuple[Cue, ...]]]:
        """Silences and sentences of a section, one in memory at a time."""
        before: Take | None = None
        starts_paragraph = False
        for line in section.lines:
            take = unpacked(self.place(line).read_bytes())
            starts_paragraph |= line.starts_paragraph
            if not len(take.samples):
                continue
            if before is not None and not take.leads:
                rest = PARAGRAPH_SECONDS if starts_paragraph else before.pause_seconds
                yield self.silence(rest), ()
            yield take.samples, take.cues
            before, starts_paragraph = take, False

    def marked(self, samples: np.ndarray, position: int) -> np.ndarray:
        """With the mark of a cloned voice, which goes on from sentence to sentence."""
        if not self.card.watermark:
            return samples
        return soft_limit(mark(samples, self.card.sample_rate, position))

    def silence(self, seconds: float) -> np.ndarray:
        rest = rest_between(seconds / self.speed)
        return np.zeros(round(rest * self.card.sample_rate), np.float32)

    def finished(self) -> list[dict]:
        """Chapters that an older run finished."""
        place = self.order.folder / MANIFEST
        try:
            entries = json.loads(place.read_text(encoding="utf-8"))["chapters"]
            return [{"file": str(entry["file"])} | entry for entry in entries]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SoriError(f"{place} is damaged; remove it, or name another folder") from error

    def clear_parts(self) -> None:
        """Remove what a killed run was in the midst of writing."""
        for folder in (self.order.folder, self.kept):
            for path in folder.glob(".*.part"):
                path.unlink(missing_ok=True)

    def clear(self, old: Sequence[Mapping], entries: Sequence[Mapping], keys: set[str]) -> None:
        """Remove what the book no longer has: files of gone chapters, takes of gone sentences."""
        names = family(entries)
        for gone in family(old) - names:
            (self.order.folder / gone).unlink(missing_ok=True)
        for path in self.kept.iterdir():
            if path.name not in keys:
                path.unlink()


class Pace:
    """Reckons how far a reading is, and from what was spoken so far, how long the rest takes."""

    def __init__(self, lines: Sequence[Line], missing: Mapping[str, str]):
        self.all = sum(len(line.text) for line in lines)
        self.to_speak = sum(map(len, missing.values()))
        self.done = self.spoken = 0
        self.started = time.monotonic()

    def after(self, line: Line, was_spoken: bool, chapter: str, skipped: str) -> Progress:
        self.done += len(line.text)
        self.spoken += len(line.text) if was_spoken else 0
        spent = time.monotonic() - self.started
        left = max(0, self.to_speak - self.spoken)
        seconds = spent * left / max(1, self.spoken)
        return Progress(chapter, self.done / max(1, self.all), seconds, skipped)


def sentences(paragraph: str) -> Iterator[str]:
    """The sentences of a paragraph, in parts where one has no end."""
    held = ""
    for passage in split(paragraph):
        held = f"{held} {passage.text}".strip()
        if not passage.is_cut or len(held) > LONGEST_LINE:
            yield held
            held = ""


def family(entries: Sequence[Mapping]) -> set[str]:
    """Names of the files of some chapters, captions included.

    A name from a file that anybody may have edited stays inside the folder.
    """
    sounds = {Path(entry["file"]).name for entry in entries}
    return sounds | {str(Path(name).with_suffix(kind)) for name in sounds for kind in CAPTIONS}


def later(cue: Cue, seconds: float) -> Cue:
    """The same cue, so much later."""
    words = tuple(Word(w.text, w.start + seconds, w.end + seconds) for w in cue.words)
    return Cue(cue.text, cue.start + seconds, cue.end + seconds, words)


def file_name(number: int, last: int, title: str) -> str:
    """A name that sorts, and that every file system takes."""
    words = re.sub(r"[^a-z0-9]+", "-", title.lower())[:LONGEST_NAME].strip("-")
    return f"{number:0{len(str(last))}}-{words or 'chapter'}"


def manifest(entries: Sequence[Mapping]) -> bytes:
    return json.dumps({"chapters": list(entries)}, indent=1).encode()

"""Books: chapters and paragraphs out of txt, Markdown, HTML, EPUB, SRT and SSML files."""

import contextlib
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from posixpath import dirname, join, normpath
from urllib.parse import unquote
from xml.etree import ElementTree

from sori.app.markup import Block, html_blocks, markdown_blocks, ssml_blocks
from sori.app.texts import decode, read_bytes
from sori.audio.mp4 import Tags
from sori.core.errors import SoriError
from sori.text.ssml import is_ssml

SUFFIXES = (".txt", ".md", ".html", ".htm", ".xhtml", ".epub", ".srt", ".ssml")
# A part of an EPUB that unpacks to more than a very long book is made to fill memory.
MOST_PART_BYTES, MOST_PARTS = 32 * 2**20, 5000
MOST_TITLE = 500  # characters of a title or an author that players are told
HEADING = re.compile(
    r"(?:chapter|part|book|prologue|epilogue|introduction|preface)\b[^\n]{0,60}", re.I
)
BLANK_LINES = re.compile(r"\n[ \t\r]*\n\s*")
CUE_TIMES = re.compile(r"[^\n]*\d\d:\d\d[,.]\d\d\d --> [^\n]*")
CONTAINER = "META-INF/container.xml"


@dataclass(frozen=True)
class Chapter:
    """A chapter: its title, which may be empty, and what is read, the title included."""

    title: str
    paragraphs: tuple[str, ...]


def read_book(path: Path) -> list[Chapter]:
    """The chapters of a book; the suffix says how it is written.

    Raises:
        SoriError: the file cannot be read, or holds no text.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise SoriError(f"{path} is no book that can be read; give one of {', '.join(SUFFIXES)}")
    blocks = epub_blocks(path) if suffix == ".epub" else text_blocks(path, suffix)
    chapters = list(in_chapters(blocks))
    if not chapters:
        raise SoriError(f"{path} holds no text")
    return chapters


def read_tags(path: Path) -> Tags:
    """What a book says of itself; where it says nothing, its title is the name of the file.

    Raises:
        SoriError: it is an EPUB that cannot be read.
    """
    if path.suffix.lower() != ".epub":
        return Tags(path.stem)
    with opened(path) as book:
        return epub_tags(book, path)


def text_blocks(path: Path, suffix: str) -> Iterator[Block]:
    text = decode(read_bytes(path), str(path)).replace("\r\n", "\n")
    if suffix == ".md":
        return markdown_blocks(text)
    if suffix == ".srt":
        return srt_blocks(text)
    if suffix == ".ssml":
        return checked_ssml(text, path)
    return plain_blocks(text) if suffix == ".txt" else html_blocks(text)


def in_chapters(blocks: Iterator[Block]) -> Iterator[Chapter]:
    """Gather blocks; a heading begins a chapter, and one with nothing under it joins the next."""
    title, paragraphs = "", []
    is_open = False  # only headings so far
    for block in blocks:
        if block.is_heading and paragraphs and not is_open:
            yield Chapter(title, tuple(paragraphs))
            title, paragraphs = "", []
        if block.is_heading:
            title = f"{title} {block.text}".strip()
            is_open = True
        else:
            is_open = False
        paragraphs.append(block.text)
    if paragraphs:
        yield Chapter(title, tuple(paragraphs))


def plain_blocks(text: str) -> Iterator[Block]:
    """Paragraphs between blank lines; a line such as "Chapter 3" by itself is a heading."""
    for part in BLANK_LINES.split(text):
        if part.strip():
            yield Block(" ".join(part.split()), bool(HEADING.fullmatch(part.strip())))


def srt_blocks(text: str) -> Iterator[Block]:
    """What is said in every cue of a file of subtitles."""
    for part in BLANK_LINES.split(text.strip()):
        lines = part.splitlines()
        times = [number for number, line in enumerate(lines) if CUE_TIMES.fullmatch(line.strip())]
        said = " ".join(lines[times[0] + 1 :] if times else lines)
        words = " ".join(re.sub(r"<[^>]*>|\{\\[^}]*\}", "", said).split())
        if words:
            yield Block(words)


def checked_ssml(text: str, path: Path) -> Iterator[Block]:
    """The paragraphs of SSML; a fault is told with the file's name, before anything is said."""
    if not is_ssml(text):
        raise SoriError(f"{path} does not begin with <speak>")
    try:
        return ssml_blocks(text)
    except SoriError as error:
        raise SoriError(f"{path}: {error}") from error


def epub_blocks(path: Path) -> Iterator[Block]:
    """The parts of an EPUB in reading order.

    Source: W3C, "EPUB 3.3", sections on the container and the package document.
    """
    with opened(path) as book:
        for name in spine(book, path):
            yield from html_blocks(decode(part(book, name, path), f"{name} in {path}"))


@contextlib.contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """An EPUB to read from.

    Raises:
        SoriError: it cannot be read, here or in the block.
    """
    try:
        with zipfile.ZipFile(path) as book:
            yield book
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise SoriError(f"{path} is not a whole EPUB file: {error}") from error
    except OSError as error:
        raise SoriError(f"cannot read {path}: {error.strerror or error}") from error


def package(book: zipfile.ZipFile, path: Path) -> tuple[ElementTree.Element, str]:
    """The package document of an EPUB, and the folder that its addresses begin in."""
    container = parse(part(book, CONTAINER, path), path)
    rootfile = container.find(".//{*}rootfile")
    name = "" if rootfile is None else rootfile.get("full-path", "")
    return parse(part(book, name, path), path), dirname(name)


def spine(book: zipfile.ZipFile, path: Path) -> list[str]:
    """Names of the parts in reading order."""
    document, folder = package(book, path)
    files = {item.get("id"): item.get("href", "") for item in document.iterfind(".//{*}item")}
    names = [files.get(item.get("idref"), "") for item in document.iterfind(".//{*}itemref")]
    return [inside(folder, name) for name in names[:MOST_PARTS] if name]


def inside(folder: str, address: str) -> str:
    """The name in the archive of what a package document names."""
    return normpath(join(folder, unquote(address)))


def epub_tags(book: zipfile.ZipFile, path: Path) -> Tags:
    """Title, authors and cover of an EPUB; a cover that is not there is none."""
    document, folder = package(book, path)

    def said(name: str) -> list[str]:
        texts = (" ".join("".join(each.itertext()).split()) for each in document.iterfind(name))
        return [text for text in texts if text]

    title = next(iter(said(".//{http://purl.org/dc/elements/1.1/}title")), path.stem)
    author = ", ".join(said(".//{http://purl.org/dc/elements/1.1/}creator"))
    cover = b""
    if address := cover_address(document):
        with contextlib.suppress(SoriError):
            cover = part(book, inside(folder, address), path)
    return Tags(title[:MOST_TITLE], author[:MOST_TITLE], cover)


def cover_address(document: ElementTree.Element) -> str:
    """Where the cover lies, as EPUB 3 says it, or EPUB 2; empty where nothing does."""
    items = list(document.iterfind(".//{*}item"))
    named = document.find(".//{*}meta[@name='cover']")
    old = None if named is None else named.get("content")
    for item in items:
        if "cover-image" in item.get("properties", "").split():
            return item.get("href", "")
    return next((item.get("href", "") for item in items if old and item.get("id") == old), "")


def part(book: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """One part of an EPUB, in memory: nothing is unpacked to the disk."""
    try:
        with book.open(name) as file:
            data = file.read(MOST_PART_BYTES + 1)
    except KeyError as error:
        raise SoriError(f"{path} is not a whole EPUB file: it has no {name!r}") from error
    if len(data) > MOST_PART_BYTES:
        raise SoriError(f"{name} in {path} unpacks to more than {MOST_PART_BYTES >> 20} MB")
    return data


def parse(data: bytes, path: Path) -> ElementTree.Element:
    """Read XML; a file that defines entities, which can unfold without end, is refused."""
    if b"<!ENTITY" in data or b"<!\0E" in data:
        raise SoriError(f"{path} defines XML entities; Sori does not read such files")
    try:
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError) as error:
        raise SoriError(f"{path} is not a whole EPUB file: {error}") from error

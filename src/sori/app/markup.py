"""Markup to blocks of plain text: headings and paragraphs."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from sori.text.ssml import LEAVES, parts
from sori.text.wordlist import word_set


class Block(NamedTuple):
    """A heading or a paragraph, on one line."""

    text: str
    is_heading: bool = False


HEADINGS = ("h1", "h2")
UNREAD = frozenset(("script", "style", "head", "template", "svg", "math", "nav", "rt", "rp"))
BLOCKS = word_set(
    "address article aside blockquote body br dd div dl dt figcaption footer form h1 h2 h3 h4 h5 "
    "h6 header hr html li main ol p pre section table td th tr ul"
)
FENCE = re.compile(r"^(```|~~~).*?(?:^\1[^\n]*$|\Z)", re.M | re.S)
COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.S)
INLINE = (
    (re.compile(r"!\[([^\]]*)\]\([^)]*\)"), r"\1"),
    # A link's text is read; phonemes in the same brackets are kept for the front end.
    (re.compile(r"\[([^\]]*)\]\((?!/[^)]*/\))[^)]*\)"), r"\1"),
    (re.compile(r"<[A-Za-z/][^>]*>"), ""),
    (re.compile(r"(`+)(.+?)\1"), r"\2"),
    (re.compile(r"(\*\*\*|\*\*|\*)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<!\w)(__|_)(?=\S)(.+?)(?<=\S)\1(?!\w)"), r"\2"),
    (re.compile(r"\\([^\w\s])"), r"\1"),
)
LINE_MARK = re.compile(r"^\s*(?:>\s?|[-*+] |\d{1,3}[.)] )+")
RULE = re.compile(r"\s*(?:[-*_]\s*){3,}")
UNDERLINE = re.compile(r"\s*(?:=+|-+)\s*")


class Reader(HTMLParser):
    """Gathers the text between tags; it never fails, whatever a page holds."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self.words: list[str] = []
        self.heading = False
        self.unread = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in UNREAD:
            self.unread += 1
        if tag in BLOCKS:
            self.end_block()
            self.heading = tag in HEADINGS or (self.heading and tag == "br")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in BLOCKS:
            self.end_block()

    def handle_endtag(self, tag: str) -> None:
        if tag in UNREAD:
            self.unread = max(0, self.unread - 1)
        if tag in BLOCKS:
            self.end_block()
            self.heading = False

    def handle_data(self, data: str) -> None:
        if not self.unread:
            self.words.append(data)

    def end_block(self) -> None:
        text = " ".join("".join(self.words).split())
        self.words = []
        if text:
            self.blocks.append(Block(text, self.heading))


def html_blocks(text: str) -> Iterator[Block]:
    """Headings and paragraphs of a page; h1 and h2 count as headings."""
    reader = Reader()
    reader.feed(text)
    reader.close()
    reader.end_block()
    return iter(reader.blocks)


def markdown_blocks(text: str) -> Iterator[Block]:
    """Headings and paragraphs of Markdown; code blocks are not read."""
    text = COMMENT.sub("", FENCE.sub("", text))
    lines: list[str] = []
    for line in [*text.split("\n"), ""]:
        if lines and UNDERLINE.fullmatch(line) and line.strip():
            yield from paragraph(lines, is_heading=True)
            lines = []
        elif found := re.fullmatch(r"\s{0,3}(#{1,6})\s+(.*?)\s*#*\s*", line):
            yield from paragraph(lines)
            yield from paragraph([found[2]], is_heading=len(found[1]) <= 2)
            lines = []
        elif not line.strip() or RULE.fullmatch(line):
            yield from paragraph(lines)
            lines = []
        else:
            if LINE_MARK.match(line) and not line.lstrip().startswith(">"):
                yield from paragraph(lines)
                lines = []
            lines.append(LINE_MARK.sub("", line))


def paragraph(lines: list[str], is_heading: bool = False) -> Iterator[Block]:
    text = " ".join(" ".join(lines).split())
    for pattern, kept in INLINE:
        text = pattern.sub(kept, text)
    if text.strip():
        yield Block(text.strip(), is_heading)


class Cutter:
    """Cuts a document of SSML at its paragraphs; elements around one are begun again in each."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.begin
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters
        self.blocks: list[Block] = []
        self.around: list[tuple[str, str]] = []  # names and opening tags
        self.text: list[str] = []
        self.has_words = False

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if local(name) == "p":
            self.cut()
            return
        given = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
        self.around.append((name, f"<{name}{given}>"))
        self.text.append(f"<{name}{given}>")
        self.has_words |= local(name) in LEAVES

    def end(self, name: str) -> None:
        if local(name) == "p":
            self.cut()
            return
        self.around.pop()
        self.text.append(f"</{name}>")

    def characters(self, data: str) -> None:
        self.text.append(escape(data))
        self.has_words |= bool(data.strip())

    def cut(self) -> None:
        if not self.has_words:  # a break between two paragraphs stays in front of the second
            return
        closing = (f"</{name}>" for name, _ in reversed(self.around))
        self.blocks.append(Block("".join([*self.text, *closing])))
        self.text = [tag for _, tag in self.around]
        self.has_words = False


def ssml_blocks(document: str) -> Iterator[Block]:
    """The paragraphs of a document, each as a document of its own.

    Raises:
        SoriError: it is not SSML that Sori knows.
    """
    parts(document)
    cutter = Cutter()
    cutter.parser.Parse(document.encode(), True)
    cutter.cut()
    return iter(cutter.blocks)


def local(name: str) -> str:
    """A name without its prefix."""
    return name.rpartition(":")[2]

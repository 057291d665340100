"""Books in every format become the same chapters; hostile ones are one line."""

import zipfile

import pytest

from sori.app.books import MOST_TITLE, Chapter, read_book, read_tags
from sori.audio.mp4 import Tags
from sori.core.errors import SoriError

EXPECTED = [
    Chapter("Chapter One", ("Chapter One", "It was late.", "He slept & dreamt.")),
    Chapter("Chapter Two", ("Chapter Two", "It was early.")),
]
TXT = "Chapter One\n\nIt was\nlate.\n\nHe slept & dreamt.\n\n\nChapter Two\n\nIt was early.\n"
MARKDOWN = """# Chapter One

It was **late**.

```python
skip = this
```

He [slept](http://example.org) & _dreamt_.

Chapter Two
===========

It was `early`. <!-- not
this -->
"""
HTML = """<html><head><title>No</title><style>p {}</style></head><body>
<h1>Chapter One</h1><p>It was <b>late</b>.<script>alert(1)</script><p>He slept &amp; dreamt.</p>
<h2>Chapter Two</h2><div>It was early.</div></body></html>"""
CONTAINER = '<container><rootfiles><rootfile full-path="in/a.opf"/></rootfiles></container>'
PACKAGE = (
    '<package><manifest><item id="b" href="two.xhtml"/><item id="a" href="part%20one.xhtml"/>'
    '</manifest><spine><itemref idref="a"/><itemref idref="b"/></spine></package>'
)


def write_epub(path, **changes):
    first, second = HTML.split("<h2>")
    parts = {
        "META-INF/container.xml": CONTAINER,
        "in/a.opf": PACKAGE,
        "in/part one.xhtml": first,
        "in/two.xhtml": f"<h2>{second}",
    } | changes
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for name, text in parts.items():
            if text is not None:
                book.writestr(name, text)


@pytest.mark.parametrize(
    ("name", "text"), [("a.txt", TXT), ("a.md", MARKDOWN), ("a.html", HTML), ("a.epub", None)]
)
def test_every_format_gives_the_same_chapters(somewhere, name, text):
    path = somewhere / name
    if text is None:
        write_epub(path)
    else:
        path.write_text(text, encoding="utf-8")

    assert read_book(path) == EXPECTED


def test_subtitles_are_read_without_numbers_and_times(somewhere):
    path = somewhere / "a.srt"
    path.write_text(
        "1\n00:00:01,000 --> 00:00:02,500\n<i>Hello</i>\nthere.\n\n"
        "2\n00:00:03,000 --> 00:00:04,000\n42 is it.\n",
        encoding="utf-8",
    )

    assert read_book(path) == [Chapter("", ("Hello there.", "42 is it."))]


def test_a_heading_with_nothing_under_it_joins_the_next(somewhere):
    path = somewhere / "a.md"
    path.write_text("# Book\n\n## Chapter\n\nText.\n", encoding="utf-8")

    assert read_book(path) == [Chapter("Book Chapter", ("Book", "Chapter", "Text."))]


def test_phonemes_in_markdown_reach_the_front_end(somewhere):
    path = somewhere / "a.md"
    path.write_text("Say [data](/dˈɑtə/).", encoding="utf-8")

    assert read_book(path)[0].paragraphs == ("Say [data](/dˈɑtə/).",)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"META-INF/container.xml": None}, "it has no 'META-INF/container.xml'"),
        ({"in/a.opf": None}, "it has no 'in/a.opf'"),
        ({"in/two.xhtml": None}, "it has no 'in/two.xhtml'"),
        ({"in/a.opf": "<package"}, "not a whole EPUB"),
        ({"in/a.opf": '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'}, "XML entities"),
        ({"in/two.xhtml": "x" * (33 * 2**20)}, "unpacks to more than 32 MB"),
        ({"in/a.opf": PACKAGE.replace("two.xhtml", "../../../etc/passwd")}, "it has no"),
    ],
)
def test_a_damaged_or_hostile_epub_is_told(somewhere, changes, expected):
    write_epub(somewhere / "a.epub", **changes)

    with pytest.raises(SoriError, match=expected):
        read_book(somewhere / "a.epub")


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.epub", b"no zip", "not a whole EPUB"),
        ("a.txt", b"  \n ", "holds no text"),
        ("a.txt", b"\xff\xfe\x00", "UTF-8"),
        ("a.pdf", b"%PDF", "give one of .txt"),
    ],
)
def test_what_is_no_book_is_told(somewhere, name, data, expected):
    (somewhere / name).write_bytes(data)

    with pytest.raises(SoriError, match=expected):
        read_book(somewhere / name)


DC = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'
ABOUT = (
    f"<metadata {DC}>{{}}<dc:title> The\n Book </dc:title><dc:creator>Ann</dc:creator></metadata>"
)
AUTHORS = f"<metadata {DC}><dc:creator>Ann</dc:creator><dc:creator>Ben</dc:creator></metadata>"
NEW = '<manifest><item id="c" properties="x cover-image" href="c%20d.png"/></manifest>'
OLD = '<manifest><item id="c" href="c d.png"/></manifest>'
META = '<meta name="cover" content="c"/>'


@pytest.mark.parametrize(
    ("package", "tags"),
    [
        (ABOUT.format("") + NEW, Tags("The Book", "Ann", b"picture")),
        (ABOUT.format(META) + OLD, Tags("The Book", "Ann", b"picture")),
        (ABOUT.format("") + OLD, Tags("The Book", "Ann")),
        (ABOUT.format("") + NEW.replace("c%20d", "gone"), Tags("The Book", "Ann")),
        (ABOUT.format("") + NEW.replace("c%20d", "../../../etc/passwd"), Tags("The Book", "Ann")),
        (AUTHORS, Tags("a", "Ann, Ben")),
        (f"<metadata {DC}><dc:title>{'x' * 999}</dc:title></metadata>", Tags("x" * MOST_TITLE)),
        ("", Tags("a")),
    ],
)
def test_an_epub_says_what_it_is(somewhere, package, tags):
    parts = {"in/a.opf": f"<package>{package}</package>", "in/c d.png": "picture"}
    write_epub(somewhere / "a.epub", **parts)

    assert read_tags(somewhere / "a.epub") == tags


def test_other_books_are_called_as_their_files(somewhere):
    assert read_tags(somewhere / "my book.md") == Tags("my book")

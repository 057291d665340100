"""Fills what is generated: the tables of the README, and the list of sources and deviations.

make docs
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from sori.app.listing import ACCENT_NAMES, in_words
from sori.speak.card import Card, read_card
from sori.speak.catalogue import PACKAGED

ROOT = Path(__file__).parents[1]
TAG = re.compile(
    r"^ *(Source|Deviation): (.+?)(?=\n *\n|\n *(?:Source|Deviation|Args):|\"\"\")", re.M | re.S
)


def voice_table() -> Iterator[str]:
    """One row per speaker of the voices in the package."""
    yield "| speaker | accent | about | licence | quality |"
    yield "| --- | --- | --- | --- | --- |"
    for path in sorted(PACKAGED.glob("*.onnx")):
        yield from speaker_rows(read_card(path))


def speaker_rows(card: Card) -> Iterator[str]:
    for speaker in card.speakers:
        mark = " (default)" if speaker.name == card.default_speaker else ""
        quality = in_words(speaker.quality) if speaker.quality else "–"
        yield (
            f"| {speaker.name}{mark} | {ACCENT_NAMES[speaker.accent]} | {speaker.description} "
            f"| {speaker.licence} | {quality} |"
        )


def sources() -> Iterator[str]:
    """Every `Source:` and `Deviation:` of the code, by file."""
    yield "# Sources and deviations\n\nCollected from the code by `make docs`."
    for path in sorted((ROOT / "src").rglob("*.py")):
        found = TAG.findall(path.read_text(encoding="utf-8"))
        if found:
            yield f"\n## {path.relative_to(ROOT / 'src')}\n"
            yield from (f"- {tag}: {' '.join(text.split())}" for tag, text in found)


def fill(readme: Path, mark: str, table: str) -> None:
    text = readme.read_text(encoding="utf-8")
    between = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.S)
    filled = between.sub(lambda found: f"{found[1]}{table}{found[2]}", text)
    readme.write_text(filled, encoding="utf-8")


def main() -> None:
    readme = ROOT / "README.md"
    fill(readme, "voices", "\n".join(voice_table()) + "\n")
    results = ROOT / "benchmarks" / "results" / "peers.json"
    if results.exists():
        sys.path.insert(0, str(ROOT / "benchmarks"))
        from table import markdown

        fill(readme, "measured", markdown(json.loads(results.read_text(encoding="utf-8"))))
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import serve
    import training_table

    for result, page, tables in (
        ("training", "train", training_table.markdown),
        ("serve", "serve", serve.markdown),
    ):
        measured = ROOT / "benchmarks" / "results" / f"{result}.json"
        if measured.exists():
            rows = tables(json.loads(measured.read_text(encoding="utf-8")))
            fill(ROOT / "docs" / f"{page}.md", result, "\n".join(rows) + "\n")
    (ROOT / "docs" / "sources.md").write_text("\n".join(sources()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

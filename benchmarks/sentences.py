"""Check that no training saw the test sentences.

    python benchmarks/sentences.py CORPUS/metadata.csv ...

A sentence is refused when it, or any run of eight of its words, occurs in a corpus; capitals and
punctuation do not count. Exit status 1 if one is refused or has not 5 to 25 words.
"""

import csv
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

SENTENCES = Path(__file__).with_name("sentences.txt")
RUN_WORDS = 8


def words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[a-z0-9']+", text.lower()))


def runs(spoken: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield every run of eight words, or all words of a shorter text."""
    for start in range(max(1, len(spoken) - RUN_WORDS + 1)):
        yield spoken[start : start + RUN_WORDS]


def read_table(table: Path) -> list[dict[str, str]]:
    """Read the rows of a corpus, by the names in its header."""
    with table.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="|", quoting=csv.QUOTE_NONE))


def faults(sentences: Iterable[str], trained_on: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with each sentence that cannot be a test."""
    seen = {run for text in trained_on for run in runs(words(text))}
    for sentence in sentences:
        if not 5 <= len(words(sentence)) <= 25:
            yield f"{len(words(sentence))} words: {sentence}"
        if any(run in seen for run in runs(words(sentence))):
            yield f"seen in training: {sentence}"


def main() -> int:
    corpora = [row["text"] for table in sys.argv[1:] for row in read_table(Path(table))]
    sentences = SENTENCES.read_text(encoding="utf-8").splitlines()
    found = list(faults(sentences, corpora))
    for fault in found:
        print(fault)
    print(f"{len(sentences)} sentences against {len(corpora)}: {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

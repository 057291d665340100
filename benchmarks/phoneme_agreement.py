"""How far our front end agrees with the phonemes that the distilled corpus was spoken from.

    python benchmarks/phoneme_agreement.py CORPORA_FOLDER

The corpus's labels come from espeak-ng, ours from dictionaries; both were heard by the teacher.
Differences of notation are set aside (see `without_notation`), words that differ in earnest are
listed. Writes `benchmarks/results/phoneme_agreement.json`.
"""

import csv
import json
import re
import sys
from collections import Counter
from pathlib import Path

from g2p import distance, without_stress

from sori.text.frontend import FrontEnd

RESULTS = Path(__file__).parent / "results" / "phoneme_agreement.json"
SPEAKERS = {"us": "a", "gb": "b"}  # first letter of a speaker's name
LISTED = 40
_WEAK = re.compile("(?<![ˈˌ])[ɪəᵻ]")
_WORDS = re.compile(r"[\w'’-]+")
# r twice at a word's end is espeak's linking r; "oɹ" and "ɔɹ" are one vowel in our voices.
_NOTATION = (("ɹɹ", "ɹ"), ("oɹ", "ɔɹ"), ("ᵻ", "ɪ"), ("ðɪ", "ði"), ("Iəɹ", "Iɹ"), ("Wəɹ", "Wɹ"))


def without_notation(phonemes: str) -> str:
    """Set aside marks, spaces and spellings of the same sound."""
    text = re.sub(r"[.,;:!?\s]", "", phonemes)
    for theirs, ours in _NOTATION:
        text = text.replace(theirs, ours)
    return text


def weak_alike(phonemes: str) -> str:
    """Write the unstressed vowels of "roses" and "Rosa's" alike; accents differ in them freely."""
    return _WEAK.sub("ə", without_stress(phonemes))


def compare(rows: list[dict[str, str]], accent: str) -> dict[str, object]:
    """Count differing letters over the sentences of one accent, and list the differing words."""
    front_end = FrontEnd(accent)
    counts: Counter[str] = Counter()
    words: Counter[tuple[str, str, str]] = Counter()
    for text, want in {(row["text"], row["phonemes"]) for row in rows}:
        got = " ".join(s.phonemes for s in front_end.sentences(text))
        with_stress, ours = without_notation(want), without_notation(got)
        sounds = without_stress(with_stress)
        counts["letters"] += len(sounds)
        counts["letters_and_stress"] += len(with_stress)
        counts["stress"] += distance(with_stress, ours)
        counts["sounds"] += distance(sounds, without_stress(ours))
        counts["strong"] += distance(weak_alike(with_stress), weak_alike(ours))
        words.update(differing(text, want, got))
    return {
        "phoneme_error_rate_with_stress": round(counts["stress"] / counts["letters_and_stress"], 4),
        "phoneme_error_rate": round(counts["sounds"] / counts["letters"], 4),
        "weak_vowels_set_aside": round(counts["strong"] / counts["letters"], 4),
        "words": [[*entry, n] for entry, n in words.most_common(LISTED)],
    }


def differing(text: str, want: str, got: str) -> list[tuple[str, str, str]]:
    """Return the words that differ in more than weak vowels, where words stand one to one."""
    parts = [re.sub(r"[.,;:!?]", " ", phonemes).split() for phonemes in (want, got)]
    spelled = _WORDS.findall(text)
    if not len(parts[0]) == len(parts[1]) == len(spelled):
        return []
    return [
        (word.lower(), theirs, ours)
        for word, theirs, ours in zip(spelled, *parts, strict=True)
        if weak_alike(without_notation(theirs)) != weak_alike(without_notation(ours))
    ]


def main(corpora: Path) -> None:
    """Measure both accents and write the result."""
    path = corpora / "kokoro-voices" / "metadata.csv"
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="|", quoting=csv.QUOTE_NONE))
    result = {
        accent: compare([row for row in rows if row["speaker"][0] == letter], accent)
        for accent, letter in SPEAKERS.items()
    }
    RESULTS.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for accent, measured in result.items():
        print(accent, {k: v for k, v in measured.items() if k != "words"})


if __name__ == "__main__":
    main(Path(sys.argv[1]))

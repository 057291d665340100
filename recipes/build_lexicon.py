"""Merge the pronouncing dictionaries into the packed lexicons of `sori.text`.

    python recipes/build_lexicon.py MISAKI_DATA_FOLDER CMUDICT_FILE

MISAKI_DATA_FOLDER is `misaki/data` of PyPI misaki 0.9.4, CMUDICT_FILE is `cmudict.dict` with
stress digits. Order of trust: misaki gold, misaki silver, CMUdict (US only). An entry that the
morphology of `sori.text` derives from the others is left out, which halves the file.
"""

import json
import re
import sys
from functools import partial
from pathlib import Path

from sori.text.lexicon import DATA, Readings, pack
from sori.text.morphology import derive
from sori.text.phonemes import ACCENTS, common_letters
from sori.text.wordlist import word_list

TAG_OF_NAME = {
    "DEFAULT": "",
    "NOUN": "N",
    "VERB": "V",
    "ADJ": "A",
    "ADV": "R",
    "VBD": "D",
    "VBN": "P",
    "None": "F",
}
ARPABET = dict(
    pair.split(":")
    for pair in word_list(
        "AA:ɑ AE:æ AH:ʌ AO:ɔ AW:W AY:I B:b CH:ʧ D:d DH:ð EH:ɛ ER:ɜɹ EY:A F:f G:ɡ HH:h IH:ɪ IY:i "
        "JH:ʤ K:k L:l M:m N:n NG:ŋ OW:O OY:Y P:p R:ɹ S:s SH:ʃ T:t TH:θ UH:ʊ UW:u V:v W:w Y:j Z:z "
        "ZH:ʒ"
    )
)
# misaki gold writes the tap between a vowel or ɹ and an unstressed vowel: "water", "party".
TAP = re.compile("(?<=[AIOWYiuæɑɔəɛɪʊʌɹ])t(?=[əɪiᵻO])")
WEAK_ENDING = re.compile("(?<=[tdT])ɪ(?=d$)|(?<=[szʃʒʧʤ])ɪ(?=z$)")
WORD = re.compile(r"[A-Za-z][A-Za-z'.-]*|'[a-z]+")


def of_arpabet(phones: list[str]) -> str:
    """Spell ARPAbet with stress digits in our letters."""
    letters = []
    for phone in phones:
        stress = {"1": "ˈ", "2": "ˌ"}.get(phone[-1], "")
        letter = {"AH0": "ə", "ER0": "əɹ"}.get(phone, ARPABET[phone.rstrip("012")])
        letters.append(stress + letter)
    return WEAK_ENDING.sub("ᵻ", TAP.sub("T", "".join(letters)))


def read_misaki(path: Path, accent: str) -> dict[str, Readings]:
    """Read one of misaki's dictionaries, its part-of-speech readings included."""
    entries: dict[str, Readings] = {}
    for word, value in json.loads(path.read_text(encoding="utf-8")).items():
        readings = value if isinstance(value, dict) else {"DEFAULT": value}
        if not WORD.fullmatch(word) or not readings["DEFAULT"]:
            continue
        entries[word] = {
            TAG_OF_NAME[name]: common_letters(phonemes, accent)
            for name, phonemes in readings.items()
            if name in TAG_OF_NAME and phonemes
        }
    return entries


def read_cmudict(path: Path) -> dict[str, Readings]:
    """Read CMUdict's first reading of every word."""
    entries: dict[str, Readings] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        word, *phones = line.partition("#")[0].split()
        if WORD.fullmatch(word) and not word.endswith("."):
            entries[word] = {"": common_letters(of_arpabet(phones), "us")}
    return entries


def look_up(entries: dict[str, Readings], word: str, part: str) -> str | None:
    """Return a word's reading as this part of speech, or its ordinary one."""
    readings = entries.get(word)
    return readings.get(part, readings[""]) if readings else None


def without_derivable(entries: dict[str, Readings], accent: str) -> dict[str, Readings]:
    """Drop entries that morphology rebuilds from the entries that stay."""
    kept = dict(entries)
    for word in sorted(entries, key=len, reverse=True):
        readings = kept.pop(word)
        derived = derive(word, accent, partial(look_up, kept))
        if len(readings) > 1 or derived is None or derived != readings[""]:
            kept[word] = readings
    return kept


def only_new(
    cmu: dict[str, Readings], trusted: dict[str, Readings], accent: str
) -> dict[str, Readings]:
    """Return the words of CMUdict that the trusted dictionaries neither hold nor imply."""
    known = {word.lower() for word in trusted} | {f"{word.lower()}'s" for word in trusted | cmu}
    look = partial(look_up, trusted)
    return {w: r for w, r in cmu.items() if w not in known and not derive(w, accent, look)}


def corrections(accent: str) -> dict[str, Readings]:
    """Read our own readings, which win over every dictionary: word, US, GB, by tabs."""
    table = Path(__file__).with_name("lexicon-corrections.tsv").read_text(encoding="utf-8")
    entries: dict[str, Readings] = {}
    for line in table.splitlines():
        if line and not line.startswith("#"):
            word, *both = line.split("\t")
            ordinary, *tagged = both[ACCENTS.index(accent)].split("|")
            entries[word] = {"": ordinary} | {tag[0]: tag[1:] for tag in tagged}
    return entries


def main(misaki: Path, cmudict: Path) -> None:
    """Build both accents and print what was kept."""
    cmu = read_cmudict(cmudict)
    for accent in ("us", "gb"):
        gold = read_misaki(misaki / f"{accent}_gold.json", accent)
        silver = read_misaki(misaki / f"{accent}_silver.json", accent)
        known = {word.lower() for word in gold}
        # A plural like "conflicts" is read by part of speech, which only the stem's entry knows.
        split = {f"{word}s" for word, readings in gold.items() if {"N", "V"} & set(readings)}
        known |= split
        merged = {w: r for w, r in silver.items() if w not in known} | gold
        if accent == "us":
            merged = only_new(cmu, merged, accent) | merged
        merged |= corrections(accent)
        kept = without_derivable(merged, accent)
        path = DATA / f"lexicon-{accent}.bin"
        pack(kept, path)
        print(f"{path.name}: {len(merged)} words, {len(kept)} stored, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

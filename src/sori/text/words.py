"""Readers for what is written in letters: words, initials, abbreviations, acronyms."""

import re

from sori.text.roman import as_roman
from sori.text.scanner import Place, Rule, after, next_word
from sori.text.tokens import Kind, Token, spelled
from sori.text.wordlist import word_set

# The full stop belongs to the word, and a name follows.
TITLES = {
    "mr": "mister",
    "mrs": "missus",
    "ms": "Ms",
    "mx": "Mx",
    "dr": "doctor",
    "prof": "professor",
    "rev": "reverend",
    "hon": "honorable",
    "gen": "general",
    "col": "colonel",
    "sgt": "sergeant",
    "maj": "major",
    "capt": "captain",
    "cpt": "captain",
    "cmdr": "commander",
    "cpl": "corporal",
    "pvt": "private",
    "lt": "lieutenant",
    "adm": "admiral",
    "sen": "senator",
    "rep": "representative",
    "gov": "governor",
    "pres": "president",
    "supt": "superintendent",
    "messrs": "messers",
    "mme": "madame",
    "mlle": "mademoiselle",
    "mt": "mount",
    "ft": "fort",
}
# The full stop belongs to the word, whatever follows.
ABBREVIATIONS = {
    "jr": "junior",
    "sr": "senior",
    "esq": "esquire",
    "etc": "etcetera",
    "vs": "versus",
    "viz": "namely",
    "cf": "compare",
    "ca": "circa",
    "approx": "approximately",
    "dept": "department",
    "govt": "government",
    "est": "established",
    "inc": "incorporated",
    "corp": "corporation",
    "ltd": "limited",
    "co": "company",
    "bros": "brothers",
    "assn": "association",
    "ave": "avenue",
    "blvd": "boulevard",
    "rd": "road",
    "hwy": "highway",
    "apt": "apartment",
    "tel": "telephone",
    "univ": "university",
    "jan": "January",
    "feb": "February",
    "mar": "March",
    "apr": "April",
    "jun": "June",
    "jul": "July",
    "aug": "August",
    "sep": "September",
    "sept": "September",
    "oct": "October",
    "nov": "November",
    "dec": "December",
    "mon": "Monday",
    "tue": "Tuesday",
    "tues": "Tuesday",
    "wed": "Wednesday",
    "thu": "Thursday",
    "thur": "Thursday",
    "thurs": "Thursday",
    "fri": "Friday",
}
# Only before a number are these abbreviations; "No." alone is an answer.
COUNTED = {
    "no": "number",
    "nos": "numbers",
    "p": "page",
    "pp": "pages",
    "fig": "figure",
    "figs": "figures",
    "vol": "volume",
    "vols": "volumes",
    "ch": "chapter",
    "chap": "chapter",
    "sec": "section",
    "art": "article",
    "op": "opus",
    "ed": "edition",
    "c": "circa",
}
# Words of their own in lower case, so the capital decides.
_CAPITAL_ONLY = word_set(
    "gen col sen rep hon gov pres mt ft adm maj co inc est mar jun jul dec sep oct nov jan feb apr "
    "aug mon tue tues wed thu thur thurs fri ca rev lt art sec"
)
# British spelling leaves the full stop out.
_BARE = word_set("mr mrs ms dr prof vs etc jr sr ltd messrs")
_DOTTED = {
    "e.g.": "for example",
    "i.e.": "that is",
    "a.k.a.": "also known as",
    "n.b.": "note well",
}
_SPECIAL = {
    "PhD": spelled("PHD"),
    "PhDs": spelled("PHDs"),
    "pH": spelled("PH"),
    "OK": "okay",
    "eg": "for example",
    "WiFi": "wifi",
    "aka": spelled("AKA"),
}
# Short words that people write in capitals for emphasis; other short capitals are spelled.
_STRESSED = word_set(
    "the and not all any you your was are were yes no now one two new how why who what when where "
    "had has have his her him its our out can did do does for from but get got let may see too use "
    "way day old big bad good off on in is be by my so to up we he she they them this that then "
    "than very only ever must more most some such stop wait help love hate go if or an as at of me "
    "us it i a"
)
_SPELLED_ANYWAY = word_set("US IT")
# A capital letter after these names something: "vitamin A", "plan B".
_LETTERED = word_set(
    "vitamin plan section grade group type class hepatitis exhibit option appendix letter block "
    "category team level note key point room unit gate terminal building"
)
_SHORTENED = word_set("eg vs etc")
LONGEST_LETTERS = 45  # of an English word, with something to spare
_VOWELS = re.compile("[AEIOUY]")
_CAMEL = re.compile("[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_NUMBER_AHEAD = re.compile(r"\s*(?:[0-9]|[IVXLC]+\b)")
_ENDS_HERE = re.compile(r"[\"')\]\s]*$")


def read_dotted(found: re.Match[str], place: Place) -> str | None:
    """Read "e.g.", "U.S.", "J.R.R.", "a.m." """
    text = found[0]
    if text.lower() in _DOTTED:
        return _DOTTED[text.lower()]
    reading = spelled(text.replace(".", "").upper())
    return reading + (" ." if _ENDS_HERE.match(after(found)) else "")


def read_doctorate(found: re.Match[str], place: Place) -> str:
    """Read "Ph.D."."""
    return spelled("PHD") + (" ." if _ENDS_HERE.match(after(found)) else "")


def read_abbreviation(found: re.Match[str], place: Place) -> str | None:
    """Read a shortened word and the full stop that belongs to it."""
    word = found[1]
    lower = word.lower()
    if lower in _CAPITAL_ONLY and word.islower():
        return None
    if lower in ("st", "dr"):
        return _saint_or_street(found, place)
    ends = _ENDS_HERE.match(after(found))
    full = ABBREVIATIONS.get(lower)
    if full is None and lower in COUNTED and _NUMBER_AHEAD.match(after(found)):
        full = COUNTED[lower]
    if full is None and not ends and next_word(found)[:1].isupper():
        full = TITLES.get(lower)
    if full is None:
        return None
    return full + (" ." if ends else "")


def _saint_or_street(found: re.Match[str], place: Place) -> str | None:
    """Tell "St. Paul" from "Wall St.", "Dr. No" from "Ocean Dr." by the capitals around."""
    name, road = {"st": ("saint", "street"), "dr": ("doctor", "drive")}[found[1].lower()]
    if found[1].islower() and found[1] == "st":
        return None
    before_name = next_word(found)[:1].isupper()
    after_name = place.follows_capital() and place.previous().lower() not in _BEFORE_SAINT
    if before_name and not after_name:
        return name
    if after_name or (place.tokens and place.previous().endswith(("th", "st", "nd", "rd"))):
        return road + (" ." if _ENDS_HERE.match(after(found)) else "")
    return name


_BEFORE_SAINT = word_set("mount fort port lake the in at and of from to")


def read_initial(found: re.Match[str], place: Place) -> list[Token] | None:
    """Read the initial of a name: "J. Smith"."""
    if not next_word(found)[:1].isupper() and not re.match(r"\s*[A-Z]\.", after(found)):
        return None
    return [Token(Kind.LETTERS, found[1], found[0])]


def read_word(found: re.Match[str], place: Place) -> str | list[Token]:
    """Read a word as a word, as letters, or as a number in roman letters."""
    text = found[0]
    if len(text) > LONGEST_LETTERS:
        return _parts(text)
    if text.islower() and len(text) > 1 and text not in _SHORTENED:
        return [Token(Kind.WORD, text, text)]
    if text in _SPECIAL:
        return _SPECIAL[text]
    lower = text.lower()
    if lower in _BARE and text[0].isupper() or lower in ("vs", "etc"):
        return TITLES.get(lower) or ABBREVIATIONS[lower]
    if text == "St" and next_word(found)[:1].isupper():
        return "saint"
    if len(text) == 1:
        return _single(found, place)
    if text.isupper():
        return as_roman(found, place) or _capitals(text, place)
    if re.fullmatch("[A-Z]{2,}'?s", text) and text[:-1].rstrip("'") not in _STRESSED:
        return _capitals_with_s(text, place)
    if text[1:].islower() or place.knows(text) or "-" in text or "'" in text:
        return [Token(Kind.WORD, text, text)]
    return _mixed(text, place)


def _parts(text: str) -> list[Token]:
    """Cut what is too long to be a word, so that a voice never meets it whole."""
    cuts = range(0, len(text), LONGEST_LETTERS)
    parts = [text[i : i + LONGEST_LETTERS] for i in cuts]
    return [Token(Kind.WORD, part.lower(), part) for part in parts]


def _single(found: re.Match[str], place: Place) -> str | list[Token]:
    text = found[0]
    if roman := as_roman(found, place):
        return roman
    lettered = place.previous().lower() in _LETTERED
    if text == "I" or (text in "Aa" and not (lettered and text == "A")):
        return [Token(Kind.WORD, text, text)]
    return [Token(Kind.LETTERS, text.upper(), text)]


def _capitals(text: str, place: Place) -> str | list[Token]:
    lower = text.lower()
    if "-" in text:
        parts = [
            _capitals(part, place) if len(part) > 1 else spelled(part)
            for part in text.split("-")
            if part
        ]
        return " ".join(p if isinstance(p, str) else p[0].spoken for p in parts)
    if text in _SPELLED_ANYWAY:
        return spelled(text)
    if lower in _STRESSED or "'" in text:
        return [Token(Kind.WORD, lower, text)]
    if place.knows_exactly(text) or (len(text) > 3 and _VOWELS.search(text) and place.knows(text)):
        return [Token(Kind.WORD, text if place.knows_exactly(text) else lower, text)]
    if len(text) > 4 and len(_VOWELS.findall(text)) * 4 >= len(text):
        return [Token(Kind.WORD, lower, text)]
    return spelled(text)


def _capitals_with_s(text: str, place: Place) -> str | list[Token]:
    """Read "MPs" and "BBC's": letters or a word, with its -s."""
    stem = text[:-1].rstrip("'")
    if place.knows_exactly(stem):
        return [Token(Kind.WORD, stem + "'s", text)]
    if len(stem) > 3 and place.knows(stem):
        return [Token(Kind.WORD, stem.lower() + "'s", text)]
    return spelled(stem + "s")


def _mixed(text: str, place: Place) -> str | list[Token]:
    """Read "YouTube", "iPhone", "McGregor"."""
    if text.startswith(("Mc", "Mac")):
        return [Token(Kind.WORD, text, text)]
    parts = _CAMEL.findall(text)
    if len(parts) < 2 or "".join(parts) != text:
        return [Token(Kind.WORD, text, text)]
    return " ".join(
        spelled(part.upper())
        if len(part) == 1 or (part.isupper() and not place.knows_exactly(part))
        else part
        for part in parts
    )


def read_mark(found: re.Match[str], place: Place) -> list[Token] | None:
    """Read punctuation as the pause or tune it stands for."""
    text = found[0]
    if text[0] in "\"'":
        return []
    mark = "," if text[0] in "…—–-()" else text[0]
    if "?" in text:
        mark = "?"
    elif "!" in text:
        mark = "!"
    elif text.startswith(".."):
        mark = ","
    return [Token(Kind.MARK, mark, text)]


ABBREVIATED = "|".join(sorted({*TITLES, *ABBREVIATIONS, *COUNTED, "st"}, key=len, reverse=True))
RULES = (
    Rule(r"(?<![A-Za-z])(?:[A-Za-z]\.){2,}", read_dotted),
    Rule(rf"(?<![A-Za-z])((?i:{ABBREVIATED}))\.", read_abbreviation),
    Rule(r"(?<![A-Za-z'])([A-Z])\.(?=\s)", read_initial),
    Rule(r"(?<![A-Za-z])Ph\.\s?D\.", read_doctorate),
    Rule(
        r"(?:'(?=(?:tis|twas|twere|em|cause|til|till|bout|round|n)\b))?[A-Za-z]+(?:['-][A-Za-z]+)*",
        read_word,
    ),
    Rule(r"[.,;:!?…]+|[—–]|--+|(?<=\s)-(?=\s)|[()\"]", read_mark),
)

"""`say-as`: a piece of a text read as the author says it is meant.

Source: W3C Note 2005, "SSML 1.0 say-as attribute values"; the names that it leaves open are those
that speech services have agreed on since.
"""

import re
from collections.abc import Callable

from sori.core.errors import SoriError
from sori.text import dates, quantities
from sori.text.addresses import SIGNS
from sori.text.numbers import cardinal, number, one_by_one, ordinal, year
from sori.text.roman import value_of
from sori.text.scanner import Place, Rule
from sori.text.symbols import NAMES
from sori.text.tokens import spelled

_NUMBER = re.compile(r"[-+−]?(?:[0-9][0-9,]*(?:\.[0-9]+)?|\.[0-9]+)")
_RANK = re.compile(r"([0-9][0-9,]*)(?:st|nd|rd|th)?")
_RUN = re.compile(r"[A-Za-z]+|[0-9]+|\s+|.", re.S)
_GROUPED = re.compile(r"\+?[0-9][0-9() .-]*")
_FIELD = re.compile("[A-Za-z]+|[0-9]+")
_FORMS = ("mdy", "dmy", "ymd", "md", "dm", "ym", "my", "y", "m", "d")


def read_as(kind: str, form: str, content: str, accent: str) -> str:
    """Words, marks and spelled letters for a piece of a text.

    Args:
        kind: the value of `interpret-as`.
        form: that of `format`, or "".

    Raises:
        SoriError: there is no such kind, or the content is nothing of that kind.
    """
    read = KINDS.get(kind)
    if read is None:
        raise SoriError(
            f"say-as knows no interpret-as {kind[:40]!r}; choose one of: {', '.join(KINDS)}"
        )
    if form and kind != "date":
        raise SoriError(f"say-as takes a format for dates only, not for {kind}")
    reading = read(content.strip(), form, accent)
    if not reading:
        raise SoriError(f"say-as cannot read {content.strip()[:40]!r} as {kind}")
    return reading


def _characters(content: str, form: str, accent: str) -> str | None:
    words = []
    for run in _RUN.findall(content):
        if run.isspace():
            words.append(",")
        elif run.isascii() and run.isalpha():
            words.append(spelled(run.upper()))
        elif run.isascii() and run.isdigit():
            words.append(one_by_one(run))
        elif name := SIGNS.get(run) or NAMES.get(run):
            words.append(name)
        else:
            return None
    return " ".join(words)


def _digits(content: str, form: str, accent: str) -> str | None:
    return one_by_one(content) if _GROUPED.fullmatch(content) else None


def _cardinal(content: str, form: str, accent: str) -> str | None:
    if _NUMBER.fullmatch(content):
        return number(content)
    value = value_of(content)
    return cardinal(value) if value else None


def _ordinal(content: str, form: str, accent: str) -> str | None:
    if found := _RANK.fullmatch(content):
        return ordinal(found[1])
    value = value_of(content)
    return ordinal(value) if value else None


def _telephone(content: str, form: str, accent: str) -> str | None:
    if not _GROUPED.fullmatch(content.removeprefix("(")):
        return None
    groups = " , ".join(one_by_one(group, "oh") for group in re.findall("[0-9]+", content))
    return f"plus {groups}" if content[0] == "+" else groups


def _date(content: str, form: str, accent: str) -> str | None:
    fields = _FIELD.findall(content)
    if len(fields) == 1 and len(content) == 8 and content.isdigit():
        fields = [content[:4], content[4:6], content[6:]]
    form = form or _usual_form(fields, accent)
    if form not in _FORMS:
        raise SoriError(f"say-as knows no date format {form!r}; choose one of: {', '.join(_FORMS)}")
    if len(fields) != len(form):
        return None
    part = dict(zip(form, fields, strict=True))
    month = _month(part["m"]) if "m" in part else ""
    day = _day(part["d"]) if "d" in part else ""
    of_year = _year(part["y"]) if "y" in part else ""
    if None in (month, day, of_year):
        return None
    first = f"{month} {day}".strip()
    return f"{first} , {of_year}" if day and of_year else f"{first} {of_year}".strip()


def _usual_form(fields: list[str], accent: str) -> str:
    if fields and len(fields[0]) == 4 and fields[0].isdigit():
        return "ymd"[: len(fields)]
    whole = "mdy" if accent == "us" or fields[:1] and fields[0].isalpha() else "dmy"
    return whole[: max(2, len(fields))]


def _month(field: str) -> str | None:
    if field.isdigit():
        return dates.MONTHS[int(field) - 1] if 1 <= int(field) <= 12 else None
    starting = (month for month in dates.MONTHS if month.lower().startswith(field.lower()))
    return next(starting, None) if len(field) > 2 else None


def _day(field: str) -> str | None:
    return ordinal(field) if field.isdigit() and 1 <= int(field) <= 31 else None


def _year(field: str) -> str | None:
    if not field.isdigit() or len(field) > 4:
        return None
    return year(dates.century(field) if len(field) == 2 else field)


def _by(*rules: Rule) -> Callable[[str, str, str], str | None]:
    """A reader that lets the rules for running text read a piece as a whole."""
    patterns = [(re.compile(rule.pattern), rule.read) for rule in rules]

    def read(content: str, form: str, accent: str) -> str | None:
        place = Place(accent, lambda word: False, lambda word: False)
        for pattern, reader in patterns:
            found = pattern.fullmatch(content)
            answer = reader(found, place) if found else None
            if isinstance(answer, str):
                return answer
        return None

    return read


KINDS = {
    "characters": _characters,
    "spell-out": _characters,
    "verbatim": _characters,
    "digits": _digits,
    "cardinal": _cardinal,
    "number": _cardinal,
    "ordinal": _ordinal,
    "fraction": _by(quantities.FRACTION),
    "unit": _by(quantities.MEASURE),
    "currency": _by(*quantities.MONEY),
    "date": _date,
    "time": _by(*dates.CLOCKS),
    "telephone": _telephone,
}

"""Readers for dates, eras and times of day."""

import re

from sori.text.numbers import below_hundred, cardinal, ordinal, year
from sori.text.scanner import Place, Rule, after
from sori.text.tokens import spelled
from sori.text.wordlist import word_list

MONTHS = word_list(
    "January February March April May June July August September October November December"
)
_SHORT = {month[:3].lower(): month for month in MONTHS} | {"sept": "September"}
_MONTH = (
    r"(?P<month>January|February|March|April|May|June|July|August|September|October|November"
    r"|December|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec)(?:\.|(?=\s)))"
)
_DAY = r"(?P<day>[0-9]{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>[12][0-9]{3})"
_NOON = r"(?P<half>[AaPp])\.?\s?[Mm](?:\.|(?![A-Za-z]))"


def _month(text: str) -> str:
    return _SHORT[text.rstrip(".").lower()[: 4 if text.lower().startswith("sept") else 3]]


def read_month_day(found: re.Match[str], place: Place) -> str | None:
    """Read "March 5, 2020", "Dec. 25th", "May 5"."""
    day = int(found["day"])
    if not 1 <= day <= 31:
        return None
    words = f"{_month(found['month'])} {ordinal(day)}"
    if found["last"]:
        words += f" to {ordinal(found['last'])}"
    return f"{words} , {year(found['year'])}" if found["year"] else words


def read_day_month(found: re.Match[str], place: Place) -> str | None:
    """Read "5 March 2020", "the 5th of March"."""
    day = int(found["day"])
    if not 1 <= day <= 31:
        return None
    the = "" if place.previous().lower() == "the" else "the "
    words = f"{the}{ordinal(day)} of {_month(found['month'])}"
    return f"{words} , {year(found['year'])}" if found["year"] else words


def read_month_year(found: re.Match[str], place: Place) -> str:
    """Read "March 2020"."""
    return f"{_month(found['month'])} {year(found['year'])}"


def read_iso(found: re.Match[str], place: Place) -> str | None:
    """Read "2020-03-05"."""
    return _date(found[3], found[2], found[1])


def read_numeric(found: re.Match[str], place: Place) -> str | None:
    """Read "3/5/2020": the month first in American English unless it cannot be one."""
    first, second, last = found[1], found[3], found[5]
    if found[2] != found[4]:
        return None
    month_first = place.accent == "us" and int(first) <= 12 and found[2] != "."
    if not month_first and int(second) > 12:
        first, second = second, first
    day, month = (second, first) if month_first else (first, second)
    return _date(day, month, last if len(last) == 4 else century(last))


def century(two_digits: str) -> str:
    return ("19" if int(two_digits) >= 50 else "20") + two_digits


def _date(day: str, month: str, of_year: str) -> str | None:
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    return f"{MONTHS[int(month) - 1]} {ordinal(day)} , {year(of_year)}"


def read_era(found: re.Match[str], place: Place) -> str:
    """Read "450 BC", "AD 79", "1st century BCE" (its number)."""
    number = found["number"] or found["second"]
    era = (found["era"] or found["first"]).replace(".", "")
    words = year(number) if len(number) < 5 else cardinal(number.replace(",", ""))
    return f"{words} {spelled(era)}" if found["era"] else f"{spelled(era)} {words}"


def read_clock(found: re.Match[str], place: Place) -> str | None:
    """Read "10:30", "7:05 p.m.", "14:00:15", "7.30pm"."""
    hour, minute, second = int(found["hour"]), int(found["minute"]), found["second"]
    if hour > 24 or minute > 59 or (second and int(second) > 59):
        return None
    half = found["half"]
    words = [cardinal(hour)]
    if minute:
        words.append(f"oh {cardinal(minute)}" if minute < 10 else below_hundred(minute))
    elif not half and not second:
        words.append("hundred" if hour > 12 or hour == 0 or found["hour"][0] == "0" else "o'clock")
    if second:
        words.append(f"and {cardinal(second)} second{'' if int(second) == 1 else 's'}")
    return " ".join(words) + _half(found)


def read_hour(found: re.Match[str], place: Place) -> str | None:
    """Read "7 a.m.", "11pm"."""
    return cardinal(found["hour"]) + _half(found) if int(found["hour"]) <= 12 else None


def _half(found: re.Match[str]) -> str:
    if not found["half"]:
        return ""
    ends = "" if after(found).strip(" \"')") or found[0][-1] != "." else " ."
    return f" {spelled(found['half'].upper() + 'M')}{ends}"


CLOCKS = (
    Rule(
        rf"(?P<hour>[0-9]{{1,2}}):(?P<minute>[0-5][0-9])(?::(?P<second>[0-5][0-9]))?(?![0-9:])"
        rf"(?:\s?{_NOON})?",
        read_clock,
    ),
    Rule(rf"(?P<hour>[0-9]{{1,2}})\.(?P<minute>[0-5][0-9])(?P<second>)\s?{_NOON}", read_clock),
    Rule(rf"(?P<hour>[0-9]{{1,2}})\s?{_NOON}", read_hour),
)
RULES = (
    Rule(r"(?<![0-9])([12][0-9]{3})-([01][0-9])-([0-3][0-9])(?![0-9])", read_iso),
    Rule(
        r"(?<![0-9/])([0-9]{1,2})([/.-])([0-9]{1,2})([/.-])([0-9]{4}|[0-9]{2})"
        r"(?![0-9/.-]*[0-9])",
        read_numeric,
    ),
    Rule(
        rf"{_MONTH}\s{_DAY}(?![0-9:.]*[0-9])(?:\s?[-–]\s?(?P<last>[0-9]{{1,2}})(?![0-9]))?"
        rf"(?:,?\s{_YEAR}(?![0-9]))?",
        read_month_day,
    ),
    Rule(rf"{_MONTH},?\s{_YEAR}(?![0-9])", read_month_year),
    Rule(rf"{_DAY}\s(?:of\s)?{_MONTH}(?:,?\s{_YEAR}(?![0-9]))?", read_day_month),
    Rule(
        r"(?P<number>[0-9][0-9,]*)\s?(?P<era>B\.?C\.?E\.?|BCE|B\.C\.|BC|A\.D\.|AD|CE)(?![A-Za-z])"
        r"|(?P<first>A\.D\.|AD)\s(?P<second>[0-9]+)",
        read_era,
    ),
    *CLOCKS,
)

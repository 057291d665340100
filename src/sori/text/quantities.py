"""Readers for quantities: money, units, percentages, fractions, ranges, plain numbers."""

import re

from sori.text.numbers import (
    below_hundred,
    cardinal,
    decimal,
    fraction,
    one_by_one,
    ordinal,
    plural_of,
    year,
)
from sori.text.scanner import Place, Rule, after, next_word
from sori.text.tokens import spelled
from sori.text.units import UNIT_PATTERN, unit_name
from sori.text.wordlist import word_set

NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
SCALE = {
    "k": "thousand",
    "K": "thousand",
    "m": "million",
    "M": "million",
    "mn": "million",
    "mln": "million",
    "b": "billion",
    "B": "billion",
    "bn": "billion",
    "bln": "billion",
    "t": "trillion",
    "T": "trillion",
    "tn": "trillion",
    "trn": "trillion",
}
_SCALES = "hundred|thousand|million|billion|trillion|" + "|".join(sorted(SCALE, key=len)[::-1])
# symbol: one, many, the hundredth part
CURRENCIES = {
    "$": ("dollar", "dollars", "cent"),
    "£": ("pound", "pounds", "penny"),
    "€": ("euro", "euros", "cent"),
    "¥": ("yen", "yen", "sen"),
    "₹": ("rupee", "rupees", "paisa"),
    "USD": ("US dollar", "US dollars", "cent"),
    "US$": ("US dollar", "US dollars", "cent"),
    "A$": ("Australian dollar", "Australian dollars", "cent"),
    "C$": ("Canadian dollar", "Canadian dollars", "cent"),
    "EUR": ("euro", "euros", "cent"),
    "GBP": ("pound", "pounds", "penny"),
    "JPY": ("yen", "yen", "sen"),
    "CHF": ("Swiss franc", "Swiss francs", "centime"),
}
_PARTS = {"penny": "pence", "sen": "sen", "paisa": "paise"}
_SYMBOL = r"US\$|A\$|C\$|[$£€¥₹]"
_CODE = "USD|EUR|GBP|JPY|CHF"
# Words that make four digits before or behind them a year, or keep them from being one.
_BEFORE_YEAR = word_set(
    "in since by until till before after during from circa of year spring summer autumn fall "
    "winter early late mid january february march april may june july august september october "
    "november december"
)
_NOT_PLURALS = word_set("was is has as this his its us across towards always")


def amount(text: str, scale: str = "") -> str:
    """Read a number, followed by a scale such as "m" or "billion" if there is one."""
    words = decimal(text.replace(",", ""))
    return f"{words} {SCALE.get(scale, scale)}" if scale else words


def read_money(found: re.Match[str], place: Place) -> str | None:
    """Read "$3.50", "£2m", "€1.2 billion", "$5-10"."""
    sign, symbol, low, high, scale = found.group("minus", "symbol", "low", "high", "scale")
    one, many, part = _currency(symbol)
    minus = "minus " if sign else ""
    if high:
        return f"{minus}{amount(low)} to {amount(high, scale or '')} {many}"
    if scale:
        return f"{minus}{amount(low, scale)} {one if _describes(found, place) else many}"
    return minus + _coins(low, (one, one if _describes(found, place) else many, part))


def _describes(found: re.Match[str], place: Place) -> bool:
    """Return whether an amount stands before a noun, in the singular: "a $5 bill"."""
    return place.previous().lower() in ("a", "an", "the") and bool(next_word(found))


def _currency(symbol: str) -> tuple[str, str, str]:
    one, many, part = CURRENCIES[symbol]
    return one.replace("US ", spelled("US") + " "), many.replace("US ", spelled("US") + " "), part


def _coins(text: str, names: tuple[str, str, str]) -> str:
    """Read an amount of money to the hundredth; other decimals are read as decimals."""
    one, many, part = names
    whole, _, cents = text.replace(",", "").partition(".")
    if cents and len(cents) != 2:
        return f"{decimal(text.replace(',', ''))} {many}"
    coins = int(cents or 0)
    words = f"{cardinal(whole or 0)} {one if int(whole or 0) == 1 else many}"
    if not coins:
        return words
    small = f"{below_hundred(coins)} {part if coins == 1 else _PARTS.get(part, part + 's')}"
    return small if int(whole or 0) == 0 else f"{words} and {small}"


def read_currency_code(found: re.Match[str], place: Place) -> str:
    """Read "300 USD", "EUR 20"."""
    number, code = found["number"] or found["second"], found["code"] or found["first"]
    return _coins(number, _currency(code))


def read_small_coins(found: re.Match[str], place: Place) -> str | None:
    """Read "50¢" and "20p"."""
    count = int(found[0][:-1])
    if found[0][-1] == "¢":
        return f"{cardinal(count)} {'cent' if count == 1 else 'cents'}"
    return f"{cardinal(count)} {'penny' if count == 1 else 'pence'}"


def read_mixed_fraction(found: re.Match[str], place: Place) -> str | None:
    """Read "2 1/2" as two and a half, "3/4" as three quarters."""
    whole, top, bottom = found.groups()
    if int(bottom) == 0 or (whole is None and (len(top) > 2 or len(bottom) > 3)):
        return f"{cardinal(top)} over {cardinal(bottom)}" if whole is None else None
    if whole is None:
        same = top == bottom and len(top) > 1
        return f"{cardinal(top)} {cardinal(bottom)}" if same else fraction(top, bottom)
    part = fraction(top, bottom)
    part = "a half" if part == "one half" else part
    part = "a quarter" if part == "one quarter" else part
    return f"{cardinal(whole)} and {part}"


def read_range(found: re.Match[str], place: Place) -> str | None:
    """Read "10–20", "1990-1995", "5-10 kg", "20-30%"."""
    low, high, unit = found.groups()
    if len(low) > 1 and low[0] == "0":
        return None
    if _is_year(low) and len(high) in (2, 4) and not unit:
        end = year(high) if len(high) == 4 else below_hundred(int(high))
        return f"{year(low)} to {end}"
    if float(low.replace(",", "")) >= float(high.replace(",", "")) and not unit:
        return None
    tail = ""
    if unit:
        tail = " percent" if unit == "%" else f" {unit_name(unit, single=False)}"
    return f"{decimal(low.replace(',', ''))} to {decimal(high.replace(',', ''))}{tail}"


def read_percent(found: re.Match[str], place: Place) -> str:
    """Read "12.5%" and "3‰"."""
    name = {"%": "percent", "‰": "per mille"}[found[3]]
    return f"{_sign(found[1])}{amount(found[2])} {name}"


def read_measure(found: re.Match[str], place: Place) -> str | None:
    """Read "5 km/h", "3kg", "-20°C", "5-km"."""
    sign, number, gap, unit = found.group("sign", "number", "gap", "unit")
    if gap == " " and unit in _WORDS_TOO and not re.match(r"\s*(?:[.,;:)]|$)", after(found)):
        return None
    if gap == " " and unit in _LETTERS_TOO:
        return None
    attributive = place.previous().lower() in ("a", "an") and bool(next_word(found))
    single = number == "1" or gap == "-" or attributive
    return f"{_sign(sign)}{amount(number)} {unit_name(unit, single)}"


# A letter apart from its number is more often a name than a unit: "item 5 B".
_LETTERS_TOO = word_set("in A B J K N s")
_WORDS_TOO = word_set("in oz. no. ha")


def _sign(sign: str | None) -> str:
    return {"-": "minus ", "−": "minus ", "+": "plus ", "±": "plus or minus "}.get(sign or "", "")


def read_ordinal(found: re.Match[str], place: Place) -> str:
    """Read "21st", "3rd"."""
    return ordinal(found[1].replace(",", ""))


def read_product(found: re.Match[str], place: Place) -> str:
    """Read "3x4", "1920×1080", "4x"."""
    left, right = found.groups()
    if not right:
        return f"{amount(left)} times"
    return f"{amount(left)} {'times' if ' ' in found[0] else 'by'} {amount(right)}"


def read_ratio(found: re.Match[str], place: Place) -> str:
    """Read "3:1"."""
    return f"{cardinal(found[1])} to {cardinal(found[2])}"


def read_dotted_number(found: re.Match[str], place: Place) -> str:
    """Read "1.2.3" and "192.168.0.1", group by group."""
    return " point ".join(cardinal(part) for part in found[0].split("."))


def read_decade(found: re.Match[str], place: Place) -> str:
    """Read "1990s", "'90s", "the 60s", "1900s'"."""
    digits = found[1]
    if len(digits) == 2:
        return plural_of(below_hundred(int(digits))) if digits[1] == "0" else f"{cardinal(digits)}s"
    return plural_of(year(digits))


def read_scaled(found: re.Match[str], place: Place) -> str:
    """Read "2.5 million", "10k", "3bn"."""
    return amount(found[1], found[2])


def read_number(found: re.Match[str], place: Place) -> str:
    """Read a number that nothing else claimed; four digits may be a year."""
    sign, text = _sign(found[1]), found[2]
    digits = text.replace(",", "")
    if place.previous().lower() in ("dial", "call", "dialled", "called") and digits in _EMERGENCY:
        return one_by_one(digits)
    if digits[0] == "0" and len(digits) > 1 and digits.isdigit():
        return sign + one_by_one(digits, "oh" if place.accent == "gb" else "zero")
    if _is_year(text) and not sign and not _counts_things(found, place):
        return year(text)
    return sign + decimal(digits)


_EMERGENCY = frozenset(("911", "999", "112", "111", "000"))


def _is_year(text: str) -> bool:
    return len(text) == 4 and text.isdigit() and 1010 <= int(text) < 2100


def _counts_things(found: re.Match[str], place: Place) -> bool:
    """Return whether a plural noun follows, so that four digits count it."""
    behind = next_word(found)
    if place.previous().lower() in _BEFORE_YEAR or not behind.islower():
        return False
    return (
        behind.endswith("s") and behind not in _NOT_PLURALS or behind in ("people", "men", "women")
    )


MONEY = (
    Rule(
        rf"(?P<minus>[-−])?(?P<symbol>{_SYMBOL})\s?(?P<low>{NUMBER})"
        rf"(?:\s?[-–]\s?(?:{_SYMBOL})?(?P<high>{NUMBER}))?"
        rf"(?:[\s-]?(?P<scale>{_SCALES})(?![A-Za-z]))?",
        read_money,
    ),
    Rule(
        rf"(?P<number>{NUMBER})\s?(?P<code>{_CODE})(?![A-Za-z])"
        rf"|(?P<first>{_CODE})\s?(?P<second>{NUMBER})",
        read_currency_code,
    ),
    Rule(r"(?<![0-9])([0-9]+¢|[0-9]{1,2}p(?![A-Za-z0-9]))", read_small_coins),
)
FRACTION = Rule(r"(?:([0-9]+)[ -])?([0-9]{1,4})/([0-9]{1,4})(?![0-9/])", read_mixed_fraction)
MEASURE = Rule(
    rf"(?P<sign>[-−+±])?(?P<number>{NUMBER})(?P<gap>[ -]?)"
    rf"(?P<unit>{UNIT_PATTERN})(?![A-Za-z0-9])",
    read_measure,
)
RULES = (
    *MONEY,
    FRACTION,
    Rule(
        rf"({NUMBER})\s?[–-]\s?({NUMBER})(?![0-9-])(?:\s?(%|(?:{UNIT_PATTERN})(?![A-Za-z])))?",
        read_range,
    ),
    Rule(rf"([-−+±](?=[0-9.]))?({NUMBER})\s?([%‰])", read_percent),
    Rule(r"'?([0-9]{2}|[1-9][0-9]{2}0)'?s(?![A-Za-z])", read_decade),
    Rule(r"([0-9][0-9,]*)(?:st|nd|rd|th)(?![A-Za-z])", read_ordinal),
    Rule(rf"({NUMBER})(?:\s?[x×]\s?({NUMBER})|x(?![A-Za-z]))", read_product),
    MEASURE,
    Rule(rf"({NUMBER})\s?({_SCALES})(?![A-Za-z])", read_scaled),
    Rule(r"[0-9]+(?:\.[0-9]+){2,}", read_dotted_number),
    Rule(r"([0-9]{1,4}):([0-9]{1,4})(?![0-9:])", read_ratio),
    Rule(rf"((?<![A-Za-z0-9])[-−+±])?({NUMBER})", read_number),
)

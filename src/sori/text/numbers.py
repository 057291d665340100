"""Numbers in words: cardinals, ordinals, years, digits one by one, decimals, fractions."""

import re

from sori.text.wordlist import word_list

ONES = word_list(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
TENS = word_list("_ _ twenty thirty forty fifty sixty seventy eighty ninety")
SCALES = word_list(
    "_ thousand million billion trillion quadrillion quintillion sextillion septillion octillion "
    "nonillion decillion"
)
LONGEST_CARDINAL = 3 * len(SCALES)  # digits; beyond that a number is read digit by digit
IRREGULAR_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_NAMES = "|".join([*ONES[1:], *TENS[2:], *IRREGULAR_ORDINALS.values()])
_SMALL = rf"(?:{_NAMES}|(?!thousand|[a-z]*illion)[a-z]+(?:th|ieth))\b(?:-[a-z]+)?"
# Before what is below a hundred; "two thousand five hundred" has none.
_AND = re.compile(
    rf"(?<=undred) (?={_SMALL})|(?<=ousand|illion) (?={_SMALL}(?! (?:hundred|[a-z]+illion)))"
)


def cardinal(digits: str | int) -> str:
    """Read a whole number: 1,234 is "one thousand two hundred thirty-four"."""
    text = str(digits).replace(",", "").lstrip("0")
    if not text:
        return "zero"
    if len(text) > LONGEST_CARDINAL:
        return one_by_one(text)
    groups = []
    number = int(text)
    scale = 0
    while number:
        number, group = divmod(number, 1000)
        if group:
            words = _below_thousand(group)
            groups.append(f"{words} {SCALES[scale]}" if scale else words)
        scale += 1
    return " ".join(reversed(groups))


def with_and(words: str) -> str:
    """Put "and" into numbers as British English does: two hundred and five, a thousand and one."""
    return _AND.sub(" and ", words)


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    words = [f"{ONES[hundreds]} hundred"] if hundreds else []
    if rest:
        words.append(below_hundred(rest))
    return " ".join(words)


def below_hundred(number: int) -> str:
    """Read a number from 0 to 99; tens and ones are joined by a hyphen."""
    if number < 20:
        return ONES[number]
    tens, ones = divmod(number, 10)
    return TENS[tens] + (f"-{ONES[ones]}" if ones else "")


def ordinal(digits: str | int) -> str:
    """Read a rank: 21 is "twenty-first"."""
    return ordinal_of(cardinal(digits))


def ordinal_of(words: str) -> str:
    """Turn a cardinal's words into an ordinal's."""
    head, cut, last = _split_last(words)
    if last in IRREGULAR_ORDINALS:
        return head + cut + IRREGULAR_ORDINALS[last]
    if last.endswith("y"):
        return head + cut + last[:-1] + "ieth"
    return head + cut + last + "th"


def _split_last(words: str) -> tuple[str, str, str]:
    at = max(words.rfind(" "), words.rfind("-"))
    return (words[:at], words[at], words[at + 1 :]) if at >= 0 else ("", "", words)


def plural_of(words: str) -> str:
    """Turn a number's words into a plural: "twenties", "nineteen nineties", "sixes"."""
    if words.endswith("y"):
        return words[:-1] + "ies"
    return words + ("es" if words.endswith("x") else "s")


def year(digits: str | int) -> str:
    """Read a year: 1066, 1900, 1906, 2000, 2007, 2024."""
    number = int(digits)
    if number == 0 or number > 9999:
        return cardinal(number)
    century, rest = divmod(number, 100)
    if number < 1000 or (number % 1000 < 10 and number >= 1000):
        if 100 < number < 1000 and rest >= 10:
            return f"{cardinal(century)} {below_hundred(rest)}"
        return cardinal(number)
    if rest == 0:
        return f"{below_hundred(century)} hundred"
    if rest < 10:
        return f"{below_hundred(century)} oh {ONES[rest]}"
    return f"{below_hundred(century)} {below_hundred(rest)}"


def decade(digits: str) -> str:
    """Read "1990s" (given its digits) as "nineteen nineties"."""
    return plural_of(below_hundred(int(digits)) if len(digits) == 2 else year(digits))


def one_by_one(digits: str, zero: str = "zero") -> str:
    """Read digits one at a time."""
    return " ".join(zero if d == "0" else ONES[int(d)] for d in digits if d.isdigit())


def decimal(digits: str) -> str:
    """Read 3.14 as "three point one four"; .5 as "point five"."""
    whole, _, fraction = digits.partition(".")
    words = cardinal(whole) if whole else ""
    return f"{words} point {one_by_one(fraction)}".strip() if fraction else words


def number(text: str) -> str:
    """Read a whole or decimal number, with a sign and thousands separators if it has them."""
    sign = "minus " if text[0] in "-−" else ""
    return sign + decimal(text.lstrip("+-−").replace(",", ""))


def fraction(numerator: str, denominator: str) -> str:
    """Read 1/2, 3/4, 2/3, 5/16."""
    top, bottom = int(numerator), int(denominator)
    if bottom == 0 or bottom > 100 or bottom == 1:
        return f"{cardinal(numerator)} over {cardinal(denominator)}"
    if bottom == 2:
        return "one half" if top == 1 else f"{cardinal(top)} halves"
    part = "quarter" if bottom == 4 else ordinal(bottom)
    return f"{cardinal(top)} {part}{'' if top == 1 else 's'}"

"""SSML: the part of it that Sori speaks, read into parts of marked text.

Source: W3C 2010, "Speech Synthesis Markup Language 1.1". `ELEMENTS` is the whole subset; anything
else is refused by its name and line.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple, TypeVar
from xml.parsers import expat

from sori.core.errors import SoriError
from sori.text.delivery import END, Delivery, plain, read_mark, turn_mark
from sori.text.inline import checked

Choice = TypeVar("Choice")

_ROOT = re.compile(r"\s*(?:<(?:\?|!)[^>]*>\s*)*<(?:\w+:)?speak[\s/>]")
_SPACES = re.compile(r"\s+")
_BRACKETS = str.maketrans("[]", "  ")
DEEPEST = 40
LONGEST_BREAK_SECONDS = 10.0
SPEEDS, PITCHES, GAINS_DB = (0.25, 4.0), (0.5, 2.0), (-120.0, 12.0)

RATES = {"x-slow": 0.5, "slow": 0.75, "medium": 1.0, "default": 1.0, "fast": 1.3, "x-fast": 1.7}
HEIGHTS = {"x-low": 0.7, "low": 0.85, "medium": 1.0, "default": 1.0, "high": 1.2, "x-high": 1.4}
VOLUMES = {
    "silent": -120.0,
    "x-soft": -12.0,
    "soft": -6.0,
    "medium": 0.0,
    "default": 0.0,
    "loud": 4.0,
    "x-loud": 8.0,
}
BREAKS = {"none": 0.0, "x-weak": 0.1, "weak": 0.2, "medium": 0.4, "strong": 0.7, "x-strong": 1.0}
# Stressed words are longer, higher and louder, in this order of weight.
# Source: Fry 1958, "Experiments in the perception of stress".
EMPHASES = {
    "strong": Delivery(speed=0.85, pitch=1.1, gain_db=3.0),
    "moderate": Delivery(speed=0.92, pitch=1.05, gain_db=1.5),
    "none": Delivery(),
    "reduced": Delivery(speed=1.1, pitch=0.96, gain_db=-2.0),
}
# Elements, and the attributes that each may have.
ELEMENTS = {
    "speak": ("version",),
    "p": (),
    "s": (),
    "break": ("time", "strength"),
    "prosody": ("rate", "pitch", "volume"),
    "emphasis": ("level",),
    "say-as": ("interpret-as", "format"),
    "sub": ("alias",),
    "phoneme": ("alphabet", "ph"),
    "voice": ("name",),
}
# Attributes that an element cannot do without.
NEEDED = {"say-as": "interpret-as", "sub": "alias", "phoneme": "ph", "voice": "name"}
# Their content is text alone.
LEAVES = ("say-as", "sub", "phoneme")


class Part(NamedTuple):
    """Marked text that one speaker says; None is the speaker of the whole."""

    speaker: str | None
    text: str


def is_ssml(text: str) -> bool:
    """Whether the first element of a text is `speak`."""
    return _ROOT.match(text) is not None


def parts(document: str) -> list[Part]:
    """Read a document.

    Raises:
        SoriError: it is not XML, goes beyond the subset, or a value is wrong; with the line.
    """
    reader = _Reader()
    try:
        reader.parser.Parse(document.encode(), True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise _fault(error.lineno, f"it is not well-formed XML ({reason})") from error
    except UnicodeEncodeError as error:
        raise SoriError("SSML: it holds half of a character") from error
    except SoriError as error:
        raise _fault(reader.parser.CurrentLineNumber, str(error)) from error
    return reader.finish()


def _fault(line: int, message: str) -> SoriError:
    return SoriError(f"SSML, line {line}: {message}")


class _Open(NamedTuple):
    """An element that has begun: how things were delivered outside it, and who spoke."""

    name: str
    attributes: Mapping[str, str]
    outside: Delivery


class _Reader:
    """Follows the elements of a document and gathers parts."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.begin
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters
        self.parser.EntityDeclHandler = self.refuse_entity
        self.stack: list[_Open] = []
        self.leaf = ""
        self.parts: list[Part] = []
        self.begin_part()
        self.delivery = Delivery()
        self.silence: float | None = None

    def begin_part(self) -> None:
        self.text: list[str] = []
        self.told = Delivery()  # what the marks in this part's text said last

    def refuse_entity(self, name: str, *details: object) -> None:
        raise SoriError(f"entity {name!r} is defined; Sori does not read entities of your own")

    def begin(self, qualified: str, given: dict[str, str]) -> None:
        name = qualified.rpartition(":")[2]
        attributes = dict(self.own(given))
        self.check(name, attributes)
        self.stack.append(_Open(name, attributes, self.delivery))
        match name:
            case "p":
                self.text.append("\n\n")
            case "s":
                self.text.append(END)
            case "break":
                self.silence = (self.silence or 0.0) + break_seconds(attributes)
            case "prosody":
                self.delivery = within(self.delivery, prosody(attributes))
            case "emphasis":
                asked = chosen("level", attributes.get("level", "moderate"), EMPHASES)
                self.delivery = within(self.delivery, asked)
            case "voice":
                self.end_part()
                self.delivery = replace(self.delivery, speaker=attributes["name"])
        self.leaf = ""

    def end(self, qualified: str) -> None:
        element = self.stack.pop()
        match element.name:
            case "say-as":
                from sori.text.sayas import read_as  # its rules are many, and most texts need none

                kind, form = element.attributes["interpret-as"], element.attributes.get("format")
                read_as(kind, form or "", self.leaf, "us")  # its faults have a line here
                self.put(read_mark(kind, form or "", self.leaf))
            case "sub":
                self.put(spaced(element.attributes["alias"]))
            case "phoneme":
                phonemes = checked(element.attributes["ph"])
                written = spaced(self.leaf).translate(_BRACKETS)
                self.put(f"[{written.strip()}](/{phonemes}/)")
            case "p":
                self.text.append("\n\n")
            case "s":
                self.text.append(END)
            case "voice":
                self.end_part()
        self.delivery = element.outside

    def own(self, given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Attributes of SSML's own; those of XML say the language, which must be English."""
        for name, value in given.items():
            if name == "xml:lang":
                if not re.fullmatch("en([-_].*)?", value, re.I):
                    raise SoriError(f"xml:lang is {value[:40]!r}; Sori reads SSML in English only")
            elif not name.startswith(("xml", "xsi:")):
                yield name, value

    def check(self, name: str, attributes: Mapping[str, str]) -> None:
        around = self.stack[-1].name if self.stack else ""
        if name not in ELEMENTS:
            known = ", ".join(ELEMENTS)
            raise SoriError(f"Sori knows no element <{name[:40]}>; use one of: {known}")
        if around in (*LEAVES, "break"):
            raise SoriError(f"<{name}> stands inside <{around}>, which holds text alone")
        if (name == "speak") != (not around):
            raise SoriError("<speak> holds everything else, and no other <speak>")
        if len(self.stack) >= DEEPEST:
            raise SoriError(f"elements are nested more than {DEEPEST} deep")
        for attribute in attributes:
            if attribute not in ELEMENTS[name]:
                known = ", ".join(ELEMENTS[name]) or "none"
                raise SoriError(
                    f"<{name}> has no attribute {attribute[:40]!r} here; it has {known}"
                )
        needed = NEEDED.get(name)
        if needed and not attributes.get(needed, "").strip():
            raise SoriError(f"<{name}> needs the attribute {needed}")
        if attributes.get("alphabet", "ipa") != "ipa":
            raise SoriError(f"alphabet {attributes['alphabet'][:40]!r} is not known; write ipa")

    def characters(self, data: str) -> None:
        inside = self.stack[-1].name
        if inside in LEAVES:
            self.leaf += data
        elif inside == "break" and data.strip():
            raise SoriError("<break> holds no text; close it at once: <break/>")
        else:
            self.put(spaced(data))

    def put(self, text: str) -> None:
        """Append text; a mark goes right before the first character that can be seen."""
        seen = text.lstrip()
        if not seen:
            self.text.append(text)
            return
        said = replace(self.delivery, speaker=None, break_seconds=self.silence)
        if said != self.told:
            text = text[: len(text) - len(seen)] + turn_mark(said) + seen
        self.told, self.silence = replace(said, break_seconds=None), None
        self.text.append(text)

    def end_part(self) -> None:
        """Hand on what one speaker says."""
        text = "".join(self.text)
        if text.strip(f"{END} \n"):
            self.parts.append(Part(self.delivery.speaker, text))
        self.begin_part()

    def finish(self) -> list[Part]:
        self.end_part()
        if self.silence is not None and self.parts:
            speaker, text = self.parts.pop()
            text += turn_mark(Delivery(break_seconds=self.silence))
            self.parts.append(Part(speaker, text))
        return self.parts


def spaced(text: str) -> str:
    """Text with single spaces: line breaks and indents of a document mean nothing."""
    return _SPACES.sub(" ", plain(text))


def within(outer: Delivery, inner: Delivery) -> Delivery:
    """An element's wishes upon those of the elements around it."""
    joined = replace(
        outer,
        speed=outer.speed * inner.speed,
        pitch=outer.pitch * inner.pitch,
        gain_db=outer.gain_db + inner.gain_db,
    )
    require("rate", joined.speed, SPEEDS)
    require("pitch", joined.pitch, PITCHES)
    return replace(joined, gain_db=min(max(joined.gain_db, GAINS_DB[0]), GAINS_DB[1]))


def require(name: str, factor: float, limits: tuple[float, float]) -> None:
    low, high = limits
    if not low <= factor <= high:
        raise SoriError(
            f"{name} {factor:.0%} of the usual is out of range; give {low:.0%} to {high:.0%}"
        )


def prosody(attributes: Mapping[str, str]) -> Delivery:
    """What the attributes of `prosody` ask for."""
    if not attributes:
        raise SoriError("<prosody> needs one of rate, pitch and volume")
    return Delivery(
        speed=rate(attributes.get("rate", "medium")),
        pitch=height(attributes.get("pitch", "medium")),
        gain_db=gain(attributes.get("volume", "medium")),
    )


_AMOUNT = re.compile(r"([+-]?)([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(%|st|dB|ms|s|)", re.I)


def amount(name: str, value: str, units: tuple[str, ...], advice: str) -> tuple[str, float, str]:
    """Sign, number and unit of a value."""
    found = _AMOUNT.fullmatch(value.strip())
    unit = found[3].lower() if found else ""
    if found is None or unit not in units or not math.isfinite(float(found[2])):
        raise SoriError(f"{name} {value[:40]!r} cannot be read; write {advice}")
    return found[1], float(found[2]), unit


def rate(value: str) -> float:
    """A factor of speed: a name, "80%", "+20%" (of the usual, added) or "1.2"."""
    if value in RATES:
        return RATES[value]
    advice = f"{', '.join(RATES)}, or for example 80% or +20%"
    sign, number, unit = amount("rate", value, ("%", ""), advice)
    if not unit and sign:
        raise SoriError(f"rate {value[:40]!r} cannot be read; write {advice}")
    return signed(sign, number / 100.0) if unit else number


def height(value: str) -> float:
    """A factor of pitch: a name, "+10%" or "-2st" (semitones)."""
    if value in HEIGHTS:
        return HEIGHTS[value]
    advice = f"{', '.join(HEIGHTS)}, or for example +10% or -2st"
    sign, number, unit = amount("pitch", value, ("%", "st"), advice)
    if not sign:
        raise SoriError(f"pitch {value[:40]!r} needs a sign; write {advice}")
    if unit == "st":
        return 2.0 ** (min(max(float(f"{sign}{number}"), -99.0), 99.0) / 12.0)
    return signed(sign, number / 100.0)


def gain(value: str) -> float:
    """Decibels: a name or "+6dB"."""
    if value in VOLUMES:
        return VOLUMES[value]
    advice = f"{', '.join(VOLUMES)}, or for example +3dB or -6dB"
    sign, number, unit = amount("volume", value, ("db",), advice)
    if not sign:
        raise SoriError(f"volume {value[:40]!r} needs a sign; write {advice}")
    decibels = float(f"{sign}{number}")
    if not GAINS_DB[0] <= decibels <= GAINS_DB[1]:
        low, high = GAINS_DB
        raise SoriError(f"volume {value[:40]!r} is out of range; give {low:+g}dB to {high:+g}dB")
    return decibels


def signed(sign: str, share: float) -> float:
    """A share of the usual; with a sign it is added to the usual or taken from it."""
    return share if not sign else 1.0 + float(f"{sign}{share}")


def break_seconds(attributes: Mapping[str, str]) -> float:
    """Seconds of silence that a `break` asks for."""
    if "time" not in attributes:
        return chosen("strength", attributes.get("strength", "medium"), BREAKS)
    value = attributes["time"]
    sign, number, unit = amount("time", value, ("s", "ms"), "for example 500ms or 1.5s")
    seconds = number / 1000.0 if unit == "ms" else number
    if sign == "-" or seconds > LONGEST_BREAK_SECONDS:
        raise SoriError(
            f"time {value[:40]!r} is out of range; give 0s to {LONGEST_BREAK_SECONDS:g}s"
        )
    return seconds


def chosen(name: str, value: str, known: Mapping[str, Choice]) -> Choice:
    if value not in known:
        raise SoriError(f"{name} {value[:40]!r} is not known; choose one of: {', '.join(known)}")
    return known[value]

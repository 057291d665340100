"""Delivery: how a stretch of a text is to be said, and the marks that carry it through the text.

A mark is a short code between two control characters. A plain text never holds them: the front end
takes them out of whatever it is given.
"""

import re
from dataclasses import dataclass

OPEN, CLOSE = "\x02", "\x03"
# Inside a mark, where no rule that looks for spaces may find one.
BORDER, SPACE = "\x04", "\x05"
# Where a sentence ends, whatever stands there.
END = "\x06"
MARK = f"{OPEN}[^{CLOSE}]*{CLOSE}"
TURN, READ = "turn", "read"

_NOT_TEXT = {ord(sign): "\ufffd" for sign in (OPEN, CLOSE, END)}
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True)
class Delivery:
    """What a stretch asks for beside the manner in which the whole is spoken."""

    speaker: str | None = None
    speed: float = 1.0
    pitch: float = 1.0
    gain_db: float = 0.0
    break_seconds: float | None = None  # silence before it, in place of the usual pause


def plain(text: str) -> str:
    """The text without the characters that marks are made of."""
    return text.translate(_NOT_TEXT)


def turn_mark(delivery: Delivery) -> str:
    """A mark after which the text is delivered so, but for the speaker."""
    numbers = (delivery.speed, delivery.pitch, delivery.gain_db, delivery.break_seconds)
    return _mark(TURN, *("" if number is None else repr(number) for number in numbers))


def turn_of(code: str) -> Delivery:
    """The delivery that a turn's mark tells."""
    speed, pitch, gain_db, silence = code.split(BORDER)[1:]
    return Delivery(None, float(speed), float(pitch), float(gain_db), _number(silence))


def _number(text: str) -> float | None:
    return float(text) if text else None


def read_mark(kind: str, form: str, content: str) -> str:
    """A mark that stands for a piece to be read as `say-as` tells."""
    return _mark(READ, kind, form, _SPACES.sub(SPACE, content.strip()))


def read_of(code: str) -> tuple[str, str, str]:
    """Kind, form and content of a mark for a piece to read."""
    kind, form, content = code.split(BORDER)[1:]
    return kind, form, content.replace(SPACE, " ")


def is_turn(code: str) -> bool:
    return code.startswith(TURN)


def _mark(*parts: str) -> str:
    return f"{OPEN}{BORDER.join(parts)}{CLOSE}"

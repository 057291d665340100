"""Joins the phonemes of words to what a voice reads, in parts that a voice can hold."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from sori.text.delivery import Delivery, turn_of
from sori.text.tokens import Kind, Token
from sori.text.wordlist import word_set

LONGEST_PHONEMES = 350  # longer inputs than any that a voice learned from
_STRENGTH = {"?": 5, "!": 4, ".": 3, ":": 2, ";": 2, ",": 1}
_JOINTS = word_set(
    "and but or nor that which who because while when where if so for as with to of in"
)


class Piece(NamedTuple):
    """A token with its phonemes; marks and what was skipped have none and no source."""

    token: Token
    phonemes: str
    source: str


def join(pieces: list[Piece], final: str) -> str:
    """Return the phoneme string of pieces: words between spaces, marks at the words before them.

    Of several marks in a row the strongest stays. `final` closes a string that no mark closes.
    """
    text: list[str] = []
    mark = ""
    for piece in pieces:
        if piece.token.kind is Kind.MARK and text:
            mark = max(mark, piece.token.spoken, key=lambda m: _STRENGTH.get(m, 0))
        elif piece.phonemes:
            text += [mark, " "] if text else []
            text.append(piece.phonemes)
            mark = ""
    closing = mark if mark and mark in ".!?" else final
    return _with_main_stress("".join(text)) + closing if text else ""


class Stretch(NamedTuple):
    """Pieces that are delivered in one way."""

    delivery: Delivery
    pieces: list[Piece]

    @property
    def has_sound(self) -> bool:
        return any(piece.phonemes for piece in self.pieces)


def stretches(pieces: list[Piece], delivery: Delivery) -> tuple[list[Stretch], Delivery]:
    """Cut the pieces of a passage where their delivery changes.

    Args:
        delivery: how the passage begins.

    Returns:
        stretches that all have a sound, and how the passage after this one begins.
    """
    found = [Stretch(delivery, [])]
    for piece in pieces:
        if piece.token.kind is Kind.TURN:
            found.append(Stretch(turn_of(piece.token.phonemes), []))
        else:
            found[-1].pieces.append(piece)
    sounding: list[Stretch] = []
    silence = None
    for told, group in found:
        if told.break_seconds is not None:
            silence = (silence or 0.0) + told.break_seconds
        stretch = Stretch(replace(told, break_seconds=silence), group)
        if stretch.has_sound:
            sounding.append(stretch)
            silence = None
        elif sounding:  # marks alone close what was said before them
            sounding[-1].pieces.extend(group)
    return sounding, replace(found[-1].delivery, break_seconds=silence)


def _with_main_stress(phonemes: str) -> str:
    """Give a sentence of weak words ("What?") a main stress, on the last that has any."""
    if "ˈ" in phonemes or "ˌ" not in phonemes:
        return phonemes
    head, _, tail = phonemes.rpartition("ˌ")
    return f"{head}ˈ{tail}"


def phrases(pieces: list[Piece]) -> Iterator[tuple[list[Piece], bool]]:
    """Yield the pieces in parts of at most `LONGEST_PHONEMES`, and whether each is the last.

    A part ends at the best place of its second half: a mark, else before a joining word, else
    between any two words.
    """
    rest = pieces
    while (fitting := _fitting(rest)) < len(rest):
        cut = _best_cut(rest, fitting)
        if not any(piece.phonemes for piece in rest[cut:]):
            break
        yield rest[:cut], False
        rest = rest[cut:]
    yield rest, True


def _fitting(pieces: list[Piece]) -> int:
    """Return how many pieces from the first on a voice can hold, at least one."""
    length = 0
    for index, piece in enumerate(pieces):
        length += len(piece.phonemes) + 1
        if length > LONGEST_PHONEMES and index:
            return index
    return len(pieces)


def _best_cut(pieces: list[Piece], limit: int) -> int:
    half = max(limit // 2, 1)
    places = range(limit, half - 1, -1)
    marks = [i for i in places if i < len(pieces) and pieces[i - 1].token.kind is Kind.MARK]
    if marks:
        return max(marks, key=lambda i: (_STRENGTH.get(pieces[i - 1].token.spoken, 0), i))
    joints = (i for i in places if i < len(pieces) and pieces[i].token.spoken.lower() in _JOINTS)
    return next(joints, limit)

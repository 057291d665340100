"""The card of a voice: what its file says about itself (docs/voice-format.md)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sori.core.errors import SoriError
from sori.speak.metadata import metadata
from sori.text.supphonemes import SupPhonemes

FORMAT = 1
KEY = "sori.card"
SILENCE = "_"
ACCENTS = ("us", "gb")
MEND = "export the voice again, or fetch a whole copy"


@dataclass(frozen=True)
class Speaker:
    """One person, or one distilled voice, that a voice file can speak as.

    mix: of others, as in `a(2)+b(1)`, for one who is made of them.
    """

    name: str
    description: str = ""
    accent: str = "us"
    mix: str = ""
    licence: str = ""
    data: Any = None
    quality: Any = None


@dataclass(frozen=True)
class Card:
    """Everything a program must know about a voice before it speaks."""

    name: str
    language: str
    licence: str
    sample_rate: int
    symbols: tuple[str, ...]
    speakers: tuple[Speaker, ...]
    default_speaker: str
    synthesis: Mapping[str, Any]
    frame_samples: int
    data: Any = None
    quality: Any = None
    trained: Any = None
    watermark: bool = False
    consent: Any = None
    sup_phonemes: int = 0  # merges of sup-phonemes that it reads beside phonemes

    @property
    def people(self) -> tuple[Speaker, ...]:
        """The speakers that the graph itself knows, in its order: all but the mixes."""
        return tuple(speaker for speaker in self.speakers if not speaker.mix)


def read_card(path: Path) -> Card:
    """The card of a voice file, without loading its graph."""
    try:
        with path.open("rb") as file:
            text = dict(metadata(file, path.stat().st_size)).get(KEY)
    except FileNotFoundError as error:
        raise SoriError(f"there is no voice file {path}; `sori voices` lists voices") from error
    except OSError as error:
        raise SoriError(f"cannot read the voice file {path}: {error.strerror}") from error
    except ValueError as error:
        raise SoriError(f"{path} is not a whole ONNX file ({error}); {MEND}") from error
    if text is None:
        raise SoriError(f"{path} is not a voice: its metadata has no {KEY}; {MEND}")
    try:
        return parse_card(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise SoriError(f"the card of {path} cannot be used: {what}; {MEND}") from error


def parse_card(raw: dict[str, Any]) -> Card:
    """Check what the speaking half relies on.

    Raises:
        ValueError, KeyError, TypeError: the card does not follow docs/voice-format.md.
    """
    if raw["format"] != FORMAT:
        raise ValueError(f"its format is {raw['format']!r} and this Sori reads {FORMAT}")
    known = Speaker.__dataclass_fields__
    card = Card(
        name=str(raw["name"]),
        language=str(raw["language"]),
        licence=str(raw["licence"]),
        sample_rate=int(raw["sample_rate"]),
        symbols=tuple(raw["symbols"]),
        speakers=tuple(
            Speaker(**{key: value for key, value in speaker.items() if key in known})
            for speaker in raw["speakers"]
        ),
        default_speaker=raw["default_speaker"],
        synthesis=dict(raw["synthesis"]),
        frame_samples=int(raw["frame_samples"]),
        data=raw.get("data"),
        quality=raw.get("quality"),
        trained=raw.get("trained"),
        watermark=raw.get("watermark", False) is True,
        consent=raw.get("consent") or None,
        sup_phonemes=int(raw.get("sup_phonemes", 0)),
    )
    check_card(card)
    return card


def check_card(card: Card) -> None:
    names = [speaker.name for speaker in card.speakers]
    if not all(isinstance(symbol, str) and len(symbol) == 1 for symbol in card.symbols):
        raise ValueError("symbols are not all strings of one character")
    if card.symbols[:1] != (SILENCE,):
        raise ValueError(f"symbol 0 is not {SILENCE!r}, silence")
    if card.default_speaker not in names:
        raise ValueError(f"the default speaker {card.default_speaker!r} is not among {names}")
    if not all(speaker.accent in ACCENTS for speaker in card.speakers):
        raise ValueError(f"an accent is not one of {', '.join(ACCENTS)}")
    if card.sample_rate <= 0 or card.frame_samples <= 0:
        raise ValueError("sample_rate and frame_samples are not both above 0")
    if card.sup_phonemes:
        SupPhonemes(card.sup_phonemes)  # says when there are not so many
    if card.synthesis.get("kind") not in ("wave", "source-filter"):
        raise ValueError(f"its synthesis is {card.synthesis.get('kind')!r}, unknown to this Sori")

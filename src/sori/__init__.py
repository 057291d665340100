"""Sori: text to speech that speaks at once, offline, and learns voices when asked.

import sori

audio = sori.load().say("The birch canoe slid on the smooth planks.")
sori.write("hello.wav", audio)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sori.core.errors import SoriError

if TYPE_CHECKING:
    from sori.audio.files import write
    from sori.core.audio import Audio
    from sori.speak.catalogue import voices
    from sori.speak.voice import Voice, load, say

__all__ = ["Audio", "SoriError", "Voice", "load", "say", "voices", "write"]

# Looked up when first used: a program that only asks for help or a version loads no numpy.
HOMES = {
    "Audio": "sori.core.audio",
    "Voice": "sori.speak.voice",
    "load": "sori.speak.voice",
    "say": "sori.speak.voice",
    "voices": "sori.speak.catalogue",
    "write": "sori.audio.files",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'sori' has no attribute {name!r}")
    value = getattr(import_module(HOMES[name]), name)
    globals()[name] = value
    return value

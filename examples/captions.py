"""Speak a text and write captions that light up word by word (WebVTT)."""

import numpy as np

import sori
from sori.speak.manner import Manner

TEXT = "The juice of lemons makes fine punch. The box was thrown beside the parked truck."


def clock(seconds: float) -> str:
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes:02.0f}:{seconds:06.3f}"


voice = sori.load()
samples, captions, begun = [], ["WEBVTT"], 0.0
for utterance in voice.speak(voice.read(TEXT), Manner()):
    for word in utterance.words:
        start, end = begun + word.start_seconds, begun + word.end_seconds
        captions.append(f"{clock(start)} --> {clock(end)}\n{word.label}")
    samples.append(utterance.audio.samples)
    begun += utterance.audio.seconds

sori.write("captions.flac", sori.Audio(np.concatenate(samples), voice.card.sample_rate))
with open("captions.vtt", "w", encoding="utf-8") as file:
    file.write("\n\n".join(captions) + "\n")

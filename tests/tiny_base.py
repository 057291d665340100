"""Weights that a clone starts from in a test, and recordings of a person that is not there."""

from pathlib import Path

import torch

import sori
from sori.learn import registry
from sori.learn.checkpoint import save_model
from sori.learn.cloning.order import WEIGHTS
from sori.learn.models.fastspeech2_conv import ConvFastSpeech2Config

TEXTS = (
    "The quick brown fox jumps over the lazy dog while nobody watches it.",
    "She sells sea shells by the shore, and her brother buys them all.",
    "Every morning the baker opens the shop before the sun comes up.",
    "How many roads must you walk before you finally turn around?",
    "Nobody knew why the old clock in the hall had stopped at noon.",
)
ALIGNER = Path(__file__).parents[1] / "weights" / WEIGHTS["aligner"]


def read_aloud():
    """Sounds of the texts, said slowly by one speaker of the packaged voice."""
    voice = sori.load(threads=1)
    return [voice.say(text, speaker="slt", speed=0.9) for text in TEXTS]


def write_base(place):
    """Tiny networks that know two speakers, and the trained aligner."""
    torch.manual_seed(0)
    acoustic, vocoder = registry.spec("fastspeech2_conv"), registry.spec("source_filter")
    config = ConvFastSpeech2Config(**(vars(acoustic.tiny) | {"speakers": ("ann", "ben")}))
    save_model(place / WEIGHTS["acoustic"], "fastspeech2_conv", config, acoustic.model(config))
    save_model(
        place / WEIGHTS["vocoder"], "source_filter", vocoder.tiny, vocoder.model(vocoder.tiny)
    )
    (place / WEIGHTS["aligner"]).write_bytes(ALIGNER.read_bytes())
    return place

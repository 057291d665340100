"""Recordings of a person that is not there: the voice in the package reads aloud."""

from pathlib import Path

import pytest
import torch

import sori
from sori.learn import registry
from sori.learn.checkpoint import save_model
from sori.learn.cloning.order import WEIGHTS, Order
from sori.learn.models.fastspeech2_conv import ConvFastSpeech2Config

TEXTS = (
    "The quick brown fox jumps over the lazy dog while nobody watches it.",
    "She sells sea shells by the shore, and her brother buys them all.",
    "Every morning the baker opens the shop before the sun comes up.",
    "How many roads must you walk before you finally turn around?",
    "Nobody knew why the old clock in the hall had stopped at noon.",
)
ALIGNER = Path(__file__).parents[4] / "weights" / WEIGHTS["aligner"]


@pytest.fixture(scope="session")
def spoken():
    """Sounds of the texts, said slowly by one speaker of the packaged voice."""
    voice = sori.load(threads=1)
    return [voice.say(text, speaker="slt", speed=0.9) for text in TEXTS]


@pytest.fixture
def folder(tmp_path, spoken):
    """A folder of recordings that nothing is wrong with."""
    place = tmp_path / "recordings"
    place.mkdir()
    for number, (text, audio) in enumerate(zip(TEXTS, spoken, strict=True)):
        sori.write(place / f"{number}.wav", audio)
        (place / f"{number}.txt").write_text(text, encoding="utf-8")
    return place


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """Weights to start from: tiny networks that know two speakers, and the trained aligner."""
    place = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    acoustic, vocoder = registry.spec("fastspeech2_conv"), registry.spec("source_filter")
    tiny = acoustic.tiny
    config = ConvFastSpeech2Config(**(vars(tiny) | {"speakers": ("ann", "ben")}))
    save_model(place / WEIGHTS["acoustic"], "fastspeech2_conv", config, acoustic.model(config))
    save_model(
        place / WEIGHTS["vocoder"], "source_filter", vocoder.tiny, vocoder.model(vocoder.tiny)
    )
    (place / WEIGHTS["aligner"]).write_bytes(ALIGNER.read_bytes())
    return place


@pytest.fixture
def order(folder, base, tmp_path):
    """An order for a clone that takes seconds."""
    return Order(
        folder=folder,
        name="maria",
        out=tmp_path / "maria.onnx",
        base=base,
        consent="she said yes",
        keep=0.6,
        steps=20,
        imagined=4,
    )

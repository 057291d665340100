"""A voice of two trained networks that are no voice file yet."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sori.core.errors import SoriError
from sori.speak.card import Card, Speaker
from sori.speak.graph import Spoken
from sori.speak.manner import Manner
from sori.speak.voice import Voice

if TYPE_CHECKING:
    from sori.learn.systems.cascade import Cascade


class Networks:
    """Both networks as the speaking half knows them: ids in, a wave and durations out."""

    def __init__(self, cascade: "Cascade"):
        self.cascade = cascade

    def run(self, ids: list[int], weights: np.ndarray, manner: Manner) -> Spoken:
        """Speak ids, silence at both ends, with these weights of the speakers."""
        import torch

        from sori.learn.contracts import Delivery

        speakers = torch.from_numpy(weights)[None].float()
        delivery = Delivery(speakers, manner.speed, manner.pitch, manner.energy)
        wave, said = self.cascade.speak(torch.tensor(ids), delivery, manner.seed)
        frame_samples = self.cascade.mel_spec.hop_samples
        return Spoken(wave.numpy(), said.durations[0].numpy() * frame_samples)


def cascade_voice(acoustic: Path | None, vocoder: Path | None, lexicon: Path | None) -> Voice:
    """A voice that speaks through trained networks.

    Raises:
        SoriError: one of them is missing or unusable, or they mean different things by a mel.
    """
    if acoustic is None or vocoder is None:
        raise SoriError("a cascade needs both; give --acoustic FILE and --vocoder FILE")
    from sori.learn.systems.cascade import Cascade

    cascade = Cascade(acoustic, vocoder, lambda line: print(f"sori: {line}", file=sys.stderr))
    config = cascade.acoustic.config
    names = getattr(config, "speakers", None) or (acoustic.resolve().parent.name,)
    card = Card(
        name=f"{acoustic} with {vocoder}",
        language="en",
        licence="",
        sample_rate=cascade.mel_spec.sample_rate,
        symbols=tuple(config.symbols),
        speakers=tuple(Speaker(name) for name in names),
        default_speaker=names[0],
        synthesis={"kind": "cascade"},
        frame_samples=cascade.mel_spec.hop_samples,
    )
    return Voice.of(card, Networks(cascade), acoustic, lexicon)

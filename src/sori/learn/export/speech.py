"""From one trained network that makes waves of phonemes to a voice file of kind "wave"."""

from types import MappingProxyType
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.models.naturalspeech import NaturalSpeech
from sori.learn.nn.conv import fold_weight_norm

INPUTS = ("ids", "sup_ids", "speaker", "speed")
NOISE_FRAMES = 512  # after so many the noise begins anew; at 80 frames a second, 6.4 seconds
TEMPERATURE = 0.667


class SpeechVoice(nn.Module):
    """NaturalSpeech as a graph that follows docs/voice-format.md.

    Chance becomes a constant, so the same ids always sound the same; durations become whole
    frames that end where the real ones do.
    """

    outputs = ("durations", "wave")
    lengths = MappingProxyType({"ids": "N", "sup_ids": "N", "durations": "N", "wave": "S"})
    noise: Tensor

    def __init__(self, network: NaturalSpeech):
        super().__init__()
        self.network = network
        self.reads_sup_phonemes = network.config.sup_phonemes > 0
        del network.posterior  # it hears recordings, of which there are none
        fold_weight_norm(network)
        random = torch.Generator().manual_seed(0)
        shape = (1, network.config.width, NOISE_FRAMES)
        self.register_buffer("noise", torch.randn(shape, generator=random))

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(name for name in INPUTS if self.reads_sup_phonemes or name != "sup_ids")

    @property
    def speakers(self) -> tuple[str, ...]:
        """The network has one speaker, and no name for it."""
        return ()

    def card(self) -> dict[str, Any]:
        """What the voice file says of its graph."""
        config = self.network.config
        return {
            "sample_rate": config.mel.sample_rate,
            "symbols": list(config.symbols),
            "sup_phonemes": config.sup_phonemes,
            "frame_samples": config.mel.hop_samples,
            "synthesis": {"kind": "wave"},
        }

    def forward(
        self, ids: Int[Tensor, "1 N"], *rest: Tensor
    ) -> tuple[Int[Tensor, "1 N"], Float[Tensor, "1 S"]]:
        sup_ids = rest[0] if self.reads_sup_phonemes else torch.zeros_like(ids)
        speaker, speed = rest[-2:]
        mask = torch.ones_like(ids, dtype=torch.bool)
        text = self.network.reader(ids, sup_ids, mask)
        spoken = self.network.speak(text, mask, speed, TEMPERATURE, self.noise)
        ends = spoken.durations.cumsum(dim=1).round().long()
        whole = ends - F.pad(ends[:, :-1], (1, 0))
        # The weights of the only speaker sum to one; the graph keeps the input that the format has.
        return whole, spoken.wave * speaker.sum()

    def example(self, tokens: int) -> tuple[Tensor, ...]:
        """Inputs of the graph, random but for silence at both ends."""
        ids = torch.randint(1, len(self.network.config.symbols), (1, tokens))
        ids[:, 0] = ids[:, -1] = 0
        sup_ids = (self.network.reader.cut(ids),) if self.reads_sup_phonemes else ()
        return ids, *sup_ids, torch.ones(1, 1), torch.ones(1)

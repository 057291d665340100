"""From trained networks to one voice file: an ONNX graph whose metadata is its card."""

import json
import os
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.export.parity import compare
from sori.learn.export.smaller import quantise
from sori.learn.export.speech import SpeechVoice
from sori.learn.export.tracing import stamp, trace
from sori.learn.mel import require_same, strict
from sori.learn.models.fastspeech2_conv import Controls, ConvFastSpeech2
from sori.learn.models.naturalspeech import NaturalSpeech
from sori.learn.models.source_filter import Crisp, SourceFilter, SourceFilterConfig

CARD_KEY = "sori.card"


@dataclass(config=strict, frozen=True)
class SpeakerCard:
    """What a voice says of one speaker.

    Args:
        breath: nepers of noise beside the pulses, see `SourceFilterConfig.breath`.
        mix: of other speakers, as in `a(2)+b(1)`, for one whom the network does not know.
    """

    name: str
    description: str
    accent: str
    licence: str
    data: str
    quality: dict[str, float] = field(default_factory=dict)
    breath: float = SourceFilterConfig.breath
    mix: str = ""


@dataclass(config=strict, frozen=True)
class VoiceCard:
    """What people must know of a voice; sizes and symbols come from the networks."""

    name: str
    language: str
    licence: str
    default_speaker: str
    speakers: tuple[SpeakerCard, ...]
    data: str
    limits: str = ""
    quality: dict[str, float] = field(default_factory=dict)
    trained: str = ""
    watermark: bool = False  # whether all that it speaks bears the mark of sori.audio.watermark
    consent: dict[str, str] = field(default_factory=dict)  # of the person who was cloned

    @property
    def people(self) -> tuple[SpeakerCard, ...]:
        """All speakers but the mixes."""
        return tuple(speaker for speaker in self.speakers if not speaker.mix)


def read_voice_card(path: Path) -> VoiceCard:
    """Parse the TOML file that describes a voice.

    Raises:
        SoriError: it is missing or malformed; faults are named with their full path.
    """
    try:
        return TypeAdapter(VoiceCard).validate_python(tomllib.loads(path.read_text()))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SoriError(f"cannot read the voice card {path}: {error}") from error
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors()]
        raise SoriError(f"{path}: {'; '.join(faults)}") from error


@runtime_checkable
class GraphVoice(Protocol):
    """A network that takes and gives what docs/voice-format.md says.

    lengths: names of the second axis of inputs and outputs whose length is not fixed.
    speakers: names in the order of their weights; none where there is one speaker without a name.
    """

    @property
    def inputs(self) -> tuple[str, ...]: ...
    @property
    def outputs(self) -> tuple[str, ...]: ...
    @property
    def lengths(self) -> Mapping[str, str]: ...
    @property
    def speakers(self) -> tuple[str, ...]: ...
    def card(self) -> dict[str, Any]: ...
    def example(self, tokens: int) -> tuple[Tensor, ...]: ...
    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]: ...


class JoinedVoice(nn.Module):
    """Acoustic model and vocoder as one graph.

    Args:
        breaths: of the speakers, in the order of the acoustic model.
    """

    breaths: Tensor

    inputs = ("ids", "speaker", "speed", "pitch", "energy")
    outputs = ("durations", "f0", "harmonic", "phase", "noise")
    lengths = MappingProxyType({
        "ids": "N",
        "durations": "N",
        "f0": "T",
        "harmonic": "T",
        "phase": "T",
        "noise": "T",
    })

    def __init__(self, acoustic: ConvFastSpeech2, vocoder: SourceFilter, breaths: Sequence[float]):
        super().__init__()
        require_same(acoustic.mel_spec, vocoder.mel_spec)
        self.acoustic = acoustic
        self.vocoder = Crisp(vocoder)
        self.register_buffer("breaths", torch.tensor([breaths]).T, persistent=False)

    @property
    def speakers(self) -> tuple[str, ...]:
        return self.acoustic.config.speakers

    def forward(
        self,
        ids: Int[Tensor, "1 N"],
        speaker: Float[Tensor, "1 P"],
        speed: Float[Tensor, " 1"],
        pitch: Float[Tensor, " 1"],
        energy: Float[Tensor, " 1"],
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        spoken = self.acoustic(ids, speaker, Controls(speed, pitch, energy))
        filters = self.vocoder.filters(spoken.mel, spoken.f0, speaker @ self.breaths)
        return spoken.durations, spoken.f0, filters.harmonic, filters.phase, filters.noise

    def card(self) -> dict[str, Any]:
        """What the voice file says of its graph."""
        acoustic, vocoder = self.acoustic.config, self.vocoder.config
        return {
            "sample_rate": acoustic.mel.sample_rate,
            "symbols": list(acoustic.symbols),
            "frame_samples": acoustic.mel.hop_samples,
            "synthesis": {
                "kind": "source-filter",
                "hop_samples": vocoder.mel.hop_samples,
                "window_samples": vocoder.window_samples,
                "fft_samples": vocoder.fft_samples,
            },
        }

    def example(self, tokens: int) -> tuple[Tensor, ...]:
        """Inputs of the graph, random but for silence at both ends."""
        ids = torch.randint(1, len(self.acoustic.config.symbols), (1, tokens))
        ids[:, 0] = ids[:, -1] = 0
        speaker = torch.full((1, len(self.speakers)), 1 / len(self.speakers))
        one = torch.ones(1)
        return ids, speaker, one, one, one


def full_card(card: VoiceCard, voice: GraphVoice) -> dict[str, Any]:
    """The card as docs/voice-format.md describes it.

    Raises:
        SoriError: the card's speakers are not those of the acoustic model, in its order.
    """
    named = tuple(speaker.name for speaker in card.people)
    if voice.speakers and named != voice.speakers:
        raise SoriError(
            f"the card lists the speakers {', '.join(named)}, "
            f"the acoustic model knows {', '.join(voice.speakers)}; list these, in this order"
        )
    if not voice.speakers and len(named) != 1:
        raise SoriError(f"the card lists {len(named)} speakers, the network knows one; list one")
    if card.default_speaker not in {speaker.name for speaker in card.speakers}:
        raise SoriError(f"the default speaker {card.default_speaker!r} is not in the card's list")
    return asdict(card) | {"format": 1} | voice.card()


def export(
    checkpoint: Path, vocoder: Path | None, card: Path, out: Path, precision: str = "int8"
) -> dict[str, float]:
    """Make one voice file of checkpoints and prove that it says the same as they do.

    Args:
        checkpoint: of an acoustic model, or of a network that needs no vocoder.
        precision: "fp32", "fp16" (weights stored in half the space) or "int8" (matrix products
            computed in integers as well).

    Returns:
        The greatest difference from PyTorch for every output of the exact graph.

    Raises:
        SoriError: a checkpoint is of another kind, the mels or speakers disagree, or the graph
            does not say the same as the networks.
    """
    network = registry.load(checkpoint)
    if isinstance(network, NaturalSpeech):
        if vocoder is not None:
            raise SoriError("naturalspeech makes waves itself; leave --vocoder out")
        return write(SpeechVoice(network), read_voice_card(card), out, precision)
    if vocoder is None:
        raise SoriError(f"{type(network).__name__} makes no waves; name a --vocoder")
    return join(network, registry.load(vocoder), read_voice_card(card), out, precision)


def join(
    acoustic: nn.Module, vocoder: nn.Module, card: VoiceCard, out: Path, precision: str = "int8"
) -> dict[str, float]:
    """Join two networks into one voice file; see `export`."""
    if not isinstance(acoustic, ConvFastSpeech2) or not isinstance(vocoder, SourceFilter):
        raise SoriError(
            f"a voice is made of a fastspeech2_conv and a source_filter checkpoint, "
            f"not of {type(acoustic).__name__} and {type(vocoder).__name__}"
        )
    try:
        voice = JoinedVoice(acoustic, vocoder, [one.breath for one in card.people])
    except ValueError as error:
        raise SoriError(str(error)) from error
    return write(voice, card, out, precision)


def write(voice: GraphVoice, card: VoiceCard, out: Path, precision: str) -> dict[str, float]:
    """Write the voice file of a network; see `export`."""
    assert isinstance(voice, nn.Module)
    described = full_card(card, voice)
    with tempfile.TemporaryDirectory(dir=out.resolve().parent) as folder:
        exact = Path(folder) / "exact.onnx"
        axes = {name: {1: length} for name, length in voice.lengths.items()}
        trace(voice, exact, voice.example(30), voice.inputs, voice.outputs, axes)
        differences = compare(voice, exact, voice.example(60), voice.inputs, voice.outputs)
        small = Path(folder) / "small.onnx"
        quantise(exact, small, precision)
        stamp(small, CARD_KEY, json.dumps(described, ensure_ascii=False))
        os.replace(small, out)
    return differences

"""WaveGlow: a flow between waves and noise, one likelihood to train and one pass to speak.

Source: Prenger et al. 2018, "WaveGlow", arXiv:1811.00002.
Deviations: the 1x1 convolution that brings the mel into a layer has no bias, the dilated one beside
it has; the wave stands at the level of our features.
"""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from sori.learn.contracts import Mel, Spec, Update, Wave
from sori.learn.mel import MEL_22_KHZ, MelSpec, strict
from sori.learn.nn.conv import weight_norm
from sori.learn.nn.flows import ChannelMix, Coupling, LogDet, squeeze, unsqueeze
from sori.learn.nn.noise import Chance, vocode
from sori.learn.nn.wavenet import GatedStack, StackSize

Groups = Float[Tensor, "B C G"]  # channels are neighbouring samples
Condition = Float[Tensor, "B K G"]


@dataclass(config=strict, frozen=True)
class WaveGlowConfig:
    """Defaults are those of the released model, whose size is the one that is quoted.

    The paper's text names 512 channels and `sigma` of the square root of one half.
    """

    mel: MelSpec = MEL_22_KHZ
    group: int = 8  # neighbouring samples that one step holds
    flows: int = 12
    early_every: int = 4  # flows between early outputs
    early_channels: int = 2
    layers: int = 8
    width: int = 256
    kernel: int = 3
    upsampling_frames: int = 4  # length of the upsampling kernel
    sigma: float = 1.0  # of the noise in training
    temperature: float = 0.6  # and in synthesis

    def __post_init__(self) -> None:
        if self.mel.hop_samples % self.group:
            raise ValueError(
                f"mel.hop_samples {self.mel.hop_samples} is not a multiple of group {self.group}"
            )
        if any(size < 2 or size % 2 for size in self.channels):
            raise ValueError(f"early outputs leave {self.channels} channels; flows need even ones")

    @property
    def channels(self) -> tuple[int, ...]:
        """How many channels each flow moves."""
        return tuple(
            self.group - flow // self.early_every * self.early_channels
            for flow in range(self.flows)
        )


@dataclass(config={"arbitrary_types_allowed": True}, frozen=True)
class WaveGlowBatch:
    mel: Mel
    wave: Wave


class CouplingNet(nn.Module):
    """Gated stack without causality, from one half of the channels to shifts and log scales.

    Its last convolution starts at zero, so every coupling starts as the identity.
    """

    def __init__(self, config: WaveGlowConfig, channels: int):
        super().__init__()
        width = config.width
        dilations = tuple(2**layer for layer in range(config.layers))
        condition = config.mel.bins * config.group
        self.enter = weight_norm(nn.Conv1d(channels // 2, width, 1))
        self.stack = GatedStack(
            StackSize(width, width, width, config.kernel, dilations, condition, is_causal=False)
        )
        self.leave = nn.Conv1d(width, channels, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, kept: Groups, condition: Condition) -> Float[Tensor, "B C_out G"]:
        return self.leave(self.stack(self.enter(kept), condition))


class Flow(nn.Module):
    """One step: mix channels, then move half of them."""

    def __init__(self, config: WaveGlowConfig, channels: int):
        super().__init__()
        self.mix = ChannelMix(channels)
        self.couple = Coupling(CouplingNet(config, channels))

    def forward(self, x: Groups, condition: Condition) -> tuple[Groups, LogDet]:
        mixed, first = self.mix(x)
        y, second = self.couple(mixed, condition)
        return y, first + second

    def inverse(self, y: Groups, condition: Condition) -> Groups:
        return self.mix.inverse(self.couple.inverse(y, condition))


class WaveGlow(nn.Module):
    """Maps waves to noise and back, given a mel."""

    def __init__(self, config: WaveGlowConfig):
        super().__init__()
        self.config = config
        self.mel_spec = config.mel
        bins, hop = config.mel.bins, config.mel.hop_samples
        self.upsample = nn.ConvTranspose1d(bins, bins, config.upsampling_frames * hop, hop)
        self.flows = nn.ModuleList([Flow(config, channels) for channels in config.channels])

    def condition(self, mel: Mel) -> Condition:
        """The mel at the rate of groups; what the kernel adds behind the last frame is cut."""
        samples = mel.shape[2] * self.mel_spec.hop_samples
        return squeeze(self.upsample(mel)[:, :, :samples], self.config.group)

    def leaves_early(self, flow: int) -> bool:
        """Whether channels leave in front of this flow."""
        return flow > 0 and flow % self.config.early_every == 0

    def forward(self, wave: Wave, mel: Mel) -> tuple[Groups, LogDet]:
        """Noise of a wave, (B, group, S / group), early outputs first; and log|det|."""
        condition = self.condition(mel)
        x = squeeze(wave[:, None].float(), self.config.group)
        log_det = x.new_zeros(x.shape[0])
        outputs = []
        for number, flow in enumerate(self.flows):
            if self.leaves_early(number):
                early = self.config.early_channels
                outputs.append(x[:, :early])
                x = x[:, early:]
            x, gained = flow(x, condition)
            log_det = log_det + gained
        return torch.cat([*outputs, x], dim=1), log_det

    def inverse(self, noise: Groups, mel: Mel) -> Wave:
        """The wave of a noise."""
        condition = self.condition(mel)
        left = noise.shape[1] - self.config.channels[-1]
        x, rest = noise[:, left:], noise[:, :left]
        for number, flow in reversed(list(enumerate(self.flows))):
            assert isinstance(flow, Flow)
            x = flow.inverse(x, condition)
            if self.leaves_early(number):
                early = self.config.early_channels
                x, rest = torch.cat([rest[:, -early:], x], dim=1), rest[:, :-early]
        return unsqueeze(x, self.config.group)[:, 0]

    @property
    def noises(self) -> tuple[Chance, ...]:
        """Noise at the config's temperature."""
        config = self.config
        per_frame = self.mel_spec.hop_samples // config.group
        return (Chance("normal", config.group, per_frame, config.temperature),)

    def speak(self, mel: Mel, noise: Groups) -> Wave:
        """`inverse`, with the mel first."""
        return self.inverse(noise, mel)

    def vocode(self, mel: Mel) -> Wave:
        """Make a wave of a mel and noise."""
        return vocode(self, mel)


class WaveGlowTask(nn.Module):
    """Maximum likelihood, in nats per sample, constants included."""

    def __init__(self, config: WaveGlowConfig):
        super().__init__()
        self.model = WaveGlow(config)
        self.sigma = config.sigma

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    def training_step(self, batch: WaveGlowBatch) -> Iterator[Update]:
        noise, log_det = self.model(batch.wave, batch.mel)
        constant = 0.5 * math.log(2 * math.pi) + math.log(self.sigma)
        prior = noise.square().mean() / (2 * self.sigma**2) + constant
        gained = log_det.mean() / batch.wave.shape[1]
        loss = prior - gained
        yield Update("model", loss, {"nll": loss, "prior": prior, "log_det": gained})


SPEC = Spec(
    paper="arXiv:1811.00002",
    config=WaveGlowConfig,
    model=WaveGlow,
    task=WaveGlowTask,
    batch=WaveGlowBatch,
    tiny=WaveGlowConfig(
        mel=MelSpec(8000, 512, 512, 64, 40, 0.0, 4000.0),
        flows=4,
        early_every=2,
        layers=2,
        width=8,
    ),
    crop=True,
)

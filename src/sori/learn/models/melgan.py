"""MelGAN: a feed-forward vocoder trained against critics at several sample rates.

Source: Kumar et al. 2019, "MelGAN", arXiv:1910.06711.
Deviations: waves are brought to the level of our features, not to full scale. The mel is stored as
natural logs and divided by ln 10 at the door, which gives the paper's decimal logs.
"""

import math
from collections.abc import Iterator
from dataclasses import field

import torch
from jaxtyping import Float
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import Frames, Mel, Spec, Update, Wave
from sori.learn.losses import feature_distance, hinge_critic, hinge_generator
from sori.learn.mel import MelSpec, strict
from sori.learn.nn.conv import require_product, upsampling_conv, weight_norm
from sori.learn.nn.critics import ScaleCritics
from sori.learn.nn.noise import Chance

SLOPE = 0.2


def paper_mel() -> MelSpec:
    """The paper's front end: 22.05 kHz, hop 256, 80 bands up to half the sample rate."""
    return MelSpec(sample_rate=22050, hop_samples=256, f_max_hz=11025.0)


@dataclass(config=strict, frozen=True)
class MelGANConfig:
    """Defaults are the paper's values."""

    mel: MelSpec = field(default_factory=paper_mel)
    width: int = 512  # halves at every stage
    strides: tuple[int, ...] = (8, 8, 2, 2)  # their product is mel.hop_samples
    dilations: tuple[int, ...] = (1, 3, 9)
    critics: int = 3  # each hears the wave at half the rate of the one before
    critic_width: int = 16
    critic_limit: int = 1024
    # Lambda of Eq. 4 is 10, and the authors' program weights each of the sums over 6 layers by
    # 4 / 5 and averages over critics: 48 times the mean of all layers.
    feature_weight: float = 48.0

    def __post_init__(self) -> None:
        require_product(self.strides, self.mel)
        if self.width % 2 ** len(self.strides):
            raise ValueError(f"width {self.width} cannot be halved {len(self.strides)} times")


@dataclass(config={"arbitrary_types_allowed": True}, frozen=True)
class MelGANBatch:
    mel: Mel
    wave: Wave


def reflecting_conv(
    channels_in: int, channels_out: int, kernel: int, dilation: int = 1
) -> nn.Module:
    """Weight-normed convolution that mirrors the ends of its input."""
    edge = (kernel - 1) // 2 * dilation
    return nn.Sequential(
        nn.ReflectionPad1d(edge),
        weight_norm(nn.Conv1d(channels_in, channels_out, kernel, dilation=dilation)),
    )


class ResidualBlock(nn.Module):
    """A dilated and a 1x1 convolution beside a 1x1 shortcut.

    Source: section 2.1, "Induced receptive field"; sizes from appendix A.
    """

    def __init__(self, channels: int, dilation: int):
        super().__init__()
        self.dilated = reflecting_conv(channels, channels, 3, dilation)
        self.leave = weight_norm(nn.Conv1d(channels, channels, 1))
        self.shortcut = weight_norm(nn.Conv1d(channels, channels, 1))

    def forward(self, x: Frames) -> Frames:
        h = self.dilated(F.leaky_relu(x, SLOPE))
        return self.shortcut(x) + self.leave(F.leaky_relu(h, SLOPE))


class Stage(nn.Module):
    """Multiplies the rate by `stride`, halves the channels, then looks around."""

    def __init__(
        self, channels_in: int, channels_out: int, stride: int, dilations: tuple[int, ...]
    ):
        super().__init__()
        self.upsample = weight_norm(upsampling_conv(channels_in, channels_out, stride))
        self.blocks = nn.Sequential(*(ResidualBlock(channels_out, d) for d in dilations))

    def forward(self, x: Frames) -> Float[Tensor, "B C_out T_up"]:
        return self.blocks(self.upsample(F.leaky_relu(x, SLOPE)))


class MelGAN(nn.Module):
    """Upsamples mel frames to samples through transposed convolutions."""

    def __init__(self, config: MelGANConfig):
        super().__init__()
        self.mel_spec = config.mel
        widths = [config.width >> stage for stage in range(len(config.strides) + 1)]
        self.enter = reflecting_conv(config.mel.bins, widths[0], 7)
        self.stages = nn.Sequential(
            *(
                Stage(a, b, stride, config.dilations)
                for a, b, stride in zip(widths, widths[1:], config.strides, strict=False)
            )
        )
        self.leave = reflecting_conv(widths[-1], 1, 7)

    def forward(self, mel: Mel) -> Wave:
        x = self.stages(self.enter(mel / math.log(10)))
        return torch.tanh(self.leave(F.leaky_relu(x, SLOPE)))[:, 0]

    @property
    def noises(self) -> tuple[Chance, ...]:
        """It needs none: the same mel gives the same wave."""
        return ()

    speak = vocode = forward


class MelGANTask(nn.Module):
    """Hinge GAN with feature matching, Eqs. 1 to 4."""

    def __init__(self, config: MelGANConfig):
        super().__init__()
        self.generator = MelGAN(config)
        self.critics = ScaleCritics(config.critics, config.critic_width, config.critic_limit)
        self.feature_weight = config.feature_weight

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "critics": self.critics}

    def training_step(self, batch: MelGANBatch) -> Iterator[Update]:
        fake = self.generator(batch.mel)

        loss = hinge_critic(self.critics(batch.wave).scores, self.critics(fake.detach()).scores)
        yield Update("critics", loss, {"hinge": loss})

        with torch.no_grad():
            real = self.critics(batch.wave)
        judged = self.critics(fake)
        fool = hinge_generator(judged.scores)
        match = feature_distance(real.features, judged.features)
        yield Update(
            "generator", fool + self.feature_weight * match, {"fool": fool, "match": match}
        )


SPEC = Spec(
    paper="arXiv:1910.06711",
    config=MelGANConfig,
    model=MelGAN,
    task=MelGANTask,
    batch=MelGANBatch,
    tiny=MelGANConfig(
        mel=MelSpec(8000, 512, 512, 64, 40, 0.0, 4000.0),
        width=16,
        strides=(4, 4, 2, 2),
        dilations=(1, 3),
        critics=2,
        critic_width=4,
        critic_limit=16,
    ),
    crop=True,
)

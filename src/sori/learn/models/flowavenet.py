"""FloWaveNet: many small flows between waves and noise, at ever slower rates.

Source: Kim et al. 2019, "FloWaveNet", arXiv:1811.02155.
Deviations: scales of activation norms are kept as logarithms; the wave stands at the level of our
features; the last layer of every network has no residual output, which nobody reads.
"""

import math
from collections.abc import Iterator
from dataclasses import field
from typing import NamedTuple

import torch
from jaxtyping import Float
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import Mel, Spec, Update, Wave
from sori.learn.mel import MelSpec, strict
from sori.learn.nn.conv import require_product, weight_norm
from sori.learn.nn.flows import ActNorm, LogDet, ZeroConv, squeeze, swap_halves, unsqueeze
from sori.learn.nn.noise import Chance, vocode
from sori.learn.nn.wavenet import GatedStack, StackSize, wavenet_mel

Frames = Float[Tensor, "B C S"]
Condition = Float[Tensor, "B K S"]

UPSAMPLING_SLOPE = 0.4


@dataclass(config=strict, frozen=True)
class FloWaveNetConfig:
    """Defaults are the paper's values."""

    mel: MelSpec = field(default_factory=wavenet_mel)
    blocks: int = 8  # each halves the rate
    flows: int = 6  # of a block
    blocks_per_split: int = 4  # half of the channels leave behind them, unless they are the last
    layers: int = 2
    width: int = 256
    kernel: int = 3
    strides: tuple[int, ...] = (16, 16)  # their product is mel.hop_samples
    temperature: float = 0.8

    def __post_init__(self) -> None:
        require_product(self.strides, self.mel)
        if any(stride % 2 for stride in self.strides):
            raise ValueError(f"strides {self.strides} must be even")
        if self.mel.hop_samples % 2**self.blocks:
            raise ValueError(
                f"mel.hop_samples {self.mel.hop_samples} is not a multiple of 2 to the power of "
                f"blocks, {2**self.blocks}"
            )

    def splits_behind(self, block: int) -> bool:
        """Whether half of the channels leave behind this block."""
        return (block + 1) % self.blocks_per_split == 0 and block + 1 < self.blocks


@dataclass(config={"arbitrary_types_allowed": True}, frozen=True)
class FloWaveNetBatch:
    mel: Mel
    wave: Wave


class Upsampler(nn.Module):
    """Brings the mel to the sample rate; the kernels see three neighbouring bands."""

    def __init__(self, strides: tuple[int, ...]):
        super().__init__()
        self.convs = nn.ModuleList([
            weight_norm(nn.ConvTranspose2d(1, 1, (3, 2 * stride), (1, stride), (1, stride // 2)))
            for stride in strides
        ])

    def forward(self, mel: Mel) -> Float[Tensor, "B M S"]:
        # Log mels of speech lie between -11 and 2.
        x = (mel / 4 + 1)[:, None]
        for conv in self.convs:
            x = F.leaky_relu(conv(x), UPSAMPLING_SLOPE)
        return x[:, 0]


class Guess(nn.Module):
    """Small WaveNet without causality: mean and log scale of channels from others.

    Source: section 3, on affine coupling layers.
    """

    def __init__(self, config: FloWaveNetConfig, channels: int, condition: int):
        super().__init__()
        width = config.width
        dilations = tuple(2**layer for layer in range(config.layers))
        self.enter = weight_norm(nn.Conv1d(channels, width, 3, padding=1))
        self.stack = GatedStack(
            StackSize(width, width, width, config.kernel, dilations, condition, False, 0.5**0.5)
        )
        self.middle = weight_norm(nn.Conv1d(width, width, 1))
        self.leave = ZeroConv(nn.Conv1d(width, 2 * channels, 1))

    def forward(self, kept: Frames, condition: Condition) -> tuple[Frames, Frames]:
        h = self.stack(F.relu(self.enter(kept)), condition)
        found = self.leave(F.relu(self.middle(F.relu(h))))
        mean, log_scale = found.to(kept.dtype).chunk(2, dim=1)
        return mean, log_scale


class Whitening(nn.Module):
    """Standardises the second half of the channels by what the first half says of it.

        y_a = x_a,   y_b = (x_b - m(x_a, c)) exp(-s(x_a, c))        log|det dy/dx| = -sum s

    Source: section 3, on affine coupling layers.
    """

    def __init__(self, guess: Guess):
        super().__init__()
        self.guess = guess

    def forward(self, x: Frames, condition: Condition) -> tuple[Frames, LogDet]:
        kept, moved = x.chunk(2, dim=1)
        mean, log_scale = self.guess(kept, condition)
        y = torch.cat([kept, (moved - mean) * torch.exp(-log_scale)], dim=1)
        return y, -log_scale.sum(dim=(1, 2))

    def inverse(self, y: Frames, condition: Condition) -> Frames:
        kept, moved = y.chunk(2, dim=1)
        mean, log_scale = self.guess(kept, condition)
        return torch.cat([kept, moved * log_scale.exp() + mean], dim=1)


class Flow(nn.Module):
    """Activation norm, coupling, exchange of halves; the condition's halves change with them."""

    def __init__(self, config: FloWaveNetConfig, channels: int, condition: int):
        super().__init__()
        self.norm = ActNorm(channels)
        self.couple = Whitening(Guess(config, channels // 2, condition // 2))

    def forward(self, x: Frames, condition: Condition) -> tuple[Frames, LogDet]:
        x, first = self.norm(x)
        y, second = self.couple(x, condition.chunk(2, dim=1)[0])
        return swap_halves(y), first + second

    def inverse(self, y: Frames, condition: Condition) -> Frames:
        x = self.couple.inverse(swap_halves(y), condition.chunk(2, dim=1)[0])
        return self.norm.inverse(x)


class Block(nn.Module):
    """Flows at one rate; behind the last of them half of the channels may leave."""

    def __init__(self, config: FloWaveNetConfig, channels: int, condition: int, splits: bool):
        super().__init__()
        self.flows = nn.ModuleList([Flow(config, channels, condition) for _ in range(config.flows)])
        self.split = Whitening(Guess(config, channels // 2, condition)) if splits else None

    def forward(self, x: Frames, condition: Condition) -> tuple[Frames, LogDet]:
        log_det = x.new_zeros(x.shape[0])
        here = condition
        for flow in self.flows:
            x, gained = flow(x, here)
            log_det = log_det + gained
            here = swap_halves(here)
        if self.split is not None:
            x, gained = self.split(x, condition)
            log_det = log_det + gained
        return x, log_det

    def inverse(self, y: Frames, condition: Condition) -> Frames:
        if self.split is not None:
            y = self.split.inverse(y, condition)
        for number, flow in reversed(list(enumerate(self.flows))):
            assert isinstance(flow, Flow)
            y = flow.inverse(y, condition if number % 2 == 0 else swap_halves(condition))
        return y


class Noise(NamedTuple):
    """What a wave becomes: parts that are standard normal, in the order in which they left."""

    parts: list[Tensor]
    log_det: LogDet


class FloWaveNet(nn.Module):
    """Maps waves to noise and back, given a mel."""

    def __init__(self, config: FloWaveNetConfig):
        super().__init__()
        self.config = config
        self.mel_spec = config.mel
        self.upsample = Upsampler(config.strides)
        self.blocks = nn.ModuleList()
        channels, condition = 1, config.mel.bins
        for number in range(config.blocks):
            channels, condition = 2 * channels, 2 * condition
            splits = config.splits_behind(number)
            self.blocks.append(Block(config, channels, condition, splits))
            channels = channels // 2 if splits else channels

    def forward(self, wave: Wave, mel: Mel) -> Noise:
        """Noise of a wave, and log|det| of the way there."""
        x, condition = wave[:, None].float(), self.upsample(mel)
        log_det, parts = x.new_zeros(x.shape[0]), []
        for number, block in enumerate(self.blocks):
            x, condition = squeeze(x, 2), squeeze(condition, 2)
            x, gained = block(x, condition)
            log_det = log_det + gained
            if self.config.splits_behind(number):
                x, left = x.chunk(2, dim=1)
                parts.append(left)
        return Noise([*parts, x], log_det)

    def inverse(self, parts: list[Tensor], mel: Mel) -> Wave:
        """The wave of noise in parts."""
        conditions = [self.upsample(mel)]
        for _ in self.blocks:
            conditions.append(squeeze(conditions[-1], 2))
        *parts, x = parts
        for number, block in reversed(list(enumerate(self.blocks))):
            assert isinstance(block, Block)
            if self.config.splits_behind(number):
                x = torch.cat([x, parts.pop()], dim=1)
            x = unsqueeze(block.inverse(x, conditions[number + 1]), 2)
        return x[:, 0]

    @property
    def noises(self) -> tuple[Chance, ...]:
        """Noise at the config's temperature, in the shapes that `inverse` takes."""
        found, channels, per_frame = [], 1, self.mel_spec.hop_samples
        for number in range(self.config.blocks):
            channels, per_frame = 2 * channels, per_frame // 2
            if self.config.splits_behind(number):
                channels //= 2
                found.append(Chance("normal", channels, per_frame, self.config.temperature))
        return (*found, Chance("normal", channels, per_frame, self.config.temperature))

    def speak(self, mel: Mel, *parts: Tensor) -> Wave:
        """`inverse`, with the mel first."""
        return self.inverse(list(parts), mel)

    def vocode(self, mel: Mel) -> Wave:
        """Make a wave of a mel and noise."""
        return vocode(self, mel)


class FloWaveNetTask(nn.Module):
    """Maximum likelihood, in nats per sample."""

    def __init__(self, config: FloWaveNetConfig):
        super().__init__()
        self.model = FloWaveNet(config)

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    def training_step(self, batch: FloWaveNetBatch) -> Iterator[Update]:
        parts, log_det = self.model(batch.wave, batch.mel)
        energy = torch.stack([part.square().sum() for part in parts]).sum()
        prior = 0.5 * (energy / batch.wave.numel() + math.log(2 * math.pi))
        gained = log_det.mean() / batch.wave.shape[1]
        loss = prior - gained
        yield Update("model", loss, {"nll": loss, "prior": prior, "log_det": gained})


SPEC = Spec(
    paper="arXiv:1811.02155",
    config=FloWaveNetConfig,
    model=FloWaveNet,
    task=FloWaveNetTask,
    batch=FloWaveNetBatch,
    tiny=FloWaveNetConfig(
        mel=MelSpec(8000, 512, 512, 64, 40, 0.0, 4000.0),
        blocks=3,
        flows=2,
        blocks_per_split=2,
        width=8,
        strides=(8, 8),
    ),
    crop=True,
)

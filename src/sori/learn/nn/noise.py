"""What chance decides before a vocoder speaks in one pass."""

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from sori.learn.contracts import Mel, Wave
from sori.learn.mel import MelSpec
from sori.learn.nn.distributions import interior, logit


class Chance(NamedTuple):
    """One source of noise: its distribution, its scale, and how much a frame takes.

    channels: 0 for noise that is a wave, (B, S).
    """

    kind: Literal["normal", "logistic"]
    channels: int
    per_frame: int
    scale: float = 1.0

    def draw(self, mel: Mel) -> Tensor:
        """As much as a mel takes, (B, channels, T per_frame)."""
        steps = mel.shape[2] * self.per_frame
        shape = (mel.shape[0], self.channels, steps) if self.channels else (mel.shape[0], steps)
        if self.kind == "normal":
            return self.scale * torch.randn(shape, device=mel.device)
        return self.scale * logit(interior(torch.rand(shape, device=mel.device)))


@runtime_checkable
class OnePass(Protocol):
    """A vocoder that makes a wave of a mel and noise in one pass, so that it can be exported."""

    @property
    def mel_spec(self) -> MelSpec: ...

    @property
    def noises(self) -> tuple[Chance, ...]: ...

    @property
    def speak(self) -> Callable[..., Wave]:
        """Takes the mel, then one tensor for each of `noises`."""
        ...


def vocode(vocoder: OnePass, mel: Mel) -> Wave:
    """Draw the noise for a mel, then speak."""
    return vocoder.speak(mel, *(noise.draw(mel) for noise in vocoder.noises))

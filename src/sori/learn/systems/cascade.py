"""Text to mel by one trained network, mel to wave by another."""

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.contracts import AcousticModel, Acoustics, Delivery
from sori.learn.mel import MelSpec, require_same


class Cascade:
    """Any acoustic model and any vocoder that mean the same by a mel.

    Args (of the constructor):
        listen: is told where an acoustic model did not come to an end.

    Raises:
        SoriError: a file is unusable, is of another kind of model, or the mels differ.
    """

    def __init__(self, acoustic: Path, vocoder: Path, listen: Callable[[str], None]):
        model: Any = registry.load(acoustic)
        if not isinstance(model, AcousticModel):
            raise SoriError(f"{acoustic} is no acoustic model; it holds a {type(model).__name__}")
        self.acoustic = model
        self.vocoder: Any = registry.load(vocoder)
        if not hasattr(self.vocoder, "vocode"):
            kind = type(self.vocoder).__name__
            raise SoriError(f"{vocoder} is no vocoder; it holds a {kind}")
        try:
            require_same(model.mel_spec, self.vocoder.mel_spec)
        except ValueError as error:
            raise SoriError(f"{acoustic} does not fit {vocoder}: {error}") from error
        self.wants_f0 = "f0" in signature(self.vocoder.vocode).parameters
        self.listen = listen

    @property
    def mel_spec(self) -> MelSpec:
        """What both networks mean by a mel."""
        return self.acoustic.mel_spec

    @torch.no_grad()
    def speak(
        self, ids: Int[Tensor, " N"], delivery: Delivery, seed: int
    ) -> tuple[Float[Tensor, " S"], Acoustics]:
        """The wave of one sentence, and what the acoustic model said of it.

        Raises:
            SoriError: the acoustic model cannot speak in this manner.
        """
        torch.manual_seed(seed)
        said = self.acoustic.acoustics(ids[None], delivery)
        if not said.finished:
            seconds = said.mel.shape[2] * self.mel_spec.hop_samples / self.mel_spec.sample_rate
            self.listen(
                f"the acoustic model did not find the end of a sentence in {seconds:.0f} s; "
                "what it said until then is kept"
            )
        heard = (said.mel, said.f0) if self.wants_f0 else (said.mel,)
        return self.vocoder.vocode(*heard)[0], said

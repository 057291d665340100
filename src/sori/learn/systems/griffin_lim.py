"""Griffin-Lim: a wave whose spectrum has given magnitudes, without anything learned.

Sources: Griffin & Lim 1984, "Signal estimation from modified short-time Fourier transform"; Lee &
Seung 2001, "Algorithms for non-negative matrix factorization", Theorem 1, for magnitudes from mels.
"""

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import Mel, Wave
from sori.learn.mel import MelSpec, MelSpectrogram

Magnitude = Float[Tensor, "B K T"]
UNMIXING_STEPS = 100


class GriffinLim(nn.Module):
    """Makes a wave of a mel: the floor that a learned vocoder has to beat."""

    def __init__(self, spec: MelSpec, iterations: int = 60):
        super().__init__()
        self.mel_spec = spec
        self.iterations = iterations
        self.front_end = MelSpectrogram(spec)
        self.edge = spec.fft_samples - spec.hop_samples

    def magnitude(self, mel: Mel) -> Magnitude:
        """Magnitudes, none below zero, whose bands are those of the mel.

        x <- x (A^T y) / (A^T A x)
        """
        bands = self.front_end.bands
        target = bands.T @ mel.exp()
        gram = bands.T @ bands
        x = target.clone()
        for _ in range(UNMIXING_STEPS):
            x = x * target / (gram @ x).clamp(min=1e-10)
        return x

    def analyse(self, wave: Wave) -> Complex[Tensor, "B K T"]:
        """Transforms of windowed frames; frame t is where the mel has it."""
        spec = self.mel_spec
        padded = F.pad(wave, (self.edge // 2, self.edge - self.edge // 2))
        frames = padded.unfold(1, spec.fft_samples, spec.hop_samples)
        return torch.fft.rfft(frames * self.window).transpose(1, 2)

    def synthesise(self, spectrum: Complex[Tensor, "B K T"]) -> Wave:
        """The wave whose frames come closest: overlap-add over the sum of squared windows."""
        spec, frames = self.mel_spec, spectrum.shape[2]
        made = torch.fft.irfft(spectrum.transpose(1, 2), n=spec.fft_samples) * self.window
        weight = self.window.square().expand(1, frames, -1)
        total = self.overlap_add(made) / self.overlap_add(weight).clamp(min=1e-8)
        return total[:, self.edge // 2 : self.edge // 2 + frames * spec.hop_samples]

    def overlap_add(self, frames: Float[Tensor, "B T W"]) -> Wave:
        size, hop = self.mel_spec.fft_samples, self.mel_spec.hop_samples
        length = (frames.shape[1] - 1) * hop + size
        folded = F.fold(frames.transpose(1, 2), (1, length), (1, size), stride=(1, hop))
        return folded[:, 0, 0]

    @property
    def window(self) -> Float[Tensor, " W"]:
        """The front end's window in the middle of its transform."""
        spare = self.mel_spec.fft_samples - self.mel_spec.window_samples
        return F.pad(self.front_end.window, (spare // 2, spare - spare // 2))

    def vocode(self, mel: Mel) -> Wave:
        """Start from random phases, then keep phases and put the magnitudes back, in turns."""
        magnitude = self.magnitude(mel)
        turn = torch.rand_like(magnitude) * (2 * torch.pi)
        wave = self.synthesise(torch.polar(magnitude, turn))
        for _ in range(self.iterations):
            spectrum = self.analyse(wave)
            wave = self.synthesise(torch.polar(magnitude, spectrum.angle()))
        return wave

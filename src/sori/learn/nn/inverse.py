"""The inverse short-time Fourier transform as a layer, of operations that ONNX has."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import Frames, Wave

OVERLAP = 4  # frames that reach a sample
LOUDEST = 4.0  # of log magnitudes, so that a wild start cannot overflow


class InverseTransform(nn.Module):
    """Makes a wave of log magnitudes and phases: a Hann window, three quarters of it overlapping.

    A wave has exactly `fft_samples / 4` samples for every frame.

    Source: Kaneko et al. 2022, "iSTFTNet", section 2.2, arXiv:2203.02395.
    Deviation: phases are not squeezed through a sine first.
    """

    basis: Tensor

    def __init__(self, fft_samples: int):
        super().__init__()
        if fft_samples % OVERLAP:
            raise ValueError(f"a transform of {fft_samples} samples is no multiple of {OVERLAP}")
        self.hop_samples = fft_samples // OVERLAP
        bins = fft_samples // 2 + 1
        window = torch.hann_window(fft_samples, dtype=torch.double)
        unit = torch.eye(bins, dtype=torch.double)
        cosines, sines = (torch.fft.irfft(part, n=fft_samples) for part in (unit, 1j * unit))
        # The squares of a Hann window's quarters add up to 1.5 wherever four of them meet.
        basis = torch.cat([cosines, sines]) * window / 1.5
        self.register_buffer("basis", basis.float()[:, None], persistent=False)

    @property
    def channels(self) -> int:
        """Channels of the frames that it takes: log magnitudes, then phases."""
        return len(self.basis)

    def forward(self, x: Frames) -> Wave:
        loud, phase = x.float().chunk(2, dim=1)
        loud = loud.clamp(max=LOUDEST).exp()
        spectrum = torch.cat([loud * phase.cos(), loud * phase.sin()], dim=1)
        hop, spare = self.hop_samples, (OVERLAP - 1) * self.hop_samples
        wave = F.conv_transpose1d(spectrum, self.basis, stride=hop, padding=spare // 2)
        return wave[:, 0, : -(spare % 2) or None]

"""The pulse source in batches, for training; `sori.audio.excitation` is its twin in numpy."""

import torch
from jaxtyping import Float
from torch import Tensor

from sori.audio.excitation import FRACTIONS, TAP_TABLE, TAPS
from sori.learn.contracts import Wave

UNVOICED_HZ = 45.0  # no voice goes lower


def sample_f0(f0: Float[Tensor, "B T"], hop_samples: int) -> Wave:
    """F0 at every sample: straight between voiced frames, 0 where the nearest one is unvoiced."""
    voiced = (f0 > 0).double()
    pitch = f0.double()
    share = (torch.arange(hop_samples, device=f0.device) + 0.5) / hop_samples

    def across(x: Tensor) -> Tensor:
        before = torch.cat([x[:, :1], x], dim=1)[:, :, None]
        after = torch.cat([x, x[:, -1:]], dim=1)[:, :, None]
        return before * (1 - share) + after * share

    half = hop_samples // 2
    samples = f0.shape[1] * hop_samples
    flat = (across(pitch) / across(voiced).clamp(min=1e-8)).flatten(1)
    return flat[:, half : half + samples] * voiced.repeat_interleave(hop_samples, dim=1)


def pulse_train(f0: Float[Tensor, "B T"], hop_samples: int, sample_rate: int) -> Wave:
    """One band-limited pulse per period of F0, with unit mean power while voiced."""
    rate = sample_f0(f0, hop_samples) / sample_rate
    return place_pulses(rate.cumsum(dim=1), rate)


def synchronous_pulse_train(
    cycles: Float[Tensor, "B T"],
    f0: Float[Tensor, "B T"],
    hop_samples: int,
    sample_rate: int,
) -> Wave:
    """Pulses where a recording has them: whenever its fundamental completes a cycle.

    Args:
        cycles: of the fundamental that have passed at the centre of each frame
            (`features.cycles`).
    """
    # Between two centres the fundamental runs evenly; it never stands still or runs back.
    least = UNVOICED_HZ / sample_rate
    steps = (torch.diff(cycles.double(), dim=1) / hop_samples).clamp(min=least)
    steps = torch.cat([steps[:, :1], steps, steps[:, -1:]], dim=1)
    half = hop_samples // 2
    samples = f0.shape[1] * hop_samples
    rate = steps.repeat_interleave(hop_samples, dim=1)[:, half : half + samples]
    passed = rate.cumsum(dim=1)
    # Shifted so that the count at the first centre is the given one.
    passed = passed - passed[:, half - 1 : half] + (cycles[:, :1] % 1).double() + 1
    voiced = (f0 > 0).double().repeat_interleave(hop_samples, dim=1)
    return place_pulses(passed, rate * voiced)


def place_pulses(cycles: Float[Tensor, "B S"], rate: Float[Tensor, "B S"]) -> Wave:
    """A pulse wherever the count of cycles passes a whole number and the rate is not zero.

    Args:
        cycles: passed at every sample.
        rate: cycles per sample, 0 where unvoiced.
    """
    turns = cycles.floor()
    started = torch.diff(turns, dim=1, prepend=turns[:, :1]) > 0
    item, at = (started & (rate > 0)).nonzero(as_tuple=True)
    late = ((cycles - turns)[item, at] / rate[item, at]).clamp(max=1.0)
    ticks = ((at - late) * FRACTIONS).round().long()
    whole = ticks.div(FRACTIONS, rounding_mode="floor")
    table = torch.from_numpy(TAP_TABLE).to(rate.device)
    taps = table[ticks - whole * FRACTIONS] * rate[item, at].rsqrt().float()[:, None]
    padded = rate.shape[1] + TAPS
    index = (whole[:, None] + torch.arange(TAPS, device=rate.device) + 1).clamp(0, padded - 1)
    wave = torch.zeros(len(rate) * padded, device=rate.device)
    wave.index_add_(0, (item[:, None] * padded + index).flatten(), taps.flatten())
    return wave.view(-1, padded)[:, TAPS // 2 : TAPS // 2 + rate.shape[1]]

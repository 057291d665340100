"""Latent frames of a variational autoencoder: their distributions, and how these compare."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sori.learn.contracts import Durations, Frames, Scalar
from sori.learn.nn.alignment import search_monotonic
from sori.learn.nn.distributions import divergence_matrix, sampled_divergence
from sori.learn.nn.soft_dtw import Warping, soft_dtw

Mask = Bool[Tensor, "B T"]
Keep = Float[Tensor, "B 1 T"]
Noise = Float[Tensor, "B C T_noise"]


class Gaussian(NamedTuple):
    """A normal distribution of every value of every frame, and which frames there are."""

    mean: Frames
    log_scale: Frames
    mask: Mask

    @property
    def keep(self) -> Keep:
        return self.mask[:, None].float()

    def sample(self, temperature: float = 1.0, noise: Noise | None = None) -> Frames:
        """Draw frames; `noise` takes the place of chance, and begins anew where it ends."""
        if noise is None:
            noise = torch.randn_like(self.mean)
        else:
            noise = noise[:, :, (self.mask[0].long().cumsum(dim=0) - 1) % noise.shape[2]]
        return (self.mean + temperature * noise * self.log_scale.exp()) * self.keep


@torch.no_grad()
def align(z: Frames, posterior: Gaussian, tokens: Gaussian) -> Durations:
    """Durations of the monotonic path on which the prior of the phonemes likes the frames best.

    Scores are divergences, which differ from log densities by a number that is the same for all
    phonemes of a frame.
    """
    scores = -divergence_matrix(z, posterior.log_scale, tokens.mean, tokens.log_scale)
    found = torch.zeros(tokens.mask.shape, dtype=torch.long)
    for item, (table, frames, count) in enumerate(
        zip(scores.cpu(), posterior.mask.sum(dim=1), tokens.mask.sum(dim=1), strict=True)
    ):
        path = search_monotonic(table[: int(frames), : int(count)].T.numpy())
        found[item, : int(count)] = torch.from_numpy(path)
    return found.to(z.device)


def matched_divergence(z: Frames, q: Gaussian, p: Gaussian) -> Scalar:
    """KL(q || p) frame by frame, in nats per frame; z is drawn from q."""
    each = sampled_divergence(z, q.log_scale, p.mean, p.log_scale)
    return (each * q.keep).sum() / q.mask.sum()


def warped_divergence(z: Frames, q: Gaussian, p: Gaussian, warping: Warping) -> Scalar:
    """KL(q || p) of sequences that differ in length, in nats per frame of q, by soft-DTW."""
    pairs = divergence_matrix(z, q.log_scale, p.mean, p.log_scale)
    rows, columns = q.mask.sum(dim=1), p.mask.sum(dim=1)
    return soft_dtw(pairs, rows, columns, warping).sum() / rows.sum() * z.shape[1]

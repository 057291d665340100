"""Alignments between tokens and frames: expanding by durations, and finding them."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from sori.learn.contracts import Durations, Lengths, Scalar
from sori.learn.nn.masks import count_up

Alignment = Float[Tensor, "B K N"]  # how much each of K steps looks at each token


def expand(x: Float[Tensor, "B N D"], durations: Durations) -> Float[Tensor, "B T D"]:
    """Repeat every token for as many frames as it lasts; T is the longest item's total.

    This is the length regulator.

    Source: Ren et al. 2019, "FastSpeech", section 3.2, arXiv:1905.09263.
    """
    owner = owners(durations)
    return x.gather(1, owner[:, :, None].expand(-1, -1, x.shape[2]))


def owners(durations: Durations) -> Int[Tensor, "B T"]:
    """The token of every frame: the number of tokens that ended at or before it.

    Frames behind the end of an item belong to its last token.
    """
    ends = durations.cumsum(dim=1)
    frames = count_up(ends[:, -1].max(), ends.device)
    owner = (ends[:, None, :] <= frames[None, :, None]).sum(dim=2)
    return owner.clamp(max=durations.shape[1] - 1)


def search_monotonic(scores: Float[np.ndarray, "N T"]) -> Int[np.ndarray, " N"]:
    """Durations of the monotonic path with the greatest sum of scores, one frame each at least.

        Q[n, t] = max(Q[n, t-1], Q[n-1, t-1]) + scores[n, t]

    Source: Kim et al. 2020, "Glow-TTS", section 3.2 (monotonic alignment search), arXiv:2005.11129.

    Raises:
        ValueError: there are fewer frames than tokens.
    """
    tokens, frames = scores.shape
    if frames < tokens:
        raise ValueError(f"{tokens} tokens cannot be aligned with {frames} frames")
    best = np.full(tokens + 1, -np.inf)  # best[n + 1] is Q of token n; best[0] is before the first
    best[0] = 0.0
    stepped = np.zeros((frames, tokens), bool)
    for t in range(frames):
        stepped[t] = best[:-1] >= best[1:]
        # Token n is out of reach before frame n, where both sides are minus infinity.
        best[1:] = np.maximum(best[1:], best[:-1]) + scores[:, t]
        best[0] = -np.inf
    durations = np.zeros(tokens, np.int64)
    token = tokens - 1
    for t in range(frames - 1, -1, -1):
        durations[token] += 1
        if stepped[t, token] and token > 0:
            token -= 1
    return durations


def forward_sum(
    log_probs: Float[Tensor, "B T N"], token_len: Lengths, frame_len: Lengths
) -> Scalar:
    """Negative log-likelihood of all monotonic paths, per frame.

    The connectionist temporal classification loss computes the sum when its target is 1, 2 ... N
    and the blank is so unlikely that no path uses it.

    Source: Badlani et al. 2021, "One TTS Alignment To Rule Them All", section 2.1,
    arXiv:2108.10447.

    Args:
        log_probs: of the tokens at every frame; padded tokens have a very low one.
    """
    tokens = log_probs.shape[2]
    blank = F.pad(log_probs, (1, 0), value=-1e4).log_softmax(dim=2)
    target = torch.arange(1, tokens + 1, device=log_probs.device).expand(len(log_probs), -1)
    loss = F.ctc_loss(
        blank.transpose(0, 1), target, frame_len, token_len, reduction="none", zero_infinity=True
    )
    return (loss / frame_len).mean()


def strayed(
    alignment: Alignment, expected: Float[Tensor, "B K"], ids_len: Lengths, width: float
) -> Float[Tensor, "B K"]:
    """How much of the attention of every step lies far from where it is expected.

        sum_n a_kn (1 - exp(-(n / N - place_k)^2 / (2 g^2)))

    Source: Tachibana et al. 2018, "Efficiently Trainable Text-to-Speech", section 4.1,
    arXiv:1710.08969, where places are even; from durations as in Zhu et al. 2019, "Pre-Alignment
    Guided Attention", IEEE Access 7.
    """
    tokens = torch.arange(alignment.shape[2], device=alignment.device) + 0.5
    away = tokens[None, None] / ids_len[:, None, None] - expected[:, :, None]
    return (alignment * (1 - torch.exp(-away.square() / (2 * width**2)))).sum(dim=2)

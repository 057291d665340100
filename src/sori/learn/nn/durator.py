"""From tokens to frames by durations that are real numbers, so their gradient exists."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import Size
from sori.learn.nn.conv import convolve
from sori.learn.nn.masks import as_weight, count_up

Tokens = Float[Tensor, "B N D"]
TokenMask = Bool[Tensor, "B N"]
Lasting = Float[Tensor, "B N"]  # durations in frames, not whole
HIDDEN = 16  # width of the networks that look at a frame and a token
CONTEXT = 8  # what they know of the token itself
SHARPNESS = 2.0


class Upsampled(NamedTuple):
    """What a token has become.

    weights: how much of every head's frame each token owns, summing to 1 over tokens.
    """

    frames: Float[Tensor, "B T D"]
    weights: Float[Tensor, "B H T N"]


def frame_counts(durations: Lasting) -> Int[Tensor, " B"]:
    """Frames of every item: its summed durations as a whole number, 1 at least. No gradient."""
    return durations.detach().sum(dim=1).round().long().clamp(min=1)


class DurationPredictor(nn.Module):
    """Convolutions with layer norm; their softplus is the frames that every token lasts.

    Source: Tan et al. 2022, "NaturalSpeech", "Differentiable durator", arXiv:2205.04421; softplus
    as in Elias et al. 2021, "Parallel Tacotron 2", arXiv:2103.14574.
    """

    def __init__(self, width: int, kernel: int = 3, layers: int = 3, dropout: float = 0.5):
        super().__init__()
        self.convs = nn.ModuleList([
            nn.Conv1d(width, width, kernel, padding=kernel // 2) for _ in range(layers)
        ])
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(layers)])
        self.drop = nn.Dropout(dropout)
        self.leave = nn.Linear(width, 1)
        nn.init.constant_(self.leave.bias, 4.0)  # about how many frames a phoneme has

    def forward(self, tokens: Tokens, mask: TokenMask) -> Lasting:
        keep = as_weight(mask)
        x = tokens
        for conv, norm in zip(self.convs, self.norms, strict=True):
            assert isinstance(conv, nn.Conv1d)
            x = self.drop(norm(convolve(conv, x * keep).relu()))
        return F.softplus(self.leave(x)[:, :, 0].float()) * keep[:, :, 0]


class TokenView(nn.Module):
    """Reads where a frame lies in a token, and which token it is: two layers with a swish between.

    The first layer's share of the token is computed once per token, not once per frame and token.
    """

    def __init__(self, outputs: int):
        super().__init__()
        self.places = nn.Linear(2, HIDDEN)
        self.context = nn.Linear(CONTEXT, HIDDEN, bias=False)
        self.leave = nn.Linear(HIDDEN, outputs)

    def forward(
        self, places: Float[Tensor, "B T N 2"], context: Float[Tensor, "B N K"]
    ) -> Float[Tensor, "B T N outputs"]:
        return self.leave(F.silu(self.places(places) + self.context(context)[:, None]))


class LearnedUpsampling(nn.Module):
    """Frames as learned mixtures of tokens, by how far each frame is from each token's ends.

        S[t, k] = t - s_k,   E[t, k] = e_k - t        s, e: where token k starts and ends
        W = softmax over k of MLP(S, E, Conv(V)),     C = MLP(S, E, Conv(V))
        O = LN(A (W V over heads) + B (sum over k of W C))

    Source: Elias et al. 2021, "Parallel Tacotron 2", "Learned upsampling", arXiv:2103.14574; with
    several heads, Tan et al. 2022, "NaturalSpeech", "Differentiable durator", arXiv:2205.04421.
    Deviation: t is the middle of a frame, so that tokens see a frame alike from both sides; and W
    starts as a soft window between both ends of its token, without which the first gradients reach
    every token alike; and the projections start as identity, so that it starts as a soft repeating
    of tokens.

    Args (of the constructor):
        heads: mixtures of tokens; contents: numbers that a frame hears of its place in a token.
    """

    def __init__(self, width: int, heads: int = 4, contents: int = 2):
        super().__init__()
        self.project = nn.Linear(width, width)
        self.context = nn.Conv1d(width, CONTEXT, 3, padding=1)
        self.weigh = TokenView(heads)
        self.tell = TokenView(contents)
        self.join = nn.Linear(heads * width, width)
        self.join_contents = nn.Linear(heads * contents, width, bias=False)
        # A frame far inside a long token hears large numbers of its place.
        self.norm = nn.LayerNorm(width)
        self.start_as_repeating()

    @torch.no_grad()
    def start_as_repeating(self) -> None:
        """Let two hidden units push a token away from frames outside its ends; pass on the rest."""
        heads = self.join.in_features // self.join.out_features
        nn.init.eye_(self.project.weight)
        nn.init.zeros_(self.project.bias)
        self.join.weight.copy_(torch.eye(self.join.out_features).repeat(1, heads) / heads)
        nn.init.zeros_(self.join.bias)
        nn.init.zeros_(self.join_contents.weight)
        self.weigh.places.weight[:2] = -SHARPNESS * torch.eye(2)
        self.weigh.places.bias[:2] = 0.0
        self.weigh.leave.weight[:, :2] = -SHARPNESS

    def forward(
        self, tokens: Tokens, durations: Lasting, mask: TokenMask, frames: Size
    ) -> Upsampled:
        """Lay the tokens of every item out over `frames` frames."""
        values = self.project(tokens) * as_weight(mask)
        context = convolve(self.context, values).relu()
        with torch.autocast(tokens.device.type, enabled=False):
            places = self.places(durations.float(), frames)
            context = context.float()
            scores = self.weigh(places, context).masked_fill(~mask[:, None, :, None], -torch.inf)
            weights = scores.softmax(dim=2).permute(0, 3, 1, 2)
            contents = self.tell(places, context)
            told = torch.einsum("bhtn,btnp->bthp", weights, contents)
        laid = torch.einsum("bhtn,bnd->bthd", weights.to(values.dtype), values)
        joined = self.join(laid.flatten(2)) + self.join_contents(told.flatten(2))
        return Upsampled(self.norm(joined), weights)

    def of_tokens(self, tokens: Tokens, mask: TokenMask) -> Tokens:
        """What frames would hear that belong to one token alone, without their place in it."""
        values = self.project(tokens) * as_weight(mask)
        return self.norm(self.join(values.repeat(1, 1, self.join.in_features // values.shape[2])))

    @staticmethod
    def places(durations: Lasting, frames: Size) -> Float[Tensor, "B T N 2"]:
        """S and E of every frame and token, in frames."""
        ends = durations.cumsum(dim=1)
        middles = count_up(frames, durations.device)[:, None] + 0.5
        since = middles - (ends - durations)[:, None]
        return torch.stack([since, ends[:, None] - middles], dim=3)

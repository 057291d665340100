"""Vector quantisation: a vector becomes the number of the nearest entry of a learned codebook.

Source: van den Oord et al. 2017, "Neural Discrete Representation Learning", arXiv:1711.00937.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import Scalar
from sori.learn.mel import require_same

Vectors = Float[Tensor, "B K D"]
Codes = Int[Tensor, "B K"]
Rows = Float[Tensor, "R D"]

DEAD_SHARE = 0.1  # of the mean use; who is used less gets another place


class Quantised(NamedTuple):
    """Entries in place of vectors, their numbers, and how far the vectors lie from them.

    entries: hand their gradient to the vectors unchanged (straight-through).
    commitment: mean squared distance; its gradient moves the vectors and never the codebook.
    """

    entries: Vectors
    codes: Codes
    commitment: Scalar


class Codebook(nn.Module):
    """Entries that follow the mean of the vectors nearest to them.

        N_i <- g N_i + (1 - g) n_i,   m_i <- g m_i + (1 - g) sum z,   e_i = m_i / N_i

    N_i is smoothed so that no mean divides by zero: (N_i + s) sum N / (sum N + K s).

    Source: van den Oord et al. 2017, appendix A.1, arXiv:1711.00937.
    Deviation: an entry that hardly any vector chooses moves onto a vector of the batch, chosen at
    random, as in Dhariwal et al. 2020, "Jukebox", section 3.1, arXiv:2005.00341.
    """

    table: Tensor
    uses: Tensor
    sums: Tensor

    def __init__(self, size: int, width: int, decay: float = 0.99, smoothing: float = 1e-5):
        super().__init__()
        self.decay, self.smoothing = decay, smoothing
        self.register_buffer("table", torch.randn(size, width))
        self.register_buffer("uses", torch.zeros(size))
        self.register_buffer("sums", torch.zeros(size, width))

    def nearest(self, vectors: Vectors) -> Codes:
        """Number of the entry nearest to each vector; of equally near ones the first."""
        # In bfloat16 products would round near entries onto each other.
        with torch.autocast(vectors.device.type, enabled=False):
            rows = vectors.to(self.table.dtype)
            distances = self.table.square().sum(dim=1) - 2 * rows @ self.table.T
        return distances.argmin(dim=2)

    def forward(self, vectors: Vectors, mask: Bool[Tensor, "B K"]) -> Quantised:
        codes = self.nearest(vectors)
        chosen = self.table[codes].to(vectors.dtype)
        commitment = (vectors - chosen)[mask].square().mean()
        return Quantised(vectors + (chosen - vectors).detach(), codes, commitment)

    @torch.no_grad()
    def follow(self, vectors: Rows, codes: Int[Tensor, " R"]) -> None:
        """Move the entries towards the vectors that chose them, and revive unused ones."""
        vectors = vectors.to(self.table.dtype)
        counts = torch.bincount(codes, minlength=len(self.table)).to(vectors)
        totals = torch.zeros_like(self.sums).index_add_(0, codes, vectors)
        self.uses.lerp_(counts, 1 - self.decay)
        self.sums.lerp_(totals, 1 - self.decay)
        total = self.uses.sum()
        smoothed = (self.uses + self.smoothing) * total
        smoothed = smoothed / (total + len(self.uses) * self.smoothing)
        self.table.copy_(self.sums / smoothed[:, None])
        self.revive(vectors)

    @torch.no_grad()
    def revive(self, vectors: Rows) -> None:
        """Move entries that are hardly used onto vectors, as if each were used like the others."""
        mean = self.uses.mean()
        dead = self.uses < DEAD_SHARE * mean
        rows = vectors[torch.randint(len(vectors), (len(self.uses),), device=vectors.device)]
        self.table.copy_(torch.where(dead[:, None], rows, self.table))
        self.uses.copy_(torch.where(dead, mean, self.uses))
        self.sums.copy_(torch.where(dead[:, None], rows * mean, self.sums))


def perplexity(codes: Int[Tensor, " R"], size: int) -> Scalar:
    """How many codes are in use, counted as if all were used alike: exp of their entropy."""
    shares = F.one_hot(codes, size).float().mean(dim=0)
    return torch.special.entr(shares).sum().exp()


def require_tokeniser(config: Any, tokeniser: Any) -> None:
    """Refuse a tokeniser whose codes or mels are not those that a model's config names.

    Raises:
        ValueError: they differ; the message says in what.
    """
    if tokeniser.config.codes != config.codes:
        raise ValueError(
            f"the tokeniser has {tokeniser.config.codes} codes, the model {config.codes}"
        )
    require_same(config.mel, tokeniser.config.mel)

"""Soft dynamic time warping: the soft minimum of the costs of all monotonic paths through a matrix.

    r[i, j] = D[i, j] + softmin(r[i-1, j-1], r[i-1, j] + w, r[i, j-1] + w)
    softmin(a) = -g log sum exp(-a / g)

The gradient is exact: of every cell, how likely a path of the Gibbs distribution passes it. Forward
keeps how each soft minimum was shared among its three terms, and backward hands the probability of
every cell on to those before it, in these shares.

Source: Cuturi & Blondel 2017, "Soft-DTW", Algorithms 1 and 2, arXiv:1703.01541; the penalty w of
steps that leave the diagonal is of Elias et al. 2021, "Parallel Tacotron 2", "Soft-DTW",
arXiv:2103.14574.

Two programs compute the same: one visits all cells of an anti-diagonal at once, on any device; the
other is a loop that numba compiles, for processors where it is installed.
"""

import importlib.util
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn import functional as F

from sori.learn.contracts import Lengths

Costs = Float[Tensor, "B N T"]


class Warping(NamedTuple):
    """How paths may run.

    gamma: softness, in units of cost.
    penalty: added to the cost of a step that leaves the diagonal.
    band: how far a path may stray from the straight line between both corners, in steps along the
        shorter side; at least 1.
    """

    gamma: float
    penalty: float
    band: int


def soft_dtw(
    costs: Costs, rows: Lengths, columns: Lengths, warping: Warping
) -> Float[Tensor, " B"]:
    """Soft minimum over paths from the first cell of every item to cell (rows - 1, columns - 1).

    It may be negative: a soft minimum is lower than the least of its terms.

    Raises:
        ValueError: softness is not positive, or the band is narrower than 1.
    """
    if warping.gamma <= 0 or warping.band < 1:
        raise ValueError(f"{warping} needs a gamma above 0 and a band of 1 or more")
    program = Loop if costs.device.type == "cpu" and has_numba() else Diagonals
    with torch.autocast(costs.device.type, enabled=False):
        return program.apply(costs, rows, columns, warping)  # type: ignore[no-any-return]


def has_numba() -> bool:
    return importlib.util.find_spec("numba") is not None


class Diagonals(torch.autograd.Function):
    """All cells of an anti-diagonal at once; cell (i, j) is at place i of diagonal i + j."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, costs: Costs, rows: Lengths, columns: Lengths, warping: Warping
    ) -> Float[Tensor, " B"]:
        gamma, penalty, _ = warping
        inside = band_mask(costs, rows, columns, warping.band)
        skewed = skew(costs.detach().masked_fill(~inside, torch.inf), torch.inf)
        steps = costs.new_tensor([0.0, penalty, penalty])
        older = skewed.new_full(skewed[:, 0].shape, torch.inf)
        newer, reached, shares = older, [], []
        for number, cost in enumerate(skewed.unbind(dim=1)):
            before = F.pad(older, (1, 0), value=torch.inf)[:, :-1]
            if number == 0:
                before[:, 0] = 0.0  # every path begins in the first cell
            above = F.pad(newer, (1, 0), value=torch.inf)[:, :-1]
            fitness = -(torch.stack([before, above, newer], dim=2) + steps) / gamma
            total = fitness.logsumexp(dim=2)
            # Cells that no path reaches have no shares to give.
            shares.append((fitness - total[:, :, None]).exp().nan_to_num(nan=0.0))
            older, newer = newer, cost - gamma * total
            reached.append(newer)
        ctx.save_for_backward(torch.stack(shares, dim=1), rows, columns)
        ctx.width = costs.shape[2]  # type: ignore[attr-defined]
        items = torch.arange(len(costs), device=costs.device)
        return torch.stack(reached, dim=1)[items, rows + columns - 2, rows - 1]

    @staticmethod
    def backward(  # type: ignore[override]
        ctx: FunctionCtx, grad: Float[Tensor, " B"]
    ) -> tuple[Costs, None, None, None]:
        shares, rows, columns = ctx.saved_tensors  # type: ignore[attr-defined]
        items = torch.arange(len(rows), device=rows.device)
        visits = shares.new_zeros(shares.shape[:3])
        visits[items, rows + columns - 2, rows - 1] = grad
        for number in range(shares.shape[1] - 1, 0, -1):
            given = visits[:, number, :, None] * shares[:, number]
            visits[:, number - 1, :-1] += given[:, 1:, 1]
            visits[:, number - 1] += given[:, :, 2]
            if number > 1:
                visits[:, number - 2, :-1] += given[:, 1:, 0]
        return unskew(visits, ctx.width), None, None, None  # type: ignore[attr-defined]


class Loop(torch.autograd.Function):
    """Cell by cell, inside the band alone, compiled; sums are kept in double precision."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, costs: Costs, rows: Lengths, columns: Lengths, warping: Warping
    ) -> Float[Tensor, " B"]:
        from sori.learn.nn.soft_dtw_loop import descend  # imports numba

        plain = costs.detach().contiguous().numpy()
        shares = np.empty((*plain.shape, 3), plain.dtype)  # cells outside the band stay untouched
        values = descend(plain, rows.numpy(), columns.numpy(), warping, shares)
        ctx.shares, ctx.sizes = shares, (rows, columns)  # type: ignore[attr-defined]
        ctx.band = warping.band  # type: ignore[attr-defined]
        return torch.from_numpy(values).to(costs.dtype)

    @staticmethod
    def backward(  # type: ignore[override]
        ctx: FunctionCtx, grad: Float[Tensor, " B"]
    ) -> tuple[Costs, None, None, None]:
        from sori.learn.nn.soft_dtw_loop import hand_back

        rows, columns = ctx.sizes  # type: ignore[attr-defined]
        shares, band = ctx.shares, ctx.band  # type: ignore[attr-defined]
        visits = hand_back(shares, rows.numpy(), columns.numpy(), band, grad.numpy())
        return torch.from_numpy(visits), None, None, None


def band_mask(costs: Costs, rows: Lengths, columns: Lengths, band: int) -> Bool[Tensor, "B N T"]:
    """Cells near the straight line between the corners of every item, and within its lengths."""
    last_row, last_column = rows[:, None, None] - 1, columns[:, None, None] - 1
    i = torch.arange(costs.shape[1], device=costs.device)[None, :, None]
    j = torch.arange(costs.shape[2], device=costs.device)[None, None, :]
    apart = (i * last_column - j * last_row).abs()
    near = apart <= band * torch.maximum(last_row, last_column)
    return near & (i <= last_row) & (j <= last_column)


def skew(x: Costs, fill: float) -> Float[Tensor, "B K N"]:
    """Lay the anti-diagonals of a matrix side by side: y[k, i] = x[i, k - i]."""
    count, width = x.shape[1:]
    # Rows that are one longer than the number of diagonals slip by one place each.
    padded = F.pad(x, (0, count), value=fill).flatten(1)[:, : count * (count + width - 1)]
    return padded.unflatten(1, (count, count + width - 1)).transpose(1, 2)


def unskew(y: Float[Tensor, "B K N"], width: int) -> Costs:
    """Inverse of `skew` for a matrix of `width` columns."""
    flat = y.transpose(1, 2).flatten(1)
    return F.pad(flat, (0, y.shape[2])).unflatten(1, (y.shape[2], -1))[:, :, :width]

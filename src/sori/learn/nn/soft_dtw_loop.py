# ruff: noqa: ANN001, ANN201 - as in `compiled_loop`, numba finds the types by itself
"""The compiled part of `soft_dtw`: functions that numba reads as they stand."""

import math
from typing import no_type_check

import numba
import numpy as np

jit = numba.njit(error_model="numpy", nogil=True, cache=True)


@jit
@no_type_check
def reach(i, rows, columns, band):
    """First column of row i that lies within the band, and the one behind the last."""
    if rows == 1:
        return 0, columns
    slack = band * max(rows - 1, columns - 1)
    middle = i * (columns - 1)
    first = max(-((slack - middle) // (rows - 1)), 0)
    return first, min((middle + slack) // (rows - 1), columns - 1) + 1


@jit
@no_type_check
def descend(costs, rows, columns, warping, shares):
    """Values of all items; fills what each cell's minimum owes to its three neighbours."""
    gamma, penalty, band = warping
    values = np.empty(len(costs))
    for b in range(len(costs)):
        before = np.full(costs.shape[2] + 1, np.inf)  # column j is at place j + 1
        before[0] = 0.0
        for i in range(rows[b]):
            here = np.full(costs.shape[2] + 1, np.inf)
            first, end = reach(i, rows[b], columns[b], band)
            for j in range(first, end):
                corner, above, left = before[j], before[j + 1] + penalty, here[j] + penalty
                least = min(corner, above, left)
                corner = math.exp((least - corner) / gamma)
                above = math.exp((least - above) / gamma)
                left = math.exp((least - left) / gamma)
                total = corner + above + left
                shares[b, i, j, 0] = corner / total
                shares[b, i, j, 1] = above / total
                shares[b, i, j, 2] = left / total
                here[j + 1] = costs[b, i, j] + least - gamma * math.log(total)
            before = here
        values[b] = before[columns[b]]
    return values


@jit
@no_type_check
def hand_back(shares, rows, columns, band, grad):
    """Gradient of the costs, from the last cell of every item to its first."""
    visits = np.zeros(shares.shape[:3], shares.dtype)
    for b in range(len(shares)):
        visits[b, rows[b] - 1, columns[b] - 1] = grad[b]
        for i in range(rows[b] - 1, -1, -1):
            first, end = reach(i, rows[b], columns[b], band)
            for j in range(end - 1, first - 1, -1):
                here = visits[b, i, j]
                if i > 0 and j > 0:
                    visits[b, i - 1, j - 1] += here * shares[b, i, j, 0]
                if i > 0:
                    visits[b, i - 1, j] += here * shares[b, i, j, 1]
                if j > 0:
                    visits[b, i, j - 1] += here * shares[b, i, j, 2]
    return visits

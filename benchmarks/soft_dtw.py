"""Speed of soft-DTW and its gradient, beside plain Python and a sum along the diagonal.

    .venv-test/bin/python benchmarks/soft_dtw.py

The costs are random; how long it takes does not depend on them. Times are those of the processor,
so other work on the machine adds little to them.
Results: benchmarks/results/soft_dtw.json.
"""

import argparse
import datetime
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from processes import busy_share, commit, describe_machine
from torch import Tensor

from sori.learn.nn.soft_dtw import Diagonals, Loop, Warping, band_mask

RESULTS = Path(__file__).resolve().parent / "results" / "soft_dtw.json"
WARPING = Warping(gamma=0.01, penalty=0.07, band=32)


def plain(costs: Tensor, inside: Tensor, warping: Warping) -> list[list[float]]:
    """Gradient of one item, cell by cell, in numbers of Python."""
    rows, columns = costs.shape
    cells, near = costs.tolist(), inside.tolist()
    reached = [[math.inf] * (columns + 1) for _ in range(rows + 1)]
    reached[0][0] = 0.0
    shares: dict[tuple[int, int], tuple[float, float, float]] = {}
    for i in range(rows):
        for j in range(columns):
            if not near[i][j]:
                continue
            corner = reached[i][j]
            above = reached[i][j + 1] + warping.penalty
            left = reached[i + 1][j] + warping.penalty
            least = min(corner, above, left)
            parts = [math.exp((least - r) / warping.gamma) for r in (corner, above, left)]
            total = sum(parts)
            shares[i, j] = (parts[0] / total, parts[1] / total, parts[2] / total)
            reached[i + 1][j + 1] = cells[i][j] + least - warping.gamma * math.log(total)
    visits = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    visits[rows][columns] = 1.0
    for (i, j), (corner, above, left) in reversed(shares.items()):
        here = visits[i + 1][j + 1]
        visits[i][j] += here * corner
        visits[i][j + 1] += here * above
        visits[i + 1][j] += here * left
    return [row[1:] for row in visits[1:]]


def seconds(work: Callable[[], object], rounds: int) -> float:
    """Median processor time of a call, after one that warms up; one thread."""
    work()
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=4)
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    size = options.frames
    costs = torch.rand(options.items, size, size, requires_grad=True)
    lengths = torch.full((options.items,), size)
    inside = band_mask(costs, lengths, lengths, WARPING.band)

    def warped(program: type[Diagonals] | type[Loop]) -> Callable[[], object]:
        def work() -> object:
            value = program.apply(costs, lengths, lengths, WARPING).sum()
            return torch.autograd.grad(value, costs)

        return work

    def diagonal() -> object:
        return torch.autograd.grad(costs.diagonal(dim1=1, dim2=2).sum(), costs)

    def python() -> object:
        return [plain(*pair, WARPING) for pair in zip(costs.detach(), inside, strict=True)]

    (wanted,) = torch.autograd.grad(Loop.apply(costs, lengths, lengths, WARPING).sum(), costs)
    torch.testing.assert_close(torch.tensor(python()), wanted, atol=1e-3, rtol=1e-3)
    found = {
        "plain python": seconds(python, 1),
        "anti-diagonals": seconds(warped(Diagonals), options.rounds),
        "compiled loop": seconds(warped(Loop), options.rounds),
        "diagonal alone": seconds(diagonal, options.rounds),
    }
    result = {
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "machine": describe_machine(),
        "busy_share": busy_share(),
        "threads": torch.get_num_threads(),
        "items": options.items,
        "frames": size,
        "warping": WARPING._asdict(),
        "seconds": {name: round(value, 5) for name, value in found.items()},
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    for name, value in found.items():
        print(f"{name:16} {1000 * value:9.2f} ms   x {found['plain python'] / value:.0f}")


if __name__ == "__main__":
    main()

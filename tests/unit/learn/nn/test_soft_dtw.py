import importlib.util
import math

import pytest
import torch

from sori.learn.nn.soft_dtw import Diagonals, Loop, Warping, band_mask, skew, soft_dtw, unskew

PROGRAMS = [Diagonals] + [Loop] * (importlib.util.find_spec("numba") is not None)
WIDE = 100  # a band that leaves every cell in


@pytest.fixture(params=PROGRAMS, ids=lambda program: program.__name__)
def program(request):
    return request.param


def random_costs(*shape):
    torch.manual_seed(0)
    return torch.rand(*shape, dtype=torch.float64)


def whole(costs):
    """Lengths of items that fill their matrices."""
    return [torch.full((len(costs),), size) for size in costs.shape[1:]]


def path_costs(costs, penalty, i=0, j=0):
    """The cost of every path from a cell to the last one."""
    rows, columns = costs.shape
    if (i, j) == (rows - 1, columns - 1):
        return [float(costs[i, j])]
    found = []
    for down, right, price in ((1, 1, 0.0), (1, 0, penalty), (0, 1, penalty)):
        if i + down < rows and j + right < columns:
            rest = path_costs(costs, penalty, i + down, j + right)
            found += [float(costs[i, j]) + price + cost for cost in rest]
    return found


def plain(costs, rows, columns, warping):
    """One item, cell by cell, with the gradient that autograd finds."""
    inside = band_mask(costs[None], torch.tensor([rows]), torch.tensor([columns]), warping.band)[0]
    reached = {(-1, -1): costs.new_zeros(())}
    for i in range(rows):
        for j in range(columns):
            steps = [((i - 1, j - 1), 0.0)]
            steps += [(cell, warping.penalty) for cell in ((i - 1, j), (i, j - 1))]
            known = [reached[cell] + price for cell, price in steps if cell in reached]
            if known and inside[i, j]:
                soft = -warping.gamma * torch.stack([-x / warping.gamma for x in known]).logsumexp(
                    0
                )
                reached[i, j] = costs[i, j] + soft
    return reached[rows - 1, columns - 1]


def test_the_value_is_the_soft_minimum_over_all_paths(program):
    costs = random_costs(1, 4, 5)
    for gamma, penalty in ((1.0, 0.0), (0.1, 0.3)):
        every = torch.tensor(path_costs(costs[0], penalty), dtype=torch.float64)

        value = program.apply(costs, *whole(costs), Warping(gamma, penalty, WIDE))

        assert len(every) == 129  # the Delannoy number D(3, 4)
        torch.testing.assert_close(value[0], -gamma * (-every / gamma).logsumexp(0))
        assert every.min() - gamma * math.log(129) <= value <= every.min()


def test_little_softness_leaves_the_cheapest_path_and_counts_its_cells(program):
    costs = random_costs(1, 5, 6).requires_grad_()

    value = program.apply(costs, *whole(costs), Warping(1e-4, 0.1, WIDE))
    value.sum().backward()

    cheapest = min(path_costs(costs.detach()[0], 0.1))
    assert float(value.detach()) == pytest.approx(cheapest, abs=1e-3)
    assert costs.grad[0, 0, 0] == costs.grad[0, -1, -1] == 1
    assert costs.grad.min() >= 0
    assert 6 <= float(costs.grad.sum()) <= 10


@pytest.mark.parametrize("warping", [Warping(0.5, 0.0, WIDE), Warping(0.2, 0.3, 1)])
def test_the_gradient_is_that_of_finite_differences(program, warping):
    costs = random_costs(2, 5, 4).requires_grad_()
    lengths = torch.tensor([5, 3]), torch.tensor([4, 2])

    assert torch.autograd.gradcheck(lambda x: program.apply(x, *lengths, warping), (costs,))


@pytest.mark.parametrize("band", [1, 2, WIDE])
def test_padded_items_agree_with_a_plain_loop_over_each(program, band):
    costs, warping = random_costs(5, 9, 12).requires_grad_(), Warping(0.3, 0.1, band)
    rows, columns = torch.tensor([9, 4, 7, 1, 6]), torch.tensor([12, 12, 7, 5, 1])

    values = program.apply(costs, rows, columns, warping)
    (made,) = torch.autograd.grad(values.sum(), costs)
    slow = torch.stack([
        plain(costs[item], int(rows[item]), int(columns[item]), warping) for item in range(5)
    ])
    (wanted,) = torch.autograd.grad(slow.sum(), costs)

    torch.testing.assert_close(values, slow)
    torch.testing.assert_close(made, wanted)


def test_a_high_penalty_leaves_the_diagonal_alone(program):
    costs = random_costs(2, 6, 6)

    value = program.apply(costs, *whole(costs), Warping(0.1, 1e6, WIDE))

    torch.testing.assert_close(value, costs.diagonal(dim1=1, dim2=2).sum(dim=1))


def test_much_softness_makes_the_value_negative():
    costs = random_costs(1, 4, 4)

    assert soft_dtw(costs, *whole(costs), Warping(5.0, 0.0, WIDE)) < 0


def test_single_precision_is_close_to_double():
    costs, warping = random_costs(2, 80, 90), Warping(0.01, 0.07, 10)

    value = soft_dtw(costs.float(), *whole(costs), warping)

    torch.testing.assert_close(
        value.double(), soft_dtw(costs, *whole(costs), warping), rtol=1e-5, atol=0
    )


def test_skewing_is_undone():
    x = random_costs(2, 3, 5)

    assert skew(x, 0.0)[1, 4, 2] == x[1, 2, 2]
    assert torch.equal(unskew(skew(x, 0.0), 5), x)


def test_a_band_of_nothing_and_no_softness_are_refused():
    costs = random_costs(1, 2, 2)
    for warping in (Warping(0.0, 0.0, 1), Warping(0.1, 0.0, 0)):
        with pytest.raises(ValueError, match="needs a gamma above 0 and a band of 1 or more"):
            soft_dtw(costs, *whole(costs), warping)

import pytest
import torch

from sori.learn.nn.memory import MemoryBank, cluster


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_the_order_of_the_rows_does_not_matter():
    bank, z = MemoryBank(10, 8, 2), torch.randn(2, 8, 5)
    before = bank(z)

    with torch.no_grad():
        bank.bank.copy_(bank.bank[torch.randperm(10)])

    torch.testing.assert_close(bank(z), before)
    assert before.shape == z.shape


def test_the_output_is_the_formula_of_the_paper():
    bank, z = MemoryBank(10, 8, 1).double(), torch.randn(1, 8, 5).double()

    scores = bank.query(z[0].T) @ bank.key(bank.bank).T / 8**0.5

    wanted = bank.leave(scores.softmax(dim=1) @ bank.value(bank.bank))
    torch.testing.assert_close(bank(z)[0].T, wanted)


def test_one_row_gives_every_frame_the_same():
    made = MemoryBank(1, 8, 2)(torch.randn(2, 8, 5))

    torch.testing.assert_close(made, made[:1, :, :1].expand(2, -1, 5))


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="width 8 is not a multiple of heads 3"):
        MemoryBank(10, 8, 3)


def test_the_bank_starts_from_the_centres_of_clusters():
    corners = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    points = (corners[:, None] + 0.1 * torch.randn(3, 50, 2)).flatten(0, 1)
    bank = MemoryBank(12, 2, 1)

    assert not bank.is_set
    bank.start_from(points)

    assert bank.is_set
    # Of twelve centres drawn from the points, every corner has some.
    nearest = torch.cdist(corners, bank.bank.detach())
    assert (nearest.amin(dim=1) < 0.1).all()
    assert (nearest.amin(dim=0) < 0.4).all()


def test_one_cluster_is_the_mean_and_few_points_are_taken_several_times():
    points = torch.randn(5, 3)

    torch.testing.assert_close(cluster(points, 1)[0], points.mean(dim=0))
    assert cluster(points, 8).isfinite().all()

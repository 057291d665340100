import pytest
import torch

from sori.learn.nn.quantise import Codebook, perplexity


@pytest.fixture
def book():
    torch.manual_seed(0)
    return Codebook(6, 3)


def everywhere(vectors):
    return torch.ones(vectors.shape[:2], dtype=torch.bool)


def error(book, rows):
    return (rows - book.table[book.nearest(rows[None])[0]]).square().sum()


def test_the_chosen_entry_is_the_nearest_of_all(book):
    vectors = torch.randn(2, 50, 3)
    distances = (vectors[:, :, None] - book.table).square().sum(dim=3)

    assert torch.equal(book.nearest(vectors), distances.argmin(dim=2))


def test_of_equally_near_entries_the_first_is_chosen(book):
    book.table[4] = book.table[1]

    assert book.nearest(book.table[None, 4:5]).item() == 1


def test_gradients_pass_straight_through_to_the_vectors(book):
    vectors, weight = torch.randn(1, 5, 3, requires_grad=True), torch.randn(1, 5, 3)

    (book(vectors, everywhere(vectors)).entries * weight).sum().backward()

    assert torch.equal(vectors.grad, weight)


def test_commitment_pulls_the_vectors_of_real_places_towards_their_entries(book):
    vectors = torch.randn(1, 4, 3, requires_grad=True)
    mask = torch.tensor([[True, True, True, False]])

    found = book(vectors, mask)
    found.commitment.backward()

    expected = 2 * (vectors - book.table[found.codes]) / 9
    torch.testing.assert_close(vectors.grad[:, :3], expected[:, :3])
    assert not vectors.grad[:, 3].any()
    assert not list(book.parameters())


def test_without_memory_entries_are_the_means_of_the_vectors_that_chose_them():
    torch.manual_seed(0)
    book, rows = Codebook(3, 2, decay=0.0, smoothing=0.0), torch.randn(60, 2)
    codes = book.nearest(rows[None])[0]
    assert len(codes.unique()) == 3

    book.follow(rows, codes)

    means = torch.stack([rows[codes == code].mean(dim=0) for code in range(3)])
    torch.testing.assert_close(book.table, means)


def test_entries_follow_slowly_where_they_remember():
    torch.manual_seed(0)
    book = Codebook(1, 2, decay=0.9, smoothing=0.0)
    first, second = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])

    for rows in (first, second):
        book.follow(rows, torch.zeros(1, dtype=torch.long))

    # Weights 0.1 * 0.9 and 0.1, divided by their sum.
    torch.testing.assert_close(book.table[0], torch.tensor([0.09, 0.2]) / 0.19)


def test_reviving_an_unused_entry_never_raises_the_error_of_the_batch(book):
    rows = torch.randn(40, 3)
    book.table[5] = 100.0
    book.uses.fill_(4.0)
    book.uses[5] = 0.0
    before = error(book, rows)

    book.revive(rows)

    assert (rows == book.table[5]).all(dim=1).any()
    assert error(book, rows) <= before


def test_following_the_same_vectors_lowers_their_error_and_uses_every_entry(book):
    rows = torch.randn(200, 3)
    book.table.mul_(0.01).add_(20)
    before = error(book, rows)

    for _ in range(100):
        book.follow(rows, book.nearest(rows[None])[0])

    assert error(book, rows) < 0.01 * before
    assert len(book.nearest(rows[None]).unique()) == 6


def test_perplexity_counts_evenly_used_codes_and_never_exceeds_their_number():
    assert float(perplexity(torch.tensor([0, 1, 2, 3]), 9)) == pytest.approx(4)
    assert float(perplexity(torch.tensor([5, 5, 5]), 9)) == pytest.approx(1)
    assert perplexity(torch.randint(9, (500,)), 9) <= 9 + 1e-4

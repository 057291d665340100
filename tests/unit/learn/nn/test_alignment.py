from itertools import combinations

import numpy as np
import pytest
import torch

from sori.learn.nn.alignment import expand, forward_sum, search_monotonic


def paths(tokens, frames):
    """Durations of every monotonic path, by choosing where new tokens begin."""
    for starts in combinations(range(1, frames), tokens - 1):
        edges = np.array([0, *starts, frames])
        yield np.diff(edges)


def path_score(scores, durations):
    owner = np.repeat(np.arange(len(durations)), durations)
    return scores[owner, np.arange(scores.shape[1])].sum()


def test_the_search_finds_the_best_of_all_paths():
    random = np.random.default_rng(0)
    for _ in range(20):
        scores = random.normal(size=(4, 8))
        every = list(paths(4, 8))

        found = search_monotonic(scores)

        assert len(every) == 35
        best = max(path_score(scores, d) for d in every)
        assert path_score(scores, found) == pytest.approx(best)
        assert found.sum() == 8
        assert found.min() >= 1


def test_a_constant_added_to_a_frame_moves_no_boundary():
    random = np.random.default_rng(1)
    scores = random.normal(size=(5, 12))

    shifted = search_monotonic(scores + random.normal(size=12))

    assert np.array_equal(search_monotonic(scores), shifted)


def test_fewer_frames_than_tokens_is_refused():
    with pytest.raises(ValueError, match="5 tokens cannot be aligned with 4 frames"):
        search_monotonic(np.zeros((5, 4)))


def test_forward_sum_equals_the_sum_over_all_paths():
    torch.manual_seed(0)
    log_probs = torch.randn(1, 6, 3).log_softmax(dim=2)
    every = [path_score(log_probs[0].T.numpy(), d) for d in paths(3, 6)]
    expected = -torch.tensor(every).logsumexp(dim=0) / 6

    loss = forward_sum(log_probs, torch.tensor([3]), torch.tensor([6]))

    torch.testing.assert_close(loss, expected, atol=1e-4, rtol=1e-4)


def test_expanding_equals_a_product_with_the_one_hot_matrix():
    torch.manual_seed(0)
    durations = torch.tensor([[2, 0, 3, 1], [1, 1, 1, 3]])
    x = torch.randn(2, 4, 5)

    expanded = expand(x, durations)

    for item in range(2):
        owner = torch.repeat_interleave(torch.arange(4), durations[item])
        one_hot = torch.nn.functional.one_hot(owner, 4).float()
        torch.testing.assert_close(expanded[item], one_hot @ x[item])
        assert torch.equal(one_hot.sum(dim=0).long(), durations[item])


def test_three_times_the_durations_are_three_times_the_frames():
    x, durations = torch.randn(1, 3, 2), torch.tensor([[1, 2, 1]])

    assert expand(x, 3 * durations).shape[1] == 3 * expand(x, durations).shape[1]

import pytest
import torch

from sori.learn.nn.alignment import expand, owners
from sori.learn.nn.durator import DurationPredictor, LearnedUpsampling, frame_counts


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def layer():
    return LearnedUpsampling(8, heads=4, contents=2)


def full(tokens):
    return torch.ones(tokens.shape[:2], dtype=torch.bool)


def sharpen(layer):
    """Leave nothing in the weights but a steep window between a token's ends."""
    with torch.no_grad():
        for weight in layer.weigh.parameters():
            weight.zero_()
        layer.weigh.places.weight[:2] = -50 * torch.eye(2)
        layer.weigh.leave.weight[:, :2] = -50.0
        layer.join_contents.weight.zero_()


def test_the_weights_of_a_frame_sum_to_one_over_the_tokens_that_are_there(layer):
    tokens, mask = torch.randn(2, 5, 8), full(torch.zeros(2, 5))
    mask[1, 3:] = False
    durations = torch.rand(2, 5) * 4 * mask

    weights = layer(tokens, durations, mask, 9).weights

    assert weights.shape == (2, 4, 9, 5)
    torch.testing.assert_close(weights.sum(dim=3), torch.ones(2, 4, 9))
    assert not weights[1, :, :, 3:].any()


def test_whole_durations_and_steep_windows_are_the_length_regulator(layer):
    sharpen(layer)
    tokens, durations = torch.randn(2, 4, 8), torch.tensor([[2, 1, 3, 1], [1, 1, 1, 4]])

    laid = layer(tokens, durations.float(), full(tokens), 7)

    repeated = expand(layer.of_tokens(tokens, full(tokens)), durations)
    torch.testing.assert_close(laid.frames, repeated)
    assert torch.equal(laid.weights[:, 0].argmax(dim=2), owners(durations))


def test_frames_start_with_the_token_that_they_lie_in(layer):
    tokens, durations = torch.randn(1, 4, 8), torch.tensor([[6, 8, 5, 7]])

    weights = layer(tokens, durations.float(), full(tokens), 26).weights

    agreeing = weights.argmax(dim=3) == owners(durations)[:, None]
    assert agreeing.float().mean() > 0.9


def test_durations_get_a_gradient_that_moves_a_boundary_the_right_way(layer):
    sharpen(layer)
    with torch.no_grad():
        for view in (layer.weigh.places.weight, layer.weigh.leave.weight):
            view.clamp_(min=-1)  # soft enough to have a slope
    tokens = torch.randn(1, 2, 8)
    durations = torch.tensor([[3.0, 5.0]], requires_grad=True)

    weights = layer(tokens, durations, full(tokens), 8).weights
    weights[0, 0, 3, 0].backward()

    assert durations.grad[0, 0] > 0  # a longer first token takes the frame behind its end


def test_frames_deep_inside_a_long_token_are_no_larger_than_others(layer):
    tokens, durations = torch.randn(1, 3, 8), torch.tensor([[2.0, 900.0, 3.0]])

    frames = layer(tokens, durations, full(tokens), 905).frames

    assert frames.abs().max() < 8**0.5 + 1e-3  # the most that a norm over 8 channels lets through


def test_padded_tokens_change_nothing(layer):
    tokens, durations = torch.randn(1, 3, 8), torch.tensor([[2.0, 3.5, 1.5]])
    padded = torch.cat([tokens, torch.randn(1, 2, 8)], dim=1)
    mask = torch.tensor([[True, True, True, False, False]])
    longer = torch.cat([durations, torch.zeros(1, 2)], dim=1)

    alone = layer(tokens, durations, full(tokens), 7).frames
    beside = layer(padded, longer, mask, 7).frames

    torch.testing.assert_close(alone, beside)


def test_predicted_durations_are_positive_where_there_are_tokens_and_ignore_padding():
    predictor = DurationPredictor(8).eval()
    tokens, mask = torch.randn(2, 5, 8), full(torch.zeros(2, 5))
    mask[1, 3:] = False

    durations = predictor(tokens, mask)

    assert (durations[mask] > 0).all()
    assert not durations[1, 3:].any()
    torch.testing.assert_close(predictor(tokens[1:, :3], mask[1:, :3])[0], durations[1, :3])


def test_an_item_has_a_frame_at_least():
    counts = frame_counts(torch.tensor([[0.1, 0.2], [1.3, 2.4]]))

    assert counts.tolist() == [1, 4]

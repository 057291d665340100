import pytest
import torch

from sori.learn.nn.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_share_that_falls_out_is_as_asked_and_the_mean_stays(p, dtype):
    torch.manual_seed(0)

    out = Dropout(p)(torch.ones(400_003, dtype=dtype)).float()

    assert (out == 0).float().mean().item() == pytest.approx(p, abs=0.003)
    assert out.mean().item() == pytest.approx(1.0, abs=0.02)
    assert len(out.unique()) == 2


def test_neighbours_fall_out_independently():
    """Four values share a draw; whether one stays must say nothing of the others."""
    torch.manual_seed(0)

    kept = Dropout(0.3)(torch.ones(400_000)).reshape(-1, 4).sign()

    torch.testing.assert_close(kept.T.corrcoef(), torch.eye(4), atol=0.01, rtol=0.0)


def test_it_reaches_gradients_as_it_reached_values():
    x = torch.randn(3, 5, 7, requires_grad=True)

    out = Dropout(0.4)(x.transpose(1, 2))
    out.sum().backward()

    torch.testing.assert_close(x.grad * x, out.transpose(1, 2))


def test_the_seed_decides():
    layer = Dropout(0.5)
    torch.manual_seed(1)
    first = layer(torch.ones(100))
    torch.manual_seed(1)

    torch.testing.assert_close(layer(torch.ones(100)), first)


@pytest.mark.parametrize("layer", [Dropout(0.0), Dropout(0.5).eval()])
def test_nothing_falls_out_without_a_share_or_while_speaking(layer):
    x = torch.randn(10)

    assert layer(x) is x


@pytest.mark.parametrize("p", [-0.1, 1.0])
def test_a_share_that_is_none_is_refused(p):
    with pytest.raises(ValueError, match="out of range"):
        Dropout(p)

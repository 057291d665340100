import pytest
import torch
from torch import nn

from sori.learn.nn.conv import convolve


@pytest.mark.parametrize("kernel", [1, 5])
def test_both_ways_over_a_sequence_are_the_same_convolution(kernel):
    torch.manual_seed(0)
    layer = nn.Conv1d(6, 4, kernel, padding=kernel // 2)
    x = torch.randn(2, 9, 6, requires_grad=True)
    expected = layer(x.transpose(1, 2)).transpose(1, 2)

    full = convolve(layer, x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = convolve(layer, x)
    [gradient] = torch.autograd.grad(half.float().square().sum(), layer.weight)
    [wanted] = torch.autograd.grad(expected.square().sum(), layer.weight)

    torch.testing.assert_close(full, expected)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), expected, atol=0.05, rtol=0.05)
    torch.testing.assert_close(gradient, wanted, atol=0.5, rtol=0.05)

import torch
from torch.nn import functional as F

from sori.learn.nn.attention import attend
from sori.learn.nn.masks import as_bias, length_mask


def heads(seed, width):
    return torch.randn(2, 3, 7, width, generator=torch.Generator().manual_seed(seed))


def test_both_ways_to_attend_are_those_of_the_equation():
    query, key, value = heads(0, 8), heads(1, 8), heads(2, 5)
    bias = as_bias(length_mask(torch.tensor([7, 4]), 7))[:, None, None]
    scores = torch.einsum("bhqd,bhkd->bhqk", query, key) * 0.3 + bias
    expected = torch.einsum("bhqk,bhkd->bhqd", scores.softmax(3), value)

    full = attend(query, key, value, bias, 0.3)
    half = attend(query.bfloat16(), key.bfloat16(), value.bfloat16(), bias, 0.3)

    torch.testing.assert_close(full, expected)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), expected, atol=0.03, rtol=0.03)


def test_no_attention_goes_to_padding():
    query, key, value = (heads(seed, 4).bfloat16() for seed in range(3))
    bias = as_bias(length_mask(torch.tensor([7, 4]), 7))[:, None, None]
    changed = value.clone()
    changed[1, :, 4:] = 100.0

    before, after = (attend(query, key, v, bias, 0.5) for v in (value, changed))

    assert torch.equal(before, after)
    assert not torch.equal(before, F.scaled_dot_product_attention(query, key, value))

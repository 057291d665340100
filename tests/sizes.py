"""How many weights a model has at its published size, without making them."""

import torch


def millions(make, config):
    """Weights of `make(config)` in millions, after weight norm is folded away."""
    with torch.device("meta"):
        model = make(config)
    return count(model)


def count(model):
    """Weights in millions; the lengths that weight norm learns beside directions do not count."""
    return sum(w.numel() for n, w in model.named_parameters() if not n.endswith("original0")) / 1e6

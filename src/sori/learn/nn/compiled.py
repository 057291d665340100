"""A WaveNet's loop over samples, compiled by numba, which is an optional package.

Two things make it fast besides the compiler. What does not depend on the sample before (condition,
biases, noise) is computed at once, by matrix products, while the loop is busy with the samples
before. And a layer of dilation `BLOCK` or more reads inputs that are at least as old, so what these
add to the next `BLOCK` samples is found together: the weights of past taps come from memory once
per block instead of once per sample. The loop itself is in `compiled_loop`.
"""

import importlib.util
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sori.learn.nn.wavenet import GatedLayer, GatedStack

BLOCK = 8  # samples that look back together
CHUNK = 128 * BLOCK  # samples whose conditions are in memory at a time

Array = Float[np.ndarray, "..."]


class Weights(NamedTuple):
    """Everything the loop multiplies with: float32, matrices as (channels in, channels out).

    now: (L, R, 2G) of the newest tap; past: (L, K - 1, R, 2G) of the others, oldest first.
    out: (L, G, R + O) residual and skip side by side; out_bias: (L, R + O).
    scale: (1,) factor on the sum of a layer's input and output.
    """

    enter: Array
    enter_bias: Array
    now: Array
    past: Array
    out: Array
    out_bias: Array
    dilations: Int[np.ndarray, " L"]
    scale: Array
    middle: Array
    middle_bias: Array
    leave: Array
    leave_bias: Array


def is_available() -> bool:
    """Whether numba is installed."""
    return importlib.util.find_spec("numba") is not None


def weight_of(conv: nn.Module | None) -> Tensor:
    assert isinstance(conv, nn.Conv1d)
    return conv.weight.detach().float()


def bias_of(conv: nn.Module) -> Tensor:
    assert isinstance(conv, nn.Conv1d) and conv.bias is not None
    return conv.bias.detach().float()


def matrix(conv: nn.Module) -> Array:
    """The weight of a 1x1 convolution as (channels in, channels out)."""
    return weight_of(conv)[:, :, 0].T.contiguous().numpy()


def bias(conv: nn.Module) -> Array:
    return bias_of(conv).numpy()


def gather(enter: nn.Module, stack: GatedStack, middle: nn.Module, leave: nn.Module) -> Weights:
    """Copy the weights of a network: stack, and the convolutions before and behind it."""
    layers = [layer for layer in stack.layers if isinstance(layer, GatedLayer)]
    # (K, R, 2G) of every layer, the newest tap last.
    taps = [weight_of(layer.dilated).permute(2, 1, 0).numpy() for layer in layers]
    out, out_bias = [], []
    for layer in layers:
        skip, residual = matrix(layer.skip), np.zeros((stack.size.gate, stack.size.residual), "f4")
        both = np.zeros(stack.size.residual, "f4")
        if layer.residual is not None:
            residual, both = matrix(layer.residual), bias(layer.residual)
        out.append(np.concatenate([residual, skip], axis=1))
        out_bias.append(np.concatenate([both, bias(layer.skip)]))
    return Weights(
        matrix(enter),
        bias(enter),
        np.ascontiguousarray([tap[-1] for tap in taps]),
        np.ascontiguousarray([tap[:-1] for tap in taps]),
        np.ascontiguousarray(out),
        np.ascontiguousarray(out_bias),
        np.array(stack.size.dilations),
        np.array([stack.size.residual_scale], "f4"),
        matrix(middle),
        bias(middle),
        matrix(leave),
        bias(leave),
    )


class Conditions:
    """What the condition and the biases add in front of every gate, chunk by chunk."""

    def __init__(self, stack: GatedStack, condition: Float[Tensor, "K S"]):
        layers = [layer for layer in stack.layers if isinstance(layer, GatedLayer)]
        self.condition = condition.T.contiguous()
        self.weight = torch.stack([weight_of(layer.condition)[:, :, 0].T for layer in layers])
        self.bias = torch.stack([bias_of(layer.dilated) for layer in layers])[:, None]

    def chunk(self, start: int) -> Array:
        """(L, S, 2G) from sample `start` on."""
        part = self.condition[start : start + CHUNK].expand(len(self.weight), -1, -1)
        return torch.baddbmm(self.bias, part, self.weight).numpy()

    def __iter__(self) -> Iterator[Array]:
        """All chunks in order; the next is made while the last is used."""
        with ThreadPoolExecutor(max_workers=1) as pool:
            ready = pool.submit(self.chunk, 0)
            for start in range(CHUNK, len(self.condition), CHUNK):
                following = pool.submit(self.chunk, start)
                yield ready.result()
                ready = following
            yield ready.result()


def generate(
    head: str,
    weights: Weights,
    conditions: Conditions,
    noise: Float[np.ndarray, "S N"],
    first: float,
    constants: Float[np.ndarray, " C"],
) -> Float[np.ndarray, " S"]:
    """Draw the samples of one wave.

    Args:
        head: "mu_law", "mixture" or "gaussian".
        noise: what chance decides, as the head wants it: a uniform number; a logistic one and a
            Gumbel one for every component; a normal one.
        first: what the network hears before the first sample; for mu-law, a code.
        constants: the values of the levels of mu-law, else the floor of log scales.
    """
    from sori.learn.nn.compiled_loop import LOOPS  # imports numba

    loop = LOOPS[head]
    wave = np.empty(len(noise), "f4")
    spans = (weights.past.shape[1] * weights.dilations).astype(np.int64)
    rings = np.zeros((spans.sum(), weights.now.shape[1]), "f4")
    heard, start = np.float32(first), 0
    for chunk in conditions:
        stop = start + chunk.shape[1]
        part = wave[start:stop]
        heard = loop(weights, spans, rings, chunk, noise[start:stop], constants, part, start, heard)
        start = stop
    return wave

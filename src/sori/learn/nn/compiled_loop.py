# ruff: noqa: ANN001, ANN201, PLR0913 - see the first lines; state is passed, numba keeps none
"""The compiled part of `compiled`: functions that numba reads as they stand.

They have no annotations, and `no_type_check` keeps checkers of shapes from wrapping them: numba
compiles plain functions only, and finds the types by itself. Everything is single precision but the
sums of mu-law's probabilities. Compiled code is kept beside this file, or in the user's cache.
"""

from typing import no_type_check

import numba
import numpy as np

from sori.learn.nn.compiled import BLOCK

jit = numba.njit(fastmath=True, error_model="numpy", nogil=True, cache=True)
# A bare 2.0 would make numba compute in double precision.
ZERO, QUARTER, HALF, ONE, TWO = (np.float32(x) for x in (0, 0.25, 0.5, 1, 2))
THREE, FIVE, SEVEN, NINE = (np.float32(x) for x in (3, 5, 7, 9))


@jit
@no_type_check
def tanh(x):
    """Numerator and denominator of tanh x, precise to single precision.

    Lambert's continued fraction, x / (1 + y / (3 + y / (5 + y / (7 + y / 9)))) with y = x^2, at
    a quarter of x; then twice tanh 2x = 2 tanh x / (1 + tanh^2 x).
    """
    x = QUARTER * min(max(x, -NINE), NINE)
    y = x * x
    p, q = SEVEN * NINE + y, NINE
    p, q = FIVE * p + y * q, p
    p, q = THREE * p + y * q, p
    p, q = p + y * q, p
    top, bottom = x * q, p
    top, bottom = TWO * top * bottom, top * top + bottom * bottom
    return TWO * top * bottom, top * top + bottom * bottom


@jit
@no_type_check
def gate(z, h):
    """tanh of the first half of h times the logistic function of the second."""
    width = z.shape[0]
    for i in range(width):
        p, q = tanh(h[i])
        r, s = tanh(HALF * h[width + i])
        z[i] = HALF * p * (r + s) / (q * s)


@jit
@no_type_check
def add_product(y, x, m):
    """y += x m, eight rows of m at a time."""
    whole = x.shape[0] // 8 * 8
    for k in range(0, whole, 8):
        a, b, c, d = x[k], x[k + 1], x[k + 2], x[k + 3]
        e, f, g, h = x[k + 4], x[k + 5], x[k + 6], x[k + 7]
        for i in range(y.shape[0]):
            low = (a * m[k, i] + b * m[k + 1, i]) + (c * m[k + 2, i] + d * m[k + 3, i])
            high = (e * m[k + 4, i] + f * m[k + 5, i]) + (g * m[k + 6, i] + h * m[k + 7, i])
            y[i] += low + high
    for k in range(whole, x.shape[0]):
        for i in range(y.shape[0]):
            y[i] += x[k] * m[k, i]


@jit
@no_type_check
def add_products(y, x, m):
    """y += x m for four rows of x, two rows of m at a time."""
    whole = x.shape[1] // 2 * 2
    for k in range(0, whole, 2):
        a, b, c, d = x[0, k], x[1, k], x[2, k], x[3, k]
        e, f, g, h = x[0, k + 1], x[1, k + 1], x[2, k + 1], x[3, k + 1]
        for i in range(y.shape[1]):
            u, v = m[k, i], m[k + 1, i]
            y[0, i] += a * u + e * v
            y[1, i] += b * u + f * v
            y[2, i] += c * u + g * v
            y[3, i] += d * u + h * v
    for k in range(whole, x.shape[1]):
        for j in range(4):
            for i in range(y.shape[1]):
                y[j, i] += x[j, k] * m[k, i]


@jit
@no_type_check
def look_back(h, ring, past, dilation, time):
    """Add what the past taps see to the gates of the samples from `time` on."""
    taps, size = past.shape[0], ring.shape[0]
    seen = np.empty((4, ring.shape[1]), np.float32)
    for tap in range(taps):
        for j in range(0, h.shape[0] // 4 * 4, 4):
            for row in range(4):
                seen[row] = ring[(time + j + row + tap * dilation) % size]
            add_products(h[j : j + 4], seen, past[tap])
        for j in range(h.shape[0] // 4 * 4, h.shape[0]):
            add_product(h[j], ring[(time + j + tap * dilation) % size], past[tap])


@jit
@no_type_check
def leave(skips, w):
    """The network's output for one sample, from the sum of its skips, which it changes."""
    for i in range(skips.shape[0]):
        skips[i] = max(skips[i], ZERO)
    hidden = w.middle_bias.copy()
    add_product(hidden, skips, w.middle)
    for i in range(hidden.shape[0]):
        hidden[i] = max(hidden[i], ZERO)
    parameters = w.leave_bias.copy()
    add_product(parameters, hidden, w.leave)
    return parameters


@jit
@no_type_check
def advance(x, w, spans, rings, condition, t, time):
    """The network's output for sample `time`, the `t`-th of the chunk that `condition` is of.

    Changes `x`, what enters the stack; `rings`, one behind the other the past inputs of all layers;
    and `condition`, to which the samples ahead get what past taps see.
    """
    channels = x.shape[0]
    z, both = np.empty(w.out.shape[1], np.float32), np.empty(w.out.shape[2], np.float32)
    skips = np.zeros(w.middle.shape[0], np.float32)
    scale, low = w.scale[0], 0
    for layer in range(w.now.shape[0]):
        dilation, ring = w.dilations[layer], rings[low : low + spans[layer]]
        low += spans[layer]
        if dilation < BLOCK:
            look_back(condition[layer, t : t + 1], ring, w.past[layer], dilation, time)
        elif t % BLOCK == 0:
            look_back(condition[layer, t : t + BLOCK], ring, w.past[layer], dilation, time)
        ring[time % ring.shape[0]] = x
        h = condition[layer, t]
        add_product(h, x, w.now[layer])
        gate(z, h)
        both[:] = w.out_bias[layer]
        add_product(both, z, w.out[layer])
        for i in range(channels):
            x[i] = (x[i] + both[i]) * scale
        for i in range(skips.shape[0]):
            skips[i] += both[channels + i]
    return leave(skips, w)


@jit
@no_type_check
def mu_law(w, spans, rings, condition, noise, levels, wave, start, heard):
    """Draw levels by the inverse of their cumulative distribution; what is heard is a code."""
    for t in range(wave.shape[0]):
        x = w.enter_bias + w.enter[int(heard)]
        p = advance(x, w, spans, rings, condition, t, start + t)
        chances = np.exp((p - p.max()).astype(np.float64))
        wanted = noise[t, 0] * chances.sum()
        code, reached = 0, chances[0]
        while reached < wanted and code < p.shape[0] - 1:
            code += 1
            reached += chances[code]
        wave[t], heard = levels[code], np.float32(code)
    return heard


@jit
@no_type_check
def mixture(w, spans, rings, condition, noise, floor, wave, start, heard):
    """Draw a component by its logit plus Gumbel noise, then a place in it by a logistic one."""
    for t in range(wave.shape[0]):
        x = w.enter_bias + w.enter[0] * heard
        p = advance(x, w, spans, rings, condition, t, start + t)
        count = p.shape[0] // 3
        best = np.argmax(p[:count] + noise[t, 1:])
        scale = np.exp(max(p[2 * count + best], floor[0]))
        heard = min(max(p[count + best] + scale * noise[t, 0], -ONE), ONE)
        wave[t] = heard
    return heard


@jit
@no_type_check
def gaussian(w, spans, rings, condition, noise, floor, wave, start, heard):
    """Scale and shift normal noise."""
    for t in range(wave.shape[0]):
        x = w.enter_bias + w.enter[0] * heard
        p = advance(x, w, spans, rings, condition, t, start + t)
        heard = min(max(p[0] + np.exp(max(p[1], floor[0])) * noise[t, 0], -ONE), ONE)
        wave[t] = heard
    return heard


# Each fills `wave` and returns what was heard last; see `compiled.generate` for its arguments.
LOOPS = {"mu_law": mu_law, "mixture": mixture, "gaussian": gaussian}

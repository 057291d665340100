"""The measured quantities: how scores of single recordings become one number with its doubt."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sori.learn.evaluation.judges import Scores


@dataclass(frozen=True)
class Metric:
    """A quantity over many recordings: `scale` times the sum of `top` over the sum of `bottom`.

    Without `bottom` each recording counts once, which makes it a mean.
    """

    name: str
    label: str
    higher_is_better: bool
    top: str
    bottom: str | None = None
    scale: float = 1.0


METRICS = (
    Metric("wer", "WER %", False, "word_errors", "words", 100.0),
    Metric("cer", "CER %", False, "character_errors", "characters", 100.0),
    Metric("distillmos", "DistillMOS", True, "distillmos"),
    Metric("dnsmos", "DNSMOS", True, "dnsmos"),
    Metric("dnsmos_noise", "DNSMOS background", True, "dnsmos_noise"),
    Metric("similarity", "Speaker similarity", True, "similarity"),
    Metric("mcd_db", "MCD, dB", False, "mcd_db"),
    Metric("f0_cents", "F0 RMSE, cents", False, "f0_cents"),
    Metric("voicing", "Voicing error %", False, "voicing_errors", "voicing_frames", 100.0),
    Metric("energy_db", "Energy ratio, dB", False, "energy_db"),
    Metric("stoi", "STOI", True, "stoi"),
    Metric("pesq", "PESQ", True, "pesq"),
)


@dataclass(frozen=True)
class Estimate:
    """A number, the interval that holds it with 95 % confidence, and how many clips gave it."""

    value: float
    low: float
    high: float
    clips: int


def column(metric: Metric, rows: Sequence[Scores]) -> Float[np.ndarray, "2 N"]:
    """Return top and bottom of a metric for the recordings that have it."""
    have = [row for row in rows if metric.top in row]
    tops = [float(row[metric.top]) for row in have]
    bottoms = [float(row[metric.bottom]) if metric.bottom else 1.0 for row in have]
    return np.array([tops, bottoms], dtype=np.float64)


def bootstrap(
    tops_and_bottoms: Float[np.ndarray, "2 N"], draws: int = 2000, seed: int = 0
) -> Float[np.ndarray, " draws"]:
    """Return the ratio of sums for `draws` sets of recordings drawn with replacement.

    Source: Efron 1979, "Bootstrap methods: another look at the jackknife".
    """
    count = tops_and_bottoms.shape[1]
    chosen = np.random.default_rng(seed).integers(count, size=(draws, count))
    tops, bottoms = tops_and_bottoms[:, chosen].sum(axis=2)
    return tops / np.maximum(bottoms, np.finfo(np.float64).tiny)


def estimate(metric: Metric, rows: Sequence[Scores]) -> Estimate | None:
    """Return the metric over all recordings, or None where no recording has it."""
    sums = column(metric, rows)
    if not sums.shape[1] or not sums[1].sum():
        return None
    low, high = np.percentile(bootstrap(sums), [2.5, 97.5])
    value = sums[0].sum() / sums[1].sum()
    return Estimate(metric.scale * value, metric.scale * low, metric.scale * high, sums.shape[1])


def summarise(rows: Sequence[Scores]) -> dict[str, Estimate]:
    """Return every metric that the recordings have."""
    estimates = {metric.name: estimate(metric, rows) for metric in METRICS}
    return {name: found for name, found in estimates.items() if found}

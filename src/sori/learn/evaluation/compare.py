"""Comparison of two systems on the same sentences: is the difference more than luck?"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from sori.core.errors import SoriError
from sori.learn.evaluation.judges import Scores
from sori.learn.evaluation.metrics import METRICS, Metric

FEWEST = 6  # with fewer pairs no outcome of a signed-rank test can be significant at 5 %
PERMUTATIONS = 10_000


@dataclass(frozen=True)
class Difference:
    """How two systems differ: first minus second, in the units of the metric.

    `p_permutation` and `p_wilcoxon` are the chances of a difference this large, in either
    direction, if the two were equally good.
    """

    value: float
    low: float
    high: float
    p_permutation: float
    p_wilcoxon: float
    pairs: int


def paired(
    metric: Metric, first: Mapping[str, Scores], second: Mapping[str, Scores]
) -> Float[np.ndarray, " N"]:
    """Return one difference for each sentence that both systems spoke, whose mean is the metric's.

    A rate such as WER is a ratio of sums; the sums below it agree, because the sentences do.
    """
    names = [
        name
        for name in first
        if name in second and metric.top in first[name] and metric.top in second[name]
    ]
    tops = [float(first[name][metric.top]) - float(second[name][metric.top]) for name in names]
    if metric.bottom is None or not names:
        return metric.scale * np.array(tops, dtype=np.float64)
    bottoms = [
        (float(first[name][metric.bottom]) + float(second[name][metric.bottom])) / 2
        for name in names
    ]
    return metric.scale * np.array(tops, dtype=np.float64) / np.mean(bottoms)


def sign_flip_p(differences: Float[np.ndarray, " N"], seed: int = 0) -> float:
    """Return how often random signs give a mean at least as far from zero as the one found.

    If the systems are equally good, which of the two a score belongs to is chance.

    Source: Fisher 1935, "The design of experiments", section 21.
    """
    outcome = stats.permutation_test(
        (differences,),
        lambda values, axis: np.mean(values, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=PERMUTATIONS,
        rng=np.random.default_rng(seed),
    )
    return float(outcome.pvalue)


def wilcoxon_p(differences: Float[np.ndarray, " N"]) -> float:
    """Return the p-value of the signed-rank test; 1 where nothing differs.

    Source: Wilcoxon 1945, "Individual comparisons by ranking methods"; equal pairs by Pratt 1959.
    """
    if not differences.any():
        return 1.0
    method = "approx" if len(differences) > 50 or (differences == 0).any() else "auto"
    outcome = stats.wilcoxon(differences, zero_method="pratt", method=method)
    return float(np.asarray(outcome)[1])


def difference(differences: Float[np.ndarray, " N"], seed: int = 0) -> Difference:
    """Return mean, 95 % bootstrap interval and p-values of paired differences."""
    count = len(differences)
    if count < FEWEST:
        raise SoriError(f"{count} sentences are too few to compare; give {FEWEST} or more")
    chosen = np.random.default_rng(seed).integers(count, size=(2000, count))
    low, high = np.percentile(differences[chosen].mean(axis=1), [2.5, 97.5])
    return Difference(
        value=float(differences.mean()),
        low=float(low),
        high=float(high),
        p_permutation=sign_flip_p(differences, seed),
        p_wilcoxon=wilcoxon_p(differences),
        pairs=count,
    )


def compare(first: Mapping[str, Scores], second: Mapping[str, Scores]) -> dict[str, Difference]:
    """Compare two systems in every metric that both have; keys are names of sentences.

    Raises:
        SoriError: fewer than six sentences were spoken by both.
    """
    shared = len(first.keys() & second.keys())
    if shared < FEWEST:
        raise SoriError(f"{shared} sentences were spoken by both; give {FEWEST} or more")
    pairs = {metric.name: paired(metric, first, second) for metric in METRICS}
    return {name: difference(found) for name, found in pairs.items() if len(found) >= FEWEST}

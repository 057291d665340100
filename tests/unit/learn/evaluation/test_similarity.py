import numpy as np
import pytest

from sori.learn.evaluation.similarity import centroid, cosine


def test_the_cosine_ignores_length_and_tells_direction():
    assert cosine(np.array([1.0, 0.0]), np.array([5.0, 0.0])) == pytest.approx(1)
    assert cosine(np.array([1.0, 0.0]), np.array([0.0, 2.0])) == pytest.approx(0)
    assert cosine(np.array([1.0, 1.0]), np.array([1.0, 0.0])) == pytest.approx(np.sqrt(0.5))


def test_a_loud_embedding_does_not_pull_the_speaker_towards_itself():
    middle = centroid([np.array([100.0, 0.0]), np.array([0.0, 1.0])])

    np.testing.assert_allclose(middle, [0.5, 0.5])

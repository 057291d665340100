import numpy as np
import pytest

from sori.core.errors import SoriError
from sori.learn.lab.density import (
    Collection,
    Entrant,
    as_json,
    code_without_a_model,
    take_part,
    two_utterances,
)
from sori.learn.lab.density_page import density_page

TINY = {
    "pixelcnn": Entrant(
        "pixelcnn", "autoregressive", {"blocks": 1, "width": 8, "last_width": 8}, True
    ),
    "realnvp": Entrant("realnvp", "flow", {"scales": 2, "width": 8, "blocks": 1}, False),
    "ddpm": Entrant(
        "ddpm", "diffusion", {"steps": 12, "width": 8, "groups": 2, "blocks": 1}, False
    ),
}


@pytest.fixture
def stripes():
    """Pictures of two rows of black and two of white, one way up or the other."""
    up = np.repeat(np.array([0, 0, 3, 3], np.uint8)[:, None], 4, axis=1)
    pixels = np.stack([up, up[::-1]] * 40)[:, None]
    ends = (np.tile(up, (1, 2)), np.tile(up[::-1], (1, 2)))
    return Collection("stripes", 4, pixels, pixels[:20], ends)


@pytest.mark.parametrize("name", TINY)
def test_every_family_learns_judges_and_draws(name, stripes):
    heard = []

    result = take_part(TINY[name], stripes, 12, heard.append)

    uniform, _ = code_without_a_model(stripes)
    assert 0 < result.bits < 3 * uniform
    assert all(drawn.pixels.shape == (16, 1, 4, 4) for drawn in result.draws)
    assert (result.between is not None) == (name == "realnvp")
    assert "step 12 of 12" in heard[-2]


def test_a_model_learns_what_a_code_of_frequencies_cannot_know(stripes):
    _, by_frequency = code_without_a_model(stripes)

    result = take_part(TINY["pixelcnn"], stripes, 150, lambda line: None)

    assert by_frequency == pytest.approx(1.0, abs=0.05)
    assert result.bits < 0.3  # one bit for the way up, and none for the other pixels


def test_the_page_holds_numbers_and_pictures_and_needs_nothing_else(stripes):
    results = [take_part(entrant, stripes, 2, lambda line: None) for entrant in TINY.values()]

    page = density_page([(stripes, results)])
    numbers = as_json(stripes, results)

    assert page.count("data:image/png;base64,") == 1 + sum(len(r.draws) for r in results) + 1
    assert "≤ " in page
    assert 'src="http' not in page
    assert [model["model"] for model in numbers["models"]] == list(TINY)
    assert numbers["bits_of_levels"] == 2.0


def test_two_utterances_are_the_longest_and_fold():
    mels = [np.zeros((16, size), np.uint8) for size in (30, 8, 200, 47)]

    first, second = two_utterances(mels)

    assert first.shape == second.shape == (16, 44)
    with pytest.raises(SoriError, match="fewer than two utterances are held out"):
        two_utterances(mels[:1])

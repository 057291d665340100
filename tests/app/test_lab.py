import json

import pytest

from sori.learn.lab import density
from tests.unit.learn.lab.test_density import TINY


@pytest.fixture(autouse=True)
def small_models(monkeypatch):
    monkeypatch.setattr(density, "ENTRANTS", (TINY["realnvp"], TINY["ddpm"]))


def test_the_lab_leaves_a_page_and_its_numbers(sori, somewhere):
    result = sori("lab", "density", "--steps", "1", "--out", "found")

    assert result.status == 0, result.err
    assert sorted(path.name for path in (somewhere / "found").iterdir()) == [
        "index.html",
        "result.json",
    ]
    numbers = json.loads((somewhere / "found" / "result.json").read_text())
    assert [found["pictures"] for found in numbers["collections"]] == ["digits", "echoes"]
    assert b"ddpm" in result.out


def test_a_corpus_without_features_is_one_line(sori):
    result = sori("lab", "density", "--steps", "1", "--corpus", "nowhere")

    assert result.status == 2
    (line,) = result.err.splitlines()
    assert "holds no feature cache" in line

"""Recordings of a person that is not there: the voice in the package reads aloud."""

import pytest
from tiny_base import TEXTS, read_aloud, write_base

import sori
from sori.learn.cloning.order import Order


@pytest.fixture(scope="session")
def spoken():
    return read_aloud()


@pytest.fixture
def folder(tmp_path, spoken):
    """A folder of recordings that nothing is wrong with."""
    place = tmp_path / "recordings"
    place.mkdir()
    for number, (text, audio) in enumerate(zip(TEXTS, spoken, strict=True)):
        sori.write(place / f"{number}.wav", audio)
        (place / f"{number}.txt").write_text(text, encoding="utf-8")
    return place


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def order(folder, base, tmp_path):
    """An order for a clone that takes seconds."""
    return Order(
        folder=folder,
        name="maria",
        out=tmp_path / "maria.onnx",
        base=base,
        consent="she said yes",
        keep=0.6,
        steps=20,
        imagined=4,
    )

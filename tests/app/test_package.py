"""What `import sori` offers."""

import sys

import pytest

import sori


def test_the_public_names_are_few_and_all_there():
    assert len(sori.__all__) <= 8
    assert all(getattr(sori, name) is not None for name in sori.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="shout"):
        sori.shout  # noqa: B018


def test_say_speaks_with_a_voice_that_stays_loaded(monkeypatch):
    first = sori.say("Hello there.", "tiny")
    again = sori.say("Hello there.", "tiny", speaker="ben")

    assert isinstance(first, sori.Audio)
    assert first.seconds == again.seconds


def test_voices_lists_what_load_takes():
    names = sori.voices()

    assert "tiny" in names
    assert sori.load("tiny").speakers == ("ada", "ben")


def test_an_unknown_voice_is_answered_with_the_known_ones():
    with pytest.raises(sori.SoriError, match="perhaps tiny; choose one of"):
        sori.load("tinny")


@pytest.mark.parametrize(
    "words",
    [["train", "recipe.toml"], ["export", "a", "--vocoder", "b", "--card", "c"], ["models"]],
)
def test_learning_without_pytorch_names_the_extra(sori, monkeypatch, words):
    for name in [name for name in sys.modules if name.split(".")[0] == "torch"]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.startswith("sori.learn")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    package = sys.modules["sori"]
    if "learn" in vars(package):
        # The import that fails leaves a half-made module here; later tests want the whole one.
        monkeypatch.setattr(package, "learn", vars(package)["learn"])

    result = sori(*words)

    assert result.status == 2
    (line,) = result.err.splitlines()
    assert line.startswith("sori: ")
    assert 'pip install "sori[train]"' in line

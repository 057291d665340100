import json
from pathlib import Path

import numpy as np
import pytest

from sori.audio.files import write
from sori.audio.watermark import mark
from sori.core.audio import Audio

RATE = 24_000
WEIGHTS = Path(__file__).parents[2] / "weights"


@pytest.fixture
def hiss():
    random = np.random.default_rng(0)
    loud = np.interp(np.arange(4 * RATE), np.arange(0, 4 * RATE, 2000), random.uniform(0, 1, 48))
    return (0.1 * loud * random.standard_normal(4 * RATE)).astype(np.float32)


def test_detect_finds_a_marked_file(sori, somewhere, hiss):
    write(somewhere / "said.mp3", Audio(mark(hiss, RATE), RATE))

    found = sori("detect", "said.mp3")

    assert found.status == 0
    assert b"spoken by a cloned voice" in found.out


def test_detect_says_that_there_is_no_mark(sori, somewhere, hiss):
    write(somewhere / "said.wav", Audio(hiss, RATE))

    found = sori("detect", "said.wav", "--json")

    assert found.status == 1
    assert json.loads(found.out)["marked"] is False


def test_detect_of_a_missing_file_is_one_line(sori):
    found = sori("detect", "gone.wav")

    assert found.status == 2
    assert found.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--i-have-consent"),
        (("--i-have-consent",), "is not a folder"),
        (("--i-have-consent", "--pipeline", "magic"), "there is no pipeline 'magic'"),
        (("--i-have-consent", "--keep", "3"), "keep 3 is out of range"),
        (("--i-have-consent", "--out", "maria.wav"), "end it in .onnx"),
        (("--i-have-consent", "--out", "gone/maria.onnx"), "there is no folder"),
        (("--i-have-consent", "--base", "gone"), "--base"),
        (("--transcripts-only",), "is not a folder"),
    ],
)
def test_what_cannot_be_cloned_is_told_in_one_line(sori, somewhere, options, message):
    weights = [] if "--base" in options else ["--base", WEIGHTS]

    found = sori("clone", "recordings", "--name", "maria", *weights, *options)

    assert found.status == 2
    assert message in found.err
    assert found.err.count("\n") == 1
    assert not list(somewhere.glob("maria*"))


def test_transcripts_are_written_where_they_can_be_corrected(sori, somewhere, hiss):
    folder = somewhere / "recordings"
    folder.mkdir()
    for name in ("a", "b", "c"):
        write(folder / f"{name}.wav", Audio(hiss, RATE))
        (folder / f"{name}.txt").write_text(f"Sentence {name}.")

    found = sori("clone", folder, "--name", "maria", "--transcripts-only")

    assert found.status == 0
    assert (folder / "metadata.csv").read_text().splitlines() == [
        "audio|text",
        "a.wav|Sentence a.",
        "b.wav|Sentence b.",
        "c.wav|Sentence c.",
    ]

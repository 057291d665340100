"""The page that leads from recordings to a judged voice really leads there."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "train.md").read_text(encoding="utf-8")
COMMANDS = [
    line for b in re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S) for line in b.splitlines()
]
SMALL = """
width = 16
heads = 2
text_blocks = 1
prosody_width = 16
prosody_blocks = 1
decoder_blocks = 1
"""


@pytest.fixture
def folder(somewhere):
    """Recordings and texts, the files of the page with a network of a test's size, the weights."""
    random = np.random.default_rng(0)
    corpus = somewhere / "corpora" / "ann"
    corpus.mkdir(parents=True)
    texts = ("We say it again.", "A last one came.", "And so on.", "It was late.")
    for number, text in enumerate(texts):
        time = np.arange(2 * 24000) / 24000
        loud = 0.5 + 0.5 * np.sin(2 * np.pi * 3 * time)  # comes and goes as syllables do
        wave = 0.2 * loud * np.sin(2 * np.pi * (150 + 20 * number) * time)
        wave += 0.01 * loud * random.normal(size=len(time))
        soundfile.write(corpus / f"00{number}.wav", wave, 24000)
        (corpus / f"00{number}.txt").write_text(text)
    for block in re.findall(r"^```toml\n(.*?)^```", PAGE, re.M | re.S):
        name = re.match(r"# (\S+\.toml)\n", block)[1]
        block = block.replace("[config]", f"[config]\n{SMALL}").replace("steps = 6000", "steps = 3")
        (somewhere / name).write_text(block)
    (somewhere / "sentences.txt").write_text("Good morning.\n")
    (somewhere / "weights").symlink_to(ROOT / "weights")
    return somewhere


def test_every_command_of_the_page_does_its_work(sori, folder):
    for command in COMMANDS:
        program, *arguments = shlex.split(command)
        result = sori(*arguments)

        # Tones are no speech, and the check says so.
        allowed = (0, 1) if arguments[:2] == ["corpus", "check"] else (0,)
        assert program == "sori"
        assert result.status in allowed, f"{command}: {result.err}"

    assert soundfile.info(folder / "ann.wav").duration > 0.1
    assert (folder / "runs/ann/plots/curves.png").is_file()
    assert "<audio" in (folder / "ann.html").read_text(encoding="utf-8")


def test_the_page_names_every_key_of_a_recipe():
    from dataclasses import fields

    from sori.learn.training.recipe import DataRecipe, Recipe, TrainingRecipe

    keys = [
        field.name for field in fields(Recipe) if field.name not in ("data", "training", "config")
    ]
    keys += [f"data.{field.name}" for field in fields(DataRecipe)]
    keys += [f"training.{field.name}" for field in fields(TrainingRecipe)]

    assert not [key for key in keys if f"`{key}`" not in PAGE]

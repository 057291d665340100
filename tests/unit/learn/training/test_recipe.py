import re

import pytest

from sori.core.errors import SoriError
from sori.learn.training.recipe import read_recipe
from tests.unit.learn.training.recipes import RECIPE, write_recipe

TRAINING = {
    "steps = 0": "training.steps: Input should be greater than or equal to 1",
    "steps = -5": "training.steps: Input should be greater than or equal to 1",
    'steps = "many"': "training.steps: Input should be a valid integer",
    "steps = 10.5": "training.steps: Input should be a valid integer",
    "rate = 0": "training.rate: Input should be greater than 0",
    "rate = -1e-3": "training.rate: Input should be greater than 0",
    "rate = nan": "training.rate: Input should be a finite number",
    "rate = inf": "training.rate: Input should be a finite number",
    "betas = [0.9, 1.0]": "training.betas.1: Input should be less than 1",
    "betas = [-0.1, 0.9]": "training.betas.0: Input should be greater than or equal to 0",
    "betas = [0.9]": "training.betas.1: Field required",
    "warmup = -1": "training.warmup: Input should be greater than or equal to 0",
    "max_norm = 0.0": "training.max_norm: Input should be greater than 0",
    "average = 1.0": "training.average: Input should be less than 1",
    'precision = "fp8"': "training.precision: Input should be 'fp32', 'bf16' or 'fp16'",
    "seed = -1": "training.seed: Input should be greater than or equal to 0",
    "accumulate = 0": "training.accumulate: Input should be greater than or equal to 1",
    "validate_steps = -1": "training.validate_steps: Input should be greater than or equal to 0",
    "warm_up = 5": "training.warm_up: Unexpected keyword argument",
}
DATA = {
    'corpora = "tones"': "data.corpora: Input should be a valid tuple",
    "corpora = [3]": "data.corpora.0: Input should be a valid string",
    "speakers = [1]": "data.speakers.0: Input should be a valid string",
    "crop_frames = 0": "data.crop_frames: Input should be greater than or equal to 1",
    "batch = 0": "data.batch: Input should be greater than or equal to 1",
    "batch_frames = -1": "data.batch_frames: Input should be greater than or equal to 1",
    'mels = "guessed"': "data.mels: Input should be 'mel' or 'predicted'",
    "batches = 2": "data.batches: Unexpected keyword argument",
}
CONFIG = {
    "width = 8.5": "width: Input should be a valid integer",
    "widht = 8": "widht: Unexpected keyword argument",
    "window_samples = 500": "window_samples 500 must be twice the hop, 300",
    "mel.hop = 3": "mel.hop: Unexpected keyword argument",
    "mel.f_max_hz = 1e6": "mel: Value error, f_max_hz 1000000.0 exceeds half the sample rate",
}


def with_line(section, line):
    """The recipe with a line put into a section in place of the line of that key."""
    key = re.escape(line.split(" ")[0])
    before, heading, after = RECIPE.partition(f"[{section}]\n")
    inside, bracket, rest = after.partition("\n[")
    inside = re.sub(rf"^{key} = .*\n?", "", inside, flags=re.M)
    return f"{before}{heading}{line}\n{inside}{bracket}{rest}"


@pytest.mark.parametrize(
    ("section", "line", "message"),
    [
        (section, line, message)
        for section, faults in (("training", TRAINING), ("data", DATA), ("config", CONFIG))
        for line, message in faults.items()
    ],
)
def test_every_bad_value_is_named_with_its_place(tmp_path, section, line, message):
    path = write_recipe(tmp_path, 10, with_line(section, line))

    with pytest.raises(SoriError, match=re.escape(message)) as fault:
        read_recipe(path)

    assert str(fault.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("steps = {steps}", ""), "training.steps: Field required"),
        (('model = "source_filter"', ""), "model: Field required"),
        (('corpora = ["tones"]', ""), "data.corpora: Field required"),
        (('model = "source_filter"', 'model = "nothing"'), "unknown model 'nothing'"),
        (('model = "source_filter"', 'modle = "x"'), "modle: Unexpected keyword argument"),
        (('model = "source_filter"', "model = 3"), "model: Input should be a valid string"),
        (
            ('model = "source_filter"', 'model = "melgan"\nstart = 3'),
            "start.str: Input should be a valid string",
        ),
        (("[training]", "[training"), "recipe10.toml: Expected"),
        (("[training]", "[frozen]\nteacher = 3\n[training]"), "frozen.teacher: Input should be"),
    ],
)
def test_a_fault_of_the_whole_recipe_is_named(tmp_path, change, message):
    path = write_recipe(tmp_path, 10, RECIPE.replace(*change))

    with pytest.raises(SoriError, match=re.escape(message)):
        read_recipe(path)


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(SoriError, match="no recipe at"):
        read_recipe(tmp_path / "none.toml")


def test_a_recipe_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "sound.toml"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(SoriError, match=r"sound\.toml is not UTF-8 text"):
        read_recipe(path)

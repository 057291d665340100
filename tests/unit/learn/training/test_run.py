import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from sori.core.errors import SoriError
from sori.learn.checkpoint import load_model, read_tensors
from sori.learn.losses import SpectralDistance
from sori.learn.training.optim import rate_at
from sori.learn.training.recipe import read_recipe
from sori.learn.training.run import Limits, Places, train
from tests.unit.learn.corpus import make_corpus

RECIPE = """
model = "source_filter"
[config]
width = 8
hidden = 16
blocks = 1
stft_resolutions = [[256, 64]]
[data]
corpora = ["tones"]
crop_frames = 8
batch = 2
[training]
steps = {steps}
precision = "fp32"
warmup = 2
"""


@pytest.fixture
def places(tmp_path):
    make_corpus(tmp_path / "corpora" / "tones")
    return Places(tmp_path / "corpora", tmp_path / "cache", tmp_path / "run")


def recipe(folder, steps, text=RECIPE):
    path = folder / f"recipe{steps}.toml"
    path.write_text(text.format(steps=steps))
    return path


def test_a_run_writes_a_model_a_state_and_a_log(places, tmp_path):
    path = train(recipe(tmp_path, 100), places)

    saved = load_model(path)
    rows = [json.loads(line) for line in (places.out / "log.jsonl").read_text().splitlines()]
    assert saved.name == "source_filter"
    assert saved.notes == {"corpora": ["tones"], "step": 100}
    assert rows[-1]["step"] == 100
    assert {"generator/magnitude", "generator/phase", "steps_per_second"} <= rows[-1].keys()


def test_a_run_killed_at_any_moment_ends_with_the_same_bits(places, tmp_path):
    straight = Places(places.corpora, places.cache, tmp_path / "straight")
    train(recipe(tmp_path, 40), straight)
    program = (
        "import sys; from pathlib import Path;"
        "from sori.learn.training.run import Limits, Places, train;"
        "train(Path(sys.argv[1]), Places(*map(Path, sys.argv[2:])), Limits(save_minutes=0.0))"
    )
    command = [sys.executable, "-c", program, recipe(tmp_path, 40)]
    command += [places.corpora, places.cache, places.out]
    process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})
    state = places.out / "state.safetensors"
    while not state.is_file() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()

    train(recipe(tmp_path, 40), places)

    whole, header = read_tensors(straight.out / "state.safetensors")
    resumed, again = read_tensors(state)
    assert header == again == {"step": "40"}
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_a_time_limit_ends_a_run_with_a_checkpoint(places, tmp_path):
    train(recipe(tmp_path, 10**6), places, Limits(max_minutes=0.02))

    assert int(read_tensors(places.out / "state.safetensors")[1]["step"]) > 0


def test_a_loss_that_stays_undefined_stops_the_run_and_keeps_the_checkpoint(
    places, tmp_path, monkeypatch
):
    train(recipe(tmp_path, 5), places)
    before = (places.out / "state.safetensors").read_bytes()
    monkeypatch.setattr(
        "sori.learn.models.source_filter.spectral_distance",
        lambda real, fake, sizes: SpectralDistance(*3 * [fake.sum() * float("nan")]),
    )

    with pytest.raises(SoriError, match="steps in a row had an infinite or undefined loss"):
        train(recipe(tmp_path, 100), places)

    assert (places.out / "state.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("steps = {steps}", ""), "training.steps: Field required"),
        (('model = "source_filter"', 'model = "nothing"'), "unknown model 'nothing'"),
        (("width = 8", "widht = 8"), "widht: Unexpected keyword argument"),
        (("batch = 2", "batches = 2"), "data.batches: Unexpected keyword argument"),
        (("[training]", "[training"), "recipe10.toml: Expected"),
    ],
)
def test_a_fault_in_a_recipe_is_named(tmp_path, change, message):
    path = recipe(tmp_path, 10, RECIPE.replace(*change))

    with pytest.raises(SoriError, match=message.replace("[", r"\[")):
        read_recipe(path)


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(SoriError, match="no recipe at"):
        read_recipe(tmp_path / "none.toml")


def test_the_rate_warms_up_and_falls_to_a_twentieth():
    rates = [rate_at(step, 1.0, 10, 110) for step in range(111)]

    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates[110] == pytest.approx(0.05)
    assert all(a >= b for a, b in zip(rates[10:], rates[11:], strict=False))


TEACHER = """
model = "wavenet"
[config]
head = "gaussian"
layers = 2
stacks = 1
residual = 4
gate = 4
skip = 4
strides = [5, 5, 12]
[config.mel]
hop_samples = 300
[data]
corpora = ["tones"]
crop_frames = 8
batch = 2
[training]
steps = {steps}
precision = "fp32"
"""


def test_a_student_learns_from_the_teacher_that_its_recipe_names(places, tmp_path):
    taught = Places(places.corpora, places.cache, tmp_path / "teacher")
    teacher = train(recipe(tmp_path, 2, TEACHER), taught)
    text = TEACHER.replace("wavenet", "parallel_wavenet").replace("layers = 2\n", "flows = [2]\n")
    text = text.replace('head = "gaussian"\n', "").replace("stacks = 1\n", 'form = "gaussian"\n')

    with pytest.raises(SoriError, match=r"takes teacher \(a trained wavenet\).*has none"):
        train(recipe(tmp_path, 1, text), places)
    student = train(recipe(tmp_path, 3, text + f'[frozen]\nteacher = "{teacher}"\n'), places)

    saved = load_model(student)
    assert saved.name == "parallel_wavenet"
    assert not any("teacher" in name for name in saved.weights)


def test_a_recipe_that_names_a_teacher_for_nobody_is_refused(places, tmp_path):
    text = RECIPE + '[frozen]\nteacher = "nowhere.safetensors"\n'

    with pytest.raises(SoriError, match="source_filter takes no trained models.*has teacher"):
        train(recipe(tmp_path, 1, text), places)

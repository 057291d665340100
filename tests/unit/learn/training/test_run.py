import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sori.core.errors import SoriError
from sori.learn.checkpoint import load_model, read_tensors
from sori.learn.data.cache import Cache
from sori.learn.data.corpora import is_held_out
from sori.learn.losses import AlignedDistance
from sori.learn.mel import MelSpec
from sori.learn.training import exhibits
from sori.learn.training.progress import Watch
from sori.learn.training.run import Limits, Places, train
from tests.unit.learn.corpus import HELD_OUT_TEXT, TEXTS, make_corpus
from tests.unit.learn.training.recipes import RECIPE
from tests.unit.learn.training.recipes import write_recipe as recipe

PROGRAM = """
import sys
from pathlib import Path
from sori.learn.training.run import Limits, Places, train
train(Path(sys.argv[1]), Places(*map(Path, sys.argv[2:])), Limits(save_minutes=0.0))
"""


@pytest.fixture
def places(tmp_path):
    make_corpus(tmp_path / "corpora" / "tones", texts=(*TEXTS, HELD_OUT_TEXT))
    return Places(tmp_path / "corpora", tmp_path / "cache", tmp_path / "run")


def newest(run):
    """Tensors and header of the newest state of a run."""
    return read_tensors(sorted(run.glob("checkpoints/*/state.safetensors"))[-1])


def rows(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_a_run_writes_a_model_a_state_and_a_log(places, tmp_path):
    path = train(recipe(tmp_path, 100), places)

    saved = load_model(path)
    row = rows(places.out)[-2]
    assert saved.name == "source_filter"
    assert saved.notes == {"corpora": ["tones"], "step": 100}
    assert row["step"] == 100
    assert {"generator/magnitude", "generator/phase", "steps_per_second"} <= row.keys()
    assert {"frames_per_second", "audio_seconds_per_second", "memory_mb"} <= row.keys()
    stages = [row[f"share/{stage}"] for stage in ("data", "forward", "backward", "optimizer")]
    assert all(share > 0 for share in stages)
    assert 0.5 < sum(stages) <= 1


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_run_killed_at_any_moment_ends_with_the_same_bits(places, tmp_path, accumulate):
    text = RECIPE + f"accumulate = {accumulate}\n"
    path = recipe(tmp_path, 40, text)
    straight = Places(places.corpora, places.cache, tmp_path / "straight")
    train(path, straight)
    command = [sys.executable, "-c", PROGRAM, path, places.corpora, places.cache, places.out]
    process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})
    while not list(places.out.glob("checkpoints/*/state.safetensors")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stopped_at = json.loads(newest(places.out)[1]["step"])

    train(path, places)

    (whole, header), (resumed, again) = newest(straight.out), newest(places.out)
    assert stopped_at < 40
    assert header == again
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_a_run_that_is_asked_to_stop_saves_and_ends_well(places, tmp_path):
    path = recipe(tmp_path, 10**6)
    command = [sys.executable, "-c", PROGRAM, path, places.corpora, places.cache, places.out]
    process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})
    while not (places.out / "model.safetensors").is_file() and process.poll() is None:
        time.sleep(0.01)

    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=60) == 0
    assert load_model(places.out / "model.safetensors").notes["step"] > 0


def test_a_time_limit_ends_a_run_with_a_checkpoint(places, tmp_path):
    train(recipe(tmp_path, 10**6), places, Limits(max_minutes=0.02))

    assert json.loads(newest(places.out)[1]["step"]) > 0


def test_a_loss_that_stays_undefined_stops_the_run_and_keeps_the_checkpoint(
    places, tmp_path, monkeypatch
):
    train(recipe(tmp_path, 5), places)
    before = newest(places.out)[1]
    monkeypatch.setattr(
        "sori.learn.models.source_filter.aligned_distance",
        lambda real, fake, sizes: AlignedDistance(*4 * [fake.sum() * float("nan")]),
    )

    with pytest.raises(SoriError, match="steps in a row .* undefined loss.*magnitude.* of clip"):
        train(recipe(tmp_path, 100), places)

    assert newest(places.out)[1] == before


def test_a_recording_that_breaks_the_loss_is_named_and_its_step_skipped(places, tmp_path):
    train(recipe(tmp_path, 1), places)
    cache = Cache(places.cache / "tones", MelSpec())
    broken = next(e for e in cache.entries if not is_held_out(e.text))
    mels = np.memmap(next((places.cache / "tones").glob("mel*.raw")), np.float16, "r+")
    mels.reshape(-1, 80)[broken.start : broken.start + broken.frames] = np.nan

    with contextlib.suppress(SoriError):  # enough such steps in a row end the run
        train(recipe(tmp_path, 30), places)

    skipped = [row for row in rows(places.out) if row.get("skipped")]
    assert skipped[0]["utterances"] == [broken.name]
    assert "generator/magnitude" in skipped[0]["skipped"]
    assert all(v.isfinite().all() for v in newest(places.out)[0].values())


def test_the_best_network_on_held_out_data_is_kept(places, tmp_path):
    text = RECIPE.replace("warmup = 2", "warmup = 2\nvalidate_steps = 5\nrate = 3e-3")

    train(recipe(tmp_path, 40, text), places)

    losses = {r["step"]: r["validation/loss"] for r in rows(places.out) if "validation/loss" in r}
    best = load_model(places.out / "best.safetensors").notes["step"]
    assert list(losses) == list(range(5, 45, 5))
    assert losses[best] == min(losses.values())
    assert losses[40] < losses[5]
    assert json.loads(newest(places.out)[1]["lowest"]) == pytest.approx(losses[best], abs=1e-4)


def test_validation_leaves_the_training_as_it_was(places, tmp_path):
    often, never = (
        RECIPE.replace("warmup = 2", f"warmup = 2\nvalidate_steps = {steps}") for steps in (3, 0)
    )
    other = Places(places.corpora, places.cache, tmp_path / "other")

    train(recipe(tmp_path, 12, often, "often"), places)
    train(recipe(tmp_path, 12, never, "never"), other)

    watched, alone = newest(places.out)[0], newest(other.out)[0]
    assert all(torch.equal(value, alone[name]) for name, value in watched.items())


def test_a_vocoder_shows_what_it_makes(places, tmp_path):
    shown = []

    def look(step, exhibit, sample_rate):
        shown.append((step, exhibit, sample_rate))

    train(recipe(tmp_path, 3), places, watch=Watch(exhibit=look))

    kept = exhibits.read(places.out / "exhibit.npz")
    [(step, exhibit, sample_rate)] = shown
    assert (step, sample_rate) == (kept.step, kept.sample_rate) == (3, 24000)
    assert exhibit.waves["made"].shape == exhibit.waves["recording"].shape == (24000,)
    assert kept.pictures["mels"]["made"].shape == (80, 80)
    np.testing.assert_array_equal(kept.pictures["waves"]["made"], exhibit.waves["made"])


def test_a_state_of_the_first_version_still_resumes(places, tmp_path):
    train(recipe(tmp_path, 3), places)
    [state] = places.out.glob("checkpoints/*/state.safetensors")
    tensors, _ = read_tensors(state)
    shutil.rmtree(places.out / "checkpoints")
    old = places.out / "state.safetensors"
    save_file(tensors | {"random": torch.get_rng_state()}, old, {"step": "3"})

    train(recipe(tmp_path, 5), places)

    assert json.loads(newest(places.out)[1]["step"]) == 5
    assert torch.equal(newest(places.out)[0]["optimizer/generator/0/step"], torch.tensor(5.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('["tones"]', "[]"), "data.corpora is empty; name a folder"),
        (('["tones"]', '["nowhere"]'), "there is no folder .*nowhere"),
        (("batch = 2", 'batch = 2\nspeakers = ["bob"]'), "no utterance is as long as a crop"),
        (("crop_frames = 8", "crop_frames = 5000"), "no utterance is as long as a crop of 5000"),
        (("batch = 2", 'batch = 2\nmels = "predicted"'), "run `sori corpus predict` first"),
    ],
)
def test_data_that_cannot_be_learned_from_is_named(places, tmp_path, change, message):
    with pytest.raises(SoriError, match=message):
        train(recipe(tmp_path, 3, RECIPE.replace(*change)), places)


@pytest.mark.parametrize("device", ["cuda", "mps", "abacus"])
def test_a_device_that_is_not_there_is_named(places, tmp_path, device):
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("there is one")

    with pytest.raises(SoriError, match=f"no device '{device}' here, only cpu"):
        train(recipe(tmp_path, 3), places, device=device)


def test_fp16_without_a_gpu_is_refused_and_not_replaced(places, tmp_path):
    with pytest.raises(SoriError, match="fp16 needs a GPU, and this is a cpu; .*bf16 and fp32"):
        train(recipe(tmp_path, 3, RECIPE.replace("fp32", "fp16")), places, device="cpu")


def test_mixed_precision_learns_what_full_precision_does(places, tmp_path):
    half = Places(places.corpora, places.cache, tmp_path / "half")

    train(recipe(tmp_path, 5), places)
    train(recipe(tmp_path, 5, RECIPE.replace("fp32", "bf16"), "half"), half)

    full, mixed = newest(places.out)[0], newest(half.out)[0]
    weight = "task/generator.enter.weight"
    assert full[weight].dtype == mixed[weight].dtype == torch.float32
    assert not torch.equal(full[weight], mixed[weight])
    torch.testing.assert_close(full[weight], mixed[weight], atol=1e-2, rtol=0)


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
validate_steps = 0
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

"""A checkpoint is whole or not there, and the ones before it stay."""

import re
import resource

import pytest
import torch

from sori.core.errors import SoriError
from sori.learn.checkpoint import load_model, read_tensors
from sori.learn.training.checkpoints import Checkpoints
from sori.learn.training.run import Limits, Places, train
from tests.unit.learn.corpus import make_corpus
from tests.unit.learn.training.recipes import RECIPE, write_recipe


@pytest.fixture
def places(tmp_path):
    make_corpus(tmp_path / "corpora" / "tones")
    return Places(tmp_path / "corpora", tmp_path / "cache", tmp_path / "run")


def save_marked(mark):
    """A function that writes both files of a checkpoint with a mark in them."""

    def save(folder):
        for name in ("state.safetensors", "model.safetensors"):
            (folder / name).write_text(mark)

    return save


def steps(run):
    return sorted(path.name for path in (run / "checkpoints").iterdir())


def test_the_last_few_are_kept_and_the_newest_is_resumed_from(tmp_path):
    kept = Checkpoints(tmp_path, keep=2)

    for step in (5, 40, 300):
        kept.write(step, save_marked(str(step)))

    assert steps(tmp_path) == ["00000040", "00000300"]
    assert kept.newest().read_text() == "300"
    assert (tmp_path / "model.safetensors").read_text() == "300"


def test_a_folder_that_a_kill_left_behind_is_no_checkpoint(tmp_path):
    kept = Checkpoints(tmp_path, keep=2)
    kept.write(5, save_marked("5"))
    half = tmp_path / "checkpoints" / "00000009.tmp"
    half.mkdir()
    (half / "state.safetensors").write_text("half")

    assert kept.newest().read_text() == "5"

    kept.write(9, save_marked("9"))
    assert steps(tmp_path) == ["00000005", "00000009"]


def test_a_new_model_replaces_the_name_and_not_the_bytes_of_the_old(tmp_path):
    kept = Checkpoints(tmp_path, keep=2)
    kept.write(1, save_marked("1"))
    kept.write(2, save_marked("2"))

    assert (tmp_path / "checkpoints/00000001/model.safetensors").read_text() == "1"


@pytest.mark.parametrize("name", ["state.safetensors", "model.safetensors"])
def test_a_write_that_fails_leaves_what_was_there(tmp_path, name):
    kept = Checkpoints(tmp_path, keep=1)
    kept.write(5, save_marked("5"))

    def fill_the_disk(folder):
        (folder / name).write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(SoriError, match="step 6.*No space left.*free some space.*resumes from it"):
        kept.write(6, fill_the_disk)

    assert steps(tmp_path) == ["00000005"]
    assert kept.newest().read_text() == "5"
    assert (tmp_path / "model.safetensors").read_text() == "5"


def test_a_disk_that_takes_no_more_stops_a_run_with_its_checkpoint_whole(places, tmp_path):
    text = RECIPE.replace("width = 8", "width = 48")  # a state of some 100 kB
    train(write_recipe(tmp_path, 2, text), places)
    before = {p: p.read_bytes() for p in places.out.rglob("*.safetensors")}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(SoriError, match="free some space and resume") as fault:
            train(write_recipe(tmp_path, 4, text), places)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert "\n" not in str(fault.value)
    assert {p: p.read_bytes() for p in places.out.rglob("*.safetensors")} == before
    assert not list(places.out.rglob("*.tmp"))
    train(write_recipe(tmp_path, 4, text), places)
    assert load_model(places.out / "model.safetensors").notes["step"] == 4


@pytest.mark.parametrize("damage", [lambda b: b[:-7], lambda b: b"", lambda b: b"x" + b[1:]])
def test_a_damaged_checkpoint_is_named_with_what_to_do(places, tmp_path, damage):
    for count in (2, 4):
        train(write_recipe(tmp_path, count), places)
    first, last = sorted(places.out.glob("checkpoints/*/state.safetensors"))
    last.write_bytes(damaged := damage(last.read_bytes()))

    with pytest.raises(SoriError, match="not a whole safetensors file") as fault:
        train(write_recipe(tmp_path, 6), places)

    advice = re.search(r"remove (\S+) to resume from (\S+)$", str(fault.value))
    assert advice.groups() == (str(last.parent), str(first.parent))
    assert last.read_bytes() == damaged


def test_the_advice_about_a_damaged_checkpoint_works(places, tmp_path):
    straight = Places(places.corpora, places.cache, tmp_path / "straight")
    train(write_recipe(tmp_path, 6), straight)
    train(write_recipe(tmp_path, 6), places, Limits(save_minutes=0.0))
    for path in sorted(places.out.glob("checkpoints/*"))[-1:]:
        for file in path.iterdir():
            file.unlink()
        path.rmdir()

    train(write_recipe(tmp_path, 6), places)

    whole, again = (
        read_tensors(sorted(p.out.glob("checkpoints/*/state.safetensors"))[-1])[0]
        for p in (straight, places)
    )
    assert all(torch.equal(value, again[name]) for name, value in whole.items())


def test_the_only_checkpoint_being_damaged_says_how_to_begin_anew(places, tmp_path):
    train(write_recipe(tmp_path, 2), places)
    [state] = places.out.glob("checkpoints/*/state.safetensors")
    state.write_bytes(b"")

    with pytest.raises(SoriError, match=f"remove {state.parent} to start anew"):
        train(write_recipe(tmp_path, 6), places)


def test_a_run_of_another_model_is_not_resumed(places, tmp_path):
    train(write_recipe(tmp_path, 2), places)
    wider = RECIPE.replace("width = 8", "width = 16")

    with pytest.raises(SoriError, match="does not fit the network of the recipe.*size mismatch"):
        train(write_recipe(tmp_path, 4, wider, "wider"), places)


def test_weights_to_start_from_are_taken(places, tmp_path):
    first = train(write_recipe(tmp_path, 2), places)
    second = Places(places.corpora, places.cache, tmp_path / "second")
    text = f'start = "{first}"\n' + RECIPE.replace("warmup = 2", "rate = 1e-12")

    path = train(write_recipe(tmp_path, 1, text, "second"), second)

    taken, given = load_model(path).weights, load_model(first).weights
    torch.testing.assert_close(taken, given, rtol=0, atol=1e-6)


def test_one_part_of_a_network_can_start_from_another_network(places, tmp_path):
    first = train(write_recipe(tmp_path, 2), places)
    given = load_model(first).weights
    part = next(iter(given)).split(".")[0]
    second = Places(places.corpora, places.cache, tmp_path / "second")
    text = RECIPE.replace("warmup = 2", "rate = 1e-12\nseed = 7") + f'[start]\n{part} = "{first}"\n'

    path = train(write_recipe(tmp_path, 1, text, "second"), second)

    for name, weight in load_model(path).weights.items():
        is_near = torch.allclose(weight, given[name], rtol=0, atol=1e-6)
        if name.startswith(f"{part}."):
            assert is_near, name
        elif weight.ndim > 1:
            assert not is_near, name


def test_a_part_that_the_network_lacks_cannot_be_started(places, tmp_path):
    text = RECIPE + '[start]\nwings = "x.safetensors"\n'

    with pytest.raises(SoriError, match="start: the network has no part 'wings'"):
        train(write_recipe(tmp_path, 1, text), places)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("width = 8", "width = 16"), r"start: .* does not fit the config: .*size mismatch"),
        (('"source_filter"', '"aligner"'), r"start: .* is of source_filter, not of aligner"),
        (("first", "nowhere"), "no checkpoint at .*nowhere"),
    ],
)
def test_weights_that_cannot_be_started_from_are_refused(places, tmp_path, change, message):
    train(write_recipe(tmp_path, 1), Places(places.corpora, places.cache, tmp_path / "first"))
    text = (f'start = "{tmp_path}/first/model.safetensors"\n' + RECIPE).replace(*change)
    if "aligner" in text:
        text = text.replace("hidden = 16\nblocks = 1\nstft_resolutions = [[256, 64]]", "")

    with pytest.raises(SoriError, match=message):
        train(write_recipe(tmp_path, 2, text, "next"), places)

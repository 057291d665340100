"""A step in pieces is the step of the whole batch, on one process or on two."""

import os
import subprocess
import sys
from dataclasses import fields

import pytest
import torch
from accelerate import Accelerator

from sori.learn import registry
from sori.learn.checkpoint import read_tensors
from sori.learn.data.batches import Part
from sori.learn.training.clock import Clock
from sori.learn.training.loop import Piece, Tools, move_players
from sori.learn.training.run import Places, train
from tests.batches import example_batch
from tests.unit.learn.corpus import HELD_OUT_TEXT, TEXTS, make_corpus
from tests.unit.learn.training.recipes import RECIPE, write_recipe

# Means over equally long items, without dropout or noise: nothing but rounding may differ.
EXACT = ("melgan", "waveglow", "wavenet")


def deal(batch, count):
    """The batch as so many pieces, item by item."""
    whole = {f.name: getattr(batch, f.name) for f in fields(batch)}
    parts = [Part(number, count) for number in range(count)]
    return [
        Piece(type(batch)(**{k: v[p.number :: count] for k, v in whole.items()}), 1 / count)
        for p in parts
    ]


def stepped(name, pieces):
    """The weights after one step of plain descent, and what was logged."""
    torch.manual_seed(0)
    spec = registry.spec(name)
    task = spec.task(spec.tiny)
    optimizers = {k: torch.optim.SGD(p.parameters(), lr=0.1) for k, p in task.players.items()}
    log = move_players(task, pieces, Tools(optimizers, 1.0, Accelerator(cpu=True), Clock()))
    return task.state_dict(), log


@pytest.mark.parametrize("name", EXACT)
def test_pieces_add_up_to_the_whole_batch(name):
    batch = example_batch(registry.spec(name), items=4)

    whole, whole_log = stepped(name, [Piece(batch)])
    pieces, pieces_log = stepped(name, deal(batch, 2))

    torch.testing.assert_close(pieces, whole, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(pieces_log, whole_log, rtol=1e-3, atol=1e-4)


def test_a_piece_that_is_left_out_would_be_noticed():
    batch = example_batch(registry.spec("waveglow"), items=4)

    whole, _ = stepped("waveglow", [Piece(batch)])
    half, _ = stepped("waveglow", deal(batch, 2)[:1])

    assert any(not torch.allclose(half[k], whole[k], rtol=1e-4, atol=1e-5) for k in whole)


def test_every_player_moves_once_whatever_the_number_of_pieces():
    spec = registry.spec("melgan")
    task = spec.task(spec.tiny)
    moves = []

    class Counting(torch.optim.SGD):
        def step(self, closure=None):
            moves.append(len(self.param_groups[0]["params"]))

    optimizers = {k: Counting(p.parameters(), lr=0.1) for k, p in task.players.items()}
    pieces = deal(example_batch(spec, items=3), 3)

    move_players(task, pieces, Tools(optimizers, 1.0, Accelerator(cpu=True), Clock()))

    sizes = [len(list(task.players[k].parameters())) for k in ("critics", "generator")]
    assert moves == sizes


def test_what_is_drawn_for_a_piece_does_not_depend_on_the_others():
    spec = registry.spec("source_filter")
    first, second = (p._replace(seed=n) for n, p in enumerate(deal(example_batch(spec), 2)))

    _, both = stepped("source_filter", [first, second])
    _, alone = stepped("source_filter", [first])
    _, other = stepped("source_filter", [second])

    key = "generator/magnitude"
    torch.testing.assert_close(both[key], alone[key] + other[key])


def test_fp16_finds_the_same_gradient_through_its_scale():
    batch = example_batch(registry.spec("waveglow"))
    accelerator = Accelerator(cpu=True)
    accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    whole, _ = stepped("waveglow", [Piece(batch)])
    torch.manual_seed(0)
    spec = registry.spec("waveglow")
    task = spec.task(spec.tiny)
    optimizers = {k: torch.optim.SGD(p.parameters(), lr=0.1) for k, p in task.players.items()}

    move_players(task, [Piece(batch)], Tools(optimizers, 1.0, accelerator, Clock()))

    torch.testing.assert_close(task.state_dict(), whole)


TALKING = RECIPE.replace("batch = 2", "batch = 4").replace("[training]", "[training]\nrate = 1e-2")
SENTENCES = """
model = "fastspeech2_conv"
[config]
speakers = ["ann"]
width = 16
heads = 2
text_blocks = 1
prosody_width = 16
prosody_blocks = 1
decoder_blocks = 1
[data]
corpora = ["tones"]
batch_frames = 400
[training]
steps = {steps}
precision = "fp32"
warmup = 2
"""


@pytest.mark.parametrize("text", [TALKING, SENTENCES], ids=["crops", "sentences"])
def test_two_processes_learn_what_one_does(tmp_path, text):
    make_corpus(tmp_path / "corpora" / "tones", texts=(*TEXTS, HELD_OUT_TEXT))
    places = Places(tmp_path / "corpora", tmp_path / "cache", tmp_path / "one")
    alone = write_recipe(tmp_path, 6, text + "accumulate = 2\n", "alone")
    train(alone, places, device="cpu")
    shared = write_recipe(tmp_path, 6, text, "shared")
    launch = ["--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "-m", "sori", "train"]
    command = [sys.executable, "-m", "accelerate.commands.launch", *launch, shared]
    command += ["--device", "cpu", "--out", tmp_path / "two"]
    command += ["--corpora", places.corpora, "--cache", places.cache]

    done = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True)

    assert done.returncode == 0, done.stderr.decode()[-3000:]
    assert done.stderr.count(b"wrote ") == 1
    one, two = (
        read_tensors(next((tmp_path / name).glob("checkpoints/*/state.safetensors")))[0]
        for name in ("one", "two")
    )
    torch.testing.assert_close(two, one, rtol=1e-3, atol=3e-5)

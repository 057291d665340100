"""What a person sees of `sori train` and `sori plot`."""

import os
import pty
import re
import subprocess
import sys

import pytest

from tests.unit.learn.corpus import HELD_OUT_TEXT, TEXTS, make_corpus
from tests.unit.learn.training.recipes import RECIPE, write_recipe


@pytest.fixture
def options(tmp_path):
    make_corpus(tmp_path / "corpora" / "tones", texts=(*TEXTS, HELD_OUT_TEXT))
    options = ["--corpora", tmp_path / "corpora", "--cache", tmp_path / "cache"]
    return [str(option) for option in [*options, "--out", tmp_path / "run"]]


def test_a_training_prints_its_losses_and_speed_and_can_be_plotted(sori, options, tmp_path):
    recipe = str(write_recipe(tmp_path, 3))

    trained = sori("train", recipe, *options)
    plotted = sori("plot", str(tmp_path / "run"))

    step, held_out = trained.out.decode().splitlines()
    assert trained.status == plotted.status == 0
    assert re.fullmatch(
        r"step 3/3  norm \S+  magnitude \S+  convergence \S+  phase \S+  envelope \S+"
        r"  \S+ steps/s, \d+ frames/s, \d+ MB",
        step,
    )
    assert re.match(r"step 3, held out  loss \S+  magnitude ", held_out)
    assert trained.err == f"wrote {tmp_path}/run/model.safetensors\n"
    drawn = plotted.out.decode().split()
    assert drawn == [f"{tmp_path}/run/plots/{kind}.png" for kind in ("curves", "mels", "waves")]


def test_a_terminal_gets_a_bar_with_losses_speed_and_time_left(options, tmp_path):
    recipe = write_recipe(tmp_path, 101, RECIPE)
    command = [sys.executable, "-m", "sori", "train", recipe, *options]
    inside, outside = pty.openpty()
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TERM": "xterm", "COLUMNS": "150"}

    process = subprocess.Popen(command, stdout=outside, stderr=outside, env=environment)
    os.close(outside)
    shown = b""
    while True:
        try:
            shown += os.read(inside, 65536)
        except OSError:  # a terminal that nobody writes to any more
            break

    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert process.wait() == 0, text
    assert "recipe101" in text
    assert "101/101" in text
    assert re.search(r"0:00:\d\d.* magnitude \S+ .* frames/s", text)
    assert "step 101, held out" in text


def test_tensorboard_is_written_on_request(sori, options, tmp_path):
    pytest.importorskip("tensorboard", reason="sori[tensorboard]")

    result = sori("train", str(write_recipe(tmp_path, 2)), *options, "--tensorboard")

    assert result.status == 0, result.err
    assert len(list((tmp_path / "run" / "tensorboard").glob("events.*"))) == 1


def test_a_missing_tensorboard_is_named_with_its_extra(sori, options, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sori.learn.training.board", None)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "sori.learn.training.board")
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)

    result = sori("train", str(write_recipe(tmp_path, 2)), *options, "--tensorboard")

    assert result.status == 2
    assert 'pip install "sori[tensorboard]"' in result.err
    assert not (tmp_path / "run" / "log.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "none.toml"], "no recipe at none.toml"),
        (["train", "none.toml", "--keep", "0"], "--keep"),
        (["train", "none.toml", "--max-minutes", "-1"], "--max-minutes"),
        (["plot", "nowhere"], "nowhere holds no log.jsonl"),
    ],
)
def test_wrong_arguments_are_named(sori, arguments, message):
    result = sori(*arguments)

    assert result.status == 2
    assert message in result.err

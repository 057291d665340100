import json

import numpy as np
import pytest
import typer
from tiny_voice import write_voice
from typer.testing import CliRunner

from sori.app.eval_command import eval_command
from sori.audio.files import write
from sori.core.audio import Audio
from sori.core.errors import SoriError


@pytest.fixture
def evaluate():
    app = typer.Typer()
    app.command()(eval_command)

    def run(*arguments):
        result = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=True)
        if isinstance(result.exception, SoriError):
            raise result.exception
        return result

    return run


@pytest.fixture
def texts(tmp_path):
    file = tmp_path / "texts"
    file.write_text("One.\nTwo.\n")
    return file


def record(folder, seed):
    folder.mkdir()
    draw = np.random.default_rng(seed)
    for name in ("a", "b"):
        noise = draw.uniform(-0.3, 0.3, 24_000).astype(np.float32)
        write(folder / f"{name}.wav", Audio(noise, 24_000))
    return folder


def test_a_folder_is_judged_against_references_and_what_is_missing_is_named(
    evaluate, texts, tmp_path
):
    folder, studio = record(tmp_path / "takes", 0), record(tmp_path / "studio", 1)
    scores, page = tmp_path / "scores.json", tmp_path / "page.html"

    result = evaluate(
        folder, "--texts", texts, "--references", studio, "--json", scores, "--html", page
    )

    stored = json.loads(scores.read_text())
    assert result.exit_code == 0, result.output
    assert "MCD, dB" in result.output
    assert all("install it with: pip install" in line for line in stored["missing"].values())
    assert [clip["text"] for clip in stored["clips"]] == ["One.", "Two."]
    assert page.read_text().count("<audio") == 4
    assert not list(tmp_path.rglob("*.part"))


def test_a_voice_speaks_and_its_cost_is_measured(evaluate, texts, tmp_path):
    voice, scores = write_voice(tmp_path / "tiny.onnx"), tmp_path / "scores.json"

    result = evaluate(voice, "--texts", texts, "--json", scores)

    stored = json.loads(scores.read_text())
    assert result.exit_code == 0, result.output
    assert stored["name"] == "tiny"
    assert stored["cost"]["size_bytes"] == voice.stat().st_size
    assert stored["cost"]["times_real_time"] > 0


def test_the_fault_of_a_voice_is_passed_on_in_one_line(evaluate, texts, tmp_path):
    voice = tmp_path / "broken.onnx"
    voice.write_bytes(b"no voice")

    with pytest.raises(SoriError, match=r"broken\.onnx"):
        evaluate(voice, "--texts", texts)


def test_without_anything_to_judge_the_three_choices_are_named(evaluate):
    with pytest.raises(SoriError, match="a voice, a folder of recordings, or --command"):
        evaluate()


def test_a_voice_without_sentences_asks_for_them(evaluate):
    with pytest.raises(SoriError, match="--texts FILE"):
        evaluate("any.onnx")

import json

import numpy as np
import pytest

from sori.audio.files import write
from sori.core.audio import Audio
from sori.core.errors import SoriError
from sori.learn.evaluation.clips import find_clips
from sori.learn.evaluation.evaluation import (
    Cost,
    as_json,
    compare_with,
    evaluate,
    full_panel,
    read_scores,
)
from sori.learn.evaluation.report import report


class Tester:
    """Gives each recording an opinion that follows its loudness."""

    def hear(self, take):
        loudness = float(np.abs(take.audio.samples).max())
        return {"distillmos": 5 * loudness, "word_errors": 1, "words": 4, "heard": "<b> & co"}


@pytest.fixture
def evaluation(tmp_path):
    draw = np.random.default_rng(0)
    for number in range(8):
        noise = draw.uniform(-0.5, 0.5, 4800).astype(np.float32)
        write(tmp_path / f"{number}.wav", Audio(noise, 24_000))
        (tmp_path / f"{number}.txt").write_text(f"Sentence <{number}>.")
    return evaluate("mine & yours", find_clips(tmp_path), {"tester": Tester}, Cost(12.5, 10**8))


def test_an_evaluation_survives_json(evaluation, tmp_path):
    file = tmp_path / "scores.json"
    file.write_text(json.dumps(as_json(evaluation)))

    name, scores = read_scores(file)

    assert name == "mine & yours"
    assert scores["3"]["words"] == 4
    assert json.loads(file.read_text())["summary"]["wer"]["value"] == 25


def test_a_system_does_not_differ_from_itself(evaluation, tmp_path):
    file = tmp_path / "scores.json"
    file.write_text(json.dumps(as_json(evaluation)))

    name, differences = compare_with(evaluation, file)

    assert name == "mine & yours"
    assert all(found.value == 0 and found.p_wilcoxon == 1 for found in differences.values())


def test_a_file_that_is_no_evaluation_is_refused(evaluation, tmp_path):
    file = tmp_path / "scores.json"
    file.write_text("[1, 2]")

    with pytest.raises(SoriError, match="not the JSON of an evaluation"):
        compare_with(evaluation, file)


def test_the_report_needs_nothing_beside_itself(evaluation):
    page = report(evaluation, "other", {})

    assert page.count("<audio") == 8
    assert page.count("data:audio/mpeg;base64,") == 8
    assert "http:" not in page
    assert "https:" not in page


def test_texts_and_names_cannot_break_the_page(evaluation):
    page = report(evaluation)

    assert "Sentence &lt;3&gt;." in page
    assert "&lt;b&gt; &amp; co" in page
    assert "<h1>mine &amp; yours</h1>" in page


def test_what_needs_a_reference_is_asked_only_where_there_is_one():
    assert {"distortion", "pitch", "fidelity"} & set(full_panel(False)) == set()
    assert {"distortion", "pitch", "fidelity"} <= set(full_panel(True))

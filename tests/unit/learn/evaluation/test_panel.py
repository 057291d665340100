import numpy as np
import pytest

from sori.audio.files import write
from sori.core.audio import Audio
from sori.learn.evaluation.clips import find_clips
from sori.learn.evaluation.judges import MissingJudgeError, require
from sori.learn.evaluation.panel import judge


class Loudness:
    def hear(self, take):
        return {"distillmos": float(np.abs(take.audio.samples).max())}


def absent():
    raise MissingJudgeError("Nobody cannot judge; install it with: pip install nobody")


@pytest.fixture
def clips(tmp_path):
    for name, level in (("a", 0.25), ("b", 0.5)):
        write(tmp_path / f"{name}.wav", Audio(np.full(160, level, np.float32), 16_000))
    return find_clips(tmp_path)


def test_every_judge_hears_every_recording(clips):
    verdict = judge(clips, {"loudness": Loudness})

    assert [row["distillmos"] for row in verdict.rows] == pytest.approx([0.25, 0.5], abs=1e-4)


def test_a_missing_judge_is_named_and_the_rest_still_judge(clips):
    verdict = judge(clips, {"nobody": absent, "loudness": Loudness})

    assert verdict.missing["nobody"].endswith("install it with: pip install nobody")
    assert all("distillmos" in row for row in verdict.rows)


def test_a_package_that_is_not_there_is_answered_with_the_command_that_brings_it():
    with pytest.raises(MissingJudgeError, match="install it with: pip install something"):
        require("sori_has_no_such_module", "Nobody", "pip install something")

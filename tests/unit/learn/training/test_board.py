import pytest
import torch

from sori.learn.contracts import Exhibit

pytest.importorskip("tensorboard", reason="sori[tensorboard]")


def test_tensorboard_gets_numbers_pictures_and_sound(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from sori.learn.training.board import Board

    board = Board(tmp_path)
    board.row({"step": 100, "rate": 1e-3, "model/mel": 2.5, "model/norm": None})
    board.row({"step": 150, "skipped": ["model/mel"], "utterances": ["clip"]})
    mel, diagonal = torch.rand(80, 60), torch.eye(12).repeat_interleave(5, dim=1)
    board.exhibit(
        100, Exhibit({"made": mel}, {"aligner": diagonal}, {"made": torch.zeros(24000)}), 24000
    )
    board.close()

    events = EventAccumulator(str(tmp_path)).Reload()
    tags = events.Tags()
    assert sorted(tags["scalars"]) == ["model/mel", "rate"]
    assert sorted(tags["images"]) == ["alignments", "mels"]
    assert tags["audio"] == ["made"]
    [number] = events.Scalars("model/mel")
    assert (number.step, number.value) == (100, 2.5)
    [sound] = events.Audio("made")
    assert (sound.sample_rate, sound.length_frames, sound.step) == (24000, 24000, 100)

import pytest
import torch

from sori.learn.mel import from_unit, to_unit
from sori.learn.models.mel_codes import (
    SPEC,
    MelCodes,
    MelCodesBatch,
    MelCodesConfig,
    MelCodesTask,
)
from tests.sizes import millions


@pytest.fixture
def model():
    torch.manual_seed(0)
    return MelCodes(SPEC.tiny).eval()


def test_the_size_is_the_published_one():
    assert millions(MelCodes, MelCodesConfig()) == pytest.approx(51.6, rel=0.002)


def test_scaled_mels_come_back_and_speech_lies_between_minus_one_and_one():
    mel = torch.tensor([[[-11.512925, 0.0, 2.314339]]])

    assert to_unit(mel)[0, 0, [0, 2]].tolist() == pytest.approx([-1, 1], abs=1e-5)
    torch.testing.assert_close(from_unit(to_unit(mel)), mel, atol=1e-5, rtol=0)


@pytest.mark.parametrize("frames", [1, 4, 5, 22, 23, 24])
def test_there_is_a_code_for_every_four_frames_begun(model, frames):
    codes = model.encode(torch.randn(1, 40, frames) - 4)

    assert codes.shape[1] == -(-frames // 4) == int(model.count(torch.tensor([frames])))
    assert codes.min() >= 0
    assert codes.max() < 8
    assert model.decode(codes).shape == (1, 40, 4 * codes.shape[1])


def test_forward_is_decoding_what_was_encoded(model):
    mel = torch.randn(2, 40, 22) - 4

    assert torch.equal(model(mel), model.decode(model.encode(mel))[:, :, :22])


def test_padding_changes_no_code(model):
    model.codebook.follow(
        model.vectors(torch.randn(4, 40, 64) - 4, torch.full((4,), 64))[0], torch.randint(8, (16,))
    )
    mel = torch.randn(2, 40, 30) - 4
    mel_len = torch.tensor([30, 13])

    together = model.vectors(mel, mel_len)
    alone = model.vectors(mel[1:, :, :13], mel_len[1:])

    torch.testing.assert_close(together[1:, :4], alone, atol=1e-5, rtol=1e-4)


def test_the_codebook_moves_in_training_and_stands_still_in_validation():
    torch.manual_seed(0)
    task = MelCodesTask(SPEC.tiny)
    batch = MelCodesBatch(torch.randn(2, 40, 24) - 4)
    before = task.model.codebook.table.clone()

    list(task.eval().training_step(batch))
    still = task.model.codebook.table.clone()
    list(task.train().training_step(batch))

    assert torch.equal(before, still)
    assert not torch.equal(before, task.model.codebook.table)


def test_more_codes_tell_more_of_the_same_mels():
    errors = {}
    for codes in (2, 32):
        torch.manual_seed(0)
        config = MelCodesConfig(mel=SPEC.tiny.mel, codes=codes, code_width=8, width=16, blocks=1)
        task = MelCodesTask(config)
        # Two octaves of slowly moving bands.
        time, band = torch.arange(32), torch.arange(40)[:, None]
        waves = [4 * torch.sin(0.1 * (k + 1) * time + 0.3 * band) - 5 for k in range(4)]
        batch = MelCodesBatch(torch.stack(waves))
        optimizer = torch.optim.Adam(task.parameters(), lr=3e-3)
        for _ in range(80):
            for update in task.training_step(batch):
                optimizer.zero_grad()
                update.loss.backward()
                optimizer.step()
            errors[codes] = float(update.terms["mel"].detach())

    assert errors[32] < 0.8 * errors[2]

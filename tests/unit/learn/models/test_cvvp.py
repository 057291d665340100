import pytest
import torch

from sori.learn.models.cvvp import CVVP, SPEC, CVVPConfig
from tests.sizes import millions


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = CVVP(SPEC.tiny).eval()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return model


def test_the_size_is_the_published_one():
    assert millions(CVVP, CVVPConfig()) == pytest.approx(37.8, rel=0.001)


@torch.no_grad()
def test_scores_are_the_logits_of_training_and_know_no_padding(model):
    mels, codes = torch.randn(3, 40, 32) - 4, torch.randint(8, (3, 10))

    logits = model(mels, codes)

    for row, mel in enumerate(mels):
        alone = model.score(mel[None], codes, torch.full((3,), 10))
        torch.testing.assert_close(alone, logits[row])
    padded = torch.cat([codes[:, :7], torch.full((3, 3), 9)], dim=1)
    mixed = model.score(mels[:1], padded, torch.tensor([7, 7, 10]))
    short = model.score(mels[:1], codes[:2, :7], torch.tensor([7, 7]))
    torch.testing.assert_close(mixed[:2], short)


@torch.no_grad()
def test_the_order_of_the_codes_matters(model):
    codes = torch.arange(8)[None]
    mel = torch.randn(1, 40, 32) - 4

    scores = [model.score(mel, c, torch.tensor([8])) for c in (codes, codes.flip(1))]

    assert not torch.allclose(*scores)

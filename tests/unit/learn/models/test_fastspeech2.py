import pytest
import torch

from sori.learn import registry
from sori.learn.models.fastspeech2 import (
    FastSpeech2,
    FastSpeech2Config,
    FastSpeech2Task,
    Variance,
)
from sori.learn.models.fastspeech2_conv import Controls, ConvFastSpeech2, Spoken, hurry
from tests.batches import example_batch

SPEC = registry.spec("fastspeech2")
CONV = registry.spec("fastspeech2_conv")


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = FastSpeech2(SPEC.tiny).eval()
    torch.nn.init.constant_(model.duration.leave.bias, 1.5)
    return model


def count(module):
    return sum(weight.numel() for weight in module.parameters())


def test_the_open_configuration_has_its_published_sizes():
    config = FastSpeech2Config(decoder_blocks=6, postnet_blocks=5)

    model = FastSpeech2(config)

    assert count(model.encoder[0]) == 2_886_912
    assert count(model.encoder) + count(model.decoder) == 28_869_120
    assert count(model.postnet) == 4_348_144 or abs(count(model.postnet) / 4.348e6 - 1) < 0.01


def test_output_is_as_long_as_its_durations(model):
    spoken = model(torch.tensor([[0, 5, 9, 12, 0]]), torch.tensor([0]))

    assert spoken.mel.shape[2] == int(spoken.durations.sum())


def test_every_pitch_has_a_bin_and_bins_rise_with_pitch(model):
    hz = torch.tensor([[1.0, 49.0, 60.0, 200.0, 599.0, 5000.0]])
    voiced = torch.ones_like(hz)

    bins = model.pitch_bin(Variance(hz.log(), voiced, voiced))[0]

    assert bins.min() >= 1
    assert bins.max() <= SPEC.tiny.bins - 1
    assert torch.equal(bins, bins.sort().values)
    assert model.pitch_bin(Variance(hz.log(), -voiced, voiced)).sum() == 0


def test_pitch_control_leaves_durations_alone(model):
    ids, speaker = torch.tensor([[0, 5, 9, 12, 0]]), torch.tensor([0])

    plain, high = model(ids, speaker), model(ids, speaker, pitch=1.5)

    assert torch.equal(plain.durations, high.durations)
    torch.testing.assert_close(high.f0, plain.f0 * 1.5)


def test_the_mel_loss_does_not_depend_on_predictors():
    torch.manual_seed(0)
    task = FastSpeech2Task(SPEC.tiny).eval()
    batch = example_batch(SPEC)
    first = task.terms(batch)["mel"]

    for predictor in (task.model.duration, task.model.pitch, task.model.energy):
        torch.nn.init.normal_(predictor.leave.weight, std=3.0)

    assert torch.equal(first, task.terms(batch)["mel"])


@pytest.mark.parametrize("spec", [SPEC, CONV], ids=["fastspeech2", "fastspeech2_conv"])
def test_padding_changes_nothing(spec):
    torch.manual_seed(0)
    task = spec.task(spec.tiny).eval()
    batch = example_batch(spec, items=1)
    wider = {
        "ids": torch.nn.functional.pad(batch.ids, (0, 3)),
        "durations": torch.nn.functional.pad(batch.durations, (0, 3)),
    }
    padded = type(batch)(**{**vars(batch), **wider})

    plain, other = task.terms(batch), task.terms(padded)

    for name, value in plain.items():
        torch.testing.assert_close(other[name], value, atol=1e-5, rtol=1e-4)


def test_an_utterance_without_a_recording_teaches_prosody_alone():
    torch.manual_seed(0)
    task = CONV.task(CONV.tiny).eval()
    batch = example_batch(CONV)
    unheard = {"mel": batch.mel.clone(), "energy": batch.energy.clone()}
    unheard["mel"][1], unheard["energy"][1] = -100.0, -100.0
    first = type(batch)(**{name: value[:1] for name, value in vars(batch).items()})

    mixed, alone = task.terms(type(batch)(**{**vars(batch), **unheard})), task.terms(first)

    for name in ("mel", "energy"):
        torch.testing.assert_close(mixed[name], alone[name])
    assert not torch.equal(mixed["pitch"], alone["pitch"])


@pytest.fixture
def conv():
    torch.manual_seed(0)
    model = ConvFastSpeech2(CONV.tiny).eval()
    torch.nn.init.constant_(model.duration_out.bias, 1.5)
    return model


def controls(speed=1.0, pitch=1.0, energy=1.0):
    return Controls(*(torch.tensor([value]) for value in (speed, pitch, energy)))


def test_frames_are_two_for_every_unit_of_duration(conv):
    spoken = conv(torch.tensor([[0, 5, 9, 12, 0]]), torch.ones(1, 1), controls())

    assert int(spoken.durations.sum()) == spoken.mel.shape[2] == spoken.f0.shape[1]
    assert spoken.durations.min() >= 2


def test_half_the_speed_takes_about_twice_as_long(conv):
    ids = torch.randint(1, 40, (1, 40))

    plain = conv(ids, torch.ones(1, 1), controls())
    slow = conv(ids, torch.ones(1, 1), controls(speed=0.5))

    ratio = slow.mel.shape[2] / plain.mel.shape[2]
    assert 1.7 < ratio < 2.3


@pytest.mark.parametrize("speed", [1.1, 2.0, 3.7])
def test_all_speeds_shorten_as_they_say(conv, speed):
    torch.nn.init.constant_(conv.duration_out.bias, 2.5)  # long enough for fine steps
    ids, speaker = torch.randint(1, 20, (1, 40)), torch.ones(1, 1)

    with torch.no_grad():
        usual, quick = conv(ids, speaker, controls()), conv(ids, speaker, controls(speed=speed))

    frames = usual.durations.sum().item()
    assert quick.durations.sum().item() == pytest.approx(frames / speed, rel=0.15)
    assert quick.mel.shape[2] == quick.f0.shape[1] == quick.durations.sum()


def test_hurry_by_one_changes_nothing_and_by_two_joins_neighbours():
    spoken = Spoken(
        torch.tensor([[4, 4]]),
        torch.tensor([[0.0, 0, 0, 100, 110, 120, 130, 140]]),
        torch.arange(8.0).expand(1, 3, 8),
    )

    same, half = hurry(spoken, torch.tensor([1.0])), hurry(spoken, torch.tensor([2.0]))

    for kept, given in zip(same, spoken, strict=True):
        assert torch.equal(kept, given)
    assert half.durations.tolist() == [[2, 2]]
    assert half.mel[0, 0].tolist() == [0.5, 2.5, 4.5, 6.5]
    # Half voiced counts as voiced and holds the pitch that is there.
    assert half.f0.tolist() == [[0.0, 100.0, 115.0, 135.0]]


def test_pitch_is_multiplied_and_durations_stay(conv):
    ids = torch.randint(1, 40, (1, 20))

    plain = conv(ids, torch.ones(1, 1), controls())
    high = conv(ids, torch.ones(1, 1), controls(pitch=1.25))

    assert torch.equal(plain.durations, high.durations)
    torch.testing.assert_close(high.f0, 1.25 * plain.f0)

from dataclasses import replace

import pytest
import torch

from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.contracts import Delivery
from sori.learn.models.tacotron2 import (
    Decoding,
    Tacotron2,
    Tacotron2Batch,
    Tacotron2Config,
    expected_places,
    scaled,
)
from sori.learn.nn.alignment import strayed
from tests.batches import example_batch
from tests.sizes import millions

SPEC = registry.spec("tacotron2")
IDS, IDS_LEN = torch.tensor([[0, 5, 9, 12, 7, 0]]), torch.tensor([6])


def make(**changes):
    """A small model that draws no lots, so that two runs of it compare."""
    torch.manual_seed(0)
    return Tacotron2(replace(SPEC.tiny, prenet_dropout=0.0, **changes)).eval()


@pytest.fixture
def model():
    return make()


@pytest.fixture
def ending_model():
    """It wants to stop at every step, and its attention is on the last token from the first on."""
    model = make()
    torch.nn.init.constant_(model.stop_out.bias, 100.0)
    read = model.attention.read

    def at_the_end(text, mask):
        memory = read(text, mask)
        ends = torch.zeros_like(memory.mask)
        ends[range(len(ends)), mask.sum(dim=1) - 1] = True
        return memory._replace(mask=ends)

    model.attention.read = at_the_end
    return model


def padded(batch, tokens, frames):
    """The same batch with more room behind every item."""
    pad = torch.nn.functional.pad
    return Tacotron2Batch(
        pad(batch.ids, (0, tokens), value=3),
        batch.ids_len,
        pad(batch.mel, (0, frames), value=1.0),
        batch.mel_len,
        pad(batch.durations, (0, tokens)),
        pad(batch.f0, (0, frames), value=200.0),
    )


def test_the_paper_has_its_published_size():
    # 28.2 M is what the public program NVIDIA/tacotron2 counts with 148 symbols.
    config = Tacotron2Config(symbols="".join(map(chr, range(148))))

    assert abs(millions(Tacotron2, config) - 28.2) < 0.2


def test_attention_sums_to_one_and_never_leaves_the_text(model):
    batch = padded(example_batch(SPEC), tokens=4, frames=0)

    alignment = model.reconstruct(batch).alignment

    torch.testing.assert_close(alignment.sum(dim=2), torch.ones(alignment.shape[:2]))
    assert not alignment[:, :, batch.ids_len[0] :].any()


def test_padding_changes_nothing(model):
    batch = example_batch(SPEC)
    frames, steps = batch.mel.shape[2], batch.mel.shape[2] // SPEC.tiny.frames_per_step

    bare, roomy = model.reconstruct(batch), model.reconstruct(padded(batch, 4, 6))

    torch.testing.assert_close(roomy.after[:, :, :frames], bare.after)
    torch.testing.assert_close(roomy.stop[:, :steps], bare.stop)


def test_a_step_never_sees_the_frames_that_it_must_say(model):
    batch = example_batch(SPEC)
    step, per_step = 4, SPEC.tiny.frames_per_step
    changed = batch.mel.clone()
    changed[:, :, step * per_step :] += 1.0

    first = model.reconstruct(batch).before
    second = model.reconstruct(replace(batch, mel=changed)).before

    said = (step + 1) * per_step
    torch.testing.assert_close(first[:, :, :said], second[:, :, :said], rtol=0, atol=0)
    assert not torch.equal(
        first[:, :, said : said + per_step], second[:, :, said : said + per_step]
    )


def test_without_its_filters_attention_forgets_where_it_has_been(model):
    torch.nn.init.zeros_(model.attention.location.weight)
    memory = model.read(IDS, IDS_LEN)
    fresh = model.start(memory)
    weights = torch.rand(1, 6).softmax(dim=1)
    moved = fresh._replace(weights=weights, total=3 * weights)
    query = torch.randn(1, SPEC.tiny.decoder_width)

    _, one = model.attention(query, memory, fresh, None)
    _, other = model.attention(query, memory, moved, None)

    torch.testing.assert_close(one, other, rtol=0, atol=0)


def silence_postnet(model):
    torch.nn.init.zeros_(model.postnet.stack.convs[-1].weight)
    torch.nn.init.zeros_(model.postnet.stack.convs[-1].bias)


def test_speaking_is_what_teacher_forcing_makes_of_the_spoken(model):
    silence_postnet(model)  # the decoder hears itself as it was before the post-net

    spoken = model(IDS, IDS_LEN, Decoding(limit_steps=5))
    unknown = torch.zeros_like(IDS)
    batch = Tacotron2Batch(IDS, IDS_LEN, spoken.mel, spoken.mel_len, unknown, spoken.f0)
    made = model.reconstruct(batch)

    torch.testing.assert_close(made.alignment, spoken.alignment)
    torch.testing.assert_close((made.after[:, :-2] - 1) * 4, spoken.mel, rtol=1e-4, atol=1e-4)


def test_whoever_never_stops_is_told_of(model):
    torch.nn.init.constant_(model.stop_out.bias, -100.0)

    spoken = model(IDS, IDS_LEN, Decoding(limit_steps=7))

    assert not spoken.finished.any()
    assert spoken.mel.shape[2] == int(spoken.mel_len) == 7 * SPEC.tiny.frames_per_step


def test_a_wish_to_stop_in_the_middle_of_the_text_is_refused(model):
    torch.nn.init.constant_(model.stop_out.bias, 100.0)

    spoken = model(IDS, IDS_LEN, Decoding(limit_steps=4, window=(0, 0)))

    assert spoken.alignment.argmax(dim=2).max() == 0
    assert not spoken.finished.any()


def test_at_the_end_of_the_text_stopping_is_granted(ending_model):
    spoken = ending_model(IDS, IDS_LEN, Decoding(limit_steps=7))

    assert spoken.finished.all()
    assert int(spoken.mel_len) == SPEC.tiny.frames_per_step


def test_a_window_keeps_attention_from_jumping(model):
    torch.nn.init.normal_(model.attention.score.weight, std=30.0)

    spoken = model(IDS, IDS_LEN, Decoding(limit_steps=12, window=(0, 1)))

    moves = spoken.alignment[0].argmax(dim=1).diff()
    assert moves.min() >= 0
    assert moves.max() <= 1


def test_a_postnet_that_starts_at_zero_leaves_the_mel_alone(model):
    silence_postnet(model)

    made = model.reconstruct(example_batch(SPEC))

    torch.testing.assert_close(made.before, made.after, rtol=0, atol=0)


def test_dropout_of_the_prenet_goes_on_in_synthesis():
    torch.manual_seed(0)
    model = Tacotron2(SPEC.tiny).eval()

    def say(seed):
        torch.manual_seed(seed)
        return model(IDS, IDS_LEN, Decoding(limit_steps=3)).mel

    assert not torch.equal(say(1), say(2))
    assert torch.equal(say(1), say(1))


def test_items_of_a_batch_are_spoken_as_if_alone(ending_model):
    short = torch.tensor([[0, 8, 0]])
    both = torch.cat([IDS, torch.nn.functional.pad(short, (0, 3))])

    together = ending_model(both, torch.tensor([6, 3]))
    alone = ending_model(short, torch.tensor([3]))

    frames = int(alone.mel_len)
    assert int(together.mel_len[1]) == frames
    torch.testing.assert_close(together.mel[1:, :, :frames], alone.mel)


def test_attention_on_its_expected_place_costs_nothing_and_far_from_it_one():
    batch = example_batch(SPEC)  # six tokens of four frames each
    expected = expected_places(batch, per_step=4, steps=6)
    there = torch.eye(6).expand(2, -1, -1)
    opposite = there.flip(2)

    near = strayed(there, expected, batch.ids_len, 0.05)
    far = strayed(opposite, expected, batch.ids_len, 0.05)

    torch.testing.assert_close(near, torch.zeros(2, 6))
    torch.testing.assert_close(far, torch.ones(2, 6), atol=1e-2, rtol=0)


def test_where_durations_are_unknown_the_expected_place_moves_evenly():
    batch = example_batch(SPEC)
    unknown = replace(batch, durations=torch.zeros_like(batch.durations))

    places = expected_places(unknown, per_step=4, steps=6)

    torch.testing.assert_close(places[0], (torch.arange(6) * 4 + 2) / 24)


@pytest.mark.parametrize("sharpness", [0.0, 0.5])
def test_the_mel_costs_its_squared_and_if_wanted_its_absolute_error(sharpness):
    batch = example_batch(SPEC, items=1)
    task = SPEC.task(replace(SPEC.tiny, sharpness=sharpness))
    right = torch.cat([scaled(batch.mel), torch.zeros(1, 2, batch.mel.shape[2])], dim=1)

    exact, away = (float(task.errors(right + off, batch)["mel"]) for off in (0.0, -0.5))

    assert exact == 0
    assert away == pytest.approx(0.25 + sharpness * 0.5, rel=1e-4)


def test_an_exhibit_shows_attention_at_every_frame():
    torch.manual_seed(0)
    task = SPEC.task(SPEC.tiny).eval()
    batch = example_batch(SPEC, items=1)

    shown = task.show(batch)

    frames = batch.mel.shape[2]
    assert shown.mels["made"].shape == shown.mels["recording"].shape == batch.mel.shape[1:]
    torch.testing.assert_close(shown.alignments["attention"].sum(dim=0), torch.ones(frames))


def test_another_speed_is_refused(model):
    with pytest.raises(SoriError, match="tacotron2 has no speed"):
        model.acoustics(IDS, Delivery(torch.ones(1, 1), speed=2.0))


def test_durations_are_the_frames_that_attention_stayed(model):
    said = model.acoustics(IDS, Delivery(torch.ones(1, 1)))

    assert int(said.durations.sum()) == said.mel.shape[2] == said.f0.shape[1]

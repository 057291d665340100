from dataclasses import replace

import pytest
import torch

from sori.learn import registry
from sori.learn.models.naturalspeech import (
    NaturalSpeech,
    NaturalSpeechConfig,
    NaturalSpeechTask,
)
from sori.learn.nn.latents import Gaussian, align, matched_divergence, warped_divergence
from sori.learn.nn.soft_dtw import Warping
from tests.batches import FRAMES, example_batch
from tests.sizes import millions

SPEC = registry.spec("naturalspeech")
ALL_OFF = {"differentiable_durator": False, "bidirectional": False, "memory": False}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def task():
    return NaturalSpeechTask(SPEC.tiny)


def terms_of(task, seed=0):
    """The losses of the model on one batch, with their graphs."""
    *_, update = task.training_step(example_batch(SPEC, seed=seed))
    assert update.player == "model"
    return update.terms


def gaussian(frames, shift=0.0):
    mask = torch.ones(2, frames, dtype=torch.bool)
    return Gaussian(torch.randn(2, 6, frames) + shift, 0.3 * torch.randn(2, 6, frames), mask)


def speaking_parts(config):
    model = NaturalSpeech(config)
    del model.posterior
    return model


def test_what_speaks_has_about_the_weights_that_the_paper_states():
    assert millions(speaking_parts, NaturalSpeechConfig()) == pytest.approx(28.7, rel=0.1)


PARTS = ("reader", "duration", "upsample", "prior", "flow", "memory", "decoder", "posterior")
REACHED = {
    "kl": {"reader", "duration", "upsample", "prior", "flow", "posterior"},
    "forward_kl": {"reader", "duration", "upsample", "prior", "flow", "posterior"},
    "mel": {"memory", "decoder", "posterior"},
    "fool": {"memory", "decoder", "posterior"},
    "match": {"memory", "decoder", "posterior"},
    "e2e": {"reader", "duration", "upsample", "prior", "flow", "memory", "decoder"},
}


@pytest.mark.parametrize("term", REACHED)
def test_each_loss_reaches_its_weights_and_no_others(task, term):
    loss = terms_of(task)[term]

    for part in PARTS:
        weights = list(getattr(task.model, part).parameters())
        grads = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
        is_reached = any(grad is not None and bool(grad.any()) for grad in grads)
        assert is_reached == (part in REACHED[term]), part


def test_the_forward_divergence_reaches_the_posterior_only_through_mean_and_scale(task):
    found = task.paths(example_batch(SPEC))
    known = found.posterior
    fixed = Gaussian(known.mean.detach(), known.log_scale.detach(), known.mask)

    loss = task.divergence(found.prior_latent, found.prior, fixed)

    weights = list(task.model.posterior.parameters())
    assert set(torch.autograd.grad(loss, weights, allow_unused=True)) == {None}


def test_the_flow_starts_as_identity_and_is_undone_after_it_has_moved(task):
    flow, z, keep = task.model.flow, torch.randn(2, 16, 9), torch.ones(2, 1, 9)
    assert torch.equal(flow(z, keep)[0], z)

    for weight in flow.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    moved, log_det = flow(z, keep)

    assert not torch.allclose(moved, z)
    assert torch.equal(log_det, torch.zeros(2))
    torch.testing.assert_close(flow.inverse(moved, keep), z, atol=1e-5, rtol=0)


def test_warping_at_a_high_price_is_the_divergence_frame_by_frame():
    q, p = gaussian(7), gaussian(7, shift=0.5)
    z = q.sample()

    warped = warped_divergence(z, q, p, Warping(0.01, 1e6, 2))

    torch.testing.assert_close(warped, matched_divergence(z, q, p), atol=1e-4, rtol=1e-4)


def test_warping_forgives_a_shift_of_frames():
    q = gaussian(12)
    late = Gaussian(*(x.roll(1, dims=2) for x in q[:2]), q.mask)
    z = q.sample()

    warped = warped_divergence(z, q, late, Warping(0.01, 0.07, 4))

    assert warped < 0.8 * matched_divergence(z, q, late)


def test_alignment_finds_which_frames_a_token_made():
    tokens = gaussian(3)
    tokens = Gaussian(4 * tokens.mean, torch.zeros_like(tokens.mean), tokens.mask)
    durations = torch.tensor([[2, 4, 1], [1, 1, 3]])
    frames = [
        torch.repeat_interleave(tokens.mean[item], durations[item], dim=1) for item in range(2)
    ]
    z = torch.stack([torch.nn.functional.pad(f, (0, 7 - f.shape[1])) for f in frames])
    mask = torch.arange(7)[None] < durations.sum(dim=1)[:, None]

    found = align(z, Gaussian(z, torch.zeros_like(z), mask), tokens)

    assert torch.equal(found, durations)


def test_warm_up_labels_durations_and_leaves_memory_and_text_alone_for_later():
    task = NaturalSpeechTask(replace(SPEC.tiny, warmup_steps=5, tuning_from=9))

    terms = terms_of(task)
    prior = task.paths(example_batch(SPEC)).prior

    assert terms["duration"] > 0
    assert "e2e" not in terms
    assert not task.model.memory.is_set
    assert prior.mask.shape[1] == FRAMES

    bank = task.model.memory.bank.clone()
    task.step.fill_(5)
    terms = terms_of(task)

    assert terms["duration"] == 0
    assert task.model.memory.is_set
    assert not torch.equal(task.model.memory.bank, bank)

    bank = task.model.memory.bank.clone()
    task.step.fill_(9)

    assert "e2e" in terms_of(task)
    assert torch.equal(task.model.memory.bank, bank)


def test_judging_held_out_data_neither_fills_nor_starts_the_memory(task):
    task.eval()

    terms_of(task)

    assert task.heard_count == 0
    assert not task.model.memory.is_set


@pytest.mark.parametrize("switch", ALL_OFF)
def test_every_contribution_switches_off(switch):
    config = replace(SPEC.tiny, **{switch: False})
    task = NaturalSpeechTask(config)

    terms = terms_of(task)

    assert ("forward_kl" in terms) == config.bidirectional
    assert (task.model.memory is not None) == config.memory
    assert (task.model.upsample is not None) == config.differentiable_durator
    assert all(term.isfinite() for term in terms.values())


def test_with_all_contributions_off_durations_learn_apart_and_frames_repeat():
    task = NaturalSpeechTask(replace(SPEC.tiny, e2e_weight=0.0, **ALL_OFF))

    terms = terms_of(task)

    assert set(terms) == {"kl", "fool", "match", "mel", "duration"}
    weights = list(task.model.reader.parameters())
    assert set(torch.autograd.grad(terms["duration"], weights, allow_unused=True)) == {None}
    spoken = task.model.eval()(example_batch(SPEC).ids[:1])
    assert spoken.wave.shape[1] % SPEC.tiny.mel.hop_samples == 0


def test_it_speaks_as_long_as_its_durations_and_faster_when_told(task):
    model, ids = task.model.eval(), example_batch(SPEC).ids[:1]

    spoken, fast = model(ids, 1.0, 0.0), model(ids, 2.0, 0.0)

    hop = SPEC.tiny.mel.hop_samples
    assert spoken.wave.shape[1] == round(float(spoken.durations.detach().sum())) * hop
    torch.testing.assert_close(fast.durations, spoken.durations / 2)
    assert torch.equal(model(ids, 1.0, 0.0).wave, spoken.wave)
    assert not torch.equal(model(ids, 1.0, 1.0).wave, spoken.wave)


def test_padding_reaches_neither_posterior_nor_flow(task):
    model = task.model.eval()
    spectrum, mask = torch.rand(1, 257, 9), torch.ones(1, 12, dtype=torch.bool)
    mask[:, 9:] = False
    for weight in model.flow.parameters():
        torch.nn.init.normal_(weight, std=0.1)

    alone = model.listen(spectrum, mask[:, :9])
    beside = model.listen(torch.nn.functional.pad(spectrum, (0, 3), value=7.0), mask)

    torch.testing.assert_close(beside.mean[:, :, :9], alone.mean)
    moved = [model.flow(q.mean * q.keep, q.keep)[0] for q in (alone, beside)]
    torch.testing.assert_close(moved[1][:, :, :9], moved[0])


def test_halves_that_cannot_take_turns_are_refused():
    with pytest.raises(ValueError, match="couplings 3 and width 16 must be even"):
        replace(SPEC.tiny, couplings=3)

"""A clone from order to voice file, with networks small enough for a test."""

import inspect
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

import sori
from sori.app.clone_command import clone_command
from sori.audio.watermark import detect
from sori.core.audio import Audio
from sori.core.errors import SoriError
from sori.learn.cloning import clone as cloning
from sori.learn.cloning.clone import Cloning, clone
from sori.learn.cloning.order import (
    PIPELINES,
    WEIGHTS_PACKAGE,
    Order,
    StoppedError,
    default_base,
    shares_for,
)
from sori.learn.cloning.stages import Blend
from sori.learn.cloning.teaching import SILENCE, sentence_ids
from sori.speak.card import read_card
from sori.text.phonemes import SYMBOLS


def stop(*_):
    raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_a_clone_is_a_small_voice_that_says_who_agreed(order):
    heard = []

    # Of networks for tests the graph weighs more than the weights, so more of them must go.
    cloned = clone(replace(order, vocoder_keep=0.25), heard.append)

    card = read_card(order.out)
    assert card.watermark
    assert card.consent["statement"] == "she said yes"
    assert [speaker.name for speaker in card.speakers] == ["maria"]
    assert 0.3 < cloned.density < 0.75
    assert cloned.voice.stat().st_size < cloned.whole_voice.stat().st_size
    assert sum(cloned.known_speakers.values()) == pytest.approx(1.0, abs=0.02)
    stages = list(dict.fromkeys(progress.stage for progress in heard))
    assert stages == ["listen", "place", "tune", "mask", "mend", "vocoder", "export"]
    assert heard[-1].share == pytest.approx(1.0)
    assert all(0 <= progress.share <= 1 for progress in heard)


def test_all_that_a_cloned_voice_speaks_is_marked(order):
    clone(replace(order, pipeline="ft"))
    voice = sori.load(order.out, threads=1)

    # An untrained network only hisses; what matters is that its sound passes through the mark.
    plain = sori.load(order.out, threads=1)
    plain.card = replace(plain.card, watermark=False)
    text = "One. Two. Three, and then four."
    with_mark, without = voice.say(text).samples, plain.say(text).samples

    assert with_mark.shape == without.shape
    assert not np.array_equal(with_mark, without)
    assert not detect(Audio(without, voice.card.sample_rate)).is_there


@pytest.mark.parametrize("pipeline", sorted(PIPELINES.keys() - {"ft-prune-ft"}))
def test_every_pipeline_ends_in_a_voice(pipeline, order, monkeypatch):
    monkeypatch.setattr(cloning, "join", lambda acoustic, vocoder, card, out: out.touch())

    cloned = clone(replace(order, pipeline=pipeline))

    assert order.out.is_file()
    assert (cloned.density == 1.0) == (pipeline == "ft")


def test_a_stopped_run_goes_on_where_it_was(order, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Cloning, "thinned", stop)
        with pytest.raises(KeyboardInterrupt):
            clone(order)
    assert not order.out.exists()

    for stage in ("place", "tune", "find_masks"):
        monkeypatch.setattr(cloning, stage, stop)
    monkeypatch.setattr(Cloning, "thinned", lambda self, vocoder, whole: vocoder)

    assert clone(order).voice.is_file()


def test_a_clone_ends_soon_after_it_was_told_to(order):
    heard = []

    with pytest.raises(StoppedError, match="stopped while at tune"):
        clone(order, heard.append, lambda: heard[-1].stage == "tune")

    assert heard[-1].done <= 1
    assert not order.out.exists()


def test_the_installed_weights_are_taken_where_there_are_some(tmp_path, monkeypatch):
    assert default_base() == Path("weights")

    (tmp_path / WEIGHTS_PACKAGE).mkdir()
    monkeypatch.syspath_prepend(tmp_path)

    assert default_base() == tmp_path / WEIGHTS_PACKAGE


def test_a_changed_order_does_not_meet_old_results(order, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Cloning, "shrunk", stop)
        with pytest.raises(KeyboardInterrupt):
            clone(order)
    monkeypatch.setattr(cloning, "place", stop)

    with pytest.raises(KeyboardInterrupt):
        clone(replace(order, steps=25))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pipeline": "prune-it"}, "known are ft-prune-ft"),
        ({"keep": 0.0001}, "keep 0.0001 is out of range"),
        ({"vocoder_keep": 2.0}, "vocoder keep 2 is out of range"),
        ({"steps": 1}, "too few"),
        ({"consent": ""}, "consent"),
    ],
)
def test_an_order_that_cannot_be_met_is_refused_at_once(change, message, order):
    with pytest.raises(SoriError, match=message):
        replace(order, **change)


def test_missing_weights_are_named(order, tmp_path):
    with pytest.raises(SoriError, match="--base"):
        clone(replace(order, base=tmp_path))


def test_a_size_becomes_shares_of_both_networks():
    keep, vocoder_keep = shares_for(2.0, 6_800_000, 1_700_000)

    size = 1.1 * (keep * 6_800_000 + vocoder_keep * 1_700_000) + 250_000
    assert size == pytest.approx(2_000_000)
    with pytest.raises(SoriError, match="no voice fits in 0.3 MB"):
        shares_for(0.3, 6_800_000, 1_700_000)


def test_a_blend_is_convex_and_closed_gates_leave_speakers_out():
    torch.manual_seed(0)
    blend = Blend(torch.randn(8, 5))
    with torch.no_grad():
        blend.gates[2] = -5.0

    drawn, decided = blend.train().shares(), blend.eval().shares()

    for shares in (drawn, decided):
        assert shares.sum().item() == pytest.approx(1.0, abs=1e-5)
        assert (shares >= 0).all()
    assert decided[2] == 0
    assert blend(torch.zeros(8, 1)).shape == (8, 1)


def test_the_command_offers_what_an_order_takes_by_itself():
    offered = inspect.signature(clone_command).parameters
    taken = {field.name: field.default for field in fields(Order)}

    assert all(offered[name].default == taken[name] for name in ("steps", "imagined", "pipeline"))


def test_where_the_sentences_end_beginnings_and_ends_are_joined():
    few = sentence_ids(SYMBOLS, "us", 3)
    whole = sentence_ids(SYMBOLS, "us", 400)
    listed, joined = whole[:240], whole[240:]

    space = SYMBOLS.index(" ")
    starts = {tuple(row[:8].tolist()) for row in listed}
    ends = {tuple(row[-8:].tolist()) for row in listed}
    assert len(joined) == 160
    assert all(torch.equal(a, b) for a, b in zip(few, whole, strict=False))
    assert all(tuple(row[:8].tolist()) in starts for row in joined)
    assert all(tuple(row[-8:].tolist()) in ends for row in joined)
    assert all(int((row == SILENCE).sum()) == 2 for row in joined)
    assert len({tuple(row.tolist()) for row in whole}) > 390
    assert all(
        torch.equal(a, b) for a, b in zip(whole, sentence_ids(SYMBOLS, "us", 400), strict=True)
    )
    assert not any(((row[:-1] == space) & (row[1:] == space)).any() for row in joined)

"""`sori say --system cascade`: trained networks speak before they are a voice file."""

from dataclasses import replace

import pytest
import torch

from sori.audio.files import read
from sori.learn import registry
from sori.learn.checkpoint import save_model
from sori.learn.mel import MelSpec

TEXT = "The birch canoe slid on the smooth planks."
SMALL = MelSpec(8000, 512, 512, 64, 40, 0.0, 4000.0)


@pytest.fixture
def keep(somewhere):
    """Write a network of random weights where a training would have left it."""

    def write(name, change=lambda model: None, **sizes):
        torch.manual_seed(0)
        card = registry.spec(name)
        config = replace(card.tiny, **sizes)
        model = card.model(config)
        change(model)
        path = somewhere / f"{name}.safetensors"
        save_model(path, name, config, model)
        return path

    return write


def cascade(acoustic, vocoder):
    return ("--system", "cascade", "--acoustic", acoustic, "--vocoder", vocoder)


def test_a_cascade_writes_a_file_and_repeats_itself(sori, keep):
    networks = cascade(keep("fastspeech2_conv"), keep("source_filter"))

    results = [sori("say", TEXT, "--out", f"{n}.wav", *networks) for n in "ab"]

    assert [result.status for result in results] == [0, 0]
    assert "wrote a.wav" in results[0].err
    assert read("a.wav").seconds > 0.5
    assert (read("a.wav").samples == read("b.wav").samples).all()


def test_a_vocoder_that_needs_no_f0_gets_none(sori, keep):
    networks = cascade(keep("fastspeech2", mel=SMALL), keep("waveglow", mel=SMALL))

    result = sori("say", TEXT, "--out", "a.wav", *networks)

    assert result.status == 0, result.err
    assert read("a.wav").sample_rate == SMALL.sample_rate


def test_whoever_finds_no_end_is_heard_and_told_of(sori, keep):
    def never_stop(model):
        torch.nn.init.constant_(model.stop_out.bias, -100.0)

    networks = cascade(keep("tacotron2", never_stop), keep("source_filter"))

    result = sori("say", "Oh no.", "--out", "a.wav", *networks)

    assert result.status == 0, result.err
    assert "did not find the end of a sentence" in result.err
    assert read("a.wav").seconds > 0.5


def test_a_speed_that_a_network_lacks_is_refused_and_leaves_no_file(sori, keep, somewhere):
    networks = cascade(keep("tacotron2"), keep("source_filter"))

    result = sori("say", TEXT, "--speed", "2", "--out", "a.wav", *networks)

    assert result.status == 2
    assert "tacotron2 has no speed" in result.err
    assert not (somewhere / "a.wav").exists()


def test_networks_that_mean_different_mels_are_told_apart_by_field(sori, keep):
    networks = cascade(keep("fastspeech2_conv"), keep("waveglow"))

    result = sori("say", TEXT, *networks)

    assert result.status == 2
    assert "hop_samples: acoustic 300, vocoder 64" in result.err


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("--system", "cascade"), "give --acoustic FILE and --vocoder FILE"),
        (("--system", "choir"), "there is no system 'choir'; choose one of: voice, cascade"),
        (("--system", "voice", "--vocoder", "v"), "a voice brings its own networks"),
        (("--acoustic", "none.safetensors", "--vocoder", "v"), "no checkpoint at none"),
    ],
)
def test_what_cannot_be_joined_is_one_line(sori, words, fault):
    result = sori("say", TEXT, *words)

    assert result.status == 2
    (line,) = result.err.splitlines()
    assert fault in line


def test_networks_in_the_wrong_place_are_named(sori, keep):
    acoustic, vocoder = keep("fastspeech2_conv"), keep("source_filter")

    turned = sori("say", TEXT, *cascade(vocoder, acoustic))
    twice = sori("say", TEXT, *cascade(acoustic, acoustic))

    assert "is no acoustic model; it holds a SourceFilter" in turned.err
    assert "is no vocoder; it holds a ConvFastSpeech2" in twice.err

"""`sori say --system tortoise`: a text in the voice of recordings."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sori.app.speaking import Zeroshot
from sori.app.tortoise import Networks, Verified
from sori.audio.files import read, write
from sori.core.audio import Audio
from sori.learn import registry
from sori.learn.checkpoint import read_tensors, save_model
from sori.learn.mel import MelSpec
from sori.learn.systems import denoising
from sori.speak.card import Card
from sori.speak.graph import Spoken
from sori.speak.manner import Manner

TEXT = "Hello you."
MEL = MelSpec(8000, 512, 512, 64, 40, 0.0, 4000.0)
SIZES = {
    "autoregression": ("tortoise_ar", {"reference_frames": 60}),
    "clvp": ("clvp", {}),
    # So wide that a group of channels holds more than one: a single code can be told, too.
    "diffusion": ("tortoise_diffusion", {"mel": MEL, "width": 48}),
    "vocoder": ("univnet", {"mel": MEL}),
    "cvvp": ("cvvp", {}),
}


def hum(seconds, hz, rate=8000):
    time = np.arange(round(seconds * rate)) / rate
    return Audio((0.3 * np.sin(2 * np.pi * hz * time)).astype(np.float32), rate)


@pytest.fixture
def keep(somewhere):
    """Write a network of random weights where a training would have left it."""

    def write_network(place, **sizes):
        name, own = SIZES[place]
        torch.manual_seed(0)
        card = registry.spec(name)
        config = replace(card.tiny, **own | sizes)
        folder = somewhere / "nets" / place
        folder.mkdir(parents=True, exist_ok=True)
        save_model(folder / "model.safetensors", name, config, card.model(config))

    return write_network


@pytest.fixture
def speak(sori, keep, somewhere):
    """Speak with tiny networks, in the voice of a folder `ann` unless another is named."""
    for place in SIZES:
        keep(place)
    for name, hz in (("ann", 220), ("bob", 110)):
        (somewhere / name).mkdir()
        write(somewhere / name / "1.wav", hum(3.0, hz))

    def run(*words, text=TEXT, reference="ann"):
        whom = ("--reference", reference) if reference else ()
        few = ("--candidates", 3, "--steps", 4)
        return sori("say", text, "--system", "tortoise", "--networks", "nets", *whom, *few, *words)

    return run


def samples(speak, out, *words, **options):
    result = speak("--out", out, *words, **options)
    assert result.status == 0, result.err
    return read(out).samples


def test_the_same_seed_gives_the_same_samples_and_another_gives_others(speak):
    first, again = (samples(speak, f"{n}.wav", "--seed", 7) for n in "ab")

    assert len(first) > 100
    assert np.array_equal(first, again)
    assert not np.array_equal(first, samples(speak, "c.wav", "--seed", 8))


def test_bfloat16_says_something_else_but_the_same_every_time(speak):
    first, again = (samples(speak, f"{n}.wav", "--precision", "bf16") for n in "ab")

    assert len(first) > 100
    assert np.array_equal(first, again)


def waken(folder):
    """Give what starts at zero, and so does nothing yet, something to say."""
    model = registry.load(folder / "model.safetensors")
    for weight in model.parameters():
        if not weight.any():
            torch.nn.init.normal_(weight, std=0.05)
    save_model(folder / "model.safetensors", "tortoise_diffusion", model.config, model)


def test_an_exported_decoder_draws_what_the_network_draws(speak, sori, somewhere):
    decoder = somewhere / "nets" / "diffusion"
    waken(decoder)
    of_network = samples(speak, "a.wav")

    made = sori("export-decoder", decoder / "model.safetensors")
    assert made.status == 0
    assert "wrote" in made.err
    asked = []
    session = denoising.GraphDenoiser.__call__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            denoising.GraphDenoiser,
            "__call__",
            lambda self, *given: asked.append(1) or session(self, *given),
        )
        of_graph = samples(speak, "b.wav")
        in_halves = samples(speak, "c.wav", "--precision", "bf16")

    assert len(asked) == 4  # one for each step; in bf16 the network is asked
    assert len(in_halves) > 100
    assert np.abs(of_network).max() > 1e-3
    np.testing.assert_allclose(of_graph, of_network, atol=1e-3)


def test_a_decoder_that_was_exported_before_it_learned_more_is_refused(speak, sori, somewhere):
    decoder = somewhere / "nets" / "diffusion"
    assert sori("export-decoder", decoder / "model.safetensors").status == 0
    waken(decoder)

    refused = speak()

    assert refused.status == 2
    assert "model.onnx was not made of" in refused.err
    assert "export it again" in refused.err


def test_only_a_decoder_is_exported_as_one(sori, keep, somewhere):
    keep("clvp")

    refused = sori("export-decoder", somewhere / "nets/clvp/model.safetensors")

    assert refused.status == 2
    assert "holds CLVP; give a tortoise_diffusion checkpoint" in refused.err
    assert not (somewhere / "nets/clvp/model.onnx").exists()


def test_a_graph_that_is_none_is_refused(speak, somewhere):
    (somewhere / "nets/diffusion/model.onnx").write_bytes(b"no graph")

    refused = speak()

    assert refused.status == 2
    assert "model.onnx cannot be loaded" in refused.err


def test_voices_sound_different_and_between_two_lies_another(speak):
    takes = [samples(speak, "x.wav", reference=who) for who in ("ann", "bob", "ann&bob")]

    assert not np.array_equal(takes[0], takes[1])
    assert not np.array_equal(takes[0], takes[2])
    assert np.array_equal(takes[2], samples(speak, "y.wav", "--reference", "bob"))


def test_latents_that_were_kept_say_the_same(speak):
    heard = samples(speak, "a.wav", "--save-latents", "ann.safetensors")

    assert np.array_equal(heard, samples(speak, "b.wav", reference="ann.safetensors"))
    assert set(read_tensors(Path("ann.safetensors"))[0]) == {"autoregression", "diffusion"}


def test_a_random_voice_is_drawn_by_the_seed_from_those_of_the_networks(speak, somewhere):
    refused = speak(reference="random")
    (somewhere / "nets" / "voices").mkdir()
    for name in ("ann", "bob"):
        (somewhere / name).rename(somewhere / "nets" / "voices" / name)

    takes = [samples(speak, "x.wav", "--seed", s, reference="random") for s in (1, 1, 2)]
    named = samples(speak, "y.wav", "--seed", 1, reference="ann")

    assert refused.status == 2
    assert "a random voice is a mix of those in nets/voices, and there is none" in refused.err
    assert np.array_equal(takes[0], takes[1])
    assert not np.array_equal(takes[0], takes[2])
    assert not np.array_equal(takes[0], named)


def test_text_beyond_the_position_table_is_split_and_all_of_it_spoken(speak, monkeypatch):
    runs = []
    run = Networks.run

    def watched(self, ids, weights, manner):
        runs.append(ids)
        return run(self, ids, weights, manner)

    monkeypatch.setattr(Networks, "run", watched)

    samples(speak, "a.wav", text="The birch canoe slid on the smooth planks and went away again.")

    assert len(runs) > 1
    assert all(len(ids) <= 24 for ids in runs)
    assert sum(len(ids) - 2 for ids in runs) >= 40


def test_without_a_vocoder_griffin_lim_speaks_and_a_source_filter_finds_f0(speak, keep, somewhere):
    (somewhere / "nets" / "vocoder" / "model.safetensors").unlink()
    plain = samples(speak, "a.wav")
    torch.manual_seed(0)
    card = registry.spec("source_filter")
    keep("diffusion", mel=card.tiny.mel)
    path = somewhere / "nets" / "vocoder" / "model.safetensors"
    save_model(path, "source_filter", card.tiny, card.model(card.tiny))

    assert len(plain) > 100
    assert len(samples(speak, "b.wav")) > 100


def test_likeness_to_the_voice_counts_where_it_is_asked_for(speak, somewhere):
    by_text, by_both = (
        samples(speak, "a.wav", "--seed", 7, "--voice-share", share) for share in (0, 0.5)
    )
    latents = ("--save-latents", "ann.safetensors", "--seed", 7)
    samples(speak, "b.wav", *latents)
    (somewhere / "nets" / "cvvp" / "model.safetensors").unlink()

    results = [speak("--voice-share", 1), speak("--voice-share", 1, reference="ann.safetensors")]

    assert len(by_text) and len(by_both)
    assert [result.status for result in results] == [2, 2]
    assert all("no cvvp, or the voice no recording, to compare" in r.err for r in results)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--preset", "fastest"), "there is no preset 'fastest'; choose one of: ultra_fast, fast"),
        (("--sampler", "euler"), "there is no sampler 'euler'"),
        (("--candidates", "0"), "candidates 0 is out of range; give 1 or more"),
        (("--steps", "21"), "21 steps; the decoder learned 20"),
        (("--voice-share", "1.5"), "voice_share 1.5 is out of range; give 0 to 1"),
        (("--precision", "fp8"), "there is no precision 'fp8'"),
        (("--speed", "2"), "TorToise takes speed from the recordings"),
        (("--save-latents", "a.wav"), "a.wav must end in .safetensors"),
        (("--networks", "elsewhere"), "there is no folder elsewhere"),
        (("--networks", "ann"), "ann has no autoregression/model.safetensors"),
    ],
)
def test_an_option_that_cannot_be_met_is_named(speak, words, message):
    result = speak(*words)

    assert (result.status, result.out) == (2, b"")
    assert message in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (None, "clips holds no recording; give .wav"),
        (Audio(np.zeros(24000, np.float32), 8000), "1.wav is silent; give a recording"),
        (hum(1.0, 200), "clips holds 1.0 s of speech; a voice needs 2 s or more"),
        (hum(3600.0, 200, 200), "1.wav lasts 60 minutes; cut clips of 6 to 30 s out of it"),
    ],
)
def test_recordings_that_hold_no_voice_are_refused(speak, somewhere, audio, message):
    (somewhere / "clips").mkdir()
    if audio is not None:
        write(somewhere / "clips" / "1.wav", audio)

    result = speak(reference="clips")

    assert result.status == 2
    assert message in result.err


def test_what_is_no_recording_no_latents_or_no_voice_is_refused(speak, somewhere):
    (somewhere / "clips").mkdir()
    (somewhere / "clips" / "1.wav").write_bytes(b"RIFF....")
    (somewhere / "a.safetensors").write_bytes(b"nonsense")
    network = "nets/clvp/model.safetensors"

    results = [speak(reference=r) for r in ("clips", "a.safetensors", network, "carl", "", "ann&")]

    assert [result.status for result in results] == [2] * 6
    assert "cannot read" in results[0].err
    assert "not a whole safetensors file" in results[1].err
    assert "holds no voice of TorToise" in results[2].err
    assert "there is no folder 'carl' of recordings" in results[3].err
    assert "give --reference DIR" in results[4].err
    assert "there is no folder ''" in results[5].err


def test_networks_that_do_not_fit_are_named(speak, keep, somewhere):
    keep("diffusion", latent_width=8)
    widths = speak()
    keep("diffusion")
    keep("vocoder", mel=replace(MEL, bins=20))
    mels = speak()
    keep("vocoder")
    (somewhere / "nets" / "clvp" / "model.safetensors").unlink()
    judge = speak()
    (somewhere / "nets" / "autoregression" / "model.safetensors").write_bytes(
        (somewhere / "nets" / "diffusion" / "model.safetensors").read_bytes()
    )
    kind = speak()

    assert "do not fit: autoregression has 8 codes and width 16, diffusion 8 and 8" in widths.err
    assert "bins: acoustic 40, vocoder 20" in mels.err
    assert "no clvp to choose among candidates; draw 1" in judge.err
    assert "holds a TortoiseDiffusion, not a TortoiseAR" in kind.err


def test_options_of_tortoise_mean_tortoise_and_nothing_else(sori, say):
    other = say(TEXT, "--system", "voice", "--preset", "fast")
    alone = sori("say", TEXT, "--preset", "fast")

    assert "--preset belongs to TorToise; add --system tortoise" in other.err
    assert "TorToise needs its networks; give --networks DIR" in alone.err
    nothing = {f.name: f.default for f in fields(Zeroshot)}
    assert Zeroshot.given(**nothing) is None
    assert Zeroshot.given(**nothing | {"candidates": 0}) == Zeroshot(candidates=0)


class Repeater:
    """Speaks the seed, so that a recogniser of tests knows which it was."""

    def run(self, ids, weights, manner):
        wave = np.full(800, manner.seed, np.float32)
        return Spoken(wave, np.full(len(ids), 800 // len(ids)))


@pytest.mark.parametrize(("good_seed", "spoken", "tries"), [(0, 0, 0), (2, 2, 2), (9, 1, 4)])
def test_a_sentence_that_is_not_recognised_is_spoken_with_the_next_seed(
    capsys, good_seed, spoken, tries
):
    symbols = "_ həlˈOðɛɹ"
    card = Card("", "en", "", 8000, tuple(symbols), (), "", {}, 80)
    heard = {good_seed: "Hello there.", 1: "Hello."}
    verified = Verified(Repeater(), card, lambda audio: heard.get(int(audio.samples[0]), ""))
    ids = [0, *(symbols.index(letter) for letter in "həlˈO ðˈɛɹ"), 0]

    take = verified.run(ids, np.ones(1), Manner())

    assert take.wave[0] == spoken
    assert capsys.readouterr().err.count("of the sounds were heard wrong") == tries


def test_the_published_networks_come_from_a_folder_that_is_named(sori):
    results = [
        sori("import", "tortoise"),
        sori("import", "tortoise", "nowhere"),
        sori("import", "other.pth", "nowhere"),
    ]

    assert [result.status for result in results] == [2] * 3
    assert "give the folder of the published files: sori import tortoise DIR" in results[0].err
    assert "nowhere has no autoregressive.pth; TorToise needs" in results[1].err
    assert "a folder belongs to 'tortoise' only; leave out nowhere" in results[2].err

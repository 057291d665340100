from dataclasses import replace

import numpy as np
import pytest
import torch

from sori.core.errors import SoriError
from sori.learn.contracts import AcousticBatch
from sori.learn.data.batches import Crops, Part, Sentences, select
from sori.learn.data.cache import Cache, prepare, write_labels
from sori.learn.data.corpora import is_held_out, read_pipe_separated
from sori.learn.mel import MelSpec
from sori.learn.models.naturalspeech import NaturalSpeechBatch
from sori.learn.models.source_filter import SourceFilterBatch
from sori.learn.models.wavenet import WaveNetBatch
from sori.text.phonemes import SYMBOLS
from tests.unit.learn.corpus import TEXTS, make_corpus

SPEC = MelSpec()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = make_corpus(tmp_path_factory.mktemp("corpus"))
    out = tmp_path_factory.mktemp("cache")
    prepare(list(read_pipe_separated(folder)), folder, out, SPEC)
    return Cache(out, SPEC)


def items(cache):
    return [(cache, entry) for entry in cache.entries]


def test_the_reader_gives_every_line_of_the_metadata(tmp_path):
    utterances = list(read_pipe_separated(make_corpus(tmp_path)))

    assert [u.text for u in utterances] == list(TEXTS)
    assert all(u.audio.is_file() and u.speaker == "ann" for u in utterances)


def test_a_folder_without_metadata_is_refused(tmp_path):
    with pytest.raises(SoriError, match="has no metadata.csv"):
        list(read_pipe_separated(tmp_path))


def test_missing_columns_are_named(tmp_path):
    (tmp_path / "metadata.csv").write_text("audio|words\n")

    with pytest.raises(SoriError, match="lacks the columns speaker, text"):
        list(read_pipe_separated(tmp_path))


def test_frames_and_samples_of_the_cache_are_aligned(cache):
    for entry in cache.entries:
        assert sum(entry.durations) == entry.frames == 80
        assert len(cache.wave(entry, 0, entry.frames)) == 300 * entry.frames


def test_f0_of_a_tone_is_its_frequency(cache):
    for number, entry in enumerate(cache.entries):
        f0 = cache.frames("f0", entry, 10, 60)

        assert np.median(f0) == pytest.approx(150 + 20 * number, rel=0.02)


def test_speech_is_brought_to_one_level(cache):
    for entry in cache.entries:
        wave = cache.wave(entry, 0, entry.frames)

        assert np.sqrt(np.square(wave).mean()) == pytest.approx(0.06, rel=0.1)


def test_a_prompt_is_held_out_however_it_is_spelled():
    prompts = [f"Sentence number {n}, is it not?" for n in range(2000)]

    part = sum(map(is_held_out, prompts)) / len(prompts)

    assert 0.025 < part < 0.055
    assert all(is_held_out(p) == is_held_out(p.upper().replace(",", " ")) for p in prompts)


def test_no_prompt_is_in_both_parts(cache):
    trained, tested = (select([cache], held_out) for held_out in (False, True))

    assert len(trained) + len(tested) == len(TEXTS)
    assert not {e.text for _, e in trained} & {e.text for _, e in tested}


def test_the_same_step_gives_the_same_crops(cache):
    crops = Crops(items(cache), SourceFilterBatch, 20, 3, 0)

    first, again, other = crops.at(5), crops.at(5), crops.at(6)

    assert first.mel.shape == (3, 80, 20)
    assert first.wave.shape == (3, 6000)
    assert torch.equal(first.wave, again.wave)
    assert not torch.equal(first.wave, other.wave)


def test_crops_longer_than_every_utterance_are_refused(cache):
    with pytest.raises(SoriError, match="no utterance is as long as a crop of 500 frames"):
        Crops(items(cache), SourceFilterBatch, 500, 3, 0)


def test_crops_number_speakers_by_their_place_among_the_names(cache):
    crops = Crops(items(cache), WaveNetBatch, 20, 3, 0, ("bob", "ann"))

    assert crops.at(0).speaker.tolist() == [1, 1, 1]
    assert Crops(items(cache), WaveNetBatch, 20, 3, 0).at(0).speaker.tolist() == [0, 0, 0]


def test_evenness_brings_rare_speakers_up_to_the_others(cache):
    first, *others = cache.entries
    rare = [(cache, replace(first, speaker="bob")), *((cache, entry) for entry in others)]

    crops = Crops(rare, SourceFilterBatch, 20, 3, 0)

    chances = []
    for evenness in (0.0, 0.5, 1.0):
        crops.weigh(evenness)
        chances.append(crops.chances[0])

    by_seconds, halfway, equal = chances
    assert by_seconds == pytest.approx(1 / len(rare))
    assert by_seconds < halfway < equal
    assert equal == pytest.approx(1 / 2)


def test_an_epoch_holds_every_sentence_once(cache):
    sentences = Sentences(items(cache), AcousticBatch, SYMBOLS, ("ann",), 170, 0)

    plan = sentences.plan(0)

    assert sorted(i for batch in plan for i in batch) == list(range(len(TEXTS)))
    assert all(len(batch) <= 2 for batch in plan)


def test_sentences_are_padded_and_silence_stands_at_both_ends(cache):
    sentences = Sentences(items(cache), AcousticBatch, SYMBOLS, ("ann",), 1000, 0)

    batch = sentences.collate(sentences.items)

    assert batch.ids.shape == (5, 9)
    assert (batch.ids[:, 0] == 0).all()
    assert batch.ids_len.tolist() == [5, 6, 7, 8, 9]
    assert (batch.durations.sum(dim=1) == batch.mel_len).all()
    assert batch.mel.shape == (5, 80, 80)


def test_a_batch_that_names_a_wave_gets_the_samples_of_its_frames(cache):
    sentences = Sentences(items(cache), NaturalSpeechBatch, SYMBOLS, (), 1000, 0)

    batch = sentences.at(0)

    assert batch.wave.shape[1] == int(batch.mel_len.max()) * SPEC.hop_samples
    for wave, frames in zip(batch.wave, batch.mel_len, strict=True):
        assert wave[: int(frames) * SPEC.hop_samples].any()
        assert not wave[int(frames) * SPEC.hop_samples :].any()


def test_labels_replace_what_the_corpus_did_not_bring(tmp_path, cache):
    folder = make_corpus(tmp_path / "corpus")
    out = tmp_path / "cache"
    prepare(list(read_pipe_separated(folder)), folder, out, SPEC)

    write_labels(out, {"clip0": {"phonemes": "ˈA", "durations": [20, 20, 20, 20]}})

    entry = Cache(out, SPEC).entries[0]
    assert (entry.phonemes, entry.durations) == ("ˈA", (20, 20, 20, 20))


def test_a_teacher_may_give_prosody_without_a_recording(tmp_path):
    folder = make_corpus(tmp_path / "corpus")
    utterance = next(iter(read_pipe_separated(folder)))
    utterance.audio.unlink()
    np.savez(folder / "prosody.npz", **{utterance.name: np.full((2, 80), 140.0, np.float16)})

    prepare([utterance], folder, tmp_path / "cache", SPEC)

    cache = Cache(tmp_path / "cache", SPEC)
    entry = cache.entries[0]
    assert entry.frames == sum(entry.durations) == 80
    assert (cache.frames("f0", entry, 0, 80) == 140).all()
    assert (cache.frames("energy", entry, 0, 80) < -50).all()


def test_a_cache_of_another_spectrogram_is_refused(tmp_path):
    folder = make_corpus(tmp_path / "corpus")
    prepare(list(read_pipe_separated(folder)), folder, tmp_path / "cache", SPEC)

    with pytest.raises(SoriError, match="another MelSpec"):
        Cache(tmp_path / "cache", MelSpec(bins=100))


@pytest.mark.parametrize("count", [2, 3, 7])
def test_the_parts_of_a_batch_are_its_items_dealt_out(cache, count):
    crops = Crops(items(cache), SourceFilterBatch, 20, 3, 0)
    sentences = Sentences(items(cache), AcousticBatch, SYMBOLS, ("ann",), 1000, 0)

    for batches, name in ((crops, "wave"), (sentences, "durations")):
        parts = [Part(number, count) for number in range(count)]
        whole = getattr(batches.at(4), name)
        shares = [batches.share(4, part) for part in parts]
        for part, share in zip(parts, shares, strict=True):
            dealt = getattr(batches.at(4, part), name)
            mine = whole[part.number :: count]
            # A part without items has one to work on, which weighs nothing.
            expected = mine if share else whole[:1]
            assert torch.equal(dealt, expected[..., : dealt.shape[-1]])
            assert not expected[..., dealt.shape[-1] :].any()
        assert sum(shares) == pytest.approx(1)
        assert len(batches.names(4)) == len(whole)


def test_an_example_is_one_item_short_enough_to_be_made(cache):
    crops = Crops(items(cache), SourceFilterBatch, 20, 3, 0)
    sentences = Sentences(items(cache), AcousticBatch, SYMBOLS, ("ann",), 1000, 0)

    assert crops.example().wave.shape[0] == sentences.example().mel.shape[0] == 1
    assert crops.example().wave.shape[1] <= 1.5 * 24000

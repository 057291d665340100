import numpy as np
import pytest
import torch

from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.checkpoint import save_model
from sori.learn.data.cache import Cache, prepare
from sori.learn.data.corpora import read_pipe_separated
from sori.learn.mel import MelSpec
from sori.learn.models.aligner import Aligner, AlignerBatch, AlignerConfig
from sori.learn.models.fastspeech2_conv import ConvFastSpeech2, ConvFastSpeech2Config
from sori.learn.training.labels import align, phonemise, predict_mels
from tests.batches import example_batch
from tests.unit.learn.corpus import TEXTS, make_corpus

SPEC = MelSpec()


@pytest.fixture
def folder(tmp_path):
    corpus = make_corpus(tmp_path / "corpus")
    out = tmp_path / "cache"
    prepare(list(read_pipe_separated(corpus)), corpus, out, SPEC)
    return out


def saved(path, name, config, model):
    save_model(path, name, config, model)
    return path


def test_texts_are_read_by_our_front_end(folder):
    assert phonemise(folder, Cache(folder, SPEC)) == len(TEXTS)

    spoken = [entry.phonemes for entry in Cache(folder, SPEC).entries]
    assert spoken[0].startswith("wˈʌn")
    assert all(spoken)


def test_found_durations_fill_the_recording_and_last_at_least_a_unit(folder, tmp_path):
    torch.manual_seed(0)
    config = AlignerConfig(width=16, text_blocks=1, mel_blocks=1)
    weights = saved(tmp_path / "aligner.safetensors", "aligner", config, Aligner(config))

    assert align(folder, Cache(folder, SPEC), weights) == len(TEXTS)

    for entry in Cache(folder, SPEC).entries:
        assert len(entry.durations) == len(entry.phonemes) + 2
        assert sum(entry.durations) == entry.frames
        assert min(entry.durations) >= 2


def test_the_aligner_scores_are_probabilities_over_tokens():
    torch.manual_seed(0)
    spec = registry.spec("aligner")
    batch = example_batch(spec)
    ids_len = torch.tensor([6, 4])
    batch = AlignerBatch(**{**vars(batch), "ids_len": ids_len})

    log_probs = Aligner(spec.tiny)(batch)

    torch.testing.assert_close(log_probs.exp().sum(dim=2), torch.ones(2, 12))
    assert log_probs[1, :, 4:].exp().max().item() == 0


def test_predicted_mels_stand_beside_those_of_the_recordings(folder, tmp_path):
    torch.manual_seed(0)
    config = ConvFastSpeech2Config(
        speakers=("ann",), width=16, heads=2, text_blocks=1, prosody_width=16, prosody_blocks=1
    )
    model = ConvFastSpeech2(config)
    weights = saved(tmp_path / "acoustic.safetensors", "fastspeech2_conv", config, model)

    assert predict_mels(folder, Cache(folder, SPEC), weights) == len(TEXTS)

    true, made = Cache(folder, SPEC), Cache(folder, SPEC, "predicted")
    entry = true.entries[0]
    for name in ("f0", "energy"):
        assert np.array_equal(true.frames(name, entry, 0, 80), made.frames(name, entry, 0, 80))
    assert not np.array_equal(true.frames("mel", entry, 0, 80), made.frames("mel", entry, 0, 80))


def test_predicted_mels_that_are_not_there_name_the_command(folder):
    with pytest.raises(SoriError, match="run `sori corpus predict` first"):
        Cache(folder, SPEC, "predicted")

import pytest
import torch

from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.data.batches import Part
from sori.learn.data.corpora import is_held_out
from sori.learn.data.texts import FILE, Texts, phonemised

SPEC = registry.spec("mixed_phoneme")
SENTENCES = [f"wˈʌn {'kənˈu ' * (n % 5)}{'æ' * (n % 7)}{'t' * (n // 7)}." for n in range(150)]


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "prose"
    folder.mkdir()
    rows = ["audio|speaker|text|seconds", "a.flac|nobody|One canoe. Two canoes.|0"]
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")
    return folder


def texts(held_out=False, size=8):
    return Texts(SENTENCES, SPEC.batch, SPEC.tiny, size, held_out)


def test_the_front_end_reads_every_sentence_once_and_the_cache_keeps_it(corpus, tmp_path):
    cache = tmp_path / "cache"

    found = phonemised(corpus, cache)

    assert found == ["wˈʌn kənˈu.", "tˈu kənˈuz."]
    (cache / FILE).write_text("kˈæt.\n", encoding="utf-8")
    assert phonemised(corpus, cache) == ["kˈæt."]


def test_a_sentence_is_either_learned_from_or_held_out():
    training, held_out = texts(), texts(held_out=True)

    assert set(training.sentences) | set(held_out.sentences) == set(SENTENCES)
    assert all(is_held_out(sentence) for sentence in held_out.sentences)
    assert not any(is_held_out(sentence) for sentence in training.sentences)


def test_batches_are_padded_ids_with_silence_at_both_ends():
    batch = texts().at(3)
    names = texts().names(3)

    for row, length, sentence in zip(batch.ids, batch.ids_len, names, strict=True):
        assert length == len(sentence) + 2
        assert row[0] == 0
        assert not row[length - 1 :].any()
        assert "".join(SPEC.tiny.symbols[i] for i in row[1 : length - 1]) == sentence


def test_the_same_step_is_the_same_batch_in_any_number_of_parts():
    whole, parts = texts().at(2).ids_len, [texts().at(2, Part(n, 3)).ids_len for n in range(3)]

    assert torch.equal(whole, texts().at(2).ids_len)
    assert sorted(torch.cat(parts).tolist()) == sorted(whole.tolist())
    assert sum(texts().share(2, Part(n, 3)) for n in range(3)) == pytest.approx(1.0)


def test_a_pass_shows_nearly_every_sentence():
    training = texts()
    seen = {name for step in range(training.per_pass) for name in training.names(step)}

    assert len(seen) > len(training.sentences) - 2 * training.size


def test_texts_without_a_sentence_are_refused():
    with pytest.raises(SoriError, match="hold no sentence"):
        Texts([], SPEC.batch, SPEC.tiny, 4)

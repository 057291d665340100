"""Words as batches: split by lemma, padded, the same at every call."""

import torch

from sori.learn.data.lexicon import Pronounced, Words, is_held_out, lemma, make_batch
from sori.learn.models.grapheme_to_phoneme import SPEC, GraphemeToPhonemeBatch

WORDS = [
    Pronounced(f"{a}{b}t", "kˈæt", accent)
    for a in "bcdfgklmnp"
    for b in "aeiou"
    for accent in ("us", "gb")
]


def test_inflections_are_on_one_side_of_the_split():
    for forms in (("walk", "walks", "walked", "walking"), ("nation", "nations", "nation's")):
        assert len({lemma(form) for form in forms}) == 1
        assert len({is_held_out(form) for form in forms}) == 1


def test_about_a_tenth_is_held_out():
    words = [f"{a}{b}{c}o" for a in "bdfgklmnpt" for b in "aeiou" for c in "bdfgklmnpt"]

    assert 0.05 < sum(map(is_held_out, words)) / len(words) < 0.15


def test_a_batch_holds_the_ids_of_its_words():
    words = [Pronounced("cat", "kˈæt", "us"), Pronounced("be", "bˈi", "gb")]

    batch = make_batch(GraphemeToPhonemeBatch, words, SPEC.tiny)

    assert batch.letters.tolist() == [[3, 1, 20], [2, 5, 0]]
    assert batch.letters_len.tolist() == [3, 2]
    assert batch.accent.tolist() == [0, 1]
    spelled = "".join(SPEC.tiny.symbols[i] for i in batch.phonemes[0].tolist())
    assert spelled == "kˈæt"


def test_the_same_step_gives_the_same_batch_and_no_held_out_word():
    source = Words(WORDS, GraphemeToPhonemeBatch, SPEC.tiny, 8)

    assert torch.equal(source.at(5).letters, source.at(5).letters)
    assert not [word for word in source.words if is_held_out(word.word)]


def test_every_step_has_words():
    source = Words(WORDS[:6], GraphemeToPhonemeBatch, SPEC.tiny, 64)

    assert all(len(source.at(step).letters) for step in range(20))

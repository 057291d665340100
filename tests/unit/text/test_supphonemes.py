from itertools import pairwise

import pytest

from sori.text.phonemes import SYMBOLS
from sori.text.supphonemes import SupPhonemes, learn_merges, learned_merges

SENTENCE = "ðə kˈæt, ænd ðə mˈæt."


def test_merges_are_learned_from_the_most_frequent_pair_on():
    merges = list(learn_merges({"abab": 3, "abc": 1, "d": 9}, 3))

    assert merges == [("a", "b"), ("ab", "ab")]  # "ab c" is there once, so no third is learned


def test_pairs_are_counted_anew_after_every_merge():
    words = {"aaab": 4, "aab": 3, "bab": 2, "baa": 5}
    plain = []
    cuts = {word: list(word) for word in words}
    for _ in range(3):
        counts = {}
        for word, cut in cuts.items():
            for pair in pairwise(cut):
                counts[pair] = counts.get(pair, 0) + words[word]
        best = max(counts, key=lambda pair: (counts[pair], pair))
        plain.append(best)
        for word, cut in cuts.items():
            cuts[word] = join(cut, best)

    assert list(learn_merges(words, 3)) == plain


def join(cut, pair):
    text, place = [], 0
    while place < len(cut):
        both = tuple(cut[place : place + 2]) == pair
        text.append("".join(cut[place : place + 1 + both]))
        place += 1 + both
    return text


def test_cuts_spell_the_sentence_and_stay_inside_words():
    cut = SupPhonemes(500).cut(SENTENCE)

    assert "".join(cut) == SENTENCE
    assert all(part in " ,." or not set(part) & set(" ,.") for part in cut)
    assert len(cut) < len(SENTENCE)


def test_every_phoneme_has_the_id_of_its_sup_phoneme():
    cutter = SupPhonemes(500)

    ids = cutter.ids(SENTENCE)

    expected = [cutter.ids_of[part] for part in cutter.cut(SENTENCE) for _ in part]
    assert ids == expected
    assert len(ids) == len(SENTENCE)
    assert max(ids) < len(cutter)
    assert cutter.ids("\x07") == [0]


def test_without_merges_every_letter_is_itself():
    assert SupPhonemes(0).ids("kæt") == [SYMBOLS.index(letter) for letter in "kæt"]


def test_more_merges_than_there_are_is_refused():
    with pytest.raises(ValueError, match="9999 sup-phonemes were asked for, 4096 are known"):
        SupPhonemes(9999)


def test_the_merges_in_the_package_use_the_inventory_alone():
    assert {letter for pair in learned_merges() for part in pair for letter in part} <= set(SYMBOLS)

"""Dictionaries: what is packed comes back, and what is left out is derived."""

import pytest

from sori.core.errors import SoriError
from sori.text.accents import british
from sori.text.lexicon import DATA, PackedLexicon, pack
from sori.text.morphology import derive, derive_compound
from sori.text.network import LetterReader, stressed
from sori.text.phonemes import common_letters, from_ipa, to_ipa, unknown_letters
from sori.text.pronunciation import Pronouncer


def test_packed_entries_come_back(tmp_path):
    entries = {f"word{i}": {"": f"wˈɜɹd{'ə' * (i % 7)}"} for i in range(3000)}
    entries["record"] = {"": "ɹˈɛkəɹd", "V": "ɹəkˈɔɹd"}
    path = tmp_path / "lexicon.bin"

    pack(entries, path)
    lexicon = PackedLexicon(path)

    assert dict(lexicon.items()) == entries
    assert all(lexicon.get(word) == readings for word, readings in entries.items())
    assert [lexicon.get(word) for word in ("", "a", "word", "zzz", "café")] == [None] * 5


def test_a_foreign_file_is_a_clean_error(tmp_path):
    path = tmp_path / "lexicon.bin"
    path.write_bytes(b"something else")

    with pytest.raises(SoriError, match="not a packed lexicon"):
        PackedLexicon(path)


@pytest.mark.parametrize("accent", ["us", "gb"])
def test_the_packed_lexicons_use_only_letters_of_the_voices(accent):
    for _, readings in PackedLexicon(DATA / f"lexicon-{accent}.bin").items():
        for phonemes in readings.values():
            assert not unknown_letters(phonemes)
            assert common_letters(phonemes, accent) == phonemes


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("cats", "kˈæts"),
        ("dogs", "dˈɔɡz"),
        ("boxes", "bˈɑksᵻz"),
        ("cities", "sˈɪTiz"),
        ("waited", "wˈATᵻd"),
        ("liked", "lˈIkt"),
        ("begged", "bˈɛɡd"),
        ("waiting", "wˈATɪŋ"),
        ("liking", "lˈIkɪŋ"),
        ("dog's", "dˈɔɡz"),
        ("dogs'", "dˈɔɡz"),
        ("sadness", "sˈædnəs"),
    ],
)
def test_inflections_follow_the_rules_of_english(word, expected):
    stems = {
        "cat": "kˈæt",
        "dog": "dˈɔɡ",
        "dogs": "dˈɔɡz",
        "box": "bˈɑks",
        "city": "sˈɪTi",
        "wait": "wˈAt",
        "like": "lˈIk",
        "beg": "bˈɛɡ",
        "sad": "sˈæd",
    }

    assert derive(word, "us", lambda stem, part: stems.get(stem)) == expected


def test_compounds_are_stressed_on_their_first_part():
    stems = {"foot": "fˈʊt", "bridge": "bɹˈɪʤ"}

    assert derive_compound("footbridge", lambda stem, part: stems.get(stem)) == "fˈʊtbɹˌɪʤ"


def test_a_name_from_the_american_dictionary_is_read_the_british_way():
    assert british("kˈɑɹTəɹ", "Carter") == "kˈɑtə"
    assert british("bˈɑb", "Bob") == "bˈɒb"


def test_the_network_stresses_every_word_once():
    reader = LetterReader("us")

    for word in ("blorft", "grumbidge", "trelwenna", "x" * 90):
        assert reader(word).count("ˈ") >= 1
    assert reader("") == ""
    assert reader("--") == ""


def test_stress_stands_before_vowels_only():
    assert stressed("ˈkæt") == "kˈæt"
    assert stressed("kæt") == "kˈæt"
    assert stressed("kˌætə") == "kˈætə"
    assert stressed("s") == "s"


def test_a_known_word_needs_no_network():
    def refuse(word):
        raise AssertionError(word)

    pronouncer = Pronouncer("us", {}, refuse)

    assert pronouncer.readings("kayakings")[1] == "morphology"
    assert pronouncer.readings("Water") == ({"": "wˈɔTəɹ"}, "lexicon")


def test_plain_ipa_and_our_letters_say_the_same():
    assert from_ipa("tʃeɪndʒ") == "ʧAnʤ"
    assert from_ipa("ʧAnʤ") == "ʧAnʤ"
    assert to_ipa("ʧAnʤ") == "tʃeɪndʒ"

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sori.speak.pieces import FIRST_LONGEST, LONGEST, has_sound, pieces

LETTERS = "ab tˈə,;.!? —"


@given(st.text(LETTERS, max_size=1500), st.booleans())
def test_cutting_loses_no_sound_and_keeps_to_the_limit(phonemes, starts_stream):
    made = list(pieces(phonemes, 0.5, starts_stream))

    joined = "".join(piece.phonemes for piece in made)
    assert [sound for sound in joined if has_sound(sound)] == [
        sound for sound in phonemes if has_sound(sound)
    ]
    assert all(len(piece.phonemes) <= LONGEST and has_sound(piece.phonemes) for piece in made)


@given(st.text(LETTERS, max_size=LONGEST))
def test_a_sentence_that_fits_is_one_piece_with_its_own_pause(phonemes):
    made = list(pieces(phonemes, 0.5, False))

    assert [piece.pause_seconds for piece in made] == [0.5] * has_sound(phonemes)


def test_a_stream_starts_with_an_early_clause():
    clause = "ðə bˈɜɹʧ kənˈu slˈɪd, "
    sentence = clause + "ˌɑn ðə smˈuð plˈæŋks " * 6

    first, rest = pieces(sentence, 0.5, True)

    assert first.phonemes == clause.strip()
    assert first.pause_seconds < rest.pause_seconds


def test_a_stream_whose_first_sentence_has_no_clause_is_not_cut():
    sentence = "ðə bˈɜɹʧ kənˈu " * 8
    assert len(sentence) > FIRST_LONGEST

    assert len(list(pieces(sentence, 0.5, True))) == 1


def test_a_long_sentence_is_cut_at_the_last_clause_that_fits():
    clause = "ab " * 30 + "ab, "

    made = list(pieces(clause * 10, 0.5, False))

    assert all(piece.phonemes.endswith(",") for piece in made[:-1])
    assert len(made) == pytest.approx(len(clause) * 10 / LONGEST, abs=2)

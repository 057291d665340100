"""The front end keeps its promises to the speaking half, whatever text it is given."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sori.core.errors import SoriError
from sori.text.frontend import FrontEnd
from sori.text.phonemes import PAUSES, common_letters, unknown_letters
from sori.text.phrases import LONGEST_PHONEMES

# Letters in the labels that our voices learned from, by accent.
LEARNED = {
    "us": set("ˈəntɹɪsdlðkiɛæzʌmˌpwvfbAhɑᵻIɔOuŋʃTɜɡʧʤʊWjθoYʒ .,:;!?"),
    "gb": set("ˈəntɪsdɹlðikɒzɛmaˌpvwAfbhIɔʌQuʃŋɜɡjʤʧʊɑWθYʒ .,:;!?"),
}


@pytest.fixture(scope="module", params=["us", "gb"])
def accent(request):
    return request.param


@pytest.fixture(scope="module")
def front_end(accent):
    return FrontEnd(accent)


def phonemes(front_end, text):
    return " ".join(sentence.phonemes for sentence in front_end.sentences(text))


@given(text=st.text(max_size=120))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_unicode_gives_sentences_or_a_clean_error(front_end, accent, text):
    try:
        sentences = list(front_end.sentences(text))
    except SoriError as error:
        assert "\n" not in str(error)
        return
    for sentence in sentences:
        assert set(sentence.phonemes) <= LEARNED[accent]
        assert sentence.phonemes.strip(PAUSES + " ")
        assert len(sentence.phonemes) <= LONGEST_PHONEMES + 60


@given(text=st.text(alphabet="0123456789$£%./:,-+ aIVXmpk&@#'\"()[]", min_size=1, max_size=60))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_mixture_of_figures_and_signs_is_read(front_end, text):
    try:
        sentences = list(front_end.sentences(text))
    except SoriError:
        return
    assert all(sentence.spoken for sentence in sentences)


@pytest.mark.parametrize("text", ["", "   ", "\n\n", "...", "!?", "😀", "日本語", "\x00\x01", "¿¡"])
def test_a_text_without_a_word_is_a_clean_error(front_end, text):
    with pytest.raises(SoriError, match="give at least one"):
        list(front_end.sentences(text))


def test_what_cannot_be_spoken_is_named(front_end):
    (sentence,) = front_end.sentences("hello 😀 world 日")

    assert sentence.spoken == "hello world"
    assert sentence.skipped == ("😀 (grinning face)", "日 (cjk unified ideograph-65e5)")


def test_what_stands_alone_and_cannot_be_spoken_is_reported_with_a_neighbour(front_end):
    sentences = list(front_end.sentences("😀\n\nhello.\n\n🎉"))

    assert [s.skipped for s in sentences] == [("😀 (grinning face)", "🎉 (party popper)")]


def test_control_characters_are_skipped_and_named(front_end):
    (sentence,) = front_end.sentences("hello\x07 there")

    assert sentence.skipped == ("U+0007",)


def test_the_first_sentence_comes_before_the_last_is_read(front_end):
    sentences = front_end.sentences("First one. " * 100_000)

    assert next(sentences).text == "First one."


def test_words_change_before_vowels():
    front_end = FrontEnd("us")

    assert phonemes(front_end, "the cat") == "ðə kˈæt."
    assert phonemes(front_end, "the apple") == "ði ˈæpəl."
    assert phonemes(front_end, "to go") == "tə ɡˈO."
    assert phonemes(front_end, "to end") == "tʊ ˈɛnd."


def test_british_english_links_its_r():
    front_end = FrontEnd("gb")

    assert phonemes(front_end, "after") == "ˈɑftə."
    assert phonemes(front_end, "after all") == "ˈɑftəɹ ˈɔl."


def test_inline_phonemes_are_spoken_as_written(front_end, accent):
    (sentence,) = front_end.sentences("Say [data](/dˈɑːtə/) now.")

    assert sentence.spoken == "Say data now"
    assert common_letters("dˈɑtə", accent) in sentence.phonemes


def test_inline_ipa_is_understood():
    assert phonemes(FrontEnd("us"), "[x](/tʃeɪndʒ/)") == "ʧAnʤ."


def test_unknown_inline_symbols_are_named(front_end):
    with pytest.raises(SoriError, match="'ʘ'"):
        list(front_end.sentences("[word](/kʘt/)"))


def test_a_user_lexicon_wins(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("# mine\nsori\tsˈoːri\nnacl sˈɔlt\n", encoding="utf-8")

    read = phonemes(FrontEnd("us", path), "Sori NaCl")

    assert read == "sˈɔɹi sˈɔlt."


def test_a_fault_in_a_user_lexicon_names_file_and_line(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("good ɡˈʊd\nbad bʘd\n", encoding="utf-8")

    with pytest.raises(SoriError, match=r"words\.txt, line 2: 'ʘ'"):
        FrontEnd("us", path)


def test_a_word_without_phonemes_in_a_user_lexicon_is_an_error(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("lonely\n", encoding="utf-8")

    with pytest.raises(SoriError, match="line 1"):
        FrontEnd("us", path)


def test_a_missing_user_lexicon_is_a_clean_error(tmp_path):
    with pytest.raises(SoriError, match="cannot be read"):
        FrontEnd("us", tmp_path / "none.txt")


def test_an_unknown_accent_is_a_clean_error():
    with pytest.raises(SoriError, match="us, gb"):
        FrontEnd("fr")


def test_a_long_sentence_reaches_the_voice_in_parts_that_it_can_hold(front_end):
    sentences = list(front_end.sentences("and then the old man walked on " * 60))

    assert max(len(s.phonemes) for s in sentences) <= LONGEST_PHONEMES + 2
    assert [s.pause_seconds for s in sentences[:-1]] == [sentences[0].pause_seconds] * (
        len(sentences) - 1
    )
    assert len(" ".join(s.spoken for s in sentences).split()) == 7 * 60


@pytest.mark.parametrize("text", ["x" * 3000, "BCDFG" * 400, "7" * 3000, "ab1" * 900, "é" * 2000])
def test_no_word_is_too_long_for_a_voice(front_end, text):
    sentences = list(front_end.sentences(text))

    assert max(len(s.phonemes) for s in sentences) <= LONGEST_PHONEMES + 60


def test_too_many_inline_phonemes_are_a_clean_error(front_end):
    with pytest.raises(SoriError, match="write it as several"):
        list(front_end.sentences(f"[word](/{'ba' * 150}/)"))


def test_a_paragraph_ends_with_a_longer_pause(front_end):
    first, second, third = front_end.sentences("One. Two.\n\nThree.")

    assert first.pause_seconds < second.pause_seconds == third.pause_seconds


def test_every_step_is_explained_with_the_source_of_each_word(front_end):
    steps = front_end.explain("Dr. Smith saw [it](/ɪt/), the FBI and a zorbifax.")

    assert [step.name for step in steps] == ["text", "spoken", "words", "phonemes", "ipa"]
    sources = {word.spoken: word.source for word in steps[2].words}
    assert sources["doctor"] == "lexicon"
    assert sources["it"] == "inline"
    assert sources["F B I"] == "letters"
    assert sources["zorbifax"] == "network"


def test_capitals_are_read_as_words_in_a_transcript(front_end):
    shouted = phonemes(front_end, "THE OLD MAN WENT TO THE SEA")

    assert shouted == phonemes(front_end, "the old man went to the sea")


def test_every_letter_is_one_a_voice_learned(front_end, accent):
    text = (
        "Water, little button, mountain, bird, near, poor, hair, hour, fire, thought, "
        "vision, church, judge, loch, uh-oh, boy, started, boxes, the hopeful Zwyxkt."
    )

    assert set(phonemes(front_end, text)) <= LEARNED[accent]
    assert not unknown_letters(phonemes(front_end, text))

"""A voice delivers what the tags of SSML ask for."""

import numpy as np
import pytest
from tiny_voice import PITCH_HZ, write_voice

from sori.core.errors import SoriError
from sori.speak.voice import Voice


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    return Voice(write_voice(tmp_path_factory.mktemp("voices") / "tiny.onnx"))


def seconds(voice, markup, **manner):
    return voice.say(f"<speak>{markup}</speak>", **manner).seconds


def loudest(voice, markup):
    return np.abs(voice.say(f"<speak>{markup}</speak>").samples).max()


def hertz(audio):
    """The frequency of the loudest component."""
    spectrum = np.abs(np.fft.rfft(audio.samples))
    return float(np.fft.rfftfreq(len(audio.samples), 1 / audio.sample_rate)[spectrum.argmax()])


def test_a_document_without_tags_sounds_like_its_text(voice):
    plain = voice.say("One here. Two there.")
    marked = voice.say("<speak>One here. Two there.</speak>")

    np.testing.assert_array_equal(marked.samples, plain.samples)


def test_a_break_takes_the_place_of_the_pause(voice):
    without = seconds(voice, "<s>One.</s><s>Two.</s>")
    pause = 0.32

    long = seconds(voice, '<s>One.</s><break time="2s"/><s>Two.</s>')

    assert long - without == pytest.approx(2.0 - pause, abs=0.001)


def test_breaks_at_the_ends_are_heard(voice):
    rests = 0.06  # the edges of a piece bring a part of every rest
    plain = seconds(voice, "One.")

    assert seconds(voice, '<break time="1s"/>One.') == pytest.approx(plain + 1.0 - rests, abs=0.001)
    assert seconds(voice, 'One.<break time="1s"/>') == pytest.approx(plain + 1.0 - rests, abs=0.001)


def test_a_rate_is_a_speed_within_the_speed_of_the_whole(voice):
    asked = voice.say('<speak><prosody rate="2">One here.</prosody></speak>', speed=1.5)

    assert asked.seconds == pytest.approx(voice.say("One here.", speed=3.0).seconds, abs=0.001)


def test_rate_and_speed_together_stay_within_the_limits(voice):
    asked = voice.say('<speak><prosody rate="4">One here.</prosody></speak>', speed=4.0)

    assert asked.seconds == voice.say("One here.", speed=4.0).seconds


def test_a_pitch_is_heard(voice):
    higher = voice.say('<speak><prosody pitch="+12st">One here.</prosody></speak>')

    assert hertz(higher) == pytest.approx(2 * PITCH_HZ["ada"], rel=0.05)


def test_a_volume_is_heard(voice):
    usual = loudest(voice, "One.")

    assert loudest(voice, '<prosody volume="-6dB">One.</prosody>') == pytest.approx(usual / 2, 0.01)
    assert loudest(voice, '<prosody volume="silent">One.</prosody>') < 1e-5
    assert usual < loudest(voice, '<prosody volume="+12dB">One.</prosody>') < 1.0


def test_another_speaker_is_heard_and_read_in_his_accent(voice):
    document = '<speak>Two hundred. <voice name="ben">It cost 201 pounds.</voice></speak>'

    first, second = voice.read(document, "ada")

    assert hertz(voice.say('<speak><voice name="ben">One.</voice></speak>')) == pytest.approx(
        PITCH_HZ["ben"], rel=0.1
    )
    assert first.delivery.speaker is None
    assert "two hundred and one" in second.spoken


def test_an_unknown_speaker_is_named(voice):
    with pytest.raises(SoriError, match="perhaps ben"):
        voice.say('<speak><voice name="benn">One.</voice></speak>')


def test_a_document_without_a_word_is_refused(voice):
    with pytest.raises(SoriError, match="nothing that can be spoken|text is empty"):
        voice.say('<speak><break time="1s"/></speak>')


def test_the_first_words_of_a_document_come_first(voice):
    first, *rest = voice.stream("<speak>One here. <emphasis>Two</emphasis> there.</speak>")

    assert len(rest) == 2
    assert first.seconds > 0.1

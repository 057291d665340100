import threading

import numpy as np
import pytest
from tiny_voice import FRAME_SAMPLES, FRAMES_OF_SOUND, PITCH_HZ, SAMPLE_RATE, write_voice

from sori.core.errors import SoriError
from sori.speak.manner import Manner
from sori.speak.voice import Voice

TEXT = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background."


def pitch_of(audio):
    spectrum = np.abs(np.fft.rfft(audio.samples * np.hanning(len(audio.samples))))
    return spectrum.argmax() * audio.sample_rate / len(audio.samples)


def test_a_sentence_becomes_sound_at_the_rate_of_the_voice(voice):
    audio = voice.say("The birch canoe slid on the smooth planks.")

    assert audio.sample_rate == SAMPLE_RATE
    assert audio.samples.dtype == np.float32
    assert audio.seconds > 1.0
    assert audio.samples.std() > 0.1


def test_a_stream_is_the_text_in_pieces(voice):
    pieces = list(voice.stream(TEXT))

    joined = np.concatenate([piece.samples for piece in pieces])
    assert len(pieces) == 2
    np.testing.assert_array_equal(joined, voice.say(TEXT).samples)


def test_a_stream_speaks_only_what_is_asked_for(voice):
    def endless():
        yield from voice.read("One.")
        raise AssertionError("the second sentence was read before it was wanted")

    first = next(voice.speak(endless(), Manner()))

    assert len(first.audio.samples)


def test_the_pause_between_sentences_is_silence_of_the_length_asked_for(voice):
    sentences = list(voice.read(TEXT))

    first, second = voice.speak(sentences, Manner())

    samples = np.concatenate([first.audio.samples, second.audio.samples])
    loud = np.flatnonzero(np.abs(samples) > 1e-3)
    gap = np.diff(loud).max() / SAMPLE_RATE
    assert gap == pytest.approx(sentences[0].pause_seconds, abs=0.03)


def test_no_seam_clicks(voice):
    samples = np.concatenate([piece.samples for piece in voice.stream(TEXT)])

    steepest_of_the_tone = 0.3 * 2 * np.pi * PITCH_HZ["ada"] / SAMPLE_RATE
    assert np.abs(np.diff(samples)).max() < 1.1 * steepest_of_the_tone


@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_speed_divides_the_time(voice, speed):
    plain, changed = (voice.say(TEXT, speed=each).seconds for each in (1.0, speed))

    assert changed == pytest.approx(plain / speed, rel=0.15)


def test_pitch_and_speaker_change_the_pitch(voice):
    word = "həlˈO wˈɜɹld"

    assert pitch_of(voice.say_phonemes(word)) == pytest.approx(220, abs=2)
    assert pitch_of(voice.say_phonemes(word, speaker="ben")) == pytest.approx(110, abs=2)
    assert pitch_of(voice.say_phonemes(word, pitch=1.5)) == pytest.approx(330, abs=2)
    mixed = voice.say_phonemes(word, speaker="ada(1)+ben(1)")
    assert pitch_of(mixed) == pytest.approx(165, abs=2)


def test_a_loud_voice_never_clips(tmp_path):
    loud = Voice(write_voice(tmp_path / "loud.onnx", loudness=3.0))

    samples = loud.say("Hello there.", energy=2.0).samples

    assert 0.95 < np.abs(samples).max() <= 1.0


def test_the_source_filter_kind_speaks_and_repeats_itself(tmp_path):
    voice = Voice(write_voice(tmp_path / "filter.onnx", kind="source-filter"))

    first, again, other = (voice.say("Hello there.", seed=seed).samples for seed in (1, 1, 2))

    assert first.std() > 1e-3
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_timings_follow_the_durations(voice):
    (utterance,) = voice.speak(voice.read("Hello there world."), Manner())

    words = utterance.words
    assert [word.label.lower() for word in words] == ["hello", "there", "world"]
    for timing in utterance.symbols:
        seconds = timing.end_seconds - timing.start_seconds
        assert seconds == pytest.approx(FRAMES_OF_SOUND * FRAME_SAMPLES / SAMPLE_RATE, abs=0.03)
    assert words[0].start_seconds == pytest.approx(0.02, abs=0.01)
    assert words[-1].end_seconds <= utterance.audio.seconds


def test_letters_read_one_by_one_are_one_word(voice):
    (utterance,) = voice.speak(voice.read("The U.S. sent it."), Manner())

    assert [word.label for word in utterance.words] == ["The", "US", "sent", "it"]


def test_timings_of_a_second_sentence_count_the_pause_before_it(voice):
    _, second = voice.speak(voice.read(TEXT), Manner())

    sound = np.flatnonzero(np.abs(second.audio.samples) > 1e-3)[0] / SAMPLE_RATE
    assert second.words[0].start_seconds == pytest.approx(sound, abs=0.01)


def test_what_is_skipped_is_a_warning(voice):
    with pytest.warns(UserWarning, match="漢"):
        voice.say("Hello 漢字 world.")


def test_a_phoneme_that_the_voice_lacks_is_named_and_the_rest_spoken(tmp_path):
    poor = Voice(write_voice(tmp_path / "poor.onnx", symbols=["_", *" .həlˈ"]))

    with pytest.warns(UserWarning, match="/O/"):
        audio = poor.say("Hello.")

    assert audio.seconds > 0.1


@pytest.mark.parametrize("text", ["", " \n\t", "漢字", "...", "\x00\x01"])
def test_text_without_a_word_is_a_clean_error(voice, text):
    with pytest.raises(SoriError, match="give at least one word|nothing"):
        voice.say(text)


@pytest.mark.parametrize(
    "options",
    [
        {"speed": 0.1},
        {"speed": float("nan")},
        {"pitch": 3.0},
        {"energy": 0.0},
        {"seed": -1},
        {"speaker": "zoe"},
    ],
)
def test_options_out_of_range_are_told_before_anything_is_spoken(voice, options):
    with pytest.raises(SoriError):
        voice.stream("Hello.", **options)


def test_strange_phonemes_are_named(voice):
    with pytest.raises(SoriError, match="'7'"):
        voice.say_phonemes("həlˈO 7")


def test_threads_share_a_voice(voice):
    expected = voice.say(TEXT).samples
    heard = []

    def speak():
        heard.append(voice.say(TEXT).samples)

    threads = [threading.Thread(target=speak) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(heard) == 8
    assert all(np.array_equal(samples, expected) for samples in heard)


def test_a_graph_with_other_inputs_is_told(tmp_path):
    import onnx

    path = write_voice(tmp_path / "renamed.onnx")
    model = onnx.load(path)
    model.graph.output[0].name, model.graph.output[1].name = "lengths", "sound"
    for node in model.graph.node:
        for names in (node.input, node.output):
            for at, name in enumerate(names):
                names[at] = {"durations": "lengths", "wave": "sound"}.get(name, name)
    onnx.save(model, path)

    with pytest.raises(SoriError, match="durations, wave"):
        Voice(path)


def test_numbers_that_are_not_finite_never_reach_a_file(tmp_path):
    broken = Voice(write_voice(tmp_path / "broken.onnx", loudness=float("nan")))

    with pytest.raises(SoriError, match="not finite"):
        broken.say("Hello.")


def test_a_graph_whose_outputs_have_another_shape_is_told(tmp_path):
    import onnx
    from onnx import helper

    path = write_voice(tmp_path / "deep.onnx")
    model = onnx.load(path)
    outputs = [node for node in model.graph.output if node.name != "durations"]
    model.graph.node.append(
        helper.make_node("Unsqueeze", ["durations", "constant_of_axis"], ["longer"])
    )
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.int64([0]), "constant_of_axis"))
    for node in model.graph.node:
        node.output[:] = [
            {"durations": "inner", "longer": "durations"}.get(n, n) for n in node.output
        ]
        node.input[:] = [{"durations": "inner"}.get(n, n) for n in node.input]
    del model.graph.output[:]
    model.graph.output.extend([
        helper.make_tensor_value_info("durations", onnx.TensorProto.INT64, [1, 1, "N"]),
        *outputs,
    ])
    onnx.save(model, path)

    with pytest.raises(SoriError, match="shapes that no voice has"):
        Voice(path).say("Hello.")


@pytest.mark.parametrize(
    "synthesis",
    [
        {"kind": "source-filter"},
        {"kind": "source-filter", "hop_samples": 300, "window_samples": 99, "fft_samples": 9},
    ],
)
def test_sizes_of_frames_that_cannot_be_are_told(tmp_path, synthesis):
    path = write_voice(tmp_path / "odd.onnx", kind="source-filter", synthesis=synthesis)

    with pytest.raises(SoriError, match=r"card of .*odd\.onnx cannot be used"):
        Voice(path)


def test_a_lexicon_of_the_user_is_heard(voice_file, tmp_path):
    lexicon = tmp_path / "mine.txt"
    lexicon.write_text("sori\tsˈOɹi\n", encoding="utf-8")

    (sentence,) = Voice(voice_file, lexicon).read("Sori.")

    assert "sˈOɹi" in sentence.phonemes

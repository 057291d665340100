import numpy as np
import pytest

from sori.audio import files
from sori.audio.files import FORMATS, AudioWriter, read, write
from sori.core.audio import Audio
from sori.core.errors import SoriError


def tone(seconds=1.0, sample_rate=24000, hz=440.0, loudness=0.5):
    at = np.arange(round(seconds * sample_rate)) / sample_rate
    return Audio((loudness * np.sin(2 * np.pi * hz * at)).astype(np.float32), sample_rate)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_lossless_file_gives_back_the_samples(tmp_path, suffix):
    audio = tone()

    write(tmp_path / f"a{suffix}", audio)
    back = read(tmp_path / f"a{suffix}")

    assert back.sample_rate == audio.sample_rate
    np.testing.assert_allclose(back.samples, audio.samples, atol=2**-15)


@pytest.mark.parametrize("suffix", sorted(FORMATS))
@pytest.mark.parametrize("sample_rate", [16000, 22050, 24000, 44100])
def test_every_format_keeps_length_pitch_and_level(tmp_path, suffix, sample_rate):
    audio = tone(sample_rate=sample_rate)

    write(tmp_path / f"a{suffix}", audio)
    back = read(tmp_path / f"a{suffix}")

    spectrum = np.abs(np.fft.rfft(back.samples))
    loudest_hz = spectrum.argmax() * back.sample_rate / len(back.samples)
    assert back.seconds == pytest.approx(audio.seconds, abs=0.12)
    assert loudest_hz == pytest.approx(440.0, abs=2.0)
    assert back.samples.std() == pytest.approx(audio.samples.std(), rel=0.1)


def test_opus_stores_a_rate_it_knows(tmp_path):
    write(tmp_path / "a.opus", tone(sample_rate=22050))

    assert read(tmp_path / "a.opus").sample_rate in FORMATS[".opus"].rates


def test_a_file_written_in_pieces_equals_the_whole_even_at_another_rate(tmp_path):
    audio = tone(sample_rate=22050)
    write(tmp_path / "whole.opus", audio)

    with AudioWriter(tmp_path / "pieces.opus", 22050) as writer:
        for piece in np.array_split(audio.samples, 7):
            writer.write(piece)

    whole, pieces = read(tmp_path / "whole.opus"), read(tmp_path / "pieces.opus")
    np.testing.assert_allclose(pieces.samples, whole.samples, atol=1e-3)


def test_an_error_leaves_no_part_and_the_older_file_as_it_was(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"older")

    with pytest.raises(KeyboardInterrupt), AudioWriter(path, 24000) as writer:
        writer.write(tone().samples)
        raise KeyboardInterrupt

    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_has_the_name_before_it_is_whole(tmp_path):
    path = tmp_path / "a.wav"

    with AudioWriter(path, 24000) as writer:
        writer.write(tone().samples)
        assert not path.exists()

    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path):
    target, link = tmp_path / "target.wav", tmp_path / "link.wav"
    target.write_bytes(b"older")
    link.symlink_to(target)

    write(link, tone())

    assert link.is_symlink()
    assert read(target).seconds == 1.0


def test_a_wav_file_stops_before_its_header_overflows(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "WAV_BYTES", 1000)

    with pytest.raises(SoriError, match=r"4 GB.*\.flac"):
        write(tmp_path / "a.wav", tone())

    assert not list(tmp_path.iterdir())


def test_other_formats_have_no_such_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "WAV_BYTES", 1000)

    write(tmp_path / "a.flac", tone())

    assert read(tmp_path / "a.flac").seconds == 1.0


@pytest.mark.parametrize("name", ["a", "a.doc", "a.wav.part"])
def test_an_unknown_suffix_names_the_known_ones(tmp_path, name):
    with pytest.raises(SoriError, match=r"\.wav, \.flac, \.ogg, \.opus, \.mp3"):
        write(tmp_path / name, tone())


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(SoriError, match="is a folder"):
        write(tmp_path, tone())


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(SoriError, match="there is no folder"):
        write(tmp_path / "none" / "a.wav", tone())


def test_a_device_is_never_replaced(tmp_path):
    link = tmp_path / "a.wav"
    link.symlink_to("/dev/null")

    with pytest.raises(SoriError, match="not a regular file"):
        write(link, tone())


def test_a_file_that_is_not_sound_is_a_clean_error(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"not sound")

    with pytest.raises(SoriError, match="cannot read"):
        read(tmp_path / "a.wav")


def test_samples_beyond_full_scale_do_not_wrap(tmp_path):
    write(tmp_path / "a.wav", Audio(np.float32([2.0, -2.0] * 100), 24000))

    samples = read(tmp_path / "a.wav").samples
    assert (np.sign(samples) == np.tile([1.0, -1.0], 100)).all()

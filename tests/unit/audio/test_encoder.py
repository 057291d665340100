"""Streams in every format are read back by libsndfile, block by block, as a player would."""

import contextlib
import io
import subprocess

import numpy as np
import pytest
import soundfile

from sori.audio import aac
from sori.audio.encoder import MEDIA_TYPES, Outbox, encoder
from sori.core.errors import SoriError

RATE = 24000
# The formats that need no other program.
OWN = sorted(MEDIA_TYPES.keys() - {"aac"})


def tone(seconds, rate=RATE):
    return (0.3 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * rate)) / rate)).astype("f4")


def encoded(name, samples, pieces=7, rate=RATE):
    made = encoder(name, rate)
    return [*(made.push(piece) for piece in np.array_split(samples, pieces)), made.finish()]


def decoded(name, data):
    """Samples and rate of a stream; its length is not asked, for its header does not know it."""
    if name == "pcm":
        return np.frombuffer(data, "<i2") / 32767, RATE
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        blocks = []
        while len(block := file.read(4096)):
            blocks.append(block)
        return np.concatenate(blocks), file.samplerate


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("rate", [24000, 22050])
def test_a_stream_is_read_back_as_it_was_spoken(name, rate):
    samples = tone(3.0, rate)

    heard, heard_rate = decoded(name, b"".join(encoded(name, samples, rate=rate)))

    assert len(heard) / heard_rate == pytest.approx(3.0, abs=0.1)
    assert np.sqrt(np.mean(heard**2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)


@pytest.mark.parametrize("name", [name for name in OWN if name != "flac"])
def test_bytes_come_before_the_sound_is_complete(name):
    *early, _ = encoded(name, tone(5.0))

    assert any(early[:3])


def test_a_flac_knows_its_length():
    data = b"".join(encoded("flac", tone(2.0)))

    assert soundfile.info(io.BytesIO(data)).frames == 2 * RATE


@pytest.mark.parametrize("name", ["wav", "pcm", "flac"])
def test_what_loses_nothing_gives_every_sample_back(name):
    samples = tone(1.0)

    heard, _ = decoded(name, b"".join(encoded(name, samples)))

    np.testing.assert_allclose(heard, samples, atol=1 / 32767)


@pytest.mark.skipif(not aac.is_at_hand(), reason="no ffmpeg is on this machine")
@pytest.mark.parametrize("rate", [24000, 22050, 20000])
def test_aac_is_read_back_as_it_was_spoken(rate):
    made = encoder("aac", rate)
    with contextlib.closing(made):
        data = b"".join([made.push(tone(3.0, rate)), made.finish()])

    command = ["ffmpeg", "-v", "error", "-f", "aac", "-i", "-", "-f", "f32le", "-ar", "24000", "-"]
    done = subprocess.run(command, input=data, capture_output=True, check=True)
    heard = np.frombuffer(done.stdout, "<f4")

    assert len(heard) / RATE == pytest.approx(3.0, abs=0.15)
    assert np.sqrt(np.mean(heard**2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)


def test_a_format_without_an_encoder_is_told(monkeypatch):
    monkeypatch.setattr(aac, "is_at_hand", lambda: False)

    with pytest.raises(SoriError, match="no encoder for aac here; choose one of: mp3, opus"):
        encoder("aac", RATE)


def test_an_outbox_mends_what_waits_and_leaves_what_was_sent():
    outbox = Outbox()
    outbox.write(b"abcd")
    first = outbox.take()
    outbox.write(b"efgh")

    outbox.seek(2)
    outbox.write(b"CDEF")

    assert first + outbox.take() == b"abcdEFgh"
    assert outbox.tell() == 6

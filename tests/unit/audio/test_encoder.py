"""Streams in every format are read back by libsndfile, block by block, as a player would."""

import io

import numpy as np
import pytest
import soundfile

from sori.audio.encoder import MEDIA_TYPES, Outbox, encoder
from sori.core.errors import SoriError

RATE = 24000


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


@pytest.mark.parametrize("name", MEDIA_TYPES)
@pytest.mark.parametrize("rate", [24000, 22050])
def test_a_stream_is_read_back_as_it_was_spoken(name, rate):
    samples = tone(3.0, rate)

    heard, heard_rate = decoded(name, b"".join(encoded(name, samples, rate=rate)))

    assert len(heard) / heard_rate == pytest.approx(3.0, abs=0.1)
    assert np.sqrt(np.mean(heard**2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)


@pytest.mark.parametrize("name", sorted(MEDIA_TYPES.keys() - {"flac"}))
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


def test_a_format_without_an_encoder_is_told():
    with pytest.raises(SoriError, match="no encoder for aac; choose one of: mp3, opus"):
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

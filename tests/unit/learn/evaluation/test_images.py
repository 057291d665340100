import struct
import zlib

import numpy as np

from sori.learn.evaluation.images import colour, draw_mel, draw_melody, encode_png
from sori.learn.evaluation.pitch import F_MAX_HZ, F_MIN_HZ, Melody


def decode_png(png):
    """Read back what encode_png writes: one block of data, lines without filter."""
    at, chunks = 8, {}
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        (check,) = struct.unpack(">I", png[at + 8 + length : at + 12 + length])
        assert check == zlib.crc32(kind + body)
        chunks[kind] = body
        at += 12 + length
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    return lines[:, 1:].reshape(height, width, 3)


def test_a_png_holds_the_pixels_it_was_given():
    pixels = np.random.default_rng(0).integers(256, size=(5, 7, 3)).astype(np.uint8)

    np.testing.assert_array_equal(decode_png(encode_png(pixels)), pixels)


def test_louder_is_brighter():
    brightness = colour(np.linspace(0, 1, 50)[None]).astype(int).sum(axis=2)[0]

    assert (np.diff(brightness) >= 0).all()
    assert brightness[-1] > brightness[0]


def test_low_bands_are_drawn_at_the_bottom():
    mel = np.full((3, 4), -20.0)
    mel[:, 0] = 0.0

    address = draw_mel(mel)

    import base64

    pixels = decode_png(base64.b64decode(address.split(",")[1])).astype(int).sum(axis=2)
    assert (pixels[-1] > pixels[0]).all()


def test_each_voiced_stretch_is_a_line_of_its_own():
    f0_hz = np.array([0.0, F_MIN_HZ, F_MIN_HZ, 0.0, F_MAX_HZ])

    drawn = draw_melody(Melody(f0_hz, f0_hz > 0))

    assert drawn == '<polyline points="1,100.0 2,100.0"/><polyline points="4,0.0"/>'

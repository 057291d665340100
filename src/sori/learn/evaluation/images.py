"""Pictures for the report: a spectrogram as PNG, a melody as a line of SVG."""

import base64
import struct
import zlib

import numpy as np
from jaxtyping import Float, UInt8

from sori.learn.evaluation.pitch import F_MAX_HZ, F_MIN_HZ, Melody

# Anchors from dark to light, evenly spaced in brightness, so that louder always looks brighter.
COLOURS = np.array(
    [[8, 8, 32], [60, 25, 95], [140, 45, 105], [215, 85, 75], [250, 160, 60], [255, 250, 200]],
    dtype=np.float64,
)
RANGE_NEPERS = 9.0  # about 80 dB from black to white


def colour(levels: Float[np.ndarray, "H W"]) -> UInt8[np.ndarray, "H W 3"]:
    """Return colours for levels from 0 to 1."""
    places = np.clip(levels, 0, 1) * (len(COLOURS) - 1)
    anchors = np.arange(len(COLOURS))
    channels = [np.interp(places, anchors, COLOURS[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=2).round().astype(np.uint8)


def encode_png(pixels: UInt8[np.ndarray, "H W 3"]) -> bytes:
    """Return an image as PNG.

    Source: ISO/IEC 15948, "Portable Network Graphics", sections 5 and 11.
    """

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)

    height, width, _ = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits, red green blue
    # Every line starts with the number of its filter; 0 is none.
    lines = np.pad(pixels.reshape(height, width * 3), ((0, 0), (1, 0)))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(lines.tobytes(), 9))
        + chunk(b"IEND", b"")
    )


def draw_mel(log_mel: Float[np.ndarray, "T M"]) -> str:
    """Return a spectrogram as the address of an image: low bands at the bottom."""
    levels = 1 + (log_mel - log_mel.max()) / RANGE_NEPERS
    png = encode_png(colour(levels.T[::-1]))
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def draw_melody(melody: Melody) -> str:
    """Return SVG line segments of the voiced stretches, in a box of one frame by 100 units.

    The height is logarithmic, as pitch is heard.
    """
    shown = np.clip(melody.f0_hz, F_MIN_HZ, F_MAX_HZ)
    heights = 100 * (1 - np.log(shown / F_MIN_HZ) / np.log(F_MAX_HZ / F_MIN_HZ))
    edges = np.flatnonzero(np.diff(np.pad(melody.is_voiced.astype(int), 1)))
    lines = []
    for start, stop in edges.reshape(-1, 2):
        points = " ".join(f"{frame},{heights[frame]:.1f}" for frame in range(start, stop))
        lines.append(f'<polyline points="{points}"/>')
    return "".join(lines)

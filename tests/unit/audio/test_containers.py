"""Books in one file: the sound comes out as it went in, and chapters begin where they should."""

import io
import json
import shutil
import struct
import subprocess

import numpy as np
import pytest
import soundfile

from sori.audio import aac, ogg
from sori.audio.files import AudioWriter
from sori.audio.mp4 import MOST_LISTED, M4bWriter, Tags

RATE = 24000
TITLES = ("One", "Zwei – ü", "Three")
PROBE = shutil.which("ffprobe")


@pytest.fixture
def parts():
    noise = np.random.default_rng(0)
    return [noise.uniform(-0.5, 0.5, size).astype(np.float32) for size in (30000, 4096, 50001)]


@pytest.fixture
def without_ffmpeg(monkeypatch):
    monkeypatch.setattr(aac, "is_at_hand", lambda: False)


def fill(writer, parts, titles=TITLES):
    with writer:
        for title, part in zip(titles, parts, strict=True):
            writer.chapter(title)
            writer.write(part[:1000])
            writer.write(part[1000:])


def boxes(data, *path):
    """Contents of the boxes at a path."""
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        body = data[at + head : at + size]
        if kind == path[0].encode("latin-1"):
            yield from boxes(body, *path[1:]) if len(path) > 1 else [body]
        at += size
    assert at == len(data)


def tables(data, number):
    """Offsets of packets and their sizes, and their durations, in a track."""
    track = list(boxes(data, "moov", "trak", "mdia", "minf", "stbl"))[number]
    (stsz,), (co64,), (stsc,), (stts,) = (
        boxes(track, name) for name in ("stsz", "co64", "stsc", "stts")
    )
    sizes = struct.unpack_from(f">{struct.unpack_from('>I', stsz, 8)[0]}I", stsz, 12)
    chunks = struct.unpack_from(f">{struct.unpack_from('>I', co64, 4)[0]}Q", co64, 8)
    layout = list(struct.iter_unpack(">III", stsc[8:]))
    durations = [
        samples for count, samples in struct.iter_unpack(">II", stts[8:]) for _ in range(count)
    ]
    places = []
    packet = 0
    for chunk, place in enumerate(chunks, start=1):
        (held,) = [count for first, count, _ in layout if first <= chunk][-1:]
        for size in sizes[packet : packet + held]:
            places.append((place, size))
            place += size
        packet += held
    assert len(places) == len(sizes) == len(durations)
    return places, durations


def lossless_samples(data):
    """What libsndfile decodes from the packets, put into a CAF file."""
    places, durations = tables(data, 0)
    entry = next(boxes(data, "moov", "trak", "mdia", "minf", "stbl", "stsd"))
    cookie = entry[-24:]
    decoded = []
    first = 0
    # A packet that is not full ends a chapter, and libsndfile wants it to be the last one.
    for last, samples in enumerate(durations):
        if samples < 4096 or last == len(durations) - 1:
            decoded.append(
                decoded_caf(data, places[first : last + 1], durations[first : last + 1], cookie)
            )
            first = last + 1
    return np.concatenate(decoded)


def decoded_caf(data, places, durations, cookie):
    packets = b"".join(data[place : place + size] for place, size in places)
    table = struct.pack(
        ">qqii", len(places), sum(durations), 0, 4096 * len(places) - sum(durations)
    )
    table += b"".join(variable(size) for _, size in places)
    desc = struct.pack(">d4sIIIII", RATE, b"alac", 1, 0, 4096, 1, 0)
    chunks = ((b"desc", desc), (b"kuki", cookie), (b"pakt", table), (b"data", bytes(4) + packets))
    caf = b"caff\0\1\0\0" + b"".join(struct.pack(">4sq", k, len(b)) + b for k, b in chunks)
    return soundfile.read(io.BytesIO(caf), dtype="int16")[0]


def variable(number):
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))


def test_a_lossless_book_holds_every_sample(tmp_path, parts, without_ffmpeg):
    fill(M4bWriter(tmp_path / "a.m4b", RATE, Tags("Book")), parts)

    decoded = lossless_samples((tmp_path / "a.m4b").read_bytes())

    np.testing.assert_array_equal(decoded, np.round(np.concatenate(parts) * 32767).astype(np.int16))


def test_a_book_marks_its_chapters_twice(tmp_path, parts, without_ffmpeg):
    fill(M4bWriter(tmp_path / "a.m4b", RATE, Tags("Book")), parts)
    data = (tmp_path / "a.m4b").read_bytes()

    places, durations = tables(data, 1)
    titles = []
    for place, _ in places:
        (length,) = struct.unpack_from(">H", data, place)
        titles.append(data[place + 2 : place + 2 + length].decode())
    (listed,) = boxes(data, "moov", "udta", "chpl")

    assert titles == list(TITLES)
    assert durations == [len(part) for part in parts]
    assert listed[8] == 3
    assert struct.unpack_from(">Q", listed, 9) == (0,)
    assert all(title.encode() in listed for title in TITLES)
    assert b"Book" in next(boxes(data, "moov", "udta", "meta"))


def test_a_list_of_many_chapters_keeps_to_its_limit(tmp_path, without_ffmpeg):
    number = MOST_LISTED + 5
    writer = M4bWriter(tmp_path / "a.m4b", RATE, Tags("Book"))
    fill(writer, [np.zeros(1001, np.float32)] * number, ["x" * 300] * number)

    data = (tmp_path / "a.m4b").read_bytes()
    (listed,) = boxes(data, "moov", "udta", "chpl")

    assert listed[8] == MOST_LISTED
    assert len(tables(data, 1)[0]) == number


def test_nothing_stays_behind_when_a_book_fails(tmp_path, parts, without_ffmpeg):
    with pytest.raises(RuntimeError), M4bWriter(tmp_path / "a.m4b", RATE, Tags("Book")) as writer:
        writer.chapter("One")
        writer.write(parts[0])
        raise RuntimeError

    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not PROBE, reason="no ffprobe is on this machine")
@pytest.mark.parametrize("kind", ["aac", "alac", "opus"])
def test_another_program_reads_the_same_book(tmp_path, parts, monkeypatch, kind):
    monkeypatch.setattr(aac, "is_at_hand", lambda: kind == "aac")
    path = tmp_path / ("a.opus" if kind == "opus" else "a.m4b")
    fill(AudioWriter(path, RATE) if kind == "opus" else M4bWriter(path, RATE, Tags("Book")), parts)

    command = [PROBE, "-v", "error", "-show_chapters", "-show_streams", "-show_format"]
    done = subprocess.run([*command, "-of", "json", path], capture_output=True, check=True)
    told = json.loads(done.stdout)

    assert told["streams"][0]["codec_name"] == kind
    assert [chapter["tags"]["title"] for chapter in told["chapters"]] == list(TITLES)
    starts = [0.0, 30000 / RATE, 34096 / RATE]
    heard = [float(chapter["start_time"]) for chapter in told["chapters"]]
    assert heard == pytest.approx(starts, abs=0.001)
    assert float(told["format"]["duration"]) == pytest.approx(84097 / RATE, abs=0.02)


def test_an_opus_book_names_its_chapters_and_stays_whole(tmp_path, parts):
    fill(AudioWriter(tmp_path / "a.opus", RATE), parts)

    data = (tmp_path / "a.opus").read_bytes()
    samples, rate = soundfile.read(tmp_path / "a.opus")  # drops a page with a wrong checksum

    assert b"CHAPTER002=00:00:01.250" in data
    assert "CHAPTER002NAME=Zwei – ü".encode() in data
    assert len(samples) / rate == pytest.approx(84097 / RATE, abs=0.01)


def test_many_chapters_take_several_pages(tmp_path):
    fill(
        AudioWriter(tmp_path / "a.opus", RATE),
        [np.zeros(2400, np.float32)] * 400,
        ["x" * 300] * 400,
    )

    samples, rate = soundfile.read(tmp_path / "a.opus")
    with (tmp_path / "a.opus").open("rb") as file:
        granules = [page.granule for page in ogg.pages(file)]

    assert len(samples) / rate == pytest.approx(40.0, abs=0.02)
    assert -1 in granules


@pytest.mark.parametrize("suffix", [".opus", ".ogg"])
def test_the_same_sound_gives_the_same_bytes(tmp_path, parts, suffix):
    for name in ("a", "b"):
        with AudioWriter(tmp_path / f"{name}{suffix}", RATE) as writer:
            writer.write(parts[0])

    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    assert soundfile.info(tmp_path / f"a{suffix}").duration == pytest.approx(1.25, abs=0.01)


def test_the_checksum_is_that_of_the_polynomial():
    data = bytes(range(256)) * 3
    remainder = 0
    for byte in data:
        remainder ^= byte << 24
        for _ in range(8):
            carry = remainder & 0x80000000
            remainder = (remainder << 1 & 0xFFFFFFFF) ^ (0x04C11DB7 if carry else 0)

    assert ogg.checksum(data) == remainder


@pytest.mark.skipif(not aac.is_at_hand(), reason="no ffmpeg is on this machine")
def test_aac_comes_in_frames_while_it_is_made(parts):
    encoder = aac.AacEncoder(RATE)

    early = b"".join(encoder.push(parts[0]) for _ in range(10))
    late = encoder.finish()
    encoder.close()

    assert (early + late)[:2] == b"\xff\xf1"
    frames = (early + late).count(b"\xff\xf1")
    assert frames >= 300000 // 1024


@pytest.mark.skipif(not aac.is_at_hand(), reason="no ffmpeg is on this machine")
def test_an_abandoned_encoder_leaves_no_program(parts):
    encoder = aac.AacEncoder(RATE)
    encoder.push(parts[0])

    encoder.close()

    assert encoder.process.returncode is not None


# The smallest PNG there is: one grey pixel.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a4944415478da6360000000020001e527d4a20000000049454e44ae426082"
)


@pytest.mark.skipif(not PROBE, reason="no ffprobe is on this machine")
def test_another_program_finds_title_author_and_cover(tmp_path, parts):
    fill(M4bWriter(tmp_path / "a.m4b", RATE, Tags("Büch", "Ann Ö.", PIXEL)), parts)

    command = [PROBE, "-v", "error", "-show_streams", "-show_format", "-of", "json"]
    done = subprocess.run([*command, tmp_path / "a.m4b"], capture_output=True, check=True)
    told = json.loads(done.stdout)

    tags = told["format"]["tags"]
    pictures = [s for s in told["streams"] if s["disposition"]["attached_pic"]]
    assert (tags["title"], tags["album"]) == ("Büch", "Büch")
    assert (tags["artist"], tags["album_artist"]) == ("Ann Ö.", "Ann Ö.")
    assert [(s["codec_name"], s["width"]) for s in pictures] == [("png", 1)]


@pytest.mark.parametrize("cover", [b"", b"GIF89a"])
def test_a_cover_of_another_kind_is_left_out(tmp_path, parts, cover):
    fill(M4bWriter(tmp_path / "a.m4b", RATE, Tags("Book", "", cover)), parts)

    data = (tmp_path / "a.m4b").read_bytes()

    assert b"covr" not in data
    assert b"ART" not in data

"""Readers of corpora: each turns a folder in one layout into utterances."""

import csv
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sori.core.errors import SoriError

HELD_OUT_PART = 25  # one prompt in so many is never trained on
SOUND = (".wav", ".flac", ".opus", ".ogg", ".mp3")
_ARCTIC_LINE = re.compile(r'\(\s*(\S+)\s+"(.*)"\s*\)')


@dataclass(frozen=True)
class Utterance:
    """One recording: where it lies, who speaks, what is said.

    `phonemes` and `durations` are there only where the corpus brings them: durations are in units
    of `duration_samples`, one for each phoneme and one for the silence at either end. `seconds` is
    what the corpus says of the recording's length.
    """

    name: str
    speaker: str
    text: str
    audio: Path
    phonemes: str | None = None
    durations: tuple[int, ...] | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Layout:
    """A way in which corpora lie in folders."""

    sign: str  # what such a folder holds, for people
    fits: Callable[[Path], bool]
    read: Callable[[Path], Iterable[Utterance]]


def is_held_out(text: str) -> bool:
    """Whether the prompt belongs to the test part, whoever reads it and however it is spelled."""
    letters = "".join(c for c in text.lower() if c.isalnum())
    return hashlib.sha256(letters.encode()).digest()[0] % HELD_OUT_PART == 0


def read_corpus(folder: Path, layout: str | None = None) -> list[Utterance]:
    """Read a corpus; its layout is recognised unless it is named. Names become distinct.

    Raises:
        SoriError: no such folder or layout, no layout fits, or a listing is unreadable or empty.
    """
    if not folder.is_dir():
        raise SoriError(f"there is no folder {folder}; give the folder of a corpus")
    if layout is not None and layout not in LAYOUTS:
        raise SoriError(f"there is no format {layout!r}; name one of: {', '.join(LAYOUTS)}")
    folder = folder.absolute()  # a worker elsewhere has another working directory
    found = list(LAYOUTS[layout or recognise(folder)].read(folder))
    if not found:
        raise SoriError(f"{folder} lists no recordings; look into it, or name a --format")
    return with_distinct_names(found, folder)


def recognise(folder: Path) -> str:
    """Name the first layout that fits a folder."""
    for name, layout in LAYOUTS.items():
        if layout.fits(folder):
            return name
    looked_for = "; ".join(f"{name}: {layout.sign}" for name, layout in LAYOUTS.items())
    raise SoriError(
        f"{folder} is in no layout that Sori knows; looked for {looked_for}. Name one with --format"
    )


def with_distinct_names(utterances: list[Utterance], folder: Path) -> list[Utterance]:
    """Name recordings of one file name by their whole path below the folder."""
    counts = Counter(u.name for u in utterances)
    return [
        u if counts[u.name] == 1 else replace(u, name="_".join(parts_below(folder, u.audio)))
        for u in utterances
    ]


def parts_below(folder: Path, file: Path) -> tuple[str, ...]:
    """Parts of a path below a folder, without the suffix; of a file elsewhere all of its path."""
    bare = file.with_suffix("")
    return (bare.relative_to(folder) if bare.is_relative_to(folder) else bare).parts


def read_pipe_separated(folder: Path) -> Iterator[Utterance]:
    """Read `metadata.csv` with a header line; `audio` names a file below `audio/`.

    Raises:
        SoriError: the folder has no metadata.csv, or it lacks a column.
    """
    metadata = folder / "metadata.csv"
    if not metadata.is_file():
        raise SoriError(f"{folder} has no metadata.csv; expected audio|speaker|text|seconds lines")
    rows = csv.DictReader(lines_of(metadata), delimiter="|", quoting=csv.QUOTE_NONE)
    missing = {"audio", "speaker", "text"} - set(rows.fieldnames or ())
    if missing:
        raise SoriError(f"{metadata} lacks the columns {', '.join(sorted(missing))}")
    for row in rows:
        durations = row.get("durations")
        yield Utterance(
            name=Path(row["audio"]).stem,
            speaker=row["speaker"] or folder.name,
            text=row["text"] or "",
            audio=folder / "audio" / row["audio"],
            phonemes=row.get("phonemes") or None,
            durations=tuple(map(int, durations.split())) if durations else None,
            seconds=number(row.get("seconds")),
        )


def read_ljspeech(folder: Path) -> Iterator[Utterance]:
    """Read name|text|normalised text, with wavs/name.wav: LJSpeech and what is laid out like it."""
    for name, *texts in cells_of(folder / "metadata.csv"):
        spoken = next((text for text in reversed(texts) if text), "")
        yield Utterance(name, folder.name, spoken, recording(folder / "wavs" / name))


def read_piper(folder: Path) -> Iterator[Utterance]:
    """Read name|text or name|speaker|text, with the recordings in wav/, wavs/ or beside it."""
    for name, *rest in cells_of(folder / "metadata.csv"):
        audio = recording(*(folder / place / name for place in ("wav", "wavs", ".")))
        speaker = rest[0] if len(rest) > 1 else folder.name
        yield Utterance(audio.stem, speaker, rest[-1] if rest else "", audio)


def read_vctk(folder: Path, microphones: tuple[str, ...] = ("mic1", "mic2")) -> Iterator[Utterance]:
    """Read VCTK 0.92. What only one microphone recorded (all of p280) is not missing."""
    for prompt in sorted((folder / "txt").glob("*/*.txt")):
        speaker = prompt.parent.name
        place = folder / "wav48_silence_trimmed" / speaker
        takes = {mic: place / f"{prompt.stem}_{mic}.flac" for mic in ("mic1", "mic2")}
        recorded = [mic for mic, audio in takes.items() if audio.is_file()]
        for mic in microphones:
            if mic in recorded or not recorded:
                text = read_text(prompt)
                yield Utterance(f"{prompt.stem}_{mic}", speaker, text, takes[mic])


def read_libritts(folder: Path) -> Iterator[Utterance]:
    """Read LibriTTS or LibriTTS-R, the whole or a part; the normalised text is what was read."""
    for prompt in sorted(folder.rglob("*.normalized.txt")):
        name = prompt.name.removesuffix(".normalized.txt")
        audio = recording(prompt.parent / name)
        yield Utterance(name, name.split("_")[0], read_text(prompt), audio)


def read_librispeech(folder: Path) -> Iterator[Utterance]:
    """Read LibriSpeech, the whole or a part: one list of transcripts for each chapter."""
    for listing in sorted(folder.rglob("*.trans.txt")):
        for line in lines_of(listing):
            name, _, text = line.strip().partition(" ")
            audio = recording(listing.parent / name, suffixes=(".flac", *SOUND))
            yield Utterance(name, name.split("-")[0], text, audio)


def read_kss(folder: Path) -> Iterator[Utterance]:
    """Read KSS: path|text|with numbers as words|in single letters|seconds|in English."""
    for cells in cells_of(max(folder.glob("transcript*.txt"))):
        path, _, spoken, _, seconds, *_ = cells + [""] * 4
        audio = recording(folder / path, folder / "kss" / path)
        yield Utterance(audio.stem, folder.name, spoken, audio, seconds=number(seconds))


def read_nvidia(folder: Path) -> Iterator[Utterance]:
    """Read file lists of path|text or path|text|speaker, as of Tacotron 2 and FastPitch.

    Lists overlap, so a recording counts once. Lines that name spectrograms are passed over.
    """
    seen = set()
    for listing in file_lists(folder):
        columns = ["audio", "text", "speaker"]
        for cells in cells_of(listing):
            if "text" in cells:  # newer lists say what their columns are
                columns = cells
                continue
            row = dict(zip(columns, cells, strict=False))
            path = Path(row.get("audio", ""))
            audio = recording(folder / path, folder / "wavs" / path.name)
            if path.suffix.lower() in SOUND and audio not in seen:
                seen.add(audio)
                speaker = row.get("speaker") or folder.name
                yield Utterance(audio.stem, speaker, row.get("text", ""), audio)


def read_nemo(folder: Path) -> Iterator[Utterance]:
    """Read NeMo manifests: a JSON object a line with audio_filepath, text, duration, speaker."""
    for listing in sorted((*folder.glob("*manifest*.json"), *folder.glob("*.jsonl"))):
        for line in lines_of(listing):
            try:
                row = json.loads(line)
                audio = recording(folder / row["audio_filepath"])
            except (ValueError, TypeError, KeyError) as error:
                raise SoriError(
                    f"{listing} is no manifest: expected an object with audio_filepath a line, "
                    f"got {line[:60]!r}"
                ) from error
            speaker = str(row.get("speaker", folder.name))
            seconds = number(row.get("duration"))
            yield Utterance(audio.stem, speaker, row.get("text", ""), audio, seconds=seconds)


def read_arctic(folder: Path) -> Iterator[Utterance]:
    """Read CMU ARCTIC, one speaker or several: ( name "text" ) lines, with wav/name.wav."""
    for listing in sorted(folder.glob("**/etc/txt.done.data")):
        place = listing.parents[1]
        speaker = place.name.removeprefix("cmu_us_").removesuffix("_arctic")
        for line in lines_of(listing):
            if found := _ARCTIC_LINE.match(line):
                name, quoted = found.groups()
                text, audio = quoted.replace('\\"', '"'), place / "wav" / f"{name}.wav"
                yield Utterance(f"{speaker}_{name}", speaker, text, audio)


def read_folder(folder: Path) -> Iterator[Utterance]:
    """Read recordings with name.txt beside name.wav; folders beside one another are speakers."""
    files = sorted(sound_files(folder))
    tops = {parts_below(folder, file)[0] for file in files}
    for file in files:
        prompt = file.with_suffix(".txt")
        text = read_text(prompt) if prompt.is_file() else ""
        is_speaker = len(tops) > 1 and file.parent != folder
        speaker = parts_below(folder, file)[0] if is_speaker else folder.name
        yield Utterance(file.stem, speaker, text, file)


def recording(*places: Path, suffixes: tuple[str, ...] = SOUND) -> Path:
    """Find the sound file of a name, with any suffix; where there is none, say the likeliest."""
    guesses = [
        place if place.suffix.lower() in SOUND else place.with_name(place.name + suffix)
        for place in places
        for suffix in suffixes
    ]
    return next((guess for guess in guesses if guess.is_file()), guesses[0])


def lines_of(file: Path) -> Iterator[str]:
    """Lines of a text that are not blank.

    Raises:
        SoriError: the file cannot be read or is not UTF-8.
    """
    try:
        with file.open(encoding="utf-8-sig") as lines:
            yield from (line.rstrip("\n") for line in lines if line.strip())
    except OSError as error:
        raise SoriError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SoriError(f"{file} is not UTF-8; convert it first") from error


def cells_of(file: Path) -> Iterator[list[str]]:
    """Lines of a pipe-separated file without a header."""
    for line in lines_of(file):
        yield [cell.strip() for cell in line.split("|")]


def read_text(file: Path) -> str:
    return " ".join(" ".join(lines_of(file)).split())


def number(cell: object) -> float | None:
    """A number that a listing states, or None where it states none."""
    try:
        return float(str(cell))
    except ValueError:
        return None


def file_lists(folder: Path) -> list[Path]:
    return sorted({*folder.glob("filelists/*.txt"), *folder.glob("*filelist*.txt")})


def sound_files(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.suffix.lower() in SOUND)


def holds(*patterns: str) -> Callable[[Path], bool]:
    """A test whether a folder holds a file for each of these patterns."""
    return lambda folder: all(any(True for _ in folder.glob(pattern)) for pattern in patterns)


def first_cells(folder: Path) -> list[str]:
    metadata = folder / "metadata.csv"
    return next(cells_of(metadata), []) if metadata.is_file() else []


def with_microphone(microphone: str) -> Layout:
    return Layout(
        f"VCTK of one microphone, {microphone}; only when named",
        lambda _: False,
        lambda folder: read_vctk(folder, (microphone,)),
    )


LAYOUTS = {
    "pipe": Layout(
        "metadata.csv with a header line audio|speaker|text, and audio/",
        lambda folder: bool({"audio", "text"} & set(first_cells(folder))),
        read_pipe_separated,
    ),
    "ljspeech": Layout(
        "metadata.csv of name|text|normalised text, and wavs/",
        lambda folder: len(first_cells(folder)) > 2 and (folder / "wavs").is_dir(),
        read_ljspeech,
    ),
    "piper": Layout(
        "metadata.csv of name|text or name|speaker|text",
        lambda folder: len(first_cells(folder)) > 1,
        read_piper,
    ),
    "vctk": Layout(
        "txt/ and wav48_silence_trimmed/", holds("txt", "wav48_silence_trimmed"), read_vctk
    ),
    "vctk-mic1": with_microphone("mic1"),
    "vctk-mic2": with_microphone("mic2"),
    "kss": Layout("transcript.v.*.txt", holds("transcript*.txt"), read_kss),
    "nvidia": Layout("filelists/*.txt", lambda folder: bool(file_lists(folder)), read_nvidia),
    "nemo": Layout(
        "*manifest*.json or *.jsonl",
        lambda folder: holds("*manifest*.json")(folder) or holds("*.jsonl")(folder),
        read_nemo,
    ),
    "arctic": Layout("etc/txt.done.data", holds("**/etc/txt.done.data"), read_arctic),
    "libritts": Layout("*.normalized.txt", holds("**/*.normalized.txt"), read_libritts),
    "librispeech": Layout("*.trans.txt", holds("**/*.trans.txt"), read_librispeech),
    "folder": Layout(
        "name.txt beside name.wav",
        lambda folder: any(file.with_suffix(".txt").is_file() for file in sound_files(folder)),
        read_folder,
    ),
}

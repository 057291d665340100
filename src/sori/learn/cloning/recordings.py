"""The recordings of a person, their texts, and what is wrong with them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import torch

from sori.audio.files import FORMATS, read
from sori.audio.resample import resample
from sori.core import files
from sori.core.audio import Audio
from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.data import features
from sori.learn.data.batches import Sentences
from sori.learn.data.cache import Cache
from sori.learn.data.check import KINDS, check
from sori.learn.data.corpora import Utterance
from sori.learn.evaluation.clips import beside, read_texts, recordings
from sori.learn.evaluation.intelligibility import SAMPLE_RATE, Whisper
from sori.learn.evaluation.judges import MissingJudgeError
from sori.learn.evaluation.similarity import Resemblyzer, centroid, cosine
from sori.learn.mel import MelSpec
from sori.learn.models.aligner import Aligner, AlignerBatch
from sori.learn.nn.masks import length_mask

TABLE = "metadata.csv"
FEWEST, MOST = 3, 40
SHORTEST_SECONDS, LONGEST_SECONDS = 1.0, 20.0  # the base never read a longer sentence
TOTAL_SECONDS = 15.0  # less speech than this does not tell enough of a voice
UNHEARD_OF = (".m4a", ".aac", ".wma", ".amr", ".webm", ".mp4")  # no decoder is at hand
IRRELEVANT = ("rate", "stereo", "loudness", "edges", "no-text")  # mended on the way
NOISY_DB = 18.0  # between the loud and the quiet tenths of a recording
STRANGER = 0.62  # cosine to the other recordings; different people have 0.63 on average
OTHER_PITCH = 1.5  # times that of the other recordings, where no judge of speakers is at hand
# Mean log-probability that the aligner gives to the phonemes of a text along its best path: -2.6 to
# -0.9 for 64 recordings of four people it knows not, -8 to -4.2 with their texts exchanged.
FITTING = -3.4


class Finding(NamedTuple):
    """What is wrong with one file, and whether it must be left out."""

    file: str
    what: str
    is_fatal: bool


def find(folder: Path) -> tuple[list[Utterance], list[Finding]]:
    """The recordings of a folder with their texts, and the files that cannot be read.

    Texts come from `metadata.csv` (a table with the columns audio and text, or lines of
    `name|text`), else from NAME.txt beside each file; they may be missing.

    Raises:
        SoriError: there is no folder, or no recording in it.
    """
    if not folder.is_dir():
        raise SoriError(f"{folder} is not a folder; give the folder that holds the recordings")
    paths = recordings(folder)
    foreign = sorted(p for p in folder.rglob("*") if p.suffix.lower() in UNHEARD_OF)
    findings = [
        Finding(p.name, f"{p.suffix} cannot be read; convert it to .wav or .flac", True)
        for p in foreign
    ]
    if not paths:
        what = findings[0].what if findings else f"looked for {', '.join(FORMATS)}"
        raise SoriError(f"{folder} holds no recordings that can be read: {what}")
    table = folder / TABLE
    try:
        texts = read_texts(table, paths) if table.is_file() else {p.stem: beside(p) for p in paths}
    except UnicodeDecodeError as error:
        raise SoriError(f"a text in {folder} is not UTF-8: {error}") from error
    return [Utterance(p.stem, "new", natural(texts.get(p.stem) or ""), p) for p in paths], findings


def natural(text: str) -> str:
    """The text as people write: what is all in capitals would be read as initials."""
    return text.lower() if text.isupper() else text


def transcribe(utterances: Sequence[Utterance], whisper: str | None = None) -> list[Utterance]:
    """Write down what is said in the recordings that bring no text.

    Raises:
        SoriError: there are such recordings and no recogniser.
    """
    if all(u.text for u in utterances):
        return list(utterances)
    try:
        recogniser = Whisper(whisper)
    except MissingJudgeError as error:
        names = ", ".join(u.audio.name for u in utterances if not u.text)
        raise SoriError(
            f"{names} bring no text; write NAME.txt beside each, or a {TABLE}, or let it be "
            f"recognised ({error})"
        ) from error

    def heard(utterance: Utterance) -> str:
        return recogniser.transcribe(resample(read(utterance.audio), SAMPLE_RATE).samples)

    return [u if u.text else replace(u, text=heard(u)) for u in utterances]


def too_long_or_short(utterance: Utterance) -> str:
    """What is wrong with the length of a recording, from its header alone."""
    try:
        seconds = soundfile.info(utterance.audio).duration
    except (OSError, soundfile.SoundFileError):
        return ""  # the check of its sound says so
    if seconds > LONGEST_SECONDS:
        return f"lasts {seconds:.0f} s; cut it into sentences of {LONGEST_SECONDS:.0f} s at most"
    if seconds < SHORTEST_SECONDS:
        return f"lasts {seconds:.1f} s; give whole sentences"
    return ""


def odd_lengths(utterances: Sequence[Utterance]) -> list[Finding]:
    """Recordings that are too long or too short, which nothing else should load."""
    return [Finding(u.audio.name, what, True) for u in utterances if (what := too_long_or_short(u))]


def examine(utterances: Sequence[Utterance], accent: str) -> list[Finding]:
    """Look at each recording: level, clipping, noise, text, and whether all are of one person."""
    checked = check(utterances, accent, ignored=IRRELEVANT)
    found = [
        Finding(row.utterance.audio.name, f"{kind}: {said}", KINDS[kind].is_fault)
        for row in checked
        for kind, said in row.findings.items()
    ]
    sound = [row.utterance for row in checked if not row.is_lost]
    audios = [read(u.audio) for u in sound]
    for utterance, audio in zip(sound, audios, strict=True):
        if (ratio := speech_to_noise_db(audio)) < NOISY_DB:
            what = f"noisy: speech only {ratio:.0f} dB above the rest; record in a quieter room"
            found.append(Finding(utterance.audio.name, what, False))
    return found + strangers(sound, audios)


def speech_to_noise_db(audio: Audio) -> float:
    """How far the loudest tenth of the frames lies above the quietest, in decibels."""
    size = max(audio.sample_rate // 50, 1)
    frames = audio.samples[: len(audio.samples) // size * size].reshape(-1, size)
    power = np.square(frames.astype(np.float64)).mean(axis=1) + 1e-12
    low, high = np.percentile(power, [5, 90])
    return float(10 * np.log10(high / low))


def strangers(utterances: Sequence[Utterance], audios: Sequence[Audio]) -> list[Finding]:
    """Recordings that sound like another person than the rest: by a judge of speakers, or by F0."""
    if len(audios) < FEWEST:
        return []
    try:
        judge = Resemblyzer(audios[:1])
    except MissingJudgeError:
        return other_pitches(utterances, audios)
    heard = [judge.embed(audio) for audio in audios]
    findings = []
    for number, utterance in enumerate(utterances):
        others = centroid(heard[:number] + heard[number + 1 :])
        if (alike := cosine(heard[number], others)) < STRANGER:
            what = f"another speaker than in the other files (similarity {alike:.2f})"
            findings.append(Finding(utterance.audio.name, what, True))
    return findings


def other_pitches(utterances: Sequence[Utterance], audios: Sequence[Audio]) -> list[Finding]:
    """Recordings that are much higher or lower than the rest."""
    spec = MelSpec()
    pitches = []
    for audio in audios:
        track = features.f0(resample(audio, spec.sample_rate).samples, spec)
        pitches.append(float(np.median(track[track > 0])) if track.any() else 0.0)
    middle = float(np.median(pitches))
    return [
        Finding(
            utterance.audio.name,
            f"another speaker than in the other files? F0 {pitch:.0f} Hz, theirs {middle:.0f} Hz",
            True,
        )
        for utterance, pitch in zip(utterances, pitches, strict=True)
        if pitch and not 1 / OTHER_PITCH < pitch / middle < OTHER_PITCH
    ]


@torch.inference_mode()
def fits(cache: Cache, aligner: Path) -> dict[str, float]:
    """How well each text fits its recording: mean log-probability of its phonemes where they lie.

    Music, another language or another text give low values.
    """
    model = registry.load(aligner)
    assert isinstance(model, Aligner)
    items = [(cache, entry) for entry in cache.entries if entry.phonemes and entry.durations]
    if not items:
        return {}
    sentences = Sentences(items, AlignerBatch, model.config.symbols, (), 1, 0)
    scores = {}
    for item in items:
        batch = sentences.collate([item])
        units = batch.durations[0] // model.config.frames_per_unit
        owner = torch.repeat_interleave(torch.arange(len(units)), units)
        likely = model(batch)[0][torch.arange(len(owner)), owner]
        # Silence fits everywhere; what counts is the phonemes.
        spoken = (batch.ids[0][owner] > 0) & length_mask(batch.ids_len, len(units))[0][owner]
        scores[item[1].name] = float(likely[spoken].mean())
    return scores


def unfit(scores: dict[str, float], utterances: Sequence[Utterance]) -> list[Finding]:
    """Files whose text is not what is heard; a text that could not be laid out fits not at all."""
    what = "the text does not fit what is heard: another text, another language, or music"
    return [
        Finding(u.audio.name, f"{what} ({score:.1f})", True)
        for u in utterances
        if (score := scores.get(u.name, -np.inf)) < FITTING
    ]


def usable(utterances: Sequence[Utterance], findings: Sequence[Finding]) -> list[Utterance]:
    """The recordings that nothing is badly wrong with.

    Raises:
        SoriError: too few are left, or too little speech.
    """
    bad = {finding.file: finding.what for finding in findings if finding.is_fatal}
    left = [u for u in utterances if u.audio.name not in bad]
    seconds = sum(soundfile.info(u.audio).duration for u in left)
    reasons = "; ".join(f"{name}: {what}" for name, what in list(bad.items())[:3])
    because = f" ({reasons})" if reasons else ""
    if len(left) < FEWEST or seconds < TOTAL_SECONDS:
        raise SoriError(
            f"{len(left)} usable recordings with {seconds:.0f} s of speech{because}; give at least "
            f"{FEWEST} with {TOTAL_SECONDS:.0f} s together, 8 of 5 to 12 s are good"
        )
    if len(left) > MOST:
        raise SoriError(f"{len(left)} recordings; {MOST} at most, 8 are enough")
    return left


def write_table(folder: Path, utterances: Sequence[Utterance]) -> Path:
    """Keep the texts where a person can correct them, and where the next run reads them."""
    table = folder / TABLE
    lines = ["audio|text", *(f"{u.audio.relative_to(folder)}|{u.text}" for u in utterances)]
    files.write_text(table, "\n".join(lines) + "\n")
    return table

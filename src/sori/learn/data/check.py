"""Checks recordings and their texts: what must be mended before anything learns from them."""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import soundfile

from sori.audio.files import reason
from sori.audio.level import loudness
from sori.audio.silence import sound_span
from sori.core.audio import Audio
from sori.core.engines import Engine, here
from sori.core.errors import SoriError
from sori.learn.data.containers import is_whole
from sori.learn.data.corpora import Utterance
from sori.text.frontend import FrontEnd

GROUP = 32  # recordings that a worker is given at once
SILENT_LUFS = -60.0  # a whisper far from the microphone is louder
SHORT_SECONDS = 0.1  # nothing that has a word in it is shorter
FLAT_SAMPLES = 4  # samples in a row at the very top: a wave that was cut off
FLAT_TOPS = 3  # one may be chance
LOUD_ENOUGH_TO_CLIP = 0.1
LISTED_SECONDS = 0.15  # a recording may differ so much from the length that its list states
EDGE_SECONDS = 0.5  # more silence at an end teaches a model nothing
APART_LU = 6.0  # heard at once as another loudness
# Times the usual speed of a speaker. On five corpora nobody reads 1.4 times as fast, and pauses
# make some sentences half as fast; half a recording with its whole text is found 9 times in 10.
FASTEST, SLOWEST = 1.6, 1 / 2.2
SURE_PHONEMES = 10  # shorter texts vary more
FEW = 8  # a speaker with fewer recordings is compared with everybody


class Kind(NamedTuple):
    """A kind of finding: whether it must be mended, what it means, how `mend` handles it."""

    is_fault: bool
    meaning: str
    remedy: str


KINDS = {
    "missing": Kind(True, "the file is not there", "dropped"),
    "unreadable": Kind(True, "no decoder understands it", "dropped"),
    "truncated": Kind(True, "it ends too early, or is not as long as its list says", "dropped"),
    "silent": Kind(True, "nothing can be heard", "dropped"),
    "clipped": Kind(True, "the wave was cut off at the top", "dropped"),
    "duplicate": Kind(True, "the same sound as an earlier one", "dropped"),
    "no-text": Kind(True, "nobody knows what is said", "dropped"),
    "unspeakable": Kind(True, "the front end cannot speak a part of the text", "dropped"),
    "misfit": Kind(True, "the text is too long or too short for the sound", "dropped"),
    "rate": Kind(True, "another sample rate than most", "resampled"),
    "stereo": Kind(True, "more than one channel", "mixed to one"),
    "loudness": Kind(False, f"more than {APART_LU:g} LU from the middle", "set to one loudness"),
    "edges": Kind(False, f"more than {EDGE_SECONDS:g} s of silence at an end", "trimmed"),
}


@dataclass(frozen=True)
class Measured:
    """What one recording and its text are, seen alone."""

    seconds: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    peak: float = 0.0
    loudness: float = -math.inf  # LUFS
    silence_before: float = 0.0  # seconds
    silence_after: float = 0.0
    flat_tops: int = 0
    digest: str = ""
    phonemes: int = 0
    skipped: tuple[str, ...] = ()
    findings: dict[str, str] = field(default_factory=dict)  # kind: what was seen

    @property
    def silence(self) -> float:
        """Seconds of silence at the end that has more of it."""
        return max(self.silence_before, self.silence_after)

    @property
    def phonemes_per_second(self) -> float:
        """How fast the text is read, silence at both ends left out; 0 where it is not known."""
        spoken = self.seconds - self.silence_before - self.silence_after
        return self.phonemes / spoken if spoken > 0 else 0.0


@dataclass(frozen=True)
class Checked:
    """A recording with what was measured and found."""

    utterance: Utterance
    measured: Measured
    findings: dict[str, str]

    @property
    def is_faulty(self) -> bool:
        """Whether something must be mended."""
        return any(KINDS[kind].is_fault for kind in self.findings)

    @property
    def is_lost(self) -> bool:
        """Whether mending can only drop it."""
        return any(KINDS[kind].remedy == "dropped" for kind in self.findings)


def check(
    utterances: Sequence[Utterance],
    accent: str = "us",
    engine: Engine = here,
    progress: Callable[[int, int], None] | None = None,
    ignored: Sequence[str] = (),
) -> list[Checked]:
    """Check a corpus.

    Args:
        ignored: kinds of findings to leave out.
        progress: is told how many recordings are done, and of how many.

    Raises:
        SoriError: a kind is unknown.
    """
    if unknown := set(ignored) - set(KINDS):
        raise SoriError(f"there is no finding {min(unknown)!r}; known are: {', '.join(KINDS)}")
    measured: list[Measured] = []
    for group in engine(partial(measure_all, accent=accent), groups(utterances)):
        measured += group
        if progress:
            progress(len(measured), len(utterances))
    compared = compare(utterances, measured)
    return [
        Checked(
            utterance,
            found,
            {k: v for k, v in (found.findings | more).items() if k not in ignored},
        )
        for utterance, found, more in zip(utterances, measured, compared, strict=True)
    ]


def groups(utterances: Sequence[Utterance]) -> Iterator[list[Utterance]]:
    rest = iter(utterances)
    while group := list(islice(rest, GROUP)):
        yield group


def measure_all(group: Sequence[Utterance], accent: str) -> list[Measured]:
    return [measure(utterance, accent) for utterance in group]


def measure(utterance: Utterance, accent: str) -> Measured:
    """Look at one recording and its text."""
    phonemes, skipped, findings = read_aloud(utterance, accent)
    if not utterance.audio.is_file():
        return Measured(findings={"missing": "no such file"} | findings, phonemes=phonemes)
    try:
        samples, rate = soundfile.read(utterance.audio, dtype="float32", always_2d=True)
        promised = soundfile.info(utterance.audio).frames
        whole = is_whole(utterance.audio)
    except (OSError, soundfile.SoundFileError) as error:
        return Measured(findings={"unreadable": reason(error)} | findings, phonemes=phonemes)
    audio = Audio(samples.mean(axis=1), rate)
    start, stop = sound_span(audio)
    return Measured(
        seconds=audio.seconds,
        sample_rate=rate,
        channels=samples.shape[1],
        peak=float(np.abs(samples).max(initial=0.0)),
        loudness=loudness(audio) if len(samples) else -math.inf,
        silence_before=start / rate,
        silence_after=audio.seconds - stop / rate,
        flat_tops=max((flat_tops(channel) for channel in samples.T), default=0),
        digest=hashlib.sha256(np.round(audio.samples * 32767).astype("<i2").tobytes()).hexdigest(),
        phonemes=phonemes,
        skipped=skipped,
        findings=shortened(utterance, audio, whole and len(samples) >= promised) | findings,
    )


def shortened(utterance: Utterance, audio: Audio, is_whole: bool) -> dict[str, str]:
    """Say whether a file ends too early."""
    listed = utterance.seconds
    if listed is not None and abs(audio.seconds - listed) > LISTED_SECONDS:
        return {"truncated": f"{audio.seconds:.2f} s, its list says {listed:.2f} s"}
    return {} if is_whole else {"truncated": f"breaks off after {audio.seconds:.2f} s"}


def flat_tops(wave: np.ndarray) -> int:
    """Count the places where a wave stays at its very top, or beyond full scale, for a while.

    A recording that was made quieter after it had been clipped is found as well.
    """
    peak = min(float(np.abs(wave).max(initial=0.0)), 1.0)
    if peak < LOUD_ENOUGH_TO_CLIP:
        return 0
    at_top = np.abs(wave) >= peak - 1.5 / 32768  # dither and rounding move a sample by one step
    edges = np.flatnonzero(np.diff(np.pad(at_top.astype(np.int8), 1)))
    return int((edges[1::2] - edges[::2] >= FLAT_SAMPLES).sum())


@cache
def front_end(accent: str) -> FrontEnd:
    return FrontEnd(accent)


def read_aloud(utterance: Utterance, accent: str) -> tuple[int, tuple[str, ...], dict[str, str]]:
    """Count the phonemes of a text, and name what cannot be spoken.

    A corpus that brings its phonemes is taken at its word.
    """
    if utterance.phonemes:
        return count_phonemes(utterance.phonemes), (), {}
    if not utterance.text.strip():
        return 0, (), {"no-text": "the text is empty"}
    try:
        sentences = list(front_end(accent).sentences(utterance.text))
    except SoriError as error:
        return 0, (), {"unspeakable": str(error).partition(";")[0]}
    skipped = tuple(dict.fromkeys(name for s in sentences for name in s.skipped))
    findings = {"unspeakable": ", ".join(skipped)} if skipped else {}
    return sum(count_phonemes(s.phonemes) for s in sentences), skipped, findings


def count_phonemes(phonemes: str) -> int:
    """Letters of a phoneme string that last: neither marks of stress nor of punctuation."""
    return sum(letter.isalpha() for letter in phonemes) - phonemes.count("ˈ") - phonemes.count("ˌ")


def compare(utterances: Sequence[Utterance], measured: Sequence[Measured]) -> list[dict[str, str]]:
    """Find what is wrong only beside the rest of the corpus, and what thresholds decide."""
    rate = usual_rate(measured)
    heard = [m.loudness for m in measured if m.loudness > SILENT_LUFS]
    middle = float(np.median(heard)) if heard else 0.0
    speeds = usual_speeds(utterances, measured)
    first: dict[str, str] = {}
    found = []
    for utterance, m in zip(utterances, measured, strict=True):
        findings = audible(m, middle)
        if m.sample_rate not in (0, rate):
            findings["rate"] = f"{m.sample_rate} Hz, most have {rate} Hz"
        if m.channels > 1:
            findings["stereo"] = f"{m.channels} channels"
        if m.digest and first.setdefault(m.digest, utterance.name) is not utterance.name:
            findings["duplicate"] = f"sounds like {first[m.digest]}"
        if "silent" not in findings and (said := misfit(m, speeds[utterance.speaker])):
            findings["misfit"] = said
        found.append(findings)
    return found


def usual_rate(measured: Sequence[Measured]) -> int:
    """The sample rate that most recordings have."""
    rates = Counter(m.sample_rate for m in measured if m.sample_rate)
    return max(rates, key=lambda rate: rates[rate], default=0)


def audible(m: Measured, middle: float) -> dict[str, str]:
    """Judge level and edges of what could be read."""
    if not m.sample_rate:
        return {}
    if m.loudness < SILENT_LUFS or m.seconds < SHORT_SECONDS:
        return {"silent": f"{m.loudness:.0f} LUFS in {m.seconds:.2f} s"}
    findings = {}
    if m.flat_tops >= FLAT_TOPS:
        findings["clipped"] = f"{m.flat_tops} flat tops at {m.peak:.2f} of full scale"
    if abs(m.loudness - middle) > APART_LU:
        findings["loudness"] = f"{m.loudness:.1f} LUFS, the middle is {middle:.1f}"
    if m.silence > EDGE_SECONDS:
        findings["edges"] = f"{m.silence:.2f} s of silence"
    return findings


def usual_speeds(utterances: Sequence[Utterance], measured: Sequence[Measured]) -> dict[str, float]:
    """Phonemes per second in the middle of every speaker's recordings."""
    speeds = defaultdict(list)
    for utterance, m in zip(utterances, measured, strict=True):
        speeds[utterance.speaker] += [m.phonemes_per_second] if m.phonemes_per_second else []
    everybody = [speed for of_speaker in speeds.values() for speed in of_speaker]
    usual = float(np.median(everybody)) if everybody else 0.0
    return {
        speaker: float(np.median(found)) if len(found) >= FEW else usual
        for speaker, found in speeds.items()
    }


def misfit(m: Measured, usual: float) -> str:
    """Say how a text's length does not fit its sound; nothing where it does."""
    if not m.phonemes_per_second or not usual:
        return ""
    leeway = 1.0 if m.phonemes >= SURE_PHONEMES else 2.0
    if SLOWEST / leeway <= m.phonemes_per_second / usual <= FASTEST * leeway:
        return ""
    return f"{m.phonemes_per_second:.1f} phonemes/s, the speaker's middle is {usual:.1f}"


def as_json(name: str, checked: Sequence[Checked]) -> dict[str, Any]:
    """Everything that was measured and found, ready to be written."""
    counts = Counter(kind for found in checked for kind in found.findings)
    return {
        "corpus": name,
        "recordings": len(checked),
        "seconds": round(sum(found.measured.seconds for found in checked), 3),
        "sample_rate": usual_rate([found.measured for found in checked]),
        "findings": {kind: counts[kind] for kind in KINDS if counts[kind]},
        "must_be_mended": sum(found.is_faulty for found in checked),
        "rows": [row_of(found) for found in checked],
    }


def row_of(found: Checked) -> dict[str, Any]:
    u, m = found.utterance, found.measured
    return {
        "name": u.name,
        "speaker": u.speaker,
        "text": u.text,
        "audio": str(u.audio),
        "seconds": round(m.seconds, 3),
        "sample_rate": m.sample_rate,
        "channels": m.channels,
        "peak": round(m.peak, 4),
        # JSON has no infinity
        "loudness_lufs": round(m.loudness, 2) if math.isfinite(m.loudness) else None,
        "silence_before": round(m.silence_before, 3),
        "silence_after": round(m.silence_after, 3),
        "flat_tops": m.flat_tops,
        "phonemes_per_second": round(m.phonemes_per_second, 2),
        "findings": found.findings,
    }

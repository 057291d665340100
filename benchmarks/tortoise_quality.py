"""What the parts of a small TorToise are worth, on real speech and with confidence intervals.

    .venv-test/bin/python benchmarks/tortoise_quality.py CORPORA [--networks runs/tortoise-small]

CORPORA holds kokoro-voices, of which the small networks never heard af_river, am_puck, bf_emma and
bm_daniel; the caches of `sori train` lie in runs/cache. Sentences are those that no training saw.
Speech goes to runs/tortoise-quality, where the judges of `.venv-judge` (setup_judges.py) hear it.
Results: benchmarks/results/tortoise_quality.json.
"""

import argparse
import json
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from judging import JUDGE

BENCHMARKS = Path(__file__).resolve().parent
RESULTS = BENCHMARKS / "results" / "tortoise_quality.json"
WORK = BENCHMARKS.parent / "runs" / "tortoise-quality"
STRANGERS = ("af_river", "am_puck", "bf_emma", "bm_daniel")
COUNTS = (1, 4, 16, 64)
GUIDANCES = (0.0, 1.0, 2.0)
SAMPLERS = (
    ("ancestral", 80),
    ("ancestral", 20),
    ("ddim", 20),
    ("solver", 20),
    ("solver", 10),
    ("solver", 5),
)
LONGEST_SECONDS = 5.0
PARTS = ("codes", "decoding", "cloning", "ranking")


@dataclass(frozen=True)
class Job:
    """A wave for the judges: of which trial, what it should say, and as whom."""

    trial: str
    path: str
    text: str
    speaker: str


def quiet(stage: str, done: int, total: int) -> None:
    """Nobody watches."""


class Trials:
    """All measurements on one folder of networks; waves and jobs go to `WORK`."""

    def __init__(self, options: argparse.Namespace):
        from sori.learn import registry
        from sori.learn.systems.tortoise import Effort, TorToise

        self.system: Any = TorToise(options.networks)
        path = options.networks / "codes" / "model.safetensors"
        self.tokeniser: Any = registry.load(path)
        self.options = options
        self.effort = Effort(1, 20, 1.0)
        self.jobs: list[Job] = []
        self.measured: dict[str, Any] = {}
        self.voices = {name: self.clips_of(name) for name in STRANGERS}

    def clips_of(self, speaker: str) -> list[Any]:
        """Held-out recordings of a stranger, those for references first."""
        from sori.learn.data.cache import Cache

        cache = Cache(self.options.cache / "kokoro-voices", self.system.reader.mel_spec, "mel")
        return sorted(
            (
                (cache, entry)
                for entry in cache.entries
                if entry.speaker == speaker and cache_seconds(cache, entry) > 2.0
            ),
            key=lambda item: item[1].frames,
        )

    def references(self, speaker: str, count: int) -> Any:
        """The voice of a stranger from its longest recordings."""
        from sori.core.audio import Audio

        rate = self.system.reader.mel_spec.sample_rate
        clips = []
        for cache, entry in self.voices[speaker][-count:]:
            wave = cache.wave(entry, 0, entry.frames).astype(np.float32)
            clips.append(Audio(wave, rate))
        return self.system.hear(clips)

    def keep(self, trial: str, name: str, wave: np.ndarray, text: str, speaker: str) -> None:
        """A wave for the judges."""
        from sori.audio.files import write
        from sori.core.audio import Audio

        path = WORK / f"{trial}-{name}.wav".replace(" ", "_")
        write(path, Audio(wave, self.system.vocoder.spec.sample_rate))
        self.jobs.append(Job(trial, str(path), text, speaker))

    def run(self, parts: Sequence[str]) -> None:
        """These parts, one after the other."""
        for part in parts:
            start = time.perf_counter()
            getattr(self, part)()
            print(f"{part}: {time.perf_counter() - start:.0f} s", flush=True)

    def codes(self) -> None:
        """How the codebook is used on recordings of strangers, and how fast codes come."""
        import torch

        from sori.learn.nn.quantise import perplexity

        found, frames, errors = [], 0, []
        for items in self.voices.values():
            for cache, entry in items[:8]:
                mel = mel_of(cache, entry)
                codes = self.tokeniser.encode(mel)
                found.append(codes[0])
                errors.append(float((self.tokeniser(mel) - mel).abs().mean()))
                frames += mel.shape[2]
        codes = torch.cat(found)
        size = self.tokeniser.config.codes
        spec = self.system.reader.mel_spec
        self.measured["codes"] = {
            "codes": size,
            "used": len(codes.unique()),
            "seen": len(codes),
            "perplexity": float(perplexity(codes, size)),
            "per_second": len(codes) / (frames * spec.hop_samples / spec.sample_rate),
            "mel_error": interval(errors),
        }

    def decoding(self) -> None:
        """The decoder on codes and states of real recordings, by what it is told and how."""
        trials: list[tuple[str, Any, bool]] = [
            (f"guidance {g:g}", replace(self.effort, guidance=g), True) for g in GUIDANCES
        ]
        trials.append(("codes", self.effort, False))
        trials += [
            (f"{name} {steps}", replace(self.effort, sampler=name, steps=steps), True)
            for name, steps in SAMPLERS
        ]
        errors: dict[str, list[float]] = defaultdict(list)
        seconds: dict[str, list[float]] = defaultdict(list)
        for speaker, items in self.voices.items():
            voice = self.references(speaker, 2)
            for number, (cache, entry) in enumerate(items[: self.options.clips]):
                mel = mel_of(cache, entry)
                codes, states = self.told(mel, entry, voice)
                for trial, effort, by_states in trials:
                    start = time.process_time()
                    made = self.decode(codes, states, by_states, voice, effort)
                    seconds[trial].append(time.process_time() - start)
                    size = min(made.shape[2], mel.shape[2])
                    errors[trial].append(float((made - mel)[:, :, :size].abs().mean()))
                    wave = self.system.vocode(made, 0, quiet)
                    self.keep(trial, f"{speaker}-{number}", wave, entry.text, speaker)
                wave = self.system.vocode(mel, 0, quiet)
                self.keep("recording", f"{speaker}-{number}", wave, entry.text, speaker)
        self.measured["decoding"] = {
            trial: {"mel_error": interval(errors[trial]), "seconds": interval(seconds[trial])}
            for trial in errors
        }

    def told(self, mel: Any, entry: Any, voice: Any) -> tuple[Any, Any]:
        """Codes of a recording, and the states of the autoregressive network at them."""
        import torch

        codes = self.tokeniser.encode(mel)
        ids = self.ids_of(entry.phonemes)
        with torch.no_grad():
            return codes, self.system.reader.latents(ids[None], voice.reader, codes)

    def ids_of(self, phonemes: str) -> Any:
        import torch

        place = {letter: n for n, letter in enumerate(self.system.reader.config.symbols)}
        return torch.tensor([0, *(place[letter] for letter in phonemes if letter in place), 0])

    def decode(self, codes: Any, states: Any, by_states: bool, voice: Any, effort: Any) -> Any:
        import torch

        from sori.learn.models.tortoise_diffusion import Guidance

        decoder = self.system.decoder
        with torch.no_grad():
            said = decoder.from_latents(states) if by_states else decoder.from_codes(codes)
            torch.manual_seed(0)
            return decoder.sample(
                decoder.condition(said, voice.decoder),
                effort.steps,
                effort.sampler,
                Guidance(effort.guidance),
            )

    def cloning(self) -> None:
        """Likeness to strangers by how many of their recordings were heard."""
        for speaker, items in self.voices.items():
            for count in (1, 2, 3):
                voice = self.references(speaker, count)
                for number, (cache, entry) in enumerate(items[: self.options.clips]):
                    states = self.told(mel_of(cache, entry), entry, voice)[1]
                    made = self.decode(None, states, True, voice, self.effort)
                    wave = self.system.vocode(made, 0, quiet)
                    self.keep(f"references {count}", f"{speaker}-{number}", wave, "", speaker)
            others = [self.references(other, 2) for other in STRANGERS if other != speaker]
            from sori.learn.systems.speakers import mixed

            mean = mixed(others, [1 / len(others)] * len(others))
            for number, (cache, entry) in enumerate(items[: self.options.clips]):
                states = self.told(mel_of(cache, entry), entry, mean)[1]
                made = self.decode(None, states, True, mean, self.effort)
                wave = self.system.vocode(made, 0, quiet)
                self.keep("mean of others", f"{speaker}-{number}", wave, "", speaker)

    def ranking(self) -> None:
        """Whole sentences: the best of N candidates by CLVP, and any candidate."""
        from sori.text.frontend import FrontEnd

        texts = (BENCHMARKS / "sentences.txt").read_text().splitlines()
        short = [text for text in texts if len(text) < 46][: self.options.sentences]
        front_end, most = FrontEnd("us"), COUNTS[-1]
        lengths = []
        for number, text in enumerate(short):
            speaker = STRANGERS[number % len(STRANGERS)]
            voice = self.references(speaker, 2)
            ids = self.ids_of("".join(s.phonemes for s in front_end.sentences(text)))
            effort = replace(self.effort, candidates=most)
            drawn = self.system.draw(ids, voice, effort, number, quiet)
            scores = self.system.rank(ids, drawn, voice, effort, quiet)
            lengths += drawn.lengths.tolist()
            picks = {
                ("best", size, group): group * size + int(scores[group * size :][:size].argmax())
                for size in COUNTS[1:]
                for group in range(min(most // size, self.options.groups))
            }
            picks |= {("any", 1, group): group for group in range(self.options.groups)}
            waves: dict[int, np.ndarray] = {}
            for (way, size, group), pick in picks.items():
                if pick not in waves:
                    states = self.system.latents_of(drawn, pick)
                    mel = self.system.decode(states, voice, effort, number, quiet)
                    waves[pick] = self.system.vocode(mel, number, quiet)
                self.keep(f"{way} of {size}", f"{number}-{group}", waves[pick], text, speaker)
        self.measured["ranking"] = {"sentences": len(short), "codes_drawn": interval(lengths)}


def cache_seconds(cache: Any, entry: Any) -> float:
    return entry.frames / cache.frames_in(1.0)


def mel_of(cache: Any, entry: Any) -> Any:
    """The first seconds of a recording."""
    import torch

    frames = min(entry.frames, cache.frames_in(LONGEST_SECONDS)) // 4 * 4
    mel = cache.frames("mel", entry, 0, frames).astype(np.float32)
    return torch.from_numpy(mel.copy()).T[None]


def interval(values: Sequence[float]) -> list[float]:
    """The mean, and the interval that holds it with 95 % confidence."""
    from sori.learn.evaluation.metrics import bootstrap

    pairs = np.array([values, np.ones(len(values))], dtype=np.float64)
    return [float(np.mean(values)), *np.percentile(bootstrap(pairs), [2.5, 97.5]).tolist()]


def hear(folder: Path, speakers: Path) -> None:
    """What the judges say of every job; runs in their environment."""
    from sori.audio.files import read
    from sori.learn.evaluation.clips import Take
    from sori.learn.evaluation.intelligibility import Whisper
    from sori.learn.evaluation.metrics import summarise
    from sori.learn.evaluation.similarity import Resemblyzer

    whisper = Whisper()
    own = {
        name: Resemblyzer([read(path) for path in sorted((speakers / name).glob("*"))[:6]])
        for name in STRANGERS
    }
    verdicts: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for job in jobs_of(folder):
        take = Take(read(job.path), job.text or None)
        said = dict(whisper.hear(take)) | dict(own[job.speaker].hear(take))
        verdicts[job.trial].append(said)
    found = {
        trial: {name: asdict(value) for name, value in summarise(rows).items()}
        for trial, rows in verdicts.items()
    }
    (folder / "judged.json").write_text(json.dumps(found, indent=1))


def jobs_of(folder: Path) -> Iterator[Job]:
    for job in json.loads((folder / "jobs.json").read_text()):
        yield Job(**job)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--networks", type=Path, default=Path("runs/tortoise-small"))
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--clips", type=int, default=3, help="recordings of each stranger")
    parser.add_argument("--sentences", type=int, default=12)
    parser.add_argument("--groups", type=int, default=3, help="most sets of candidates")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="these; others keep their results")
    parser.add_argument("--hear", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    speakers = options.corpora / "kokoro-voices" / "audio"
    if options.hear:
        hear(WORK, speakers)
        return
    import torch
    from processes import commit, describe_machine

    torch.set_num_threads(1)
    WORK.mkdir(parents=True, exist_ok=True)
    trials = Trials(options)
    trials.run(options.only or PARTS)
    known = json.loads(RESULTS.read_text()) if RESULTS.is_file() and options.only else {}
    judged = {}
    if trials.jobs:
        (WORK / "jobs.json").write_text(json.dumps([asdict(job) for job in trials.jobs]))
        command = [JUDGE, __file__, options.corpora, "--hear"]
        subprocess.run([str(part) for part in command], check=True)
        judged = json.loads((WORK / "judged.json").read_text())
    result = {
        "command": f"benchmarks/tortoise_quality.py CORPORA --clips {options.clips} "
        f"--sentences {options.sentences} --groups {options.groups}"
        + (f" --only {' '.join(options.only)}" if options.only else ""),
        "commit": commit(),
        "machine": describe_machine(),
        "measured": known.get("measured", {}) | trials.measured,
        "judged": known.get("judged", {}) | judged,
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(f"wrote {RESULTS}")


if __name__ == "__main__":
    main()

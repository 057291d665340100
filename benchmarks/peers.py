"""Sori and its peers on the same sentences in one run: quality, speed, cold start, memory, size.

    python3.11 benchmarks/setup_judges.py && python3.11 benchmarks/setup_peers.py
    python3.11 benchmarks/peers.py --recordings slt=CORPUS/audio/slt --update-readme

All timing comes first, because it needs a quiet machine; the judges work afterwards. A run that was
interrupted goes on where it stopped (--fresh starts over). Results: benchmarks/results/peers.json.
"""

import argparse
import datetime
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from judging import JUDGE, SENTENCES
from processes import (
    busy_share,
    commit,
    describe_machine,
    run_peak_bytes,
    run_seconds,
    size_bytes,
)
from setup_peers import PEERS, ROOT, RUNTIME, install_sori, python, site_packages, voice_files
from table import markdown, update_readme

BENCHMARKS = ROOT / "benchmarks"
RESULTS = BENCHMARKS / "results" / "peers.json"
WORK = PEERS / "work"
THREADS = (2, 1)
COLD_STARTS = 7
QUIET = 0.1  # more than this share taken by other work, and two-thread times mean nothing
PROGRAMS = ("espeak-ng", "flite")  # systems without a Python interface
COLD_SENTENCE = "The birch canoe slid on the smooth planks."


@dataclass(frozen=True)
class System:
    """One way to speak: its loader in speakers.py, its Python, its command for one sentence."""

    label: str
    loader: str
    python: Path
    command: Sequence[str]  # {text} and {file} are filled in
    voice: Sequence[Path]
    arguments: Sequence[str] = ()


def rivals() -> dict[str, System]:
    """Return the peers; each speaks with the command that its own documentation gives."""
    environment, kokoro = PEERS / "rivals", PEERS / "kokoro" / "package"
    files = voice_files()
    own, programs = python(environment), Path(sys.executable)
    library = next((PEERS / "debian" / "usr" / "lib").glob("*-linux-gnu*"))
    kokoro_arguments = ("--kokoro", str(kokoro))
    return {
        "espeak-ng": System(
            "espeak-ng",
            "espeak-ng",
            programs,
            ("espeak-ng", "-w", "{file}", "{text}"),
            (library / "espeak-ng-data",),
        ),
        "flite": System(
            "flite slt",
            "flite",
            programs,
            ("flite", "-voice", "slt", "-t", "{text}", "-o", "{file}"),
            tuple(
                file for file in library.glob("libflite_cmu_us_slt.so*") if not file.is_symlink()
            ),
        ),
        "piper": System(
            "Piper joe medium",
            "piper",
            own,
            (
                str(own.with_name("piper")),
                *("-m", str(files["piper joe"]), "-f", "{file}", "--", "{text}"),
            ),
            (files["piper joe"],),
        ),
        "hibari": System(
            "hibari heart",
            "hibari",
            own,
            (str(own.with_name("hibari")), "{text}", "-o", "{file}"),
            (files["hibari heart"],),
        ),
        "kokoro": System(
            "Kokoro-82M int8 af_heart",
            "kokoro",
            own,
            (
                *(str(own), str(BENCHMARKS / "speakers.py"), "kokoro", *kokoro_arguments),
                *("--sentences", "{text_file}", "--out", "{folder}"),
            ),
            (files["kokoro"], files["kokoro af_heart"]),
            kokoro_arguments,
        ),
    }


def sori(voice: Path | None, speaker: str | None) -> System:
    own = python(PEERS / "sori")
    chosen = ["--voice", str(voice)] if voice else []
    if speaker:
        chosen += ["--speaker", speaker]
    packaged = sorted((site_packages(PEERS / "sori") / "sori" / "speak" / "voices").glob("*.onnx"))
    return System(
        f"Sori {speaker}" if speaker else "Sori",
        "sori",
        own,
        (str(own.with_name("sori")), "say", "{text}", "--out", "{file}", *chosen),
        (voice,) if voice else packaged[:1],
        chosen,
    )


def environment() -> dict[str, str]:
    """Return the variables under which every system runs: Debian's programs can be found."""
    debian = PEERS / "debian" / "usr"
    library = next((debian / "lib").glob("*-linux-gnu*"))
    libraries = [
        str(library),
        str(library / "pulseaudio"),
        str(PEERS / "debian" / "lib" / library.name),
    ]
    return {
        **os.environ,
        "PATH": f"{debian / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "LD_LIBRARY_PATH": os.pathsep.join(libraries),
        "ESPEAK_DATA_PATH": str(library),
        "ALSA_CONFIG_PATH": "/dev/null",
    }


class Run:
    """What has been measured so far, kept on disk after every step."""

    def __init__(self, key: str, fresh: bool):
        self.file = WORK / "state.json"
        known = json.loads(self.file.read_text()) if self.file.is_file() and not fresh else {}
        self.state: dict[str, Any] = known if known.get("key") == key else {"key": key}
        self.state.setdefault("systems", {})
        self.state.setdefault("recordings", {})

    def of(self, name: str) -> dict[str, Any]:
        empty = {"rounds": [], "cold_start_seconds": [], "busy": []}
        return self.state["systems"].setdefault(name, empty)

    def save(self) -> None:
        WORK.mkdir(parents=True, exist_ok=True)
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(self.state, indent=1))
        part.replace(self.file)


def speak(name: str, system: System, threads: int, sentences: Path, out: Path | None) -> dict:
    """Run one system in a process of its own and return its report."""
    command = [str(system.python), str(BENCHMARKS / "speakers.py"), system.loader]
    command += ["--sentences", str(sentences), "--threads", str(threads), *system.arguments]
    if out:
        out.mkdir(parents=True, exist_ok=True)
        command += ["--out", str(out)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    return {"threads": threads, **json.loads(done.stdout)}


def first_audio(system: System, sentences: Path) -> dict[str, float]:
    """Time the first piece of a long paragraph, which only Sori streams."""
    command = [str(system.python), str(BENCHMARKS / "first_audio.py"), str(sentences)]
    command += [str(part) for part in ("--voice", *system.voice)]
    done = subprocess.run(command, env=environment(), check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def cold_command(system: System) -> list[str]:
    folder = WORK / "cold"
    folder.mkdir(parents=True, exist_ok=True)
    text_file = folder / "text"
    text_file.write_text(COLD_SENTENCE + "\n")
    places = {"file": folder / "speech.wav", "folder": folder, "text_file": text_file}
    return [part.format(text=COLD_SENTENCE, **places) for part in system.command]


def measure(run: Run, systems: Mapping[str, System], sentences: Path, rounds: int) -> None:
    """Time all systems, turn by turn, so that a slow minute of the machine hits all of them."""
    for turn in range(rounds):
        for name, system in systems.items():
            record = run.of(name)
            for threads in THREADS:
                if sum(done["threads"] == threads for done in record["rounds"]) > turn:
                    continue
                record["busy"].append(busy_share())
                out = WORK / "speech" / name if (turn, threads) == (0, THREADS[0]) else None
                record["rounds"].append(speak(name, system, threads, sentences, out))
                run.save()
                print(f"{name}: {record['rounds'][-1]['times_real_time']:.1f} x, {threads} threads")
    for turn in range(COLD_STARTS):
        for name, system in systems.items():
            record, command = run.of(name), cold_command(system)
            if not turn and "command_peak_bytes" not in record:
                record["command_peak_bytes"] = run_peak_bytes(command, environment())
            if len(record["cold_start_seconds"]) <= turn:
                record["cold_start_seconds"].append(run_seconds(command, environment()))
                if system.loader == "sori":
                    record.setdefault("first_audio", []).append(first_audio(system, sentences))
                run.save()


def judge(folder: Path, texts: Path, extra: Sequence[str] = ()) -> dict[str, Any]:
    """Ask the judges about a folder; the same sound is never judged twice."""
    digest = hashlib.sha256(texts.read_bytes() + repr(list(extra)).encode())
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(file.read_bytes())
    verdict = WORK / "verdicts" / f"{digest.hexdigest()[:24]}.json"
    if not verdict.is_file():
        verdict.parent.mkdir(parents=True, exist_ok=True)
        part = verdict.with_suffix(".part")
        command = [str(JUDGE), str(BENCHMARKS / "judge.py"), str(folder), "--texts", str(texts)]
        command += ["--json", str(part), "--only", "whisper", "distillmos", "dnsmos", *extra]
        one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(command, check=True, env=one_thread, stdout=subprocess.DEVNULL)
        part.replace(verdict)
    return json.loads(verdict.read_text())["summary"]


def judge_recordings(run: Run, given: Sequence[str], count: int) -> None:
    """Judge real speech, without which the numbers of the judges have no scale."""
    for item in given:
        name, _, place = item.partition("=")
        folder = Path(place).resolve()
        table = next(
            (up / "metadata.csv" for up in folder.parents if (up / "metadata.csv").is_file()), None
        )
        if table is None:
            raise SystemExit(f"{name}: there is no metadata.csv above {folder.name}")
        run.state["recordings"][name] = judge(folder, table, ["--limit", str(count)])
        run.save()


def summarise(record: Mapping[str, Any], system: System) -> dict[str, Any]:
    """Turn repeated measurements into the numbers of the table."""

    def middle(field: str, threads: int) -> float:
        return median(done[field] for done in record["rounds"] if done["threads"] == threads)

    # A program started for each sentence holds its memory itself, not the process that times it.
    warm_peak = middle("peak_memory_bytes", THREADS[0])
    is_program = system.loader in PROGRAMS
    firsts = record.get("first_audio", [])
    streaming = {
        name: median(each[name] for each in firsts) for name in (firsts[0] if firsts else ())
    }
    return {
        "label": system.label,
        "times_real_time": {str(count): middle("times_real_time", count) for count in THREADS},
        "load_and_first_seconds": middle("load_and_first_seconds", THREADS[0]),
        "cold_start_seconds": median(record["cold_start_seconds"]),
        **({"streaming": streaming} if streaming else {}),
        "peak_memory_bytes": record["command_peak_bytes"] if is_program else warm_peak,
        "command_peak_memory_bytes": record["command_peak_bytes"],
        "voice_bytes": sum(size_bytes(place) for place in system.voice),
        "audio_seconds": middle("audio_seconds", THREADS[0]),
        "busy_share_before": max(record["busy"]),
        "judged": record.get("judged"),
        "measurements": {
            "rounds": record["rounds"],
            "cold_start_seconds": record["cold_start_seconds"],
        },
    }


def installed_megabytes() -> float:
    """Return what `pip install sori` puts on a disk, numpy and onnxruntime left out."""
    folder = site_packages(PEERS / "sori")
    apart = ("numpy", "onnxruntime", "pip", "setuptools")
    places = [place for place in folder.iterdir() if not place.name.startswith(apart)]
    return sum(size_bytes(place) for place in places) / 1e6


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def measured_commit() -> str:
    """Return the commit that was measured, and whether the package differed from it."""
    changed = git("status", "--porcelain", "--untracked-files=no", "src")
    return commit() + (" with changes" if changed else "")


def versions() -> dict[str, str]:
    """Return the versions of everything that was measured and of what measured it."""
    pinned = dict(item.split("==") for item in RUNTIME)
    for environment_python in (python(PEERS / "rivals"), python(PEERS / "sori"), JUDGE):
        listed = json.loads(
            subprocess.run(
                [environment_python, "-m", "pip", "list", "--format", "json"],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        wanted = ("sori", "piper-tts", "hibari-tts", "faster-whisper", "distillmos", "ctranslate2")
        pinned |= {each["name"]: each["version"] for each in listed if each["name"] in wanted}
    programs = {"espeak-ng": ["espeak-ng", "--version"], "flite": ["flite", "--version"]}
    for name, command in programs.items():
        done = subprocess.run(command, env=environment(), capture_output=True, text=True)
        lines = [
            line.strip() for line in done.stdout.splitlines() if "version" in line or ":" in line
        ]
        pinned[name] = lines[0].split("Data at")[0].strip() if lines else "unknown"
    return pinned


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voice", type=Path, help="a voice file; default: the packaged voice")
    parser.add_argument("--speakers", nargs="+", default=[], help="also measure these speakers")
    parser.add_argument("--only", nargs="+", help="systems, e.g. sori hibari")
    parser.add_argument("--sentences", type=int, default=50, metavar="N")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recordings", nargs="+", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--skip-judging", action="store_true")
    parser.add_argument("--skip-install", action="store_true", help="keep the installed Sori")
    parser.add_argument("--fresh", action="store_true", help="measure everything again")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--update-readme", action="store_true")
    return parser.parse_args()


def prepare(options: argparse.Namespace) -> tuple[dict[str, System], Path, Run]:
    """Choose the systems and sentences, and find what was already measured with them."""
    if not options.skip_install:
        install_sori()
    voice = options.voice.resolve() if options.voice else None
    systems = {"sori": sori(voice, None)}
    systems |= {f"sori-{name}": sori(voice, name) for name in options.speakers}
    systems |= rivals()
    WORK.mkdir(parents=True, exist_ok=True)
    texts = SENTENCES.read_text(encoding="utf-8").splitlines()[: options.sentences]
    sentences = WORK / "sentences.txt"
    sentences.write_text("\n".join(texts) + "\n", encoding="utf-8")
    parts = [sentences.read_bytes(), *(file.read_bytes() for file in systems["sori"].voice)]
    key = hashlib.sha256(b"".join(parts) + git("rev-parse", "HEAD:src").encode()).hexdigest()
    if options.only:
        if strange := set(options.only) - systems.keys():
            raise SystemExit(f"no system {', '.join(strange)}; there are {', '.join(systems)}")
        chosen = {name for name in systems if name.startswith("sori-") and "sori" in options.only}
        systems = {name: systems[name] for name in systems if name in chosen | set(options.only)}
    for name, system in systems.items():
        if not system.voice:
            raise SystemExit(f"{name} has no voice in its package; name one with --voice")
    return systems, sentences, Run(key, options.fresh)


def main() -> None:
    options = read_arguments()
    systems, sentences, run = prepare(options)
    if (busy := busy_share()) > QUIET:
        print(f"other work takes {100 * busy:.0f} % of this machine: times will not count")
    measure(run, systems, sentences, options.rounds)
    if not options.skip_judging:
        for name in systems:
            run.of(name)["judged"] = judge(WORK / "speech" / name, sentences)
            run.save()
        judge_recordings(run, options.recordings, options.sentences)
    result = {
        "measured": datetime.date.today().isoformat(),
        "commit": measured_commit(),
        "machine": describe_machine(),
        "versions": versions(),
        "sentences": len(sentences.read_text(encoding="utf-8").splitlines()),
        "sori_install_megabytes": installed_megabytes(),
        "systems": {name: summarise(run.of(name), system) for name, system in systems.items()},
        "recordings": run.state["recordings"],
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(markdown(result))
    if options.update_readme:
        update_readme(ROOT / "README.md", markdown(result))


if __name__ == "__main__":
    main()

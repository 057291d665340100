"""What speed, pitch and energy do to a voice: asked for, measured, and judged.

    python benchmarks/controls.py VOICE.onnx WORK_FOLDER --json RESULT.json

Speaks the same sentences at every setting, compares length, median F0 and loudness with those of
the plain reading, and judges all in `.venv-judge` (benchmarks/setup_judges.py).
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from statistics import mean

import numpy as np
from judging import judged_clips, means, sentences

import sori
from sori.learn.data.features import f0
from sori.learn.mel import MelSpec

FIRST, COUNT = 65, 10
FACTORS = {
    "speed": (0.5, 0.75, 1.5, 2.0),
    "pitch": (0.5, 0.75, 1.5, 2.0),
    "energy": (0.5, 2.0),
}
SETTINGS = [("plain", 1.0), *((name, value) for name in FACTORS for value in FACTORS[name])]


def traits(audio: sori.Audio) -> dict[str, float]:
    """Seconds, median F0 of voiced frames in Hz, and root mean square of a clip."""
    pitch = f0(audio.samples, MelSpec(sample_rate=audio.sample_rate))
    return {
        "seconds": audio.seconds,
        "pitch": float(np.median(pitch[pitch > 0])),
        "level": float(np.sqrt(np.mean(np.square(audio.samples)))),
    }


def speak(voice: sori.Voice, folder: Path) -> dict[str, list[dict[str, float]]]:
    """Write every sentence at every setting; returns the traits of the clips by setting."""
    folder.mkdir(parents=True, exist_ok=True)
    found = defaultdict(list)
    for name, value in SETTINGS:
        setting = {} if name == "plain" else {name: value}
        for number, line in enumerate(sentences(FIRST, COUNT)):
            audio = voice.say(line, **setting)
            path = folder / f"{name}-{value}-{number}.wav"
            sori.write(path, audio)
            path.with_suffix(".txt").write_text(line, encoding="utf-8")
            found[f"{name}-{value}"].append(traits(audio))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("voice", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    found = speak(sori.load(options.voice), options.work / "speech")
    clips = judged_clips(
        options.work / "speech", options.work / "judged.json", "whisper", "distillmos"
    )
    plain = found["plain-1.0"]
    rows = []
    for name, value in SETTINGS:
        own = [clip for clip in clips if clip["clip"].startswith(f"{name}-{value}-")]
        pairs = list(zip(found[f"{name}-{value}"], plain, strict=True))
        rows.append({
            "control": name,
            "asked": value,
            "seconds": round(mean(a["seconds"] / b["seconds"] for a, b in pairs), 3),
            "pitch": round(mean(a["pitch"] / b["pitch"] for a, b in pairs), 3),
            "level": round(mean(a["level"] / b["level"] for a, b in pairs), 3),
            **means(own),
        })
    command = f"python benchmarks/controls.py {options.voice.name} WORK_FOLDER"
    result = {"command": command, "sentences": COUNT, "settings": rows}
    options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

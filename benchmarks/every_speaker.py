"""Judge every speaker of a voice on a few sentences that no training saw.

    python benchmarks/every_speaker.py VOICE.onnx WORK_FOLDER --json RESULT.json

Speaks with the installed package, judges in `.venv-judge` (benchmarks/setup_judges.py), and keeps
both in WORK_FOLDER: what is there is not made again.
"""

import argparse
import json
from pathlib import Path

from judging import judged_clips, means, sentences

import sori

FIRST, COUNT = 50, 5  # behind those that benchmarks/peers.py uses


def speak(voice: sori.Voice, folder: Path) -> None:
    """Write NAME/NAME-0.wav and so on for every speaker, each with its text beside it."""
    for name in voice.speakers:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, sentence in enumerate(sentences(FIRST, COUNT)):
            path = folder / name / f"{name}-{number}.wav"
            if not path.is_file():
                sori.write(path, voice.say(sentence, speaker=name))
                path.with_suffix(".txt").write_text(sentence, encoding="utf-8")


def summarise(clips: list[dict]) -> dict[str, dict[str, float]]:
    """Mean DistillMOS and word error rate (percent) of every speaker, best first."""
    speakers: dict[str, list[dict]] = {}
    for clip in clips:
        speakers.setdefault(Path(clip["clip"]).stem.rpartition("-")[0], []).append(clip)
    found = {name: means(own) for name, own in speakers.items()}
    return dict(sorted(found.items(), key=lambda item: -item[1]["distillmos"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("voice", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    speak(sori.load(options.voice), options.work / "speech")
    speech, verdict = options.work / "speech", options.work / "judged.json"
    clips = judged_clips(speech, verdict, "whisper", "distillmos")
    result = {"command": f"python benchmarks/every_speaker.py {options.voice.name} WORK_FOLDER"}
    result |= {"sentences_each": COUNT, "speakers": summarise(clips)}
    options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

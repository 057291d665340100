"""The process in which an evaluated voice speaks: without PyTorch, so its memory is its own.

    python -m sori.app.eval_speaking ORDER.json

The order holds voice, speaker, texts, folder and rounds; the answer goes to standard output.
"""

import json
import sys
from pathlib import Path

from sori.core.audio import Audio
from sori.core.errors import SoriError
from sori.learn.evaluation.speed import peak_memory_bytes, time_speaking
from sori.speak.voice import load

FAULT = 2


def speak(order: dict) -> dict:
    """Write every sentence, time the voice, and return where the recordings lie and the cost."""
    from sori.audio.files import write

    voice = load(order["voice"])

    def say(text: str) -> Audio:
        return voice.say(text, speaker=order["speaker"])

    files = []
    for number, text in enumerate(order["texts"], start=1):
        file = Path(order["folder"]) / f"{number:03}.wav"
        write(file, say(text))
        files.append(str(file))
    speed = time_speaking(say, order["texts"], order["rounds"])
    return {
        "files": files,
        "times_real_time": speed.times_real_time,
        "peak_memory_bytes": peak_memory_bytes(),
        "size_bytes": voice.path.stat().st_size,
    }


def main() -> int:
    order = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        json.dump(speak(order), sys.stdout)
    except SoriError as error:
        print(error, file=sys.stderr)
        return FAULT
    return 0


if __name__ == "__main__":
    sys.exit(main())

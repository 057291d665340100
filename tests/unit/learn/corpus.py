"""A corpus small enough for a test: tones with noise, in the layout of our readers."""

import numpy as np
import soundfile

TEXTS = ("One two three.", "Good morning.", "We say it again.", "A last one.", "And so on.")
HELD_OUT_TEXT = "It was late."  # falls into the part that no training sees


def make_corpus(folder, seconds=1.0, rate=24000, texts=TEXTS):
    random = np.random.default_rng(0)
    (folder / "audio" / "ann").mkdir(parents=True)
    rows = ["audio|speaker|text|seconds|phonemes|durations"]
    units = int(seconds * 40)
    for number, text in enumerate(texts):
        time = np.arange(int(seconds * rate)) / rate
        wave = 0.3 * np.sin(2 * np.pi * (150 + 20 * number) * time) * (1 + 0.5 * np.sin(9 * time))
        wave += 0.01 * random.normal(size=len(wave))
        name = f"ann/clip{number}.wav"
        soundfile.write(folder / "audio" / name, wave, rate)
        spoken = "hˈO" + "t" * number
        durations = [4] * (len(spoken) + 2)
        durations[-1] += units - sum(durations)
        rows.append(f"{name}|ann|{text}|{seconds}|{spoken}|{' '.join(map(str, durations))}")
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder

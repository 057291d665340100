"""Small corpora, each laid out as its publisher does."""

import json

import numpy as np
import soundfile

RATE = 16_000


def record(file, seconds=0.2, frequency=220.0, rate=RATE, level=0.3):
    """A tone with a little noise, so that no two recordings are the same."""
    time = np.arange(int(seconds * rate)) / rate
    noise = 0.01 * np.random.default_rng(int(frequency)).normal(size=len(time))
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, level * (np.sin(2 * np.pi * frequency * time) + noise), rate)


def write(file, *lines):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def pipe(folder):
    record(folder / "audio/ann/a1.wav")
    write(folder / "metadata.csv", "audio|speaker|text|seconds", "ann/a1.wav|ann|Good day.|0.200")
    return [("a1", "ann", "Good day.")]


def ljspeech(folder):
    record(folder / "wavs/LJ001-0001.wav")
    record(folder / "wavs/LJ001-0002.wav")
    write(
        folder / "metadata.csv",
        "LJ001-0001|In 1455.|In fourteen fifty-five.",
        'LJ001-0002|He said "no" twice.|He said "no" twice.',
    )
    return [
        ("LJ001-0001", "corpus", "In fourteen fifty-five."),
        ("LJ001-0002", "corpus", 'He said "no" twice.'),
    ]


def piper(folder):
    record(folder / "wav/1.wav")
    record(folder / "wav/2.wav")
    write(folder / "metadata.csv", "1|Good day.", "2.wav|Good night.")
    return [("1", "corpus", "Good day."), ("2", "corpus", "Good night.")]


def piper_speakers(folder):
    record(folder / "wav/1.wav")
    record(folder / "wav/2.wav")
    write(folder / "metadata.csv", "1|ann|Good day.", "2|bob|Good night.")
    return [("1", "ann", "Good day."), ("2", "bob", "Good night.")]


def vctk(folder):
    for name, microphones in (("p225_001", (1, 2)), ("p280_001", (1,))):
        speaker = name.split("_")[0]
        write(folder / f"txt/{speaker}/{name}.txt", "Please call Stella.")
        for microphone in microphones:
            record(folder / f"wav48_silence_trimmed/{speaker}/{name}_mic{microphone}.flac")
    # The transcripts of p315 were lost before the corpus was published.
    record(folder / "wav48_silence_trimmed/p315/p315_001_mic1.flac")
    return [
        ("p225_001_mic1", "p225", "Please call Stella."),
        ("p225_001_mic2", "p225", "Please call Stella."),
        ("p280_001_mic1", "p280", "Please call Stella."),
    ]


def libritts(folder):
    place = folder / "train-clean-100/103/1241"
    name = "103_1241_000000_000001"
    record(place / f"{name}.wav")
    write(place / f"{name}.original.txt", "Dr. No came.")
    write(place / f"{name}.normalized.txt", "Doctor No came.")
    return [(name, "103", "Doctor No came.")]


def librispeech(folder):
    place = folder / "train-clean-5/19/198"
    record(place / "19-198-0000.flac")
    record(place / "19-198-0001.flac")
    write(
        place / "19-198.trans.txt", "19-198-0000 NORTHANGER ABBEY", "19-198-0001 THIS LITTLE WORK"
    )
    return [
        ("19-198-0000", "19", "NORTHANGER ABBEY"),
        ("19-198-0001", "19", "THIS LITTLE WORK"),
    ]


def kss(folder):
    record(folder / "1/1_0000.wav")
    line = "1/1_0000.wav|그는 3번 왔다.|그는 세 번 왔다.|그는 세 번 왔다.|0.2|He came 3 times."
    write(folder / "transcript.v.1.4.txt", line)
    return [("1_0000", "corpus", "그는 세 번 왔다.")]


def nvidia(folder):
    record(folder / "wavs/LJ001-0001.wav")
    record(folder / "wavs/LJ001-0002.wav")
    lists = folder / "filelists"
    write(lists / "ljs_audio_text_train_filelist.txt", "DUMMY/LJ001-0001.wav|Good day.")
    write(lists / "ljs_audio_text_val_filelist.txt", "DUMMY/LJ001-0002.wav|Good night.")
    write(lists / "ljs_audio_text_train_subset_filelist.txt", "DUMMY/LJ001-0001.wav|Good day.")
    write(lists / "ljs_mel_text_train_filelist.txt", "ljs_mels/LJ001-0001.pt|Good day.")
    return [("LJ001-0001", "corpus", "Good day."), ("LJ001-0002", "corpus", "Good night.")]


def nvidia_columns(folder):
    record(folder / "wavs/1.wav")
    write(folder / "filelists/train.txt", "audio|pitch|text|speaker", "wavs/1.wav|p/1.pt|Hey.|7")
    return [("1", "7", "Hey.")]


def nemo(folder):
    record(folder / "wavs/1.wav")
    row = {"audio_filepath": "wavs/1.wav", "text": "Good day.", "duration": 0.2, "speaker": 7}
    write(folder / "train_manifest.json", json.dumps(row))
    return [("1", "7", "Good day.")]


def arctic(folder):
    for speaker in ("bdl", "slt"):
        place = folder / f"cmu_us_{speaker}_arctic"
        record(place / "wav/arctic_a0001.wav")
        write(place / "etc/txt.done.data", '( arctic_a0001 "Author of the \\"trail\\", etc." )')
    text = 'Author of the "trail", etc.'
    return [("bdl_arctic_a0001", "bdl", text), ("slt_arctic_a0001", "slt", text)]


def one_speaker(folder):
    for name in ("1", "2"):
        record(folder / f"data/{name}.wav")
    write(folder / "data/1.txt", "Good", "day.")
    return [("1", "corpus", "Good day."), ("2", "corpus", "")]


def two_speakers(folder):
    for speaker in ("ann", "bob"):
        record(folder / speaker / "1.flac")
        write(folder / speaker / "1.txt", "Good day.")
    return [("ann_1", "ann", "Good day."), ("bob_1", "bob", "Good day.")]


LAYOUTS = {
    "pipe": (pipe,),
    "ljspeech": (ljspeech,),
    "piper": (piper, piper_speakers),
    "vctk": (vctk,),
    "libritts": (libritts,),
    "librispeech": (librispeech,),
    "kss": (kss,),
    "nvidia": (nvidia, nvidia_columns),
    "nemo": (nemo,),
    "arctic": (arctic,),
    "folder": (one_speaker, two_speakers),
}

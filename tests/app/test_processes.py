"""What only a process of its own shows: signals, imports, memory, a reader that goes away."""

import resource
import signal
import subprocess
import sys
import time

import pytest
from tiny_voice import write_voice

TEXT = "The birch canoe slid on the smooth planks. "
HEAVY = ("numpy", "onnxruntime", "soundfile", "rich", "torch")


def loaded_by(program):
    """Which of the heavy packages a program imports."""
    report = (
        f"import sys; print([name for name in {HEAVY + ('sori.learn',)} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{report}"], capture_output=True, text=True, check=True
    )
    return set(eval(done.stdout.splitlines()[-1]))


def test_help_needs_nothing_heavy():
    assert not loaded_by("import sori.app.cli")


@pytest.mark.parametrize("package", ["sori", "sori.core.audio", "sori.text.frontend"])
def test_a_lower_layer_needs_no_pytorch(package):
    assert not loaded_by(f"import {package}") & {"torch", "sori.learn", "rich"}


def test_speaking_needs_no_pytorch(somewhere):
    program = (
        "import sys; sys.argv = ['sori', 'say', 'Hello.', '--voice', 'tiny', '--out', 'a.flac']\n"
        "from sori.app.cli import main\n"
        "try: main()\n"
        "except SystemExit as leaving: assert not leaving.code"
    )

    loaded = loaded_by(program)

    assert (somewhere / "a.flac").exists()
    assert "onnxruntime" in loaded
    assert not loaded & {"torch", "sori.learn", "rich"}


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_leaves_nothing_behind(start, somewhere, number, status):
    # Tests that a shell runs in the background ignore SIGINT, and what they start inherits that.
    process = start(
        *("say", "--voice", "tiny", "--out", "a.wav", "--file", "-"),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    process.stdin.write((TEXT * 5000).encode())
    process.stdin.close()
    process.stdin = None
    deadline = time.monotonic() + 30
    while not list(somewhere.glob(".sori-*")) and time.monotonic() < deadline:
        time.sleep(0.01)

    process.send_signal(number)
    _, complaint = process.communicate(timeout=30)

    assert process.returncode == status
    assert b"Traceback" not in complaint
    assert not list(somewhere.iterdir())


def test_a_reader_that_goes_away_is_no_fault_of_ours(start):
    process = start("say", "--voice", "tiny", "--out", "-", TEXT * 50)
    process.stdout.read(100)
    process.stdout.close()
    process.stdout = None

    _, complaint = process.communicate(timeout=30)

    assert process.returncode == 1
    assert complaint == b""


def test_a_full_disk_is_one_line_and_leaves_nothing(start, somewhere):
    def allow_little():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))

    process = start("say", "--voice", "tiny", "--out", "a.wav", TEXT, preexec_fn=allow_little)
    _, complaint = process.communicate(timeout=30)

    assert process.returncode == 2
    (line,) = complaint.decode().splitlines()
    assert line.startswith("sori: cannot write a.wav")
    assert not list(somewhere.iterdir())


def test_a_terminal_without_unicode_is_enough(start, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    out, complaint = start("phonemes", "Hello 漢 there.").communicate(timeout=30)

    assert out.startswith(b"text")
    assert complaint == b""


def test_bytes_that_are_no_text_are_skipped_or_told(start):
    process = start("say", "--voice", "tiny", "--out", "a.wav", "Hello \udcff there.")
    _, complaint = process.communicate(timeout=30)

    assert process.returncode == 0
    assert b"skipped" in complaint
    assert b"Traceback" not in complaint


def peak_megabytes(program, *words):
    """Peak memory of a program that runs `sori` with these words."""
    measure = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, capture_output=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", measure, sys.executable, "-m", program, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024


def test_memory_does_not_grow_with_the_text(somewhere):
    # Short frames: the text is what is long here, not the sound.
    write_voice(somewhere / "brief.onnx", frame_samples=300)
    peaks = []
    for times in (20, 2000):
        (somewhere / "text.txt").write_text(TEXT * times, encoding="utf-8")
        words = ["say", "--voice", "brief.onnx", "--speed", "4", "--file", "text.txt"]
        peaks.append(peak_megabytes("sori", *words, "--out", "a.flac"))

    short, long = peaks
    assert long < short + 15

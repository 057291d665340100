import io
import os
import subprocess
import sys
from typing import NamedTuple

import pytest
from tiny_voice import write_voice

from sori.app import cli


class Result(NamedTuple):
    status: int
    out: bytes
    err: str


@pytest.fixture(scope="session")
def voice_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voices")
    write_voice(folder / "tiny.onnx")
    return folder


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch, voice_folder):
    """Every test works in an empty folder and knows the tiny voice."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SORI_VOICES", str(voice_folder))
    return folder


@pytest.fixture
def sori(monkeypatch, capfdbinary):
    """Run the command line in this process."""

    def run(*words, stdin=b""):
        monkeypatch.setattr(sys, "argv", ["sori", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            cli.main()
            status = 0
        except SystemExit as leaving:
            status = leaving.code or 0
        captured = capfdbinary.readouterr()
        return Result(status, captured.out, captured.err.decode())

    return run


@pytest.fixture
def say(sori):
    """Run `sori say` with the tiny voice."""

    def run(*words, **options):
        return sori("say", "--voice", "tiny", *words, **options)

    return run


@pytest.fixture
def start():
    """Start the command line in a process of its own."""
    started = []

    def run(*words, **options):
        process = subprocess.Popen(
            [sys.executable, "-m", "sori", *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            **options,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()

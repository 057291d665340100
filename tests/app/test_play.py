import os
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows plays by itself")


def install_player(folder, monkeypatch, script):
    """Make a program `aplay` the only player there is."""
    folder.mkdir()
    player = folder / "aplay"
    player.write_text(f"#!/bin/sh\n{script}\n")
    player.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/bin")
    monkeypatch.setattr("sori.app.players.STREAMING", {"aplay": "aplay -r {rate} -"})


def test_the_player_gets_every_sample_and_the_rate(say, tmp_path, monkeypatch, somewhere):
    heard = tmp_path / "heard"
    install_player(tmp_path / "bin", monkeypatch, f'echo "$@" >{heard}.args; cat >{heard}')

    played = say("Hello there.", "--play")
    written = say("Hello there.", "--out", "-")

    assert played.status == 0
    assert "played" in played.err
    assert heard.read_bytes() == written.out
    assert (tmp_path / "heard.args").read_text().split() == ["-r", "24000", "-"]
    assert not list(somewhere.iterdir())


def test_playing_and_writing_go_together(say, tmp_path, monkeypatch, somewhere):
    install_player(tmp_path / "bin", monkeypatch, "cat >/dev/null")

    result = say("Hello there.", "--play", "--out", "a.wav")

    assert "played and wrote a.wav" in result.err
    assert (somewhere / "a.wav").exists()


def test_a_player_without_a_sound_card_is_told(say, tmp_path, monkeypatch):
    install_player(tmp_path / "bin", monkeypatch, "echo no sound card >&2; exit 1")

    result = say("Hello there.", "--play")

    assert result.status == 2
    assert result.err == "sori: aplay cannot play: no sound card; write a file with --out\n"


def test_a_machine_without_a_player_is_told(say, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    result = say("Hello there.", "--play")

    assert result.status == 2
    assert "install aplay" in result.err

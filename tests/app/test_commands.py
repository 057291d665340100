import pytest

from sori.app import doctor


def test_voices_are_listed_with_all_that_a_user_asks_for(sori):
    result = sori("voices")

    text = result.out.decode()
    assert result.status == 0
    for expected in ("tiny", "MB", "24000 Hz", "ada", "ben", "CC0-1.0", "99.5", "US", "UK"):
        assert expected in text


def test_a_damaged_voice_does_not_hide_the_others(sori, voice_folder, tmp_path, monkeypatch):
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "broken.onnx").write_bytes(b"")
    monkeypatch.setenv("SORI_VOICES", f"{folder}:{voice_folder}")

    result = sori("voices")

    assert "tiny" in result.out.decode()
    assert "broken" in result.out.decode()


def test_the_doctor_finds_voices_that_speak(sori):
    result = sori("doctor")

    text = result.out.decode()
    assert result.status == 0
    assert "voice tiny" in text
    assert "says" in text
    for expected in ("python", "onnxruntime", "train", "player", "espeak-ng"):
        assert expected in text


def test_the_doctor_names_the_command_that_mends(sori, monkeypatch):
    monkeypatch.setattr(doctor, "requirements", lambda: {"": ["numpy"], "eval": ["no-such-thing"]})

    text = sori("doctor").out.decode()

    assert "no no-such-thing" in text
    assert 'pip install "sori[eval]"' in text


def test_a_voice_that_cannot_speak_is_a_fault(sori, voice_folder, tmp_path, monkeypatch):
    whole = (voice_folder / "tiny.onnx").read_bytes()
    (tmp_path / "half.onnx").write_bytes(whole[: len(whole) // 2])
    monkeypatch.setenv("SORI_VOICES", str(tmp_path))

    result = sori("doctor")

    assert result.status == 1
    assert "FAULT    voice half" in result.out.decode()


def test_the_version_is_printed(sori):
    result = sori("--version")

    assert result.status == 0
    assert result.out.startswith(b"sori ")


@pytest.mark.parametrize(
    "command",
    ["", "say", "voices", "phonemes", "doctor", "train", "export", "models", "eval", "corpus"],
)
def test_every_command_explains_itself(sori, command):
    result = sori(*command.split(), "--help")

    assert result.status == 0
    assert b"Usage: sori" in result.out


def test_an_unknown_command_is_readable(sori):
    result = sori("sing")

    assert result.status == 2
    assert "sing" in result.err

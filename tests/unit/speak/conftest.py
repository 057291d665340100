import pytest
from tiny_voice import write_voice

from sori.speak.voice import Voice


@pytest.fixture(scope="session")
def voice_file(tmp_path_factory):
    return write_voice(tmp_path_factory.mktemp("voices") / "tiny.onnx")


@pytest.fixture(scope="session")
def voice(voice_file):
    return Voice(voice_file)

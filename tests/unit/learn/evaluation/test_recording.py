import sys

import numpy as np
import pytest

from sori.audio.files import read
from sori.core.audio import Audio
from sori.core.errors import SoriError
from sori.learn.evaluation.recording import Program, record

WRITES_ITS_ARGUMENT = (
    "import sys, wave; out = wave.open(sys.argv[2], 'wb');"
    "out.setparams((1, 2, 8000, 0, 'NONE', ''));"
    "out.writeframes(bytes(2 * len(sys.argv[1])))"
)


def test_each_sentence_becomes_a_numbered_recording_with_its_text(tmp_path):
    def say(text):
        return Audio(np.zeros(len(text), np.float32), 8000)

    clips = record(say, ["One.", "Three."], tmp_path)

    assert [(clip.path.name, clip.text) for clip in clips] == [
        ("001.wav", "One."),
        ("002.wav", "Three."),
    ]
    assert len(read(clips[1].path).samples) == len("Three.")


def test_a_program_speaks_through_the_file_that_it_writes():
    program = Program(f'{sys.executable} -c "{WRITES_ITS_ARGUMENT}" {{text}} {{out}}')

    assert len(program.say("seven 7").samples) == 7


def test_a_text_with_quotes_and_options_stays_one_argument(tmp_path):
    command = Program("prog {text} --to={out}").command('--help; "rm" {out}', tmp_path)

    assert command == ["prog", '--help; "rm" {out}', f"--to={tmp_path}"]


@pytest.mark.parametrize("template", ["prog {text}", "prog {out}"])
def test_a_template_without_a_place_is_refused(template):
    with pytest.raises(SoriError, match="needs {"):
        Program(template)


def test_a_program_that_is_not_there_is_named():
    with pytest.raises(SoriError, match="no program sori-has-no-such-program"):
        Program("sori-has-no-such-program {text} {out}").say("Hello.")


def test_the_last_words_of_a_failing_program_are_passed_on():
    program = Program(f"{sys.executable} -c 'raise SystemExit(\"no voice\")' {{text}} {{out}}")

    with pytest.raises(SoriError, match="no voice"):
        program.say("Hello.")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows tells no such peak")
def test_the_memory_of_a_program_is_its_own():
    holds = "import sys; held = bytearray(int(sys.argv[1]) * 10**6); open(sys.argv[2], 'w')"
    program = Program(f'{sys.executable} -c "{holds}" {{text}} {{out}}')

    little, much = (program.peak_memory_bytes(megabytes) for megabytes in ("1", "101"))

    assert little < 60e6
    assert 90e6 < much - little < 110e6

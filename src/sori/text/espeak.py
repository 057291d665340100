"""Other languages through espeak-ng, an external program that a user may have installed.

It is run as a program and never linked: its licence (GPL-3.0) does not reach this package.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator

from sori.core.errors import SoriError
from sori.text.frontend import PARAGRAPH_SECONDS, PAUSE_SECONDS, Sentence
from sori.text.phonemes import common_letters, from_ipa, unknown_letters
from sori.text.sentences import Passage, split
from sori.text.tidy import name_of

PROGRAMS = ("espeak-ng", "espeak")
TIMEOUT_SECONDS = 30.0
_LANGUAGE = re.compile("[a-z]{2,3}(?:-[a-z0-9]+)*")
_SWITCH = re.compile(r"\([a-z-]+\)")  # espeak marks words it takes for another language
_FINAL = re.compile(r"[.!?,;:][\"'”’)\]]*$")


def program() -> str:
    """Return the path of espeak-ng.

    Raises:
        SoriError: it is not installed.
    """
    for name in PROGRAMS:
        if path := shutil.which(name):
            return path
    raise SoriError(
        "languages other than English need espeak-ng, which is not installed; "
        "install it with the system's package manager"
    )


class EspeakFrontEnd:
    """Reads text of any language that espeak-ng knows, in the letters of our voices."""

    def __init__(self, language: str):
        if not _LANGUAGE.fullmatch(language):
            raise SoriError(f"'{language}' is no language code; give one like 'de' or 'pt-br'")
        self._language = language
        self._program = program()

    def sentences(self, text: str) -> Iterator[Sentence]:
        """Yield the sentences of a text, each as soon as it is read.

        Raises:
            SoriError: nothing can be spoken, or espeak-ng refuses the language.
        """
        spoken = False
        for passage in split(text):
            if sentence := self._sentence(passage):
                spoken = True
                yield sentence
        if not spoken:
            raise SoriError("the text holds nothing that can be spoken; give at least one word")

    def _sentence(self, passage: Passage) -> Sentence | None:
        ipa = _SWITCH.sub("", self._run(passage.text))
        phonemes = common_letters(from_ipa(" ".join(ipa.split())), "us")
        unknown = unknown_letters(phonemes)
        phonemes = "".join(letter for letter in phonemes if letter not in unknown)
        if not phonemes.strip():
            return None
        final = _FINAL.search(passage.text)
        mark = final[0][0] if final else "."
        pause = PARAGRAPH_SECONDS if passage.ends_paragraph else PAUSE_SECONDS[mark]
        return Sentence(
            text=passage.text,
            spoken=passage.text,
            phonemes=phonemes.strip() + mark,
            pause_seconds=pause,
            skipped=tuple(name_of(letter) for letter in unknown),
            paragraph=passage.paragraph,
        )

    def _run(self, text: str) -> str:
        command = [self._program, "-q", "--ipa", "-v", self._language, "--stdin"]
        try:
            done = subprocess.run(
                command,
                input=text,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as problem:
            raise SoriError(
                f"{self._program} failed ({problem}); check its installation"
            ) from problem
        if done.returncode:
            reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise SoriError(
                f"espeak-ng refused the language '{self._language}' ({reason[0]}); "
                "`espeak-ng --voices` lists those it knows"
            )
        return done.stdout

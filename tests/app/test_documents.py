"""What the README and the examples show really runs."""

import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S)


def sori_lines():
    """Lines of the README that call `sori` and need no training data."""
    for block in blocks("sh"):
        for line in block.splitlines():
            if "sori " in line and not re.search(r"sori (train|export)|install", line):
                yield line


@pytest.mark.parametrize("program", blocks("python"))
def test_the_python_of_the_readme_runs(program):
    exec(compile(program, "README.md", "exec"), {})


@pytest.mark.parametrize("line", list(sori_lines()))
def test_the_commands_of_the_readme_run(sori, line):
    stdin = b""
    if "|" in line:
        before, line = line.split("|")
        stdin = shlex.split(before)[-1].encode()

    result = sori(*shlex.split(line)[1:], stdin=stdin)

    assert result.status == 0, result.err


def test_five_lines_of_python_say_a_sentence(somewhere):
    program = blocks("python")[0]
    assert len(program.strip().splitlines()) <= 5

    exec(compile(program, "README.md", "exec"), {})

    assert (somewhere / "hello.wav").stat().st_size > 10000


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_runs(path, somewhere, monkeypatch):
    (somewhere / "book.txt").write_text("Chapter one. It was late.", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", [str(path), "book.txt", "book.opus"])

    runpy.run_path(str(path), run_name="__main__")


def test_every_link_of_the_documents_leads_somewhere():
    for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#/][^)#]*)\)", text):
            assert target.startswith("https://") or (ROOT / target).exists(), f"{name}: {target}"


def test_the_readme_names_every_command(sori):
    listed = re.findall(r"^  ([a-z]+) ", sori("--help").out.decode(), re.M)

    assert listed
    assert not [name for name in listed if f"`sori {name}" not in README]

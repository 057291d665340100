"""`sori serve` as a process: where it listens, whom it refuses, how it ends."""

import json
import os
import re
import signal
import sys
import threading
import urllib.request

import pytest
from processes import children, wait_until_gone
from serving import order


def address(process):
    """Where a server listens, as it says itself."""
    for line in process.stderr:
        if found := re.search(rb"listening on (http://\S+)", line):
            return found[1].decode()
    raise AssertionError("it never listened")


def request(url, **changes):
    body = json.dumps(order(**changes)).encode()
    return urllib.request.Request(
        f"{url}/v1/audio/speech", body, {"content-type": "application/json"}
    )


def test_it_speaks_and_ends_when_told(start):
    process = start("serve", "--port", "0", "--voice", "tiny")
    url = address(process)

    with urllib.request.urlopen(request(url)) as answer:
        assert len(answer.read()) > 10000
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=30)

    assert process.returncode in (0, 143)
    assert b"Traceback" not in process.stderr.read()


def test_what_was_begun_is_finished_before_it_ends(start):
    process = start("serve", "--port", "0", "--voice", "tiny")
    url = address(process)
    text = "The birch canoe slid on the smooth planks. " * 90
    with urllib.request.urlopen(request(url, input=text)) as whole:
        expected = len(whole.read())
    heard = []

    with urllib.request.urlopen(request(url, input=text)) as answer:
        heard.append(answer.read(1000))
        process.send_signal(signal.SIGTERM)
        rest = threading.Thread(target=lambda: heard.append(answer.read()))
        rest.start()
        rest.join(timeout=60)
    process.wait(timeout=30)

    assert sum(map(len, heard)) == expected


def test_several_processes_share_one_address(start):
    process = start("serve", "--port", "0", "--voice", "tiny", "--workers", "2")
    url = address(process)

    for _ in range(4):
        with urllib.request.urlopen(request(url), timeout=60) as answer:
            assert answer.status == 200
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)

    assert b"Traceback" not in process.stderr.read()


def test_a_killed_worker_is_replaced(start):
    process = start("serve", "--port", "0", "--voice", "tiny", "--workers", "2")
    url = address(process)
    with urllib.request.urlopen(request(url), timeout=60) as answer:
        assert answer.status == 200
    before = set(children(process.pid))

    for worker in before:
        os.kill(worker, signal.SIGKILL)
    # The socket stays open meanwhile: the connection waits for the new workers.
    with urllib.request.urlopen(request(url), timeout=60) as answer:
        assert answer.status == 200

    assert not before & set(children(process.pid))


def test_workers_end_with_a_killed_server(start):
    process = start("serve", "--port", "0", "--voice", "tiny", "--workers", "2")
    url = address(process)
    with urllib.request.urlopen(request(url), timeout=60) as answer:
        assert answer.status == 200
    workers = children(process.pid)

    process.kill()
    process.wait()

    assert workers
    wait_until_gone(workers)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--host", "0.0.0.0"], "set a key with --api-key"),
        (["--host", "0.0.0.0", "--api-key", " "], "a key is empty"),
        (["--host", "203.0.113.7", "--api-key", "k"], "cannot listen on 203.0.113.7"),
        (["--voice", "tinny"], "perhaps tiny"),
        (["--lexicon", "none.txt"], "none.txt"),
    ],
)
def test_a_wrong_option_is_one_line(sori, options, expected):
    result = sori("serve", "--port", "0", *options)

    assert result.status == 2
    (line,) = result.err.splitlines()[-1:]
    assert expected in line


def test_a_key_may_come_from_the_environment(start, monkeypatch):
    monkeypatch.setenv("SORI_API_KEY", "right")
    process = start("serve", "--port", "0", "--voice", "tiny")
    url = address(process)

    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{url}/v1/models")


def test_without_the_extra_it_is_named(sori, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("sori.app.")]:
        if name not in ("sori.app.cli", "sori.app.serve_command"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)

    result = sori("serve")

    assert result.status == 2
    assert 'pip install "sori[serve]"' in result.err

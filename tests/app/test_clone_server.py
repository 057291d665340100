"""Cloning over HTTP: what is refused, and what becomes of work that fails or is stopped."""

import base64
import socket
import time

import numpy as np
import pytest
from serving import served
from tiny_base import write_base
from tiny_voice import write_voice

from sori.app.clone_api import BODY_BYTES, MOST, RECORDING_BYTES
from sori.app.clone_jobs import Cloning
from sori.app.limits import Limits
from sori.app.voice_bank import VoiceBank
from sori.audio.files import write
from sori.core.audio import Audio

HEADERS = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    return str(write_voice(tmp_path_factory.mktemp("voices") / "tiny.onnx"))


@pytest.fixture
def cloning(base, tmp_path):
    return Cloning(base, tmp_path / "clones", 20)


@pytest.fixture
def client(voice, cloning):
    with served(VoiceBank(voice), cloning=cloning) as running:
        yield running.client


@pytest.fixture(scope="module")
def tone(tmp_path_factory):
    """A second of a tone, as a client sends it: no speech, which the work itself finds out."""
    path = tmp_path_factory.mktemp("tone") / "tone.wav"
    samples = 0.2 * np.sin(2 * np.pi * 200 * np.arange(24_000) / 24_000)
    write(path, Audio(samples.astype(np.float32), 24_000))
    return base64.b64encode(path.read_bytes()).decode()


@pytest.fixture
def ask(client, tone):
    """Ask for a voice; what is given replaces what would be accepted."""

    def run(**changes):
        recordings = [{"audio": tone, "text": "Good morning."}] * 3
        body = {"name": "maria", "consent": True, "recordings": recordings}
        return client.post("/v1/clones", json=body | changes)

    return run


def finished(client, job):
    deadline = time.monotonic() + 300
    while job["state"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
        job = client.get(f"/v1/clones/{job['id']}").json()
    return job


def given(tone, number, text="Good morning."):
    return [{"audio": tone, "text": text}] * number


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"consent": False}, "consent"),
        ({"name": "../../etc/passwd"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "m" * 33}, "name"),
        ({"name": "tiny"}, "name"),
        ({"name": "ada"}, "name"),
        ({"name": "default"}, "name"),
        ({"accent": "fr"}, "accent"),
        ({"recordings": []}, "recordings"),
        ({"steps": 10**9}, "steps"),
    ],
)
def test_an_order_that_cannot_be_met_is_refused_by_name(ask, client, cloning, changes, param):
    answer = ask(**changes)

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert client.get("/v1/clones").json()["data"] == []
    assert not cloning.folder.exists()


@pytest.mark.parametrize("missing", ["name", "consent", "recordings"])
def test_what_is_missing_is_named(client, tone, missing):
    body = {"name": "maria", "consent": True, "recordings": given(tone, 3)}
    del body[missing]

    answer = client.post("/v1/clones", json=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == missing


@pytest.mark.parametrize("number", [1, 2, MOST + 1])
def test_too_few_and_too_many_recordings_are_refused(ask, tone, number):
    answer = ask(recordings=given(tone, number))

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "recordings"


@pytest.mark.parametrize(
    "audio",
    [
        "",
        "no base64!",
        base64.b64encode(b"RIFF but no sound").decode(),
        base64.b64encode(bytes(1000)).decode(),
        "A" * (4 * RECORDING_BYTES // 3 + 8),
    ],
)
def test_what_is_no_recording_is_refused(ask, tone, audio):
    answer = ask(recordings=[*given(tone, 2), {"audio": audio}])

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "recordings"


def test_a_long_text_is_refused(ask, tone):
    assert ask(recordings=given(tone, 3, "x" * 501)).status_code == 400


def test_a_body_that_is_too_large_is_refused_before_it_is_read(client):
    with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
        lines = ("POST /v1/clones HTTP/1.1", "Host: localhost", f"Content-Length: {BODY_BYTES + 1}")
        connection.sendall("\r\n".join((*lines, "", "{")).encode())
        answer = connection.recv(100)

    assert answer.startswith(b"HTTP/1.1 413")


def test_only_one_upload_arrives_at_a_time(voice, cloning):
    limits = Limits(upload_seconds=0.5)
    with served(VoiceBank(voice), cloning=cloning, limits=limits) as running:
        statuses = []

        def slow():
            yield b"{"
            second = running.client.post("/v1/clones", headers=HEADERS, content=b"{}")
            statuses.append(second.status_code)
            time.sleep(0.7)

        first = running.client.build_request("POST", "/v1/clones", headers=HEADERS, content=slow())
        statuses.append(running.client.send(first).status_code)
        again = running.client.post("/v1/clones", headers=HEADERS, content=b"{}").status_code

    assert statuses == [429, 408]
    assert again == 400


def test_large_bodies_are_refused_everywhere_else(client):
    content = b" " * 200_000

    assert client.post("/v1/audio/speech", headers=HEADERS, content=content).status_code == 413
    assert client.request("PUT", "/v1/clones", content=content).status_code == 413


def test_a_key_is_needed_where_one_is_set(voice, cloning):
    with served(VoiceBank(voice), keys=("right",), cloning=cloning) as running:
        statuses = [
            running.client.get("/v1/clones").status_code,
            running.client.post("/v1/clones", json={}).status_code,
            running.client.delete("/v1/clones/some").status_code,
            running.client.get("/v1/clones/some/voice").status_code,
        ]

    assert statuses == [401] * 4


def test_a_job_that_is_not_there_is_told(client):
    for answer in (
        client.get("/v1/clones/gone"),
        client.delete("/v1/clones/gone"),
        client.get("/v1/clones/gone/voice"),
        client.get("/v1/clones/..%2F..%2Fetc/voice"),
    ):
        assert answer.status_code == 404
        assert "message" in answer.json()["error"]


@pytest.mark.parametrize("how", [None, "empty"])
def test_there_is_nothing_to_ask_where_no_voice_can_be_cloned(voice, tmp_path, how):
    cloning = how and Cloning(tmp_path, tmp_path)
    with served(VoiceBank(voice), cloning=cloning) as running:
        statuses = [
            running.client.get("/v1/clones").status_code,
            running.client.post("/v1/clones", json={}).status_code,
        ]

    assert statuses == [404, 404]


def test_why_no_voice_was_made_is_told_and_nothing_stays(ask, client, cloning):
    job = ask().json()
    busy = ask(name="berta")
    made = finished(client, job)

    assert busy.status_code == 409
    assert made["state"] == "failed"
    assert "usable recordings" in made["message"]
    assert client.get(f"/v1/clones/{job['id']}/voice").status_code == 404
    assert list(cloning.folder.iterdir()) == []
    assert client.get("/v1/clones").json()["data"] == [made]


def test_a_cancelled_job_makes_room_for_the_next(ask, client, cloning):
    first = ask().json()

    stopped = client.delete(f"/v1/clones/{first['id']}").json()
    deadline = time.monotonic() + 60
    while (second := ask(name="berta")).status_code == 409:
        assert time.monotonic() < deadline
    client.delete(f"/v1/clones/{second.json()['id']}")

    assert stopped["state"] == "cancelled"
    assert second.status_code == 202
    assert client.get(f"/v1/clones/{first['id']}").json()["state"] == "cancelled"
    assert list(cloning.folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(voice, base, tmp_path, tone):
    (tmp_path / "file").write_text("")
    cloning = Cloning(base, tmp_path / "file" / "clones")
    with served(VoiceBank(voice), cloning=cloning) as running:
        body = {"name": "maria", "consent": True, "recordings": given(tone, 3)}
        answer = running.client.post("/v1/clones", json=body)

    assert answer.status_code == 400
    assert "cannot make the folder" in answer.json()["error"]["message"]


def test_voices_cloned_before_speak_and_damaged_ones_are_left_out(voice, cloning):
    cloning.folder.mkdir()
    write_voice(cloning.folder / "maria.onnx")
    (cloning.folder / "berta.onnx").write_bytes(b"no voice")
    with served(VoiceBank(voice), cloning=cloning) as running:
        models = {model["id"] for model in running.client.get("/v1/models").json()["data"]}

    assert "maria" in models
    assert "berta" not in models

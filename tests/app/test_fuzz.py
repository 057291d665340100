"""Schemathesis makes up requests from our OpenAPI description, sound ones and broken ones."""

import subprocess
import sys

import pytest
from serving import served
from tiny_base import write_base
from tiny_voice import write_voice

from sori.app.clone_jobs import Cloning
from sori.app.limits import Limits
from sori.app.voice_bank import VoiceBank

# Never a 500, never an answer that the description does not tell of, never a hang.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    bank = VoiceBank(str(write_voice(folder / "tiny.onnx")))
    cloning = Cloning(write_base(tmp_path_factory.mktemp("weights")), folder / "clones")
    limits = Limits(characters=300, body_seconds=2.0, upload_seconds=2.0)
    with served(bank, limits=limits, cloning=cloning) as running:
        yield running


def test_no_request_makes_the_server_fail(server, tmp_path):
    program = "from schemathesis.cli import schemathesis; schemathesis()"
    options = ["--checks", ",".join(CHECKS), "--max-response-time", "20"]
    bounds = ["--max-examples", "10", "--seed", "1", "--phases", "examples,coverage,fuzzing"]

    done = subprocess.run(
        [sys.executable, "-c", program, "run", f"{server.url}/openapi.json", *options, *bounds],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=240,
    )

    assert done.returncode == 0, done.stdout
    metrics = server.client.get("/metrics").text
    assert 'route="/v1/audio/speech",status="200"' in metrics
    assert 'route="/v1/audio/speech",status="400"' in metrics
    assert 'route="/v1/clones",status="400"' in metrics
    assert 'status="500"' not in metrics

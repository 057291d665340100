"""The speech server over real connections, asked by OpenAI's client and by hand."""

import base64
import io
import json
import logging
import socket
import threading
import time
from pathlib import Path

import numpy as np
import openai
import pytest
import soundfile
from serving import order, served
from tiny_voice import write_voice

from sori.app.limits import Limits
from sori.app.voice_bank import MOST_LOADED, VoiceBank
from sori.audio import aac
from sori.speak.voice import Voice, load

SPEECH = "/v1/audio/speech"
THREE = "One sentence here. Then another one. And a third to end it."


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    write_voice(folder / "tiny.onnx")
    return VoiceBank(str(folder / "tiny.onnx"))


@pytest.fixture(scope="module")
def server(bank):
    with served(bank) as running:
        yield running


@pytest.fixture
def client(server):
    return server.client


@pytest.fixture
def official(server):
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def turnstile(monkeypatch):
    """Every sentence waits for a permit; the permits begin at none."""
    permits = threading.Semaphore(0)
    plain = Voice.utter

    def utter(*arguments):
        assert permits.acquire(timeout=10)
        return plain(*arguments)

    monkeypatch.setattr(Voice, "utter", utter)
    return permits


def fault(response, status):
    """The error of an answer, which has OpenAI's four keys and nothing of ours inside."""
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert "Traceback" not in response.text
    assert str(Path(__file__).parents[2]) not in response.text
    return error


def events(text):
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


def test_the_official_client_receives_what_the_voice_says(official, bank):
    answer = official.audio.speech.create(
        model="tts-1", voice="ada", input=THREE, response_format="pcm"
    )

    expected = load(bank.paths["tiny"]).say(THREE, "ada")
    heard = np.frombuffer(answer.content, "<i2") / 32767
    np.testing.assert_allclose(heard, expected.samples, atol=1 / 32767)


@pytest.mark.parametrize("name", ["mp3", "opus", "flac", "wav"])
def test_the_official_client_receives_every_format(official, name, somewhere):
    with official.audio.speech.with_streaming_response.create(
        model="tiny", voice="ben", input="Hello there.", response_format=name
    ) as answer:
        answer.stream_to_file(somewhere / f"a.{name}")

    with soundfile.SoundFile(somewhere / f"a.{name}") as file:
        assert file.read(12000).any()


def test_the_official_client_reads_events(official):
    with official.audio.speech.with_streaming_response.create(
        model="sori", voice="ada", input=THREE, response_format="pcm", stream_format="sse"
    ) as answer:
        *deltas, done = events("\n".join(answer.iter_lines()))

    assert {event["type"] for event in deltas} == {"speech.audio.delta"}
    assert len(deltas) == 3
    assert done["type"] == "speech.audio.done"
    usage = done["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0


def test_the_official_client_raises_its_own_errors(official):
    with pytest.raises(openai.BadRequestError, match="perhaps ada") as raised:
        official.audio.speech.create(model="tts-1", voice="adda", input="Hello.")
    with pytest.raises(openai.NotFoundError):
        official.audio.speech.create(model="gpt-9", voice="ada", input="Hello.")

    assert raised.value.param == "voice"


def test_the_official_client_lists_models(official):
    assert "tiny" in [model.id for model in official.models.list()]


def test_events_and_audio_carry_the_same_sound(client):
    audio = client.post(SPEECH, json=order(input=THREE)).content
    stream = client.post(SPEECH, json=order(input=THREE, stream_format="sse"))

    deltas = [e["audio"] for e in events(stream.text) if e["type"] == "speech.audio.delta"]
    assert b"".join(map(base64.b64decode, deltas)) == audio
    assert stream.headers["content-type"] == "text/event-stream"


def test_words_come_with_their_times(client):
    answer = client.post(SPEECH, json=order(input=THREE, stream_format="sse", timestamps="word"))

    words = [
        word
        for event in events(answer.text)
        if event["type"] == "speech.audio.words"
        for word in event["words"]
    ]
    assert [word["word"] for word in words[:2]] == ["One", "sentence"]
    starts = [word["start"] for word in words]
    assert starts == sorted(starts)
    assert all(word["start"] < word["end"] for word in words)


@pytest.mark.parametrize(
    "changes",
    [
        {"speed": 2},
        {"pitch": 1.5},
        {"energy": 0.5},
        {"voice": "ben"},
        {"voice": "ada(2)+ben(1)"},
        {"voice": {"id": "ben"}},
    ],
)
def test_every_choice_is_heard(client, changes):
    plain = client.post(SPEECH, json=order()).content

    changed = client.post(SPEECH, json=order(**changes))

    assert changed.status_code == 200
    assert changed.content != plain


@pytest.mark.parametrize("voice", ["default", "tiny", "ada"])
def test_the_default_speaker_has_several_names(client, voice):
    plain = client.post(SPEECH, json=order(voice="ada")).content

    assert client.post(SPEECH, json=order(voice=voice)).content == plain


@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        ({"input": ""}, 400, "input"),
        ({"input": "x" * 4097}, 400, "input"),
        ({"input": "漢字"}, 400, None),
        ({"input": "\ud800"}, 400, None),
        ({"input": 5}, 400, "input"),
        ({"speed": 5}, 400, "speed"),
        ({"speed": "fast"}, 400, "speed"),
        ({"input": "<speak>"}, 400, None),
        ({"input": "<speak><audio/></speak>"}, 400, None),
        ({"response_format": "doc"}, 400, "response_format"),
        ({"stream_format": "none"}, 400, "stream_format"),
        ({"timestamps": "word"}, 400, "timestamps"),
        ({"voice": "nobody"}, 400, "voice"),
        ({"voice": "ada(0)"}, 400, "voice"),
        ({"voice": "ada+nobody"}, 400, "voice"),
        ({"voice": "../../etc/passwd"}, 400, "voice"),
        ({"voice": "/tmp/tiny.onnx"}, 400, "voice"),
        ({"voice": {"name": "ada"}}, 400, "voice"),
        ({"model": "../tiny"}, 404, "model"),
        ({"model": "tiny.onnx"}, 404, "model"),
        ({"colour": "red"}, 400, "colour"),
    ],
)
def test_a_wrong_value_is_told_by_its_name(client, changes, status, param):
    body = json.dumps(order(**changes)).encode()

    answer = client.post(SPEECH, content=body, headers={"content-type": "application/json"})

    error = fault(answer, status)
    assert error["param"] == param or (param is None and error["type"] == "invalid_request_error")


def test_aac_is_refused_where_no_encoder_is(client, monkeypatch):
    monkeypatch.setattr(aac, "is_at_hand", lambda: False)

    error = fault(client.post(SPEECH, json=order(response_format="aac")), 400)

    assert error["code"] == "unsupported_format"


@pytest.mark.skipif(not aac.is_at_hand(), reason="no ffmpeg is on this machine")
def test_aac_comes_from_ffmpeg_where_it_is(client):
    answer = client.post(SPEECH, json=order(input=THREE, response_format="aac"))

    assert answer.headers["content-type"] == "audio/aac"
    assert answer.content[:2] == b"\xff\xf1"


def test_markup_is_spoken(client, bank):
    document = '<speak>One. <break time="1s"/> <voice name="ben">Two.</voice></speak>'

    answer = client.post(SPEECH, json=order(input=document))

    expected = load(bank.paths["tiny"]).say(document, "ada")
    assert len(answer.content) == 2 * len(expected.samples)


def test_a_missing_value_is_told_by_its_name(client):
    body = order()
    del body["voice"]

    error = fault(client.post(SPEECH, json=body), 400)

    assert (error["param"], error["code"]) == ("voice", "missing_parameter")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 40000, b'{"speed": NaN}', b'"text"'],
)
def test_a_body_that_is_no_request_is_told(client, body):
    fault(client.post(SPEECH, content=body, headers={"content-type": "application/json"}), 400)


def test_a_form_of_another_page_is_not_obeyed(client):
    text = json.dumps(order())

    fault(client.post(SPEECH, content=text, headers={"content-type": "text/plain"}), 400)


def test_a_body_of_a_gigabyte_is_refused_unread(server):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        head = f"POST {SPEECH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {2**30}\r\n\r\n"
        connection.sendall(head.encode())

        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_a_large_body_is_refused_before_it_is_read(client):
    def endless():
        for _ in range(1000):
            yield b"x" * 65536

    declared = client.post(SPEECH, content=b"x" * 100_000)
    assert fault(declared, 413)["code"] == "body_too_large"
    try:
        streamed = client.post(SPEECH, content=endless())
    except OSError:  # the server may hang up while the client still sends
        return
    except Exception as error:
        assert type(error).__module__.startswith("httpx")
        return
    fault(streamed, 413)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("GET", SPEECH, 405), ("GET", "/static/../server.py", 404)],
)
def test_what_is_not_there_is_told_in_the_same_form(client, method, path, status):
    fault(client.request(method, path), status)


def test_the_lists_say_what_can_be_asked_for(client):
    models = client.get("/v1/models").json()
    voices = client.get("/v1/audio/voices").json()["voices"]

    assert models["object"] == "list"
    assert {"tiny", "sori", "tts-1"} <= {model["id"] for model in models["data"]}
    tiny = [voice for voice in voices if voice["model"] == "tiny"]
    assert [voice["id"] for voice in tiny[:2]] == ["ada", "ben"]
    assert sum(voice["default"] for voice in voices) == 1
    assert client.get("/health").json() == {"status": "ok"}


def test_the_description_names_the_route_and_its_page_stands_alone(client):
    description = client.get("/openapi.json").json()
    page = client.get("/docs")

    assert "post" in description["paths"][SPEECH]
    assert page.status_code == 200
    assert "http" + "s://" not in page.text


def test_metrics_count_what_was_spoken(client):
    client.post(SPEECH, json=order())

    text = client.get("/metrics").text

    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    (route,) = [v for k, v in values.items() if 'route="/v1/audio/speech",status="200"' in k]
    (seconds,) = [v for k, v in values.items() if k.startswith("sori_speech_seconds_total")]
    assert float(route) >= 1
    assert float(seconds) > 1
    assert any("sori_first_byte_seconds_bucket" in key and "+Inf" in key for key in values)


def test_the_first_bytes_come_before_later_sentences_are_made(client, turnstile):
    turnstile.release()
    with client.stream("POST", SPEECH, json=order(input=THREE)) as answer:
        pieces = answer.iter_raw()
        # What is not released cannot have been made.
        first = next(pieces)
        turnstile.release(2)
        rest = b"".join(pieces)

    assert first
    assert rest


def test_a_client_that_goes_away_stops_the_work(bank, turnstile):
    permits = 50
    with served(bank) as running:
        turnstile.release()
        with running.client.stream("POST", SPEECH, json=order(input=THREE * 30)) as answer:
            next(answer.iter_raw())
        while "sori_abandoned_total{" not in running.client.get("/metrics").text:
            time.sleep(0.01)
        turnstile.release(permits)
        while inside(running.client.get("/metrics").text):
            time.sleep(0.01)

    # The sentence that was in the making is finished, and no other is begun.
    assert sum(turnstile.acquire(blocking=False) for _ in range(permits)) >= permits - 1


def test_an_answer_that_is_taken_to_its_end_is_not_abandoned(bank):
    with served(bank) as running:
        for _ in range(5):
            running.client.post(SPEECH, json=order(input="Hello."))

        assert "sori_abandoned_total{" not in running.client.get("/metrics").text


def test_a_client_that_stops_reading_holds_no_turn(bank):
    with served(bank, limits=Limits(at_once=1)) as running:
        host, port = running.url.removeprefix("http://").split(":")
        body = json.dumps(order(input=THREE * 60, response_format="wav")).encode()
        head = f"POST {SPEECH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        with socket.create_connection((host, int(port))) as idle:
            idle.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

            answer = running.client.post(SPEECH, json=order(input="Hello."))

    assert answer.status_code == 200


def test_a_body_that_does_not_arrive_is_given_up(bank):
    with served(bank, limits=Limits(body_seconds=0.2)) as running:
        host, port = running.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as half_open:
            half_open.sendall(
                f"POST {SPEECH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{{".encode()
            )

            assert half_open.recv(100).startswith(b"HTTP/1.1 408")


def inside(metrics):
    (line,) = [line for line in metrics.splitlines() if line.startswith("sori_requests_inside{")]
    return int(line.rsplit(" ", 1)[1])


def test_a_full_queue_answers_429_and_says_when_to_come_again(bank, turnstile):
    with served(bank, limits=Limits(at_once=1, waiting=1)) as running:
        answers = []
        waiting = [
            threading.Thread(
                target=lambda: answers.append(running.client.post(SPEECH, json=order()))
            )
            for _ in range(2)
        ]
        for thread in waiting:
            thread.start()
        while inside(running.client.get("/metrics").text) < 2:
            time.sleep(0.01)

        refused = running.client.post(SPEECH, json=order())
        turnstile.release(2)
        for thread in waiting:
            thread.join()

        assert fault(refused, 429)["code"] == "rate_limit_exceeded"
        assert int(refused.headers["retry-after"]) >= 1
        assert [answer.status_code for answer in answers] == [200, 200]


def test_short_texts_pass_between_the_sentences_of_a_long_one(bank):
    long = order(input=THREE * 60)
    with (
        served(bank, limits=Limits(at_once=1)) as running,
        running.client.stream("POST", SPEECH, json=long) as answer,
    ):
        pieces = answer.iter_raw()
        next(pieces)
        short = running.client.post(SPEECH, json=order(input="Hello."))
        left = sum(map(len, pieces))

    assert short.status_code == 200
    assert left > 0


def test_a_text_that_takes_too_long_is_told(bank, turnstile):
    with served(bank, limits=Limits(seconds=0.2)) as running:
        threading.Timer(0.5, turnstile.release).start()

        answer = running.client.post(SPEECH, json=order())

    assert fault(answer, 503)["code"] == "timeout"


def test_a_fault_in_the_midst_of_events_is_an_event(bank, monkeypatch):
    plain = Voice.utter
    calls = []

    def utter(*arguments):
        calls.append(1)
        if len(calls) > 1:
            raise RuntimeError("secret detail")
        return plain(*arguments)

    monkeypatch.setattr(Voice, "utter", utter)
    with served(bank) as running:
        answer = running.client.post(SPEECH, json=order(input=THREE, stream_format="sse"))

    assert events(answer.text)[-1]["error"]["type"] == "server_error"
    assert "secret" not in answer.text


def test_a_defect_is_told_without_its_details(bank, monkeypatch):
    def utter(*arguments):
        raise RuntimeError("secret detail")

    monkeypatch.setattr(Voice, "utter", utter)
    with served(bank) as running:
        answer = running.client.post(SPEECH, json=order())

    assert fault(answer, 500)["type"] == "server_error"
    assert "secret" not in answer.text


def test_with_a_key_only_its_holders_are_served(bank):
    with served(bank, keys=("right", "other"), host="0.0.0.0") as running:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic right"}):
            answer = running.client.post(SPEECH, json=order(), headers=headers)
            assert fault(answer, 401)["code"] == "invalid_api_key"
            assert running.client.get("/metrics", headers=headers).status_code == 401
        for key in ("right", "other"):
            headers = {"authorization": f"Bearer {key}"}
            assert running.client.post(SPEECH, json=order(), headers=headers).status_code == 200
        assert running.client.get("/health").status_code == 200
        assert running.client.get("/").status_code == 200


def test_without_a_key_the_names_of_other_sites_are_refused(client):
    answer = client.get("/v1/models", headers={"host": "evil.example"})

    assert fault(answer, 403)["code"] == "wrong_host"


@pytest.mark.parametrize("host", ["[", "[::1", "a b"])
def test_a_name_that_is_none_is_refused(client, host):
    assert fault(client.get("/v1/models", headers={"host": host}), 403)["code"] == "wrong_host"


@pytest.mark.parametrize("origin", ["https://example.org", "null", "http://[", ""])
def test_a_page_of_another_site_may_send_nothing(client, origin):
    answer = client.post(SPEECH, json=order(), headers={"origin": origin})

    assert fault(answer, 403)["code"] == "wrong_origin"


def test_a_page_of_this_machine_may(client):
    answer = client.post(SPEECH, json=order(), headers={"origin": "http://localhost:3000"})

    assert answer.status_code == 200


def test_other_sites_are_not_invited(client):
    answer = client.options(
        SPEECH,
        headers={"origin": "http://evil.example", "access-control-request-method": "POST"},
    )

    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("log_text", [False, True])
def test_texts_are_in_the_log_only_when_asked_for(bank, caplog, log_text):
    caplog.set_level(logging.INFO)

    with served(bank, log_text=log_text) as running:
        running.client.post(SPEECH, json=order(input="A secret canoe."))

    assert ("secret canoe" in caplog.text) == log_text


def test_only_a_few_voices_stay_loaded(somewhere, monkeypatch):
    for number in range(MOST_LOADED + 2):
        write_voice(somewhere / f"v{number}.onnx")
    monkeypatch.setenv("SORI_VOICES", str(somewhere))
    bank = VoiceBank("v1")

    for number in range(MOST_LOADED + 2):
        bank.voice(f"v{number}")

    assert len(bank.loaded) == MOST_LOADED
    assert "v1" in bank.loaded


def test_a_wav_begins_like_one(client):
    data = client.post(SPEECH, json=order(response_format="wav")).content

    assert soundfile.read(io.BytesIO(data))[1] == 24000

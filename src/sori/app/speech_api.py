"""POST /v1/audio/speech: a text comes in, sound goes out while the rest of it is being made."""

import base64
import contextlib
import json
import time
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

import anyio
import anyio.lowlevel
import anyio.to_thread
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sori.app.faults import LOG, ApiError, told
from sori.app.limits import Desk
from sori.app.metrics import Metrics
from sori.app.voice_bank import VoiceBank
from sori.audio.encoder import MEDIA_TYPES, encoder, formats
from sori.core.errors import SoriError
from sori.speak.manner import ENERGIES, PITCHES, SEEDS, SPEEDS, Manner
from sori.speak.utterance import Utterance

EVENT_STREAM = "text/event-stream"


class VoiceName(BaseModel):
    """A voice as OpenAI's clients send those of their own: an object with an id."""

    model_config = ConfigDict(extra="forbid")
    id: Annotated[str, Field(max_length=1000)]


class SpeechRequest(BaseModel):
    """What to say, and how. The last four are Sori's own."""

    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra={
            "examples": [{"model": "sori", "voice": "default", "input": "Hello there."}]
        },
    )
    model: Annotated[str, Field(max_length=200, description="A name of /v1/models.")]
    input: Annotated[str, Field(min_length=1, description="The text, or SSML.")]
    voice: Annotated[str, Field(max_length=1000)] | VoiceName = Field(
        description="A name of /v1/audio/voices, or a mix such as a(2)+b(1)."
    )
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    speed: Annotated[float, Field(ge=SPEEDS[0], le=SPEEDS[1])] = 1.0
    stream_format: Literal["audio", "sse"] = "audio"
    instructions: Annotated[str | None, Field(description="Accepted; it changes nothing.")] = None
    pitch: Annotated[float, Field(ge=PITCHES[0], le=PITCHES[1])] = 1.0
    energy: Annotated[float, Field(ge=ENERGIES[0], le=ENERGIES[1])] = 1.0
    seed: Annotated[int, Field(ge=SEEDS[0], le=SEEDS[1])] = 0
    timestamps: Annotated[
        Literal["word"] | None, Field(description="Times of the words, as events of their own.")
    ] = None


class Chunk(NamedTuple):
    """Encoded sound, and what was spoken in it; nothing more for the end of an encoding."""

    data: bytes
    utterance: Utterance | None = None


class Production:
    """A request being spoken: each step makes one piece, in a thread."""

    def __init__(self, request: SpeechRequest, bank: VoiceBank):
        voice = request.voice if isinstance(request.voice, str) else request.voice.id
        try:
            casting = bank.cast(request.model, voice.strip())
        except KeyError as error:
            message = f"there is no model {request.model[:80]!r}; GET /v1/models lists them"
            raise ApiError(404, message, "model", "model_not_found") from error
        except SoriError as error:
            raise ApiError(400, str(error), "voice", "voice_not_found") from error
        self.request = request
        self.manner = Manner(
            casting.speaker, request.speed, request.pitch, request.energy, request.seed
        )
        self.bank = bank
        self.name = casting.voice
        self.rate = bank.cards[casting.voice].sample_rate
        self.frame_samples = bank.cards[casting.voice].frame_samples
        self.chunks = self.make()

    def step(self) -> Chunk | None:
        """The next chunk, or None after the last."""
        return next(self.chunks, None)

    def make(self) -> Iterator[Chunk]:
        voice = self.bank.voice(self.name)
        sentences = voice.read(self.request.input, self.manner.speaker)
        with contextlib.closing(encoder(self.request.response_format, self.rate)) as encoding:
            for utterance in voice.speak(sentences, self.manner, prompt=True):
                yield Chunk(encoding.push(utterance.audio.samples), utterance)
            yield Chunk(encoding.finish())


class SpokenResponse(Response):
    """Sends the chunks of a production as they are made, and stops when nobody listens."""

    def __init__(self, production: Production, desk: Desk, metrics: Metrics):
        self.production = production
        self.desk = desk
        self.metrics = metrics
        self.is_sse = production.request.stream_format == "sse"
        self.has_started = self.is_complete = False
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak.

        Raises:
            ApiError, SoriError: nothing was sent yet, and the fault can still be told as such.
        """
        fault: Exception | None = None
        with self.desk.place():
            async with anyio.create_task_group() as group:

                async def leave_with_the_client() -> None:
                    while (await receive())["type"] != "http.disconnect":
                        pass
                    # The end of a whole answer is reported in the same way.
                    if not self.is_complete:
                        self.metrics.add("sori_abandoned_total")
                    group.cancel_scope.cancel()

                group.start_soon(leave_with_the_client)
                with anyio.move_on_after(self.desk.limits.seconds) as time_limit:
                    try:
                        await self.speak(send)
                    except Exception as error:  # a task group would wrap it
                        fault = error
                if time_limit.cancelled_caught:
                    fault = ApiError(503, "the text took longer than allowed", code="timeout")
                if fault is not None and self.has_started:
                    await self.end_with(fault, send)
                    fault = None
                group.cancel_scope.cancel()
        if fault is not None:
            raise fault

    async def speak(self, send: Send) -> None:
        """Send one chunk after the other; the first decides about the status."""
        asked = time.monotonic()
        tokens = frames = position = 0
        while (chunk := await self.next_chunk()) is not None:
            if not self.has_started:
                self.metrics.first_byte(time.monotonic() - asked)
                await self.start(send)
            if chunk.utterance is not None:
                samples = len(chunk.utterance.audio.samples)
                if self.production.request.timestamps:
                    await self.event(send, words_event(chunk.utterance, position / self.rate))
                position += samples
                tokens += len(chunk.utterance.phonemes)
                frames += samples // self.production.frame_samples
                self.metrics.add("sori_speech_seconds_total", samples / self.rate)
            await self.sound(send, chunk.data)
        if self.is_sse:
            usage = {
                "input_tokens": tokens,
                "output_tokens": frames,
                "total_tokens": tokens + frames,
            }
            await self.event(send, {"type": "speech.audio.done", "usage": usage})
        self.is_complete = True
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    @property
    def rate(self) -> int:
        return self.production.rate

    async def next_chunk(self) -> Chunk | None:
        """Wait for a turn; a step that has begun is finished even if the client has gone."""
        chunk = await anyio.to_thread.run_sync(self.production.step, limiter=self.desk.turns)
        await anyio.lowlevel.checkpoint_if_cancelled()
        return chunk

    async def start(self, send: Send) -> None:
        self.has_started = True
        sound = MEDIA_TYPES[self.production.request.response_format]
        kind = EVENT_STREAM if self.is_sse else sound
        headers = [(b"content-type", kind.encode()), (b"cache-control", b"no-store")]
        # Proxies that collect an answer before they pass it on would hold the first bytes back.
        headers.append((b"x-accel-buffering", b"no"))
        headers.append((b"x-sample-rate", str(self.rate).encode()))
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def sound(self, send: Send, data: bytes) -> None:
        if not data:
            return
        if self.is_sse:
            encoded = base64.b64encode(data).decode()
            await self.event(send, {"type": "speech.audio.delta", "audio": encoded})
        else:
            await send({"type": "http.response.body", "body": data, "more_body": True})

    async def event(self, send: Send, event: dict[str, Any]) -> None:
        body = f"data: {json.dumps(event, separators=(',', ':'))}\n\n".encode()
        await send({"type": "http.response.body", "body": body, "more_body": True})

    async def end_with(self, fault: Exception, send: Send) -> None:
        """Tell a fault in the midst of a stream: as an event, or by an end that is not clean."""
        LOG.error(
            "a speech ended early: %s", fault if isinstance(fault, SoriError) else repr(fault)
        )
        if self.is_sse:
            await self.event(send, {"type": "error", **told(fault)})
            self.is_complete = True
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def words_event(utterance: Utterance, offset_seconds: float) -> dict[str, Any]:
    """The times of the words of a piece, from the start of the whole speech."""
    words = [
        {
            "word": word.label,
            "start": round(offset_seconds + word.start_seconds, 4),
            "end": round(offset_seconds + word.end_seconds, 4),
        }
        for word in utterance.words
    ]
    return {"type": "speech.audio.words", "words": words}


def speech_routes(bank: VoiceBank, desk: Desk, metrics: Metrics, log_text: bool) -> APIRouter:
    """The route that speaks."""
    router = APIRouter()

    @router.post(
        "/v1/audio/speech",
        status_code=200,
        response_class=Response,
        responses={200: {"content": {kind: {} for kind in (*MEDIA_TYPES.values(), EVENT_STREAM)}}},
    )
    def speech(request: SpeechRequest) -> Response:
        """Speak a text. The sound is sent while later sentences are still being made."""
        check(request, desk.limits.characters)
        production = Production(request, bank)
        metrics.add("sori_characters_total", len(request.input))
        if log_text:
            LOG.info("text: %r", request.input)
        return SpokenResponse(production, desk, metrics)

    return router


def check(request: SpeechRequest, most_characters: int) -> None:
    """Refuse what the types of a request cannot.

    Raises:
        ApiError: the text is too long, or a choice is not possible here.
    """
    if len(request.input) > most_characters:
        raise ApiError(
            400,
            f"the input has {len(request.input)} characters; the most is {most_characters}",
            "input",
            "string_above_max_length",
        )
    if request.response_format not in formats():
        raise ApiError(
            400,
            f"there is no encoder for {request.response_format} here; choose one of: "
            f"{', '.join(formats())}",
            "response_format",
            "unsupported_format",
        )
    if request.timestamps and request.stream_format != "sse":
        raise ApiError(400, "timestamps are events; ask for stream_format sse", "timestamps")

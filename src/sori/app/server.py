"""`sori serve`: voices over HTTP, in the form of OpenAI's speech API, and a page to try them."""

import contextlib
import logging
import socket
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import FileResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles

from sori.app.access import LOOPBACK, Gate
from sori.app.clone_api import BODY_BYTES, clone_routes
from sori.app.clone_jobs import Cloning, Workshop
from sori.app.faults import DESCRIBED, LOG, tell_faults
from sori.app.limits import Desk, Limits
from sori.app.metrics import CONTENT_TYPE, Metrics
from sori.app.speech_api import speech_routes
from sori.app.voice_bank import ANY_MODEL, VoiceBank
from sori.core.errors import SoriError

STATIC = Path(__file__).parent / "static"
GRACE_SECONDS = 30


@dataclass(frozen=True)
class Settings:
    """How to serve; it travels to the worker processes."""

    host: str = "127.0.0.1"
    port: int = 8000
    keys: tuple[str, ...] = ()
    voice: str | None = None
    lexicon: Path | None = None
    threads: int | None = None
    log_text: bool = False
    limits: Limits = field(default_factory=Limits)
    cloning: Cloning | None = None

    def check(self) -> None:
        """Refuse to listen to everybody.

        Raises:
            SoriError: the address is open to others and no key is set, or a key is too short.
        """
        if self.host not in LOOPBACK and not self.keys:
            raise SoriError(
                f"{self.host} can be reached by others; set a key with --api-key, or listen on "
                "127.0.0.1"
            )
        if any(not key.strip() or not key.isascii() for key in self.keys):
            raise SoriError("a key is empty or has characters outside ASCII; give another")


def create_app(bank: VoiceBank, settings: Settings) -> FastAPI:
    """Wrap the voices in an HTTP application."""
    app = FastAPI(
        title="Sori", version=version("sori"), docs_url=None, redoc_url=None, responses=DESCRIBED
    )
    desk = Desk(settings.limits)
    metrics = Metrics()
    cloning = settings.cloning
    if cloning is not None and not cloning.is_possible():
        cloning = None
    app.add_middleware(
        Gate,
        keys=settings.keys,
        limits=settings.limits,
        metrics=metrics,
        upload_bytes=BODY_BYTES if cloning else 0,
    )
    tell_faults(app)
    app.include_router(speech_routes(bank, desk, metrics, settings.log_text))
    add_lists(app, bank)
    if cloning:
        add_cloning(app, bank, cloning)

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Whether the server answers."""
        return {"status": "ok"}

    @app.get("/metrics", response_class=PlainTextResponse)
    async def counted() -> PlainTextResponse:
        """Counters of this worker, for Prometheus."""
        return PlainTextResponse(metrics.text(desk.inside), media_type=CONTENT_TYPE)

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(STATIC / "docs.html")

    app.mount("/static", StaticFiles(directory=STATIC))
    return app


def add_lists(app: FastAPI, bank: VoiceBank) -> None:
    """Add the routes that say what can be asked for."""

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        """Voice files, and the names that stand for the default one."""
        names = dict.fromkeys([*bank.cards, *ANY_MODEL])
        return {"object": "list", "data": [model(name) for name in names]}

    @app.get("/v1/audio/voices")
    async def voices() -> dict[str, Any]:
        """Every speaker of every voice file."""
        listed = [
            {
                "id": speaker.name,
                "name": speaker.name,
                "model": name,
                "description": speaker.description,
                "accent": speaker.accent,
                "language": card.language,
                "licence": speaker.licence or card.licence,
                "default": name == bank.default and speaker.name == card.default_speaker,
            }
            for name, card in bank.cards.items()
            for speaker in card.speakers
        ]
        return {"object": "list", "voices": listed}


def add_cloning(app: FastAPI, bank: VoiceBank, cloning: Cloning) -> None:
    """Add the routes that clone, and the voices that were cloned before."""
    for path in sorted(cloning.folder.glob("*.onnx")):
        with contextlib.suppress(SoriError):  # a damaged one is left out
            if not bank.knows(path.stem):
                bank.add(path)
    app.include_router(clone_routes(Workshop(cloning, bank.add), bank))


def model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "sori"}


def work(settings: Settings, open_socket: socket.socket, bank: VoiceBank | None = None) -> None:
    """Serve in this process until a signal comes; what was begun is finished first."""
    logging.basicConfig(format="sori: %(message)s", level=logging.WARNING)
    LOG.setLevel(logging.INFO)
    bank = bank or VoiceBank(settings.voice, settings.lexicon, settings.threads)
    uvicorn.Server(configure(create_app(bank, settings))).run(sockets=[open_socket])


def configure(app: FastAPI) -> uvicorn.Config:
    """uvicorn, quiet: what is logged is for `sori` to say."""
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        # Requests are refused at the desk; this bounds connections that never send one.
        timeout_keep_alive=10,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )

"""Who may ask, from where, and how much: what stands in front of every request."""

import contextlib
import hmac
import math
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from urllib.parse import urlsplit

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sori.app.faults import LOG, ApiError, response
from sori.app.limits import Limits
from sori.app.metrics import Metrics

LOOPBACK = ("127.0.0.1", "localhost", "::1")
# The page and its description hold nothing that a key protects.
KEYED = ("/v1/", "/metrics")
CLONES = "/v1/clones"
ROUTES = (
    "/v1/audio/speech",
    "/v1/audio/voices",
    "/v1/models",
    CLONES,
    "/health",
    "/metrics",
    "/",
)
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (
        b"content-security-policy",
        b"default-src 'self'; media-src 'self' blob:; img-src 'self' data: blob:; "
        b"object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
)


class Gate:
    """Checks a request before the application sees it, and counts how it was answered.

    Args:
        upload_bytes: most bytes of recordings to clone; 0 where the server clones no voices.
    """

    def __init__(
        self,
        app: ASGIApp,
        keys: Sequence[str],
        limits: Limits,
        metrics: Metrics,
        upload_bytes: int = 0,
    ):
        self.app = app
        self.keys = [sha256(key.encode()).digest() for key in keys]
        self.limits = limits
        self.metrics = metrics
        self.upload_bytes = upload_bytes
        self.is_uploading = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 0
        started = time.monotonic()

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        try:
            self.check(scope)
            with self.body_bounds(scope) as (most, seconds):
                body = await self.read_body(scope, receive, most, seconds)
                await self.app(scope, replayed(body, receive), send_noting)
        except Exception as error:
            if not isinstance(error, ApiError):
                LOG.exception("a defect; please report it")
            if status:
                raise
            await response(error)(scope, receive, send_noting)
        finally:
            path = scope["path"] if scope["path"] in ROUTES else "other"
            self.metrics.add("sori_requests_total", route=path, status=str(status or "none"))
            LOG.info(
                "%s %s %d in %.3f s", scope["method"], path, status, time.monotonic() - started
            )

    def check(self, scope: Scope) -> None:
        """Refuse a stranger.

        Raises:
            ApiError: the key is wrong, or a page of another site is asking.
        """
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if not self.keys:
            # Without a key only this machine may ask. A page elsewhere can point its own name at
            # 127.0.0.1; the name that the browser then sends gives it away.
            if host_of("//" + headers.get(b"host", "")) not in LOOPBACK:
                raise ApiError(403, "this server answers only to localhost", code="wrong_host")
            # It can also send what needs no leave to be sent; the browser then says where from.
            origin = headers.get(b"origin")
            if origin is not None and host_of(origin) not in LOOPBACK:
                raise ApiError(
                    403, "this server answers no page of another site", code="wrong_origin"
                )
            return
        if not scope["path"].startswith(KEYED):
            return
        scheme, _, given = headers.get(b"authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self.knows(given.strip()):
            raise ApiError(
                401,
                "the API key is missing or wrong; send it as Authorization: Bearer KEY",
                code="invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def knows(self, given: str) -> bool:
        """Compare with every key, in a time that tells nothing about any of them."""
        digest = sha256(given.encode("latin-1", "replace")).digest()
        return any([hmac.compare_digest(digest, key) for key in self.keys])

    @contextlib.contextmanager
    def body_bounds(self, scope: Scope) -> Iterator[tuple[int, float]]:
        """Most bytes of a body, and the time for it to arrive.

        Raises:
            ApiError: recordings are arriving, and others are already here.
        """
        is_upload = self.upload_bytes and scope["path"] == CLONES and scope["method"] == "POST"
        if not is_upload:
            yield self.limits.body_bytes, self.limits.body_seconds
            return
        # One at a time: they are what could fill the memory.
        if self.is_uploading:
            raise ApiError(
                429,
                "recordings of somebody else are arriving; try again a little later",
                code="rate_limit_exceeded",
                headers={"Retry-After": str(math.ceil(self.limits.upload_seconds))},
            )
        self.is_uploading = True
        try:
            yield self.upload_bytes, self.limits.upload_seconds
        finally:
            self.is_uploading = False

    async def read_body(self, scope: Scope, receive: Receive, most: int, seconds: float) -> bytes:
        """The whole body.

        Raises:
            ApiError: it is too large, or does not come in time.
        """
        too_large = ApiError(413, f"the body is larger than {most} bytes", code="body_too_large")
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > most:
            raise too_large
        body = bytearray()
        with anyio.move_on_after(seconds):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if len(body) > most:
                    raise too_large
                if not message.get("more_body"):
                    return bytes(body)
        raise ApiError(408, "the body did not come in time", code="timeout")


def host_of(address: str) -> str | None:
    """The name of the machine in an address; None where there is none."""
    try:
        return urlsplit(address).hostname
    except ValueError:  # such as "//["
        return None


def replayed(body: bytes, receive: Receive) -> Receive:
    """A receiver that gives a body that was read already, then what comes after it."""
    is_given = False

    async def give() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return give

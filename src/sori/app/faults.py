"""Faults of a request, told in the form that OpenAI's clients read."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException as RoutingError
from starlette.responses import Response

from sori.core.errors import SoriError

LOG = logging.getLogger("sori.serve")
KINDS = {401: "authentication_error", 429: "rate_limit_error"}
FAULT_OF_OURS = 500
OUR_WORDS = "something went wrong inside the server; its log says what"


class FaultDetails(BaseModel):
    """What went wrong, with which parameter, and a code for programs."""

    message: str
    type: str
    param: str | None
    code: str | None


class Fault(BaseModel):
    """The body of every answer that is an error."""

    error: FaultDetails


DESCRIBED: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Fault, "description": "What was asked cannot be done."},
    "5XX": {"model": Fault, "description": "The server could not do it, or not in time."},
}


class ApiError(HTTPException):
    """A fault that is told to the client: a status, one line, the parameter, a code."""

    def __init__(
        self,
        status: int,
        message: str,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ):
        super().__init__(status, message, headers)
        self.param = param
        self.code = code


class Told(Response):
    """JSON in ASCII: what a client sent may hold characters that no encoding knows."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode("ascii")


def told(error: Exception) -> dict[str, Any]:
    """The body that tells an error."""
    status, message = FAULT_OF_OURS, OUR_WORDS
    if isinstance(error, RoutingError):
        status, message = error.status_code, str(error.detail)
    elif isinstance(error, SoriError):
        status, message = 400, str(error)
    kind = "server_error" if status >= 500 else KINDS.get(status, "invalid_request_error")
    return {
        "error": {
            "message": message,
            "type": kind,
            "param": getattr(error, "param", None),
            "code": getattr(error, "code", None),
        }
    }


def response(error: Exception) -> Response:
    """The answer that tells an error."""
    status = FAULT_OF_OURS
    headers: Mapping[str, str] | None = None
    if isinstance(error, RoutingError):
        status, headers = error.status_code, error.headers
    elif isinstance(error, SoriError):
        status = 400
    return Told(told(error), status, headers)


def of_validation(error: RequestValidationError) -> ApiError:
    """The first thing that is wrong in a request's body, by its name."""
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if part != "body"]
    if first["type"] == "json_invalid":
        return ApiError(400, f"the body is not JSON: {first['ctx']['error']}", code="invalid_json")
    if not place:
        return ApiError(400, "the body is not a JSON object sent as application/json")
    name = place[0]
    if first["type"] == "extra_forbidden":
        return ApiError(400, f"there is no parameter {name[:80]!r}", name[:80], "unknown_parameter")
    code = "missing_parameter" if first["type"] == "missing" else "invalid_value"
    return ApiError(400, f"{name}: {first['msg']}", name, code)


def tell_faults(app: FastAPI) -> None:
    """Answer every fault in one form."""

    @app.exception_handler(RoutingError)
    async def of_routing(request: Request, error: RoutingError) -> Response:
        return response(error)

    @app.exception_handler(SoriError)
    async def of_user(request: Request, error: SoriError) -> Response:
        return response(error)

    @app.exception_handler(RequestValidationError)
    async def of_body(request: Request, error: RequestValidationError) -> Response:
        return response(of_validation(error))

"""Requests and answers of the node's HTTP API: bounded bodies, strict structs, problems in both languages."""

from typing import Any, TypeVar

import msgspec
from fastapi import Request, Response

from edge.permits import ActError

BODY_LIMIT = 256 * 1024

T = TypeVar("T")


def answer(body: Any, status: int = 200) -> Response:
    """A JSON response."""
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def problem(status: int, code: str, zh: str, en: str) -> Response:
    """An RFC 9457 problem in both languages."""
    body = {
        "type": f"urn:chayan:problem:{code}",
        "title": en,
        "title_zh": zh,
        "status": status,
        "detail": f"{zh} {en}",
    }
    return Response(msgspec.json.encode(body), status, media_type="application/problem+json")


async def read_body(request: Request, limit: int) -> bytes:
    """The request's bytes; raises ActError 413 as soon as they exceed ``limit``."""
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > limit:
            raise ActError(413, "too-large", f"请求超过 {limit} 字节", f"the body exceeds {limit} bytes")
    return bytes(data)


async def read_struct(request: Request, kind: type[T]) -> T:
    """The body as a Struct; raises ActError 422 naming the field."""
    try:
        return msgspec.json.decode(await read_body(request, BODY_LIMIT), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ActError(422, "malformed", f"数据格式错误：{error}", f"malformed body: {error}") from error

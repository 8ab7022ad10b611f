"""Answers of the registry's routes."""

from typing import Any

import msgspec
from fastapi import Response


def answer(body: Any, status: int = 200, media: str = "application/json") -> Response:
    """JSON response that nobody keeps."""
    headers = {"Cache-Control": "no-store"}
    return Response(msgspec.json.encode(body), status, headers, media)

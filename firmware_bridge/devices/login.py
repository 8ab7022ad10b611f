"""The way into a camera's own web server: its address, its user, a file with the password."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from firmware_bridge.device import CommandError
from firmware_bridge.secret import password
from firmware_bridge.web import Web, WebError


class Login(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the camera's web server is, and as whom it is entered."""

    address: Annotated[str, Meta(min_length=1)]
    user: Annotated[str, Meta(min_length=1, max_length=64)] = "admin"
    password_file: Path

    def web(self) -> Web:
        """Its web server; raises AddressError, SecretError."""
        return Web(self.address, self.user, password(self.password_file))


async def command(
    name: str, web: Web | None, method: str, path: str, body: bytes = b"", content_type: str = ""
) -> bytes:
    """One call to a camera; raises CommandError."""
    if web is None:
        raise CommandError(f"{name}: it can be told nothing without `login`")
    try:
        return await web.call(method, path, body, content_type)
    except WebError as wrong:
        raise CommandError(f"{name}: {wrong}") from wrong

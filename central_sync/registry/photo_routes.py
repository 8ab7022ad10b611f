"""Routes of photos: in by one request, or by parts when the line is bad; out by digest.

Parts follow draft-ietf-httpbis-resumable-upload-12 as far as docs/protocol.md says. Who may send is proved
with every request; what was sent is proved by the digest of the whole.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from central_sync import uploads
from central_sync.partials import Misplaced, Upload
from central_sync.registry import pictures
from central_sync.registry.answers import answer
from central_sync.registry.guard import drain, in_time, read_into
from central_sync.registry.marks import Mark, Marks
from central_sync.registry.pictures import MAX_BYTES, Sender
from central_sync.registry.problems import Rejected

if TYPE_CHECKING:
    from central_sync.registry.api import Registry

FLUSH = 256 << 10  # bytes of a part that are in memory at most before they are written
FOR_GOOD = "private, max-age=31536000, immutable"  # what a digest names never changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What the head of a request says of the part in its body."""

    offset: int
    complete: bool
    length: int | None

    def must_fit(self, end: int, ended: bool) -> None:
        """Raises Rejected when a body that has come to ``end``, or ends there, is not what was said."""
        if end > MAX_BYTES:
            raise Rejected.too_large(f"the photo has more than {MAX_BYTES} bytes")
        if self.length is None:
            return
        if end > self.length or (ended and self.complete and end < self.length):
            raise Rejected.inconsistent_length(self.length, end)


def add_photos(app: FastAPI, registry: "Registry") -> None:
    """Adds the routes."""
    marks = Marks(registry.engine)
    _add_whole(app, registry, marks)
    _add_parts(app, registry, marks)


def _add_whole(app: FastAPI, registry: "Registry", marks: Marks) -> None:
    @app.put("/v1/photos/{sha256}", summary="Hand over a photo that a held record names")
    async def put_photo(sha256: str, request: Request) -> Response:
        _must_name(registry, sha256)
        parts: list[bytes] = []
        try:
            await read_into(parts, request, MAX_BYTES)
        except (ClientDisconnect, Rejected):
            if uploads.boolean(request.headers.get(uploads.COMPLETE, "")) and parts:
                await run_in_threadpool(begin, sha256, request, b"".join(parts))
            raise
        sender, size, new = await run_in_threadpool(take, sha256, request, parts)
        await marks.put(_mark(sender, sha256, size))
        return _complete(sha256, size, new)

    def take(sha256: str, request: Request, parts: list[bytes]) -> tuple[Sender, int, bool]:
        data, sender = b"".join(parts), _sender(registry, sha256, request)
        return sender, len(data), pictures.keep(registry.photos, sha256, data)

    def begin(sha256: str, request: Request, data: bytes) -> None:
        """Keeps what came of a photo that broke off, for a sender that knows how to go on."""
        sender = _sender(registry, sha256, request)
        if not sender.held:
            Upload(registry.photos, sender.folder, sha256).begin(data)

    @app.get("/v1/photos/{sha256}", summary="A photo by its digest")
    def get_photo(sha256: str, request: Request) -> Response:
        _must_name(registry, sha256)
        etag = f'"{sha256}"'
        headers = {"Cache-Control": FOR_GOOD, "ETag": etag}
        data = pictures.found(registry.engine, registry.photos, sha256)
        if data is None:
            raise Rejected.not_found(f"photo {sha256} is not held here")
        if etag in request.headers.get("If-None-Match", ""):
            return Response(None, 304, headers)
        return Response(data, 200, headers, pictures.media_type(data) or "application/octet-stream")


def _add_parts(app: FastAPI, registry: "Registry", marks: Marks) -> None:
    @app.head("/v1/photos/{sha256}/upload", summary="How much of a photo is here")
    def head_upload(sha256: str, request: Request) -> Response:
        _must_name(registry, sha256)
        sender = _sender(registry, sha256, request)
        here = Upload(registry.photos, sender.folder, sha256).offset()
        headers = uploads.fields((sender.size or 0) if sender.held else here, sender.held)
        limit = {uploads.LIMIT: f"max-size={MAX_BYTES}", "Cache-Control": "no-store"}
        return Response(None, 204, headers | limit)

    @app.patch("/v1/photos/{sha256}/upload", summary="Append a part of a photo")
    async def patch_upload(sha256: str, request: Request) -> Response:
        body = request.stream()
        try:
            _must_name(registry, sha256)
            part = _part(request)
            sender = await run_in_threadpool(_sender, registry, sha256, request)
            if sender.held:  # the answer to its last part was lost
                await drain(body, MAX_BYTES)
                return _complete(sha256, sender.size or 0, new=False)
            return await append(sha256, body, sender, part)
        except Rejected:
            await drain(body, MAX_BYTES)
            raise

    async def append(sha256: str, body: AsyncIterator[bytes], sender: Sender, part: Part) -> Response:
        upload = Upload(registry.photos, sender.folder, sha256)
        try:
            end = await _receive(body, upload, part)
            if not part.complete:
                return Response(None, 204, uploads.fields(end, complete=False))
            data = await run_in_threadpool(upload.read)
        except Misplaced as wrong:
            raise Rejected.misplaced(wrong.offset, part.offset) from wrong
        return await finish(sender, sha256, data, upload)

    async def finish(sender: Sender, sha256: str, data: bytes, upload: Upload) -> Response:
        """The whole is here: now its digest decides."""
        try:
            new = await run_in_threadpool(pictures.keep, registry.photos, sha256, data)
        except Rejected as trouble:
            await run_in_threadpool(upload.drop)
            trouble.headers = {uploads.COMPLETE: "?1"}
            raise
        await marks.put(_mark(sender, sha256, len(data)))
        await run_in_threadpool(upload.drop)
        return _complete(sha256, len(data), new)


async def _receive(body: AsyncIterator[bytes], upload: Upload, part: Part) -> int:
    """Appends the body piece by piece, also what came before it broke off; where the upload ends now."""
    waiting, end = bytearray(), part.offset

    async def write() -> None:
        nonlocal end
        piece = bytes(waiting)
        waiting.clear()
        end = await run_in_threadpool(upload.append, end, piece)

    try:
        async with in_time():
            async for piece in body:
                part.must_fit(end + len(waiting) + len(piece), ended=False)
                waiting += piece
                if len(waiting) >= FLUSH:
                    await write()
    except (ClientDisconnect, Rejected):
        await write()
        raise
    await write()
    part.must_fit(end, ended=True)
    return end


def _part(request: Request) -> Part:
    """What the head of a PATCH says; raises Rejected."""
    media = request.headers.get("Content-Type", "")
    if media != uploads.MEDIA:
        raise Rejected.http(415, f"Content-Type {media!r}: a part is {uploads.MEDIA}")
    offset = uploads.integer(request.headers.get(uploads.OFFSET, ""))
    complete = uploads.boolean(request.headers.get(uploads.COMPLETE, ""))
    if offset is None or complete is None:
        raise Rejected.malformed("a part needs Upload-Offset (bytes) and Upload-Complete (?0 or ?1)")
    length = uploads.integer(request.headers.get(uploads.LENGTH, ""))
    return Part(offset=offset, complete=complete, length=length)


def _sender(registry: "Registry", sha256: str, request: Request) -> Sender:
    """Who signed for the photo of a request; raises Rejected."""
    node = request.headers.get("Chayan-Node", "")
    return pictures.sender(registry.engine, sha256, node, request.headers.get("Chayan-Signature", ""))


def _must_name(registry: "Registry", sha256: str) -> None:
    try:
        registry.photos.path(sha256)
    except ValueError as trouble:
        raise Rejected.not_found(str(trouble)) from trouble


def _mark(sender: Sender, sha256: str, size: int) -> Mark:
    return Mark(site=sender.site, node=sender.node, sha256=sha256, size=size)


def _complete(sha256: str, size: int, new: bool) -> Response:
    """The photo is durable and marked."""
    response = answer({"sha256": sha256, "size": size}, 201 if new else 200)
    response.headers.update(uploads.fields(size, complete=True))
    return response

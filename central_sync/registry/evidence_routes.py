"""Routes of evidence: checkpoints to cosign, proofs under them, an inspection's evidence in one document."""

from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import FastAPI, Query, Request, Response
from fastapi import Path as PathNumber
from msgspec import Struct
from starlette.concurrency import run_in_threadpool

from central_sync import merkle, note
from central_sync.batch import UNREADABLE
from central_sync.registry.answers import answer
from central_sync.registry.checkpoints import LISTED, Held, cosign, stored
from central_sync.registry.evidence import checkpoint_list, evidence
from central_sync.registry.guard import read_body
from central_sync.registry.problems import Rejected
from central_sync.seal import NodeKey
from lanes.record import Name

if TYPE_CHECKING:
    from central_sync.registry.api import Registry


class CheckpointPost(Struct, frozen=True, kw_only=True):
    """A node's signed note over its records so far."""

    site: Name
    node: Name
    note: str


def add_evidence(app: FastAPI, registry: "Registry") -> None:
    """Adds the routes."""

    def key() -> NodeKey:
        if registry.policy.key is None:
            raise Rejected.no_key()
        return registry.policy.key

    @app.get("/v1/key", summary="The key with which this registry signs")
    def get_key() -> Response:
        public = key().public
        return answer({"public_key": public, "vkey": note.vkey(note.WITNESS, public, note.COSIGNATURE)})

    @app.post("/v1/checkpoints", summary="Have a checkpoint compared and cosigned; any number of times")
    async def post_checkpoint(request: Request) -> Response:
        body = await read_body(request, 2 * note.MAX_BYTES)
        try:
            post = msgspec.json.decode(body, type=CheckpointPost)
        except UNREADABLE as trouble:
            raise Rejected.malformed(str(trouble)) from trouble
        text = await run_in_threadpool(cosign, registry.engine, key(), post.site, post.node, post.note)
        return answer({"note": text})

    @app.get("/v1/nodes/{node}/checkpoints", summary="Cosigned checkpoints of a node, newest first")
    def get_checkpoints(
        node: str,
        site: str,
        limit: Annotated[int, Query(ge=1, le=LISTED)] = LISTED,
        before: Annotated[int, Query(ge=0, le=2**53)] = 0,
    ) -> Response:
        return answer(checkpoint_list(registry.engine, _plain(site), _plain(node), limit, before))

    @app.get("/v1/nodes/{node}/checkpoints/{size}", summary="One cosigned checkpoint, as a signed note")
    def get_checkpoint(node: str, size: Annotated[int, PathNumber(ge=0, le=2**53)], site: str) -> Response:
        with registry.engine.connect() as connection:
            row = stored(connection, _plain(site), _plain(node), size)
        if row is None:
            raise Rejected.not_found(f"node {node!r} has no checkpoint over {size} records here")
        return Response(row.note, media_type="text/plain; charset=utf-8")

    @app.get("/v1/nodes/{node}/inclusion", summary="That a record's head is under a checkpoint")
    def get_inclusion(
        node: str,
        site: str,
        seq: Annotated[int, Query(ge=1, le=2**53)],
        size: Annotated[int, Query(ge=1, le=2**53)],
    ) -> Response:
        if seq > size:
            raise Rejected.malformed(f"record {seq} cannot be among the first {size}")
        with registry.engine.connect() as connection:
            if stored(connection, _plain(site), _plain(node), size) is None:
                raise Rejected.not_found(f"node {node!r} has no checkpoint over {size} records here")
            held = Held(connection, _plain(site), _plain(node))
            heads = held.heads(seq - 1, seq)
            if not heads:
                raise Rejected.not_found(f"record {seq} of {node!r} is gone from this registry")
            path = merkle.inclusion(held, seq - 1, size)
        steps = [each.hex() for each in path]
        return answer({"seq": seq, "size": size, "head": heads[0].hex(), "path": steps})

    @app.get("/v1/nodes/{node}/consistency", summary="That a checkpoint only adds to an earlier one")
    def get_consistency(
        node: str,
        site: str,
        old: Annotated[int, Query(ge=1, le=2**53, alias="from")],
        size: Annotated[int, Query(ge=1, le=2**53, alias="to")],
    ) -> Response:
        with registry.engine.connect() as connection:
            for each in (old, size):
                if stored(connection, _plain(site), _plain(node), each) is None:
                    raise Rejected.not_found(f"node {node!r} has no checkpoint over {each} records here")
            path = merkle.consistency(Held(connection, _plain(site), _plain(node)), old, size)
        return answer({"from": old, "to": size, "path": [each.hex() for each in path]})

    @app.get("/v1/inspections/{inspection}/evidence", summary="Everything to verify it offline")
    def get_evidence(inspection: str, node: str = "") -> Response:
        public = "" if registry.policy.key is None else registry.policy.key.public
        return answer(evidence(registry.engine, inspection, _plain(node), public))


def _plain(text: str) -> str:
    return text.replace("\0", "")

"""The registry as one would plainly write it: FastAPI, pydantic models, the SQLAlchemy ORM.

It takes the same batches and does the same job: checks chain and signature under the node's lock, validates
each record, holds its bytes once however often they come, and keeps rows by which inspections and photos are
found.
"""

import sys
from datetime import datetime
from typing import Any

import sqlalchemy as sa
import uvicorn
import zstandard
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from starlette.concurrency import run_in_threadpool

from central_sync.batch import MAX_PLAIN_BYTES
from central_sync.seal import head_message, verify
from lanes.record import genesis, link


class Batch(BaseModel):
    """What a node sends."""

    site: str = Field(min_length=1, max_length=80)
    node: str = Field(min_length=1, max_length=80)
    first_seq: int = Field(ge=1)
    prev_head: str
    head: str
    signature: str
    public_key: str
    records: list[str] = Field(min_length=1, max_length=1000)


class Record(BaseModel):
    """One record, as far as every kind has it in common."""

    model_config = ConfigDict(extra="allow")

    seq: int = Field(ge=1)
    at: datetime
    source: str = Field(min_length=1, max_length=400)
    inspection: str | None = Field(None, max_length=80)
    body: dict[str, Any]


class Base(DeclarativeBase):
    """Tables of this service."""


class NodeRow(Base):
    """How far a node is held."""

    __tablename__ = "plain_nodes"

    site: Mapped[str] = mapped_column(primary_key=True)
    node: Mapped[str] = mapped_column(primary_key=True)
    through: Mapped[int] = mapped_column(sa.BigInteger)
    head: Mapped[bytes]


class RecordRow(Base):
    """One record."""

    __tablename__ = "plain_records"

    site: Mapped[str] = mapped_column(primary_key=True)
    node: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    source: Mapped[str]
    kind: Mapped[str]
    inspection: Mapped[str | None]
    data: Mapped[bytes]
    head: Mapped[bytes]


class InspectionRow(Base):
    """What an inspection is found by."""

    __tablename__ = "plain_inspections"

    site: Mapped[str] = mapped_column(primary_key=True)
    node: Mapped[str] = mapped_column(primary_key=True)
    inspection: Mapped[str] = mapped_column(primary_key=True)
    plate: Mapped[str | None] = mapped_column(index=True)
    vin: Mapped[str | None] = mapped_column(index=True)
    verdict: Mapped[str | None]
    ordered_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), index=True)
    records: Mapped[int]


class PhotoRow(Base):
    """A photo that a record names."""

    __tablename__ = "plain_photos"

    site: Mapped[str] = mapped_column(primary_key=True)
    node: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(primary_key=True)
    inspection: Mapped[str | None]
    shot: Mapped[str]
    held: Mapped[bool]


def take(engine: sa.Engine, batch: Batch) -> dict[str, Any]:
    """Holds what is new; answers how far the node is held."""
    texts = [text.encode() for text in batch.records]
    heads = _heads(batch, texts)
    with Session(engine) as session, session.begin():
        node = session.get(NodeRow, (batch.site, batch.node), with_for_update=True)
        if node is None:
            raise HTTPException(404, "not enrolled")
        if batch.first_seq > node.through + 1:
            raise HTTPException(409, "gap")
        new = node.through + 1 - batch.first_seq
        if new < len(texts) and (heads[new - 1] if new else bytes.fromhex(batch.prev_head)) != node.head:
            raise HTTPException(409, "conflict")
        for at in range(new, len(texts)):
            _hold(session, batch, batch.first_seq + at, texts[at], heads[at])
        if new < len(texts):
            node.through, node.head = batch.first_seq + len(texts) - 1, heads[-1]
        return {"accepted_through": node.through, "head": node.head.hex(), "stored": max(0, len(texts) - new)}


def _heads(batch: Batch, texts: list[bytes]) -> list[bytes]:
    heads, head = [], bytes.fromhex(batch.prev_head)
    for text in texts:
        heads.append(head := link(head, text))
    last = batch.first_seq + len(texts) - 1
    if head.hex() != batch.head or not verify(
        batch.public_key, head_message(batch.node, last, head), batch.signature
    ):
        raise HTTPException(422, "chain or signature")
    return heads


def _hold(session: Session, batch: Batch, seq: int, text: bytes, head: bytes) -> None:
    record = Record.model_validate_json(text)
    if record.seq != seq:
        raise HTTPException(422, "another number")
    key, kind = {"site": batch.site, "node": batch.node}, record.body["kind"]
    named = {"at": record.at, "source": record.source, "inspection": record.inspection}
    session.add(RecordRow(**key, **named, seq=seq, kind=kind, data=text, head=head))
    if record.inspection is not None:
        _inspection(session, key, record)
    if kind == "photographed":
        sha256 = record.body["photo"]
        if session.get(PhotoRow, (batch.site, batch.node, sha256)) is None:
            named = {"inspection": record.inspection, "shot": record.body["shot"], "held": False}
            session.add(PhotoRow(**key, **named, sha256=sha256))


def _inspection(session: Session, key: dict[str, str], record: Record) -> None:
    row = session.get(InspectionRow, (*key.values(), record.inspection))
    if row is None:
        row = InspectionRow(**key, inspection=record.inspection, ordered_at=record.at, records=0)
        session.add(row)
    row.records += 1
    if record.body["kind"] == "ordered":
        vehicle = record.body["vehicle"]
        row.plate, row.vin = vehicle["plate"]["hphm"], vehicle["vin"]
    if record.body["kind"] == "judged":
        row.verdict = record.body["verdict"]


def build(engine: sa.Engine) -> FastAPI:
    """The service."""
    app = FastAPI()

    @app.get("/healthz")
    def healthz() -> dict[str, bool]:
        return {"ok": True}

    @app.post("/v1/batches")
    async def batches(request: Request) -> dict[str, Any]:
        body = await request.body()
        return await run_in_threadpool(_taken, body)

    def _taken(body: bytes) -> dict[str, Any]:
        plain = zstandard.ZstdDecompressor().decompress(body, max_output_size=MAX_PLAIN_BYTES)
        return take(engine, Batch.model_validate_json(plain))

    return app


def main(dsn: str, port: int, nodes: list[str]) -> None:
    """Serves; ``nodes``: SITE/NODE of each that may send."""
    waiting = {"timeout": 60, "isolation_level": "IMMEDIATE"} if dsn.startswith("sqlite") else {}
    engine = sa.create_engine(dsn, connect_args=waiting)
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        for name in nodes:
            site, node = name.split("/")
            session.add(NodeRow(site=site, node=node, through=0, head=genesis(node)))
    uvicorn.run(build(engine), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])

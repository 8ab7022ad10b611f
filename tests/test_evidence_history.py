"""A node's checkpoints at a registry, verified over HTTP: one history, never rewritten."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import trustme
from typer.testing import CliRunner

from central_sync import batch as wire
from central_sync import merkle, note
from central_sync.history import History, verify_history
from central_sync.registry import evidence_routes, tables
from central_sync.registry.api import build_app
from central_sync.registry.engines import open_engine
from central_sync.seal import NodeKey
from central_sync.trust import Seen, Trust
from central_sync.verdicts import Findings
from edge.__main__ import app as chayan
from edge.auditing import Office, TargetError, witness_of
from tests.central_parts import Lane, Serving, dsn, settings_for
from tests.held_parts import rewrite

__all__ = ["dsn"]  # fixture
pytestmark = pytest.mark.slow
SIZES = (1, 255, 256, 400, 660)
OTHER = NodeKey.generate()


def note_over(lane: Lane, size: int) -> note.Note:
    origin = note.origin_of(lane.site, lane.node)
    root = merkle.root_of(row.head for row in lane.rows[:size])
    return note.signed(
        note.Note(text=str(note.Checkpoint(origin=origin, size=size, root=root))), origin, lane.key
    )


class Place:
    """A registry with one node of 660 records and a checkpoint of each size."""

    def __init__(self, url: str, lane: Lane, dsn: str, key: NodeKey) -> None:
        self.url, self.lane, self.dsn, self.key = url, lane, dsn, key
        self.node_url = f"{url}/v1/nodes/{lane.node}"
        self.trust = Trust(keys=(lane.key.public,), registry_keys=(key.public,))

    def verify(self, *words: str, url: str = "") -> Any:
        return CliRunner().invoke(chayan, ["verify", url or self.node_url, *words])

    def keys(self) -> list[str]:
        return ["--key", self.lane.key.public, "--registry-key", self.key.public]


@pytest.fixture
def place(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(evidence_routes, "LISTED", 2)  # so that the list has pages
    lane = Lane()
    for n in range(60):
        lane.inspect(f"a{n}")
    app = build_app(settings_for(dsn, tmp_path, lane, key_file=tmp_path / "r.key"))
    with Serving(app) as served, httpx.Client(base_url=served.url) as client:
        client.post("/v1/batches", content=wire.encode_batch(lane.batch()), headers=ZSTD).raise_for_status()
        for size in SIZES:
            body = {"site": lane.site, "node": lane.node, "note": str(note_over(lane, size))}
            client.post("/v1/checkpoints", json=body).raise_for_status()
        yield Place(served.url, lane, dsn, NodeKey.load(tmp_path / "r.key"))


ZSTD = {"Content-Encoding": "zstd"}


def history(place: Place) -> History:
    office = Office(place.node_url)
    try:
        found = office.history()
        steps = {(a, b): found.consistency(a, b) for a in SIZES for b in SIZES if a <= b}
        paths = {(s, b): found.inclusion(s, b) for b in SIZES for s in SIZES if s <= b}
    finally:
        office.close()
    return dataclasses.replace(
        found, consistency=lambda a, b: steps[a, b], inclusion=lambda s, b: paths[s, b]
    )


def said(findings: Findings) -> str:
    return " | ".join(line.en for line in (*findings.good, *findings.open, *findings.bad))


def test_all_checkpoints_of_a_node_hold(place: Place) -> None:
    done = place.verify(*place.keys())
    assert done.exit_code == 0, done.output
    assert "5 checkpoints, over 1 to 660 records" in done.output
    assert "--key was given" not in done.output
    bare = place.verify("--json", url=f"{place.node_url}?site={place.lane.site}")
    assert bare.exit_code == 0, bare.output
    told = json.loads(bare.output)
    assert told["holds"] and place.lane.key.public in str(told["open"]) and place.key.public in str(told)
    assert place.verify("--key", OTHER.public).exit_code == 1
    assert place.verify("--registry-key", OTHER.public).exit_code == 1


def test_what_others_hold_is_compared(place: Place, tmp_path: Path) -> None:
    row = place.lane.rows[299]
    mark = tmp_path / "mark.json"
    own = tmp_path / "note.txt"
    own.write_text(str(note_over(place.lane, 400)))
    mark.write_text(json.dumps({"seq": 300, "head": row.head.hex()}))
    done = place.verify(
        *place.keys(), "--against", str(mark), "--against", str(own), "--against", place.node_url
    )
    assert done.exit_code == 0 and done.output.count("agrees with") == 3, done.output
    mark.write_text(json.dumps({"seq": 301, "head": row.head.hex()}))
    assert "one was rewritten" in place.verify("--against", str(mark)).output
    mark.write_text(json.dumps({"seq": 661, "head": row.head.hex()}))
    later = place.verify("--against", str(mark))
    assert later.exit_code == 1 and "older copy" in later.output
    place.lane.rows[3] = place.lane.rows[4]
    own.write_text(str(note_over(place.lane, 400)))
    assert place.verify("--against", str(own)).exit_code == 1
    own.write_text(str(note_over(place.lane, 401)))
    mark.write_text(json.dumps({"seq": 0, "head": "0" * 64}))
    for nothing in (own, mark):
        assert "cannot be compared here" in place.verify("--against", str(nothing)).output


def test_records_rewritten_in_the_database_break_the_proofs(place: Place) -> None:
    engine = open_engine(place.dsn)
    node = place.lane.node
    with engine.begin() as connection:
        rewrite(connection, node, 300, place.lane.rows[299].data + b" ")
    done = place.verify(*place.keys())
    assert done.exit_code == 1 and "does not go on from that over 256:" in done.output, done.output
    with engine.begin() as connection:
        connection.execute(sa.delete(tables.runs).where(tables.runs.c.node == node))
    engine.dispose()
    query = {"site": place.lane.site, "seq": 300, "size": 400}
    gone = httpx.get(f"{place.node_url}/inclusion", params=query)
    assert gone.status_code == 404 and "gone from this registry" in gone.text
    assert place.verify(*place.keys()).exit_code == 1


def test_any_other_history_is_named(place: Place) -> None:
    true = history(place)
    assert verify_history("x", true, place.trust).holds
    lane, origin = place.lane, note.origin_of(place.lane.site, place.lane.node)

    def first_wrong(trust: Trust = place.trust, **changed: Any) -> int | None:
        findings = verify_history("x", dataclasses.replace(true, **changed), trust)
        assert not findings.holds, said(findings)
        return findings.bad[0].seq

    def cosigned(text: str, key: NodeKey) -> str:
        own = note.signed(note.Note(text=text), origin, key)
        return str(note.cosigned(own, note.WITNESS, place.key, 1_800_000_000))

    forged = str(note.Checkpoint(origin=origin, size=400, root=b"\7" * 32))
    others = [text for text in true.notes if "\n400\n" not in text]
    assert first_wrong(notes=[*others, cosigned(forged, lane.key)]) == 256, "both keys in one hand"
    assert first_wrong(notes=[*others, cosigned(forged, OTHER)]) == 400
    assert first_wrong(notes=[*others, str(note_over(lane, 400))]) == 400, "no cosignature"
    assert first_wrong(notes=[*others, "nonsense"]) is None
    assert first_wrong(notes=[]) is None
    assert first_wrong(node="lane-other") is not None
    assert first_wrong(through=500) == 501, "a registry put back to an older copy"
    assert first_wrong(trust=Trust(), node_keys=[OTHER.public]) is not None
    assert first_wrong(consistency=lambda a, b: []) == 1
    seen = Seen(seq=256, where="the auditor's", root=b"\7" * 32)
    assert first_wrong(trust=dataclasses.replace(place.trust, witnesses=[seen])) == 256


def test_a_url_that_names_nothing_is_said_to_be_none(place: Place) -> None:
    for path in ("/v1/stats", "/", "/v1/nodes/nobody", "/v1/inspections/nothing"):
        done = place.verify(url=place.url + path)
        assert done.exit_code == 2, done.output


def test_an_answer_of_something_else_is_no_registrys(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([b"<html>", b"[]", b'{"site":"s"}', b'{"site":"s","node":"n","through":"x"}'] * 2)
    monkeypatch.setattr(Office, "text", lambda *_, **__: next(answers))
    office = Office("http://127.0.0.1:1/v1/nodes/n")
    for _ in range(3):
        with pytest.raises(TargetError, match="does not answer as a registry"):
            office.history()
    office.close()


@pytest.mark.parametrize(
    "text", ["", "{", "{}", '{"head":"x","seq":1}', '{"head":"' + "0" * 64 + '"}', '{"seq":1}', "a\n\nb"]
)
def test_what_nobody_can_have_seen_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "w").write_text(text)
    with pytest.raises(TargetError, match="--against"):
        witness_of(str(tmp_path / "w"))


def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for content in (None, "no certificate"):
        if content is not None:
            (tmp_path / "ca.pem").write_text(content)
        done = CliRunner().invoke(
            chayan, ["verify", "https://127.0.0.1:1/v1/nodes/n", "--ca-file", str(tmp_path / "ca.pem")]
        )
        assert done.exit_code == 2 and "--ca-file" in done.output


def test_a_registry_of_an_own_authority_is_asked_over_https(tmp_path: Path) -> None:
    authority, lane = trustme.CA(), Lane()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "own.pem"))
    dsn = f"sqlite:///{tmp_path / 'r.sqlite'}"
    app = build_app(settings_for(dsn, tmp_path, lane, key_file=tmp_path / "r.key"))
    served = Serving(app)
    served.server.config.ssl_certfile = served.server.config.ssl_keyfile = str(tmp_path / "own.pem")
    url = f"{served.url.replace('http', 'https')}/v1/nodes/{lane.node}"
    with served:
        known = CliRunner().invoke(chayan, ["verify", url, "--ca-file", str(tmp_path / "ca.pem")])
        assert known.exit_code == 1 and "no checkpoint of this node" in known.output, known.output
        unknown = CliRunner().invoke(chayan, ["verify", url])
        assert unknown.exit_code == 2 and "cannot be reached" in unknown.output, unknown.output

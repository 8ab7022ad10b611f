"""Checkpoints and evidence of a registry: cosigned once, proved for every record, named when changed."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from central_sync import batch as wire
from central_sync import merkle, note
from central_sync.evidence import verify_evidence
from central_sync.journal import Journal
from central_sync.registry.accept import Policy, accept
from central_sync.registry.api import build_app
from central_sync.registry.checkpoints import cosign
from central_sync.registry.evidence import evidence
from central_sync.registry.nodes import enroll, keys_of
from central_sync.registry.problems import Rejected
from central_sync.registry.proof import proof
from central_sync.seal import NodeKey
from central_sync.trust import Seen, Trust
from edge.__main__ import app as chayan
from lanes.record import Draft, Sensed, genesis
from tests.central_parts import Lane, Serving, dsn, engine, enrolled, settings_for

__all__ = ["dsn", "engine"]  # fixtures
REGISTRY = NodeKey.generate()
WITNESSED = Trust(registry_keys=(REGISTRY.public,))


def filled(engine: sa.Engine, count: int = 3) -> Lane:
    lane = enrolled(engine, Lane())
    for n in range(count):
        lane.inspect(f"a{n}")
    send(engine, lane)
    return lane


def send(engine: sa.Engine, lane: Lane) -> None:
    for first in range(0, len(lane.rows), 900):
        before = lane.rows[first - 1].head if first else genesis(lane.node)
        batch = wire.compose(lane.site, lane.node, lane.rows[first : first + 900], before, lane.key)
        accept(engine, batch, Policy(allow_simulated=True, key=REGISTRY))


def note_over(lane: Lane, size: int, key: NodeKey | None = None) -> str:
    origin = note.origin_of(lane.site, lane.node)
    root = merkle.root_of(row.head for row in lane.rows[:size])
    text = str(note.Checkpoint(origin=origin, size=size, root=root))
    return str(note.signed(note.Note(text=text), origin, key or lane.key))


def test_a_checkpoint_is_cosigned_once_and_the_same_again(engine: sa.Engine) -> None:
    lane = filled(engine)
    first = cosign(engine, REGISTRY, lane.site, lane.node, note_over(lane, 20))
    again = cosign(engine, REGISTRY, lane.site, lane.node, note_over(lane, 20))
    assert first == again
    assert note.witnessed_at(note.parse(first), note.WITNESS, REGISTRY.public) is not None
    for size in (21, 5, len(lane.rows)):
        cosign(engine, REGISTRY, lane.site, lane.node, note_over(lane, size))


def test_what_is_not_cosigned(engine: sa.Engine) -> None:
    lane = filled(engine)
    other = Lane()
    cases: list[tuple[str, str]] = [
        (note_over(lane, 5, NodeKey.generate()), "bad-signature"),
        (note_over(lane, 5).replace("\n5\n", "\n6\n"), "bad-signature"),
        ("nonsense", "malformed"),
    ]
    lane.rows[3], kept = lane.rows[2], lane.rows[3]
    cases.append((note_over(lane, 5), "other-root"))
    lane.rows[3] = kept
    longer = Lane(lane.node, lane.site)
    longer.rows, longer.key = [*lane.rows, lane.rows[-1]], lane.key
    cases.append((note_over(longer, len(longer.rows)), "ahead"))
    for text, code in cases:
        with pytest.raises(Rejected) as refused:
            cosign(engine, REGISTRY, lane.site, lane.node, text)
        assert refused.value.code == code
    with pytest.raises(Rejected) as unknown:
        cosign(engine, REGISTRY, other.site, other.node, note_over(other, 0))
    assert unknown.value.code == "unknown-node"


def test_a_later_lie_about_a_cosigned_size_is_refused(engine: sa.Engine) -> None:
    lane = filled(engine)
    cosign(engine, REGISTRY, lane.site, lane.node, note_over(lane, 10))
    lane.rows[3] = lane.rows[2]
    with pytest.raises(Rejected) as refused:
        cosign(engine, REGISTRY, lane.site, lane.node, note_over(lane, 10))
    assert refused.value.code == "other-root"


def test_a_new_key_of_the_node_or_of_the_registry_signs_beside_the_old_one(engine: sa.Engine) -> None:
    lane = filled(engine)
    first = cosign(engine, REGISTRY, lane.site, lane.node, note_over(lane, 10))
    old, lane.key, other = lane.key, NodeKey.generate(), NodeKey.generate()
    enroll(engine, lane.site, lane.node, lane.key.public, True)
    for _ in range(2):
        both = note.parse(cosign(engine, other, lane.site, lane.node, note_over(lane, 10)))
        assert both.text == note.parse(first).text and len(both.signatures) == 4
        for key in (old, lane.key):
            assert note.is_signed(both, note.origin_of(lane.site, lane.node), key.public)
        for registry in (REGISTRY, other):
            assert note.witnessed_at(both, note.WITNESS, registry.public) is not None


def test_only_the_nodes_own_signature_is_taken_from_a_note(engine: sa.Engine) -> None:
    lane = filled(engine)
    forged = note.cosigned(note.parse(note_over(lane, 10)), note.WITNESS, NodeKey.generate(), 1)
    both = note.parse(cosign(engine, REGISTRY, lane.site, lane.node, str(forged)))
    assert len(both.signatures) == 2
    origin = note.origin_of(lane.site, lane.node)
    longer = note.Note(text=note.parse(note_over(lane, 11)).text + "and more\n")
    with pytest.raises(Rejected, match="no plain checkpoint"):
        cosign(engine, REGISTRY, lane.site, lane.node, str(note.signed(longer, origin, lane.key)))


def test_every_inspection_can_be_proved_offline_before_and_after_a_checkpoint(engine: sa.Engine) -> None:
    lane = filled(engine, 40)
    for name in ("a0", "a17", "a39"):
        document = msgspec.json.encode(evidence(engine, name, "", REGISTRY.public))
        findings = verify_evidence("x", document, Trust(keys=(lane.key.public,)))
        assert findings.holds, findings.bad
        assert "no checkpoint covers it yet" in " ".join(each.en for each in findings.open)
    cosign(engine, REGISTRY, lane.site, lane.node, note_over(lane, len(lane.rows)))
    for name in ("a0", "a17", "a39"):
        document = msgspec.json.encode(evidence(engine, name, "", REGISTRY.public))
        for trust in (WITNESSED, Trust(), Trust(keys=(lane.key.public,))):
            findings = verify_evidence("x", document, trust)
            assert findings.holds, findings.bad
        for trust in (Trust(keys=(NodeKey.generate().public,)), Trust(registry_keys=(lane.key.public,))):
            assert not verify_evidence("x", document, trust).holds


@pytest.mark.parametrize("checkpointed", [True, False])
def test_any_change_of_a_document_is_named(engine: sa.Engine, checkpointed: bool) -> None:
    lane = filled(engine)
    if checkpointed:
        cosign(engine, REGISTRY, lane.site, lane.node, note_over(lane, len(lane.rows)))
    true = evidence(engine, "a1", "", REGISTRY.public)
    seqs = [each["seq"] for each in true["records"]]

    def first_wrong(change: Any) -> int | None:
        spoilt = json.loads(msgspec.json.encode(true))
        change(spoilt)
        findings = verify_evidence("x", json.dumps(spoilt).encode(), Trust(keys=(lane.key.public,)))
        assert not findings.holds
        return findings.bad[0].seq

    def verdict(spoilt: Any) -> None:
        judged = next(each for each in spoilt["records"] if '"judged"' in each["record"])
        judged["record"] = judged["record"].replace('"verdict":"pass"', '"verdict":"fail"')

    def swap(spoilt: Any) -> None:
        a, b = spoilt["records"][1], spoilt["records"][2]
        a["record"], b["record"] = b["record"], a["record"]

    def renamed(spoilt: Any) -> None:
        spoilt["inspection"] = "a2"

    def prev(spoilt: Any) -> None:
        spoilt["records"][4]["prev_head"] = "0" * 64

    def repeated(spoilt: Any) -> None:
        spoilt["records"].insert(2, spoilt["records"][1])

    def surrogate(spoilt: Any) -> None:
        spoilt["records"][3]["record"] = "\ud800"

    def left_out(spoilt: Any) -> None:
        del spoilt["records"][4]

    judged = next(each["seq"] for each in true["records"] if '"judged"' in each["record"])
    assert first_wrong(repeated) == seqs[1]
    assert first_wrong(surrogate) is None, "no document at all"
    if not checkpointed:  # the links show every record in between; under a checkpoint nothing can
        assert first_wrong(left_out) == seqs[4]
    assert first_wrong(verdict) == judged
    assert first_wrong(swap) == seqs[1]
    assert first_wrong(renamed) == seqs[0]
    assert first_wrong(prev) == seqs[4]


def test_evidence_is_compared_with_a_checkpoint_that_the_reader_holds(engine: sa.Engine) -> None:
    lane = filled(engine)
    text = cosign(engine, REGISTRY, lane.site, lane.node, note_over(lane, len(lane.rows)))
    document = msgspec.json.encode(evidence(engine, "a1", "", REGISTRY.public))
    root = note.checkpoint_of(note.parse(text)).root
    for seq, held, says in (
        (len(lane.rows), root, "agrees with mine"),
        (len(lane.rows), bytes(32), "one was rewritten"),
        (5, bytes(32), "cannot be compared"),
    ):
        seen = Seen(seq=seq, root=held, where="mine")
        findings = verify_evidence("x", document, Trust(witnesses=(seen,)))
        assert findings.holds == (says != "one was rewritten")
        assert says in " ".join(each.en for each in (*findings.good, *findings.open, *findings.bad))
    assert lane.key.public in " ".join(each.en for each in findings.good), "named to be compared"


def test_what_is_no_evidence_is_said_to_be_none() -> None:
    for document in (b"", b"{}", b"[]", b'{"format":"x"}', b"\xff"):
        assert not verify_evidence("x", document, Trust()).holds


def test_a_replaced_key_stays_known_and_a_foreign_one_beside_a_head_is_not_believed(
    engine: sa.Engine,
) -> None:
    lane = filled(engine, 1)
    old, lane.key = lane.key, NodeKey.generate()
    enroll(engine, lane.site, lane.node, lane.key.public, True)
    lane.inspect("a1")
    send_new = wire.compose(lane.site, lane.node, lane.rows[11:], lane.rows[10].head, lane.key)
    accept(engine, send_new, Policy(allow_simulated=True, key=REGISTRY))
    with engine.connect() as connection:
        assert keys_of(connection, lane.site, lane.node) == {old.public, lane.key.public}
    assert proof(engine, "a0")["ok"] and proof(engine, "a1")["ok"]
    thief = NodeKey.generate()
    from central_sync.registry.tables import runs
    from central_sync.seal import head_message

    with engine.begin() as connection:
        row = connection.execute(sa.select(runs).order_by(runs.c.last_seq)).first()
        assert row is not None
        forged = thief.sign(head_message(lane.node, row.last_seq, row.head))
        connection.execute(
            sa.update(runs)
            .where(runs.c.last_seq == row.last_seq)
            .values(public_key=thief.public, signature=forged)
        )
    assert not proof(engine, "a0")["ok"]


def test_the_routes_give_proofs_that_hold(dsn: str, tmp_path: Path) -> None:
    lane = Lane()
    for n in range(60):
        lane.inspect(f"a{n}")
    app = build_app(settings_for(dsn, tmp_path, lane, key_file=tmp_path / "r.key"))
    with Serving(app) as served, httpx.Client(base_url=served.url) as client:
        key = client.get("/v1/key").json()
        body = wire.encode_batch(wire.compose(lane.site, lane.node, lane.rows, genesis(lane.node), lane.key))
        assert client.post("/v1/batches", content=body, headers={"Content-Encoding": "zstd"}).is_success
        for size in (300, 660):
            post = {"site": lane.site, "node": lane.node, "note": note_over(lane, size)}
            cosigned = note.parse(client.post("/v1/checkpoints", json=post).json()["note"])
            assert note.witnessed_at(cosigned, note.WITNESS, key["public_key"])
        where = {"site": lane.site}
        listed = client.get(f"/v1/nodes/{lane.node}/checkpoints", params=where).json()["checkpoints"]
        assert [each["size"] for each in listed] == [660, 300]
        text = client.get(f"/v1/nodes/{lane.node}/checkpoints/660", params=where).text
        root = note.checkpoint_of(note.parse(text)).root
        for seq in (1, 256, 257, 600, 660):
            told = client.get(
                f"/v1/nodes/{lane.node}/inclusion", params=where | {"seq": seq, "size": 660}
            ).json()
            path = [bytes.fromhex(each) for each in told["path"]]
            assert merkle.included(lane.rows[seq - 1].head, seq - 1, 660, path, root)
        told = client.get(
            f"/v1/nodes/{lane.node}/consistency", params=where | {"from": 300, "to": 660}
        ).json()
        old = bytes.fromhex(listed[1]["root"])
        path = [bytes.fromhex(each) for each in told["path"]]
        assert merkle.consistent(300, old, 660, root, path)
        for wrong in ("checkpoints/7", "inclusion?seq=1&size=7", "consistency?from=1&to=7"):
            assert client.get(
                f"/v1/nodes/{lane.node}/{wrong}", params=None if "?" in wrong else where
            ).status_code in (404, 422)
        url = f"{served.url}/v1/inspections/a5"
        done = CliRunner().invoke(chayan, ["verify", url, "--registry-key", key["public_key"]])
        assert done.exit_code == 0, done.output
        assert "全部成立" in done.output
        saved = tmp_path / "evidence.json"
        saved.write_bytes(client.get("/v1/inspections/a5/evidence").content)
        assert CliRunner().invoke(chayan, ["verify", str(saved)]).exit_code == 0
        saved.write_text(saved.read_text().replace("a5", "a6"))
        assert CliRunner().invoke(chayan, ["verify", str(saved)]).exit_code == 1


def test_the_command_verifies_a_nodes_folder_and_refuses_what_is_no_key(tmp_path: Path) -> None:
    key = NodeKey.generate()

    async def write() -> None:
        journal = Journal(tmp_path / "node" / "journal.sqlite", "node-1", signer=key)
        body = Sensed(lane="1", station="gate", sensor="occupied", on=True)
        await journal.append(Draft(source="x", source_key="a", body=body))
        journal.close()

    asyncio.run(write())
    run = CliRunner()
    good = run.invoke(chayan, ["verify", str(tmp_path / "node"), "--key", key.public, "--json"])
    assert good.exit_code == 0 and json.loads(good.output)["holds"] is True
    other = run.invoke(chayan, ["verify", str(tmp_path / "node"), "--key", NodeKey.generate().public])
    assert other.exit_code == 1 and "another key" in other.output
    for words in (
        ["--key", "nonsense"],
        ["--against", str(tmp_path / "no")],
        ["--against", "http://127.0.0.1:1/"],
    ):
        wrong = run.invoke(chayan, ["verify", str(tmp_path / "node"), *words])
        assert wrong.exit_code == 2, wrong.output
    assert run.invoke(chayan, ["verify", str(tmp_path / "nothing")]).exit_code == 2
    mark = tmp_path / "mark.json"
    shutil.copy(tmp_path / "node" / "journal.head", mark)
    assert run.invoke(chayan, ["verify", str(tmp_path / "node"), "--against", str(mark)]).exit_code == 0
    mark.write_text(mark.read_text().replace('"seq":1', '"seq":9'))
    assert run.invoke(chayan, ["verify", str(tmp_path / "node"), "--against", str(mark)]).exit_code == 1

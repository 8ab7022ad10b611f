"""The registry over HTTP: a real server, good and bad requests, on both engines."""

import base64
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa
import zstandard

from central_sync import batch as b
from central_sync.registry import api, tables
from central_sync.registry import runs as held
from central_sync.registry.accept import accept
from central_sync.registry.api import build_app
from central_sync.registry.engines import open_engine, writing
from central_sync.seal import NodeKey, photo_message, receipt_message, verify
from lanes import record as r
from tests import postgres
from tests.central_parts import Lane, Serving, digest, dsn, photo, settings_for
from tests.held_parts import rewrite

__all__ = ["dsn"]  # fixture
PLATES = ["浙A12345", "浙A54321", "浙AD12345", "京B12345", "沪C00001"]


class Desk:
    """A served registry, a lane that is enrolled there, and a client."""

    def __init__(self, url: str, lane: Lane, dsn: str, folder: Path) -> None:
        self.client, self.lane, self.dsn, self.folder = (
            httpx.Client(base_url=url, timeout=60),
            lane,
            dsn,
            folder,
        )

    def post(self, batch: b.Batch) -> httpx.Response:
        headers = {"Content-Encoding": "zstd"}
        return self.client.post("/v1/batches", content=b.encode_batch(batch), headers=headers)

    def put(self, sha256: str, body: bytes, lane: Lane | None = None, signed: str = "") -> httpx.Response:
        sender = lane or self.lane
        signature = sender.key.sign(photo_message(sender.node, signed or sha256))
        headers = {"Chayan-Node": sender.node, "Chayan-Signature": signature}
        return self.client.put(f"/v1/photos/{sha256}", content=body, headers=headers)

    def get(self, path: str, **params: Any) -> Any:
        response = self.client.get(path, params=params)
        assert response.status_code == 200, response.text
        return response.json()


@pytest.fixture
def desk(dsn: str, tmp_path: Path) -> Iterator[Desk]:
    lane = Lane()
    settings = settings_for(dsn, tmp_path, lane, key_file=tmp_path / "registry.pem")
    with Serving(build_app(settings)) as served:
        made = Desk(served.url, lane, dsn, tmp_path)
        yield made
        made.client.close()


def problem(response: httpx.Response, status: int, code: str = "") -> dict[str, Any]:
    """The problem of a response, which must be well-formed."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status and body["title"] and body["title_zh"] and body["detail"]
    assert not code or body["type"] == f"urn:chayan:problem:{code}"
    return body


def test_a_batch_by_http_is_receipted_and_repeated(desk: Desk) -> None:
    desk.lane.inspect("a1")
    first = desk.post(desk.lane.batch())
    assert first.status_code == 200
    receipt = b.decode_receipt(first.content)
    assert (receipt.stored, receipt.accepted_through, receipt.head) == (11, 11, desk.lane.head.hex())
    assert verify(
        receipt.registry_key, receipt_message(desk.lane.node, 11, desk.lane.head), receipt.countersignature
    )
    assert receipt.registry_key == NodeKey.load(desk.folder / "registry.pem").public
    plain = desk.client.post("/v1/batches", content=msgspec.json.encode(desk.lane.batch()))
    assert b.decode_receipt(plain.content).duplicates == 11
    assert desk.get(f"/v1/nodes/{desk.lane.node}")["through"] == 11


def test_bodies_that_are_no_batch(desk: Desk) -> None:
    desk.lane.inspect("a1")

    def send(content: bytes, encoding: str = "zstd") -> httpx.Response:
        return desk.client.post("/v1/batches", content=content, headers={"Content-Encoding": encoding})

    problem(send(b""), 422, "malformed")
    problem(send(b"not zstd"), 422, "malformed")
    problem(send(zstandard.compress(b"<html>")), 422, "malformed")
    problem(send(zstandard.compress(b'{"records":["\\ud800"]}')), 422, "malformed")
    problem(send(b"{}", "identity"), 422, "malformed")
    problem(send(b"{}", "br"), 415)
    problem(send(b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "identity"), 422, "malformed")
    problem(send(zstandard.compress(b" " * (b.MAX_PLAIN_BYTES + 1))), 413, "too-large")
    problem(
        send(zstandard.ZstdCompressor(write_content_size=False).compress(b" " * (1 << 28))), 413, "too-large"
    )
    problem(send(bytes(30_000_000)), 413, "too-large")
    assert desk.get("/v1/stats")["records"] == 0
    assert desk.post(desk.lane.batch()).status_code == 200


def test_batches_that_are_turned_down(desk: Desk) -> None:
    desk.lane.inspect("a1")
    stranger = Lane()
    stranger.inspect("b1")
    problem(desk.post(stranger.batch()), 403, "unknown-node")
    gap = problem(desk.post(desk.lane.batch(4)), 409, "gap")
    assert gap["expected"] == 1 and gap["head"] == desk.lane.head_before(1).hex()
    broken = msgspec.structs.replace(desk.lane.batch(), prev_head="0" * 64)
    problem(desk.post(broken), 422, "broken-chain")
    problem(
        desk.post(msgspec.structs.replace(desk.lane.batch(), signature="ed25519:AAAA")), 403, "bad-signature"
    )
    problem(desk.client.get("/v1/nodes/nobody"), 404, "not-found")


def test_photos_come_after_the_records_that_name_them(desk: Desk) -> None:
    picture = photo("a1")
    sha = digest(picture)
    desk.lane.inspect("a1")
    problem(desk.put(sha, picture), 409, "photo-not-wanted")
    assert b.decode_receipt(desk.post(desk.lane.batch()).content).wanted == [sha]
    problem(desk.client.get(f"/v1/photos/{sha}"), 404, "not-found")
    assert desk.get("/v1/stats")["wanted"] == 1
    assert desk.put(sha, picture).status_code == 201
    assert desk.put(sha, picture).status_code == 200
    assert desk.get(f"/v1/nodes/{desk.lane.node}").get("wanted", []) == []
    got = desk.client.get(f"/v1/photos/{sha}")
    assert (got.content, got.headers["content-type"]) == (picture, "image/jpeg")
    assert "immutable" in got.headers["cache-control"]
    again = desk.client.get(f"/v1/photos/{sha}", headers={"If-None-Match": got.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (desk.folder / "photos" / sha[:2] / f"{sha}.bin").read_bytes() == picture
    assert desk.get("/v1/stats")["photos"] == 1


@pytest.mark.parametrize("harm", ["lost", "damaged"])
def test_a_photo_the_disk_lost_is_wanted_again(desk: Desk, harm: str) -> None:
    picture = photo("a1")
    sha = digest(picture)
    file = desk.folder / "photos" / sha[:2] / f"{sha}.bin"
    desk.lane.inspect("a1")
    desk.post(desk.lane.batch())
    assert desk.put(sha, picture).status_code == 201
    if harm == "lost":
        file.unlink()
    else:
        file.write_bytes(picture[:5])
    assert desk.get("/v1/stats")["photos"] == 1
    problem(desk.client.get(f"/v1/photos/{sha}", headers={"If-None-Match": f'"{sha}"'}), 404, "not-found")
    problem(desk.client.get(f"/v1/photos/{sha}"), 404, "not-found")
    assert desk.get("/v1/inspections/a1")["photos"][0]["held"] is False
    assert desk.get("/v1/stats")["wanted"] == 1
    assert b.decode_receipt(desk.post(desk.lane.batch()).content).wanted == [sha]
    assert desk.put(sha, picture).status_code == 201
    assert desk.client.get(f"/v1/photos/{sha}").content == picture
    assert desk.get(f"/v1/nodes/{desk.lane.node}").get("wanted", []) == []


def test_a_photo_of_one_node_at_two_sites_is_held_for_both(dsn: str, tmp_path: Path) -> None:
    old = Lane(site="site-old")
    new = Lane(old.node, site="site-new")
    new.key = old.key
    picture = photo("a1")
    for lane in (old, new):
        lane.inspect("a1")
    with Serving(build_app(settings_for(dsn, tmp_path, old, new))) as served:
        desk = Desk(served.url, old, dsn, tmp_path)
        assert desk.post(old.batch()).status_code == desk.post(new.batch()).status_code == 200
        for _ in range(2):
            assert desk.put(digest(picture), picture).is_success
        assert desk.get("/v1/stats")["wanted"] == 0
        desk.client.close()


def test_photos_that_are_turned_down(desk: Desk) -> None:
    stranger, picture = Lane(), photo("a1")
    fake = b"GIF89a" + b"x" * 100
    desk.lane.write(r.Photographed(shot="0111", photo=digest(picture), size_bytes=1), "a1")
    desk.lane.write(r.Photographed(shot="0111", photo=digest(fake), size_bytes=1), "a1")
    desk.lane.write(r.Photographed(shot="0111", photo=digest(b""), size_bytes=1), "a1")
    desk.post(desk.lane.batch())
    sha = digest(picture)
    problem(desk.put(sha, picture, stranger), 403, "unknown-node")
    stranger.node = desk.lane.node
    problem(desk.put(sha, picture, stranger), 403, "bad-signature")
    problem(desk.put(sha, picture, signed=digest(fake)), 403, "bad-signature")
    problem(desk.client.put(f"/v1/photos/{sha}", content=picture), 403, "unknown-node")
    problem(desk.put(sha, picture + b"x"), 422, "wrong-photo")
    problem(desk.put(sha, b""), 422, "wrong-photo")
    problem(desk.put(digest(b""), b""), 422, "wrong-photo")
    problem(desk.put(digest(fake), fake), 422, "wrong-photo")
    problem(desk.put(sha, bytes(13 << 20)), 413, "too-large")
    for odd in ("x", "A" * 64, sha + "0", "..%2f..%2fetc%2fpasswd", "%00"):
        problem(desk.client.get(f"/v1/photos/{odd}"), 404)
    assert not any((desk.folder / "photos").rglob("*.bin"))
    assert desk.put(sha, picture).status_code == 201


def filled(desk: Desk) -> None:
    """Five inspections, of which the third failed."""
    for at, plate in enumerate(PLATES):
        desk.lane.inspect(f"n{at}", plate, "fail" if at == 2 else "pass")
    for first, last in ((1, 12), (13, 20), (21, 55)):
        assert desk.post(desk.lane.batch(first, last)).status_code == 200


ASKED: list[tuple[dict[str, str], str]] = [
    ({}, "43210"), ({"q": "浙A"}, "210"), ({"q": "浙A·12345"}, "0"), ({"q": "12345"}, ""),
    ({"q": "a12345"}, "0"),
    ({"q": "b12345"}, "3"), ({"q": "LSVAU2180N2"}, "43210"), ({"q": "lsvau2180n2n3"}, "3"),
    ({"q": "N20000"}, "2"),
    ({"q": "n4"}, "4"), ({"q": "%"}, ""), ({"q": "_"}, ""), ({"q": "'; --"}, ""), ({"q": "\0"}, "43210"),
    ({"verdict": "fail"}, "2"), ({"verdict": "pass"}, "4310"), ({"verdict": "none"}, ""),
    ({"business": "periodic"}, "43210"), ({"business": "transfer"}, ""),
    ({"q": "浙", "verdict": "fail"}, "2"),
]  # fmt: skip


def test_finding_inspections(desk: Desk) -> None:
    filled(desk)
    for asked, found in ASKED:
        rows = desk.get("/v1/inspections", **asked)["inspections"]
        assert "".join(row["inspection"][1] for row in rows) == found, asked


def test_a_list_says_what_the_office_shows_and_goes_on(desk: Desk) -> None:
    filled(desk)
    row = desk.get("/v1/inspections", verdict="fail")["inspections"][0]
    assert row == {
        "node": desk.lane.node, "inspection": "n2", "plate": "浙AD12345", "hpzl": "02",
        "vin": "LSVAU2180N2N20000",
        "business": "periodic", "lane": "1", "verdict": "fail", "failed": ["B1"],
        "ordered_at": "2026-11-22T08:00:23Z", "ended_at": "2026-11-22T08:00:33Z", "records": 11, "photos": 1,
        "simulated": False,
    }  # fmt: skip
    seen, cursor = [], ""
    for _ in range(4):
        page = desk.get("/v1/inspections", limit=2, cursor=cursor)
        seen += [each["inspection"] for each in page["inspections"]]
        if (cursor := page["next"]) is None:
            break
    assert seen == ["n4", "n3", "n2", "n1", "n0"] and cursor is None
    early = base64.urlsafe_b64encode(b'["0001-01-01T00:00:00+14:00","a","b","c"]').decode()
    for bad in ("x", "%%%", "W10=", "WyIyMDI2LTExLTIyVDA4OjAwOjAwIiwiYSIsImIiLCJjIl0=", early):
        problem(desk.client.get("/v1/inspections", params={"cursor": bad}), 422, "malformed")
    for bad_query in ({"limit": 0}, {"limit": "x"}, {"limit": 10**6}, {"verdict": "maybe"}, {"q": "x" * 101}):
        problem(desk.client.get("/v1/inspections", params=bad_query), 422, "malformed")


def test_one_inspection_with_everything(desk: Desk) -> None:
    picture, capture = photo("gate"), digest(photo("gate"))
    desk.lane.write(r.Captured(lane="1", station="gate", device="c", plate_text="x", photo=capture))
    desk.lane.inspect("n1")
    desk.lane.write(r.Arrived(lane="1", capture_seq=1), "n1")
    desk.lane.write(
        r.AxleWeighed(lane="1", station="w", device="d", axle=1, left_kg="400.5", right_kg="399"), "n1"
    )  # type: ignore[arg-type]
    newer = desk.lane.rows[1].data.replace(b'"kind":"ordered"', b'"kind":"weather"')
    desk.lane.write_bytes(newer.replace(b'"seq":2', f'"seq":{len(desk.lane.rows) + 1}'.encode()))
    desk.post(desk.lane.batch())
    assert desk.put(capture, picture).status_code == 201
    got = desk.get("/v1/inspections/n1")
    assert got["vehicle"]["vin"] == got["vin"] == "LSVAU2180N2N10000"
    assert [(p["shot"], p["held"]) for p in got["photos"]] == [("capture", True), ("0111", False)]
    shown = got["photos"][1]
    assert shown["photo"] == digest(photo("n1"))
    assert [(v["question"], v["opinion"], v["confidence"]) for v in shown["reviews"]] == [
        ("plate", "unsure", "0.97")
    ]
    assert shown["rulings"] == [{"decision": "pass", "officer": "o-1", "reason": "seen"}]
    assert [(c["item"], len(c["left_dan"])) for c in got["curves"]] == [("B1", 60)]
    read = [(x["item"], x["quantity"], x["value"], x["unit"], x["result"]) for x in got["readings"]]
    assert read == [
        ("W1", "left_load", "400.5", "kg", None), ("W1", "right_load", "399", "kg", None),
        ("B1", "left_max", "300", "daN", None), ("B1", "right_max", "290", "daN", None),
        ("B1", "brake_rate", "61.2", "%", "pass"),
    ]  # fmt: skip
    assert got["findings"][0]["basis"] == [4] and got["checks"][0]["officer"] == "o-1"
    assert got["signed"] == [{"officer": "o-1", "role": "officer", "at": "2026-11-22T08:00:10Z"}]
    assert [each["kind"] for each in got["records"]][-3:] == ["arrived", "axle_weighed", "weather"]
    assert got["records"][0]["hash"] == desk.lane.rows[1].head.hex()
    assert got["records"][0]["body"]["vehicle"]["vin"] == got["vin"]
    problem(desk.client.get("/v1/inspections/none"), 404, "not-found")
    problem(desk.client.get("/v1/inspections/%00"), 404, "not-found")


def test_the_proof_holds_and_finds_every_change(desk: Desk) -> None:
    filled(desk)
    good = desk.get("/v1/inspections/n1/proof")
    assert good["ok"] and good["head"]["signed_ok"] and len(good["rows"]) == 11
    assert good["checked"] == 44 and good["head"]["seq"] == 55
    assert good["rows"][0]["prev"] == desk.lane.rows[10].head.hex()
    engine = open_engine(desk.dsn)
    runs, lists, node = tables.runs, tables.inspections, desk.lane.node
    original, last = desk.lane.rows[14].data, runs.c.last_seq
    listed = sa.update(lists).where(lists.c.inspection == "n1")
    changes: list[Callable[[sa.Connection], object]] = [
        lambda c: rewrite(c, node, 15, original.replace(b"300", b"900")),
        lambda c: rewrite(c, node, 15),
        lambda c: rewrite(c, node, 15, original, original),
        lambda c: rewrite(c, node, 15, held.Refused("no", digest(original), desk.lane.rows[14].head.hex())),
        lambda c: c.execute(sa.update(runs).where(last == 20).values(data=b"no frame")),
        lambda c: c.execute(sa.update(runs).where(last == 20).values(head=bytes(32))),
        lambda c: c.execute(sa.update(runs).where(last == 20).values(prev_head=bytes(32))),
        lambda c: c.execute(sa.delete(runs).where(last == 12)),
        lambda c: c.execute(sa.delete(runs).where(last == 20)),
        lambda c: c.execute(sa.delete(runs).where(last == 55)),
        lambda c: c.execute(listed.values(verdict="fail")),
        lambda c: c.execute(listed.values(plate="京Z99999")),
        lambda c: c.execute(listed.values(last_seq=21, records=10)),
        lambda c: c.execute(listed.values(steps="10")),
        lambda c: c.execute(listed.values(steps="x")),
        lambda c: c.execute(sa.update(runs).values(signature=NodeKey.generate().sign(b"x"))),
        lambda c: c.execute(sa.delete(runs)),
    ]
    for change in changes:
        with engine.connect() as connection:
            before = [connection.execute(sa.select(table)).all() for table in (runs, lists)]
        with writing(engine) as connection:
            change(connection)
        bad = desk.get("/v1/inspections/n1/proof")
        assert not bad["ok"] and "Not proven" in bad["says"]["en"] and "未通过" in bad["says"]["zh"]
        assert desk.client.get("/v1/inspections/n1").status_code == 200
        with writing(engine) as connection:
            for table, kept in zip((runs, lists), before, strict=True):
                connection.execute(sa.delete(table))
                tables.insert(connection, table, [row._mapping for row in kept])
    assert desk.get("/v1/inspections/n1/proof") == good
    engine.dispose()


def test_the_same_id_on_two_nodes_must_be_told_apart(dsn: str, tmp_path: Path) -> None:
    one, two = Lane(), Lane()
    one.inspect("same")
    two.inspect("same", "京B22222")
    two.write(r.Sensed(lane="1", station="gate", sensor="loop", on=True), source="virtual+x")
    with Serving(build_app(settings_for(dsn, tmp_path, one, two))) as served:
        desk = Desk(served.url, one, dsn, tmp_path)
        assert desk.post(one.batch()).status_code == desk.post(two.batch()).status_code == 200
        problem(desk.client.get("/v1/inspections/same"), 409, "ambiguous")
        problem(desk.client.get("/v1/inspections/same/proof"), 409, "ambiguous")
        assert desk.get("/v1/inspections/same", node=two.node)["plate"] == "京B22222"
        stats = desk.get("/v1/stats")
        assert {n["node"]: n["through"] for n in stats["nodes"]} == {one.node: 11, two.node: 12}
        assert (stats["inspections"], stats["records"], stats["wanted"]) == (2, 23, 1 + 1)
        assert stats["verdicts"] == {"pass": 2, "fail": 0, "incomplete": 0, "suspicious": 0}
        desk.client.close()


def test_a_proof_across_refused_records_says_so(dsn: str, tmp_path: Path) -> None:
    lane = Lane()
    lane.inspect("n1")
    lane.write(r.Sensed(lane="1", station="gate", sensor="loop", on=True), "n1", "virtual+modbus://io")
    lane.write(r.Sensed(lane="1", station="gate", sensor="loop", on=False), "n1")
    with Serving(build_app(settings_for(dsn, tmp_path, lane, allow_simulated=False))) as served:
        desk = Desk(served.url, lane, dsn, tmp_path)
        assert [x.seq for x in b.decode_receipt(desk.post(lane.batch()).content).refused] == [12]
        proof = desk.get("/v1/inspections/n1/proof")
        assert (proof["ok"], proof["checked"], proof["refused"], len(proof["rows"])) == (True, 12, 1, 12)
        assert "1 refused records" in proof["says"]["en"] and "at the node" in proof["says"]["en"]
        assert "none was changed" not in proof["says"]["en"]  # bytes before a refused one could be others
        desk.client.close()


def test_headers_errors_and_pages(dsn: str, tmp_path: Path) -> None:
    pages = tmp_path / "dist"
    (pages / "office").mkdir(parents=True)
    (pages / "assets").mkdir()
    (pages / "office" / "index.html").write_text("<p>office</p>")
    (pages / "assets" / "a-1.js").write_text("1")
    (tmp_path / "secret").write_text("no")
    app = build_app(settings_for(dsn, tmp_path, pages_dir=pages))
    with Serving(app) as served, httpx.Client(base_url=served.url) as client:
        start = client.get("/", follow_redirects=True)
        assert (str(start.url), start.text) == (served.url + "/office/", "<p>office</p>")
        assert start.headers["cache-control"] == "no-cache"
        script = client.get("/assets/a-1.js")
        assert "immutable" in script.headers["cache-control"]
        for path in ("/office/", "/v1/stats", "/nowhere", "/assets/a-1.js"):
            headers = client.get(path).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
        problem(client.get("/nowhere"), 404)
        problem(client.get("/assets/..%2f..%2fsecret"), 404)
        problem(client.delete("/v1/stats"), 405)
        assert client.get("/healthz").json() == {"ok": True}
        paths = client.get("/v1/openapi.json").json()["paths"]
        assert {"/v1/batches", "/v1/photos/{sha256}", "/v1/inspections/{inspection}/proof"} <= set(paths)


def test_without_pages_it_says_how_to_build_them(dsn: str, tmp_path: Path) -> None:
    app = build_app(settings_for(dsn, tmp_path, pages_dir=tmp_path / "none"))
    with Serving(app) as served, httpx.Client(base_url=served.url) as client:
        for path in ("/", "/office/"):
            assert "make pages" in client.get(path).text


def test_a_database_that_fails_is_a_503_with_retry(desk: Desk) -> None:
    desk.lane.inspect("a1")
    engine = open_engine(desk.dsn)
    with writing(engine) as connection:
        connection.execute(sa.text("ALTER TABLE runs RENAME TO runs_away"))
    gone = desk.post(desk.lane.batch())
    problem(gone, 503, "unavailable")
    assert gone.headers["retry-after"] == "5"
    with writing(engine) as connection:
        connection.execute(sa.text("ALTER TABLE runs_away RENAME TO runs"))
    engine.dispose()
    assert b.decode_receipt(desk.post(desk.lane.batch()).content).stored == 11


@pytest.mark.parametrize("path", ["/v1/batches", "/v1/photos/{sha}"])
def test_a_body_that_never_ends_is_not_waited_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr("central_sync.registry.guard.BODY_S", 0.2)
    where = path.format(sha=digest(photo("a1")))
    verb = "POST" if "batches" in path else "PUT"
    with socket.create_connection(("127.0.0.1", httpx.URL(desk.client.base_url).port or 0), 20) as line:
        line.sendall(f"{verb} {where} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nbegin".encode())
        said = line.recv(65536)
    assert said.split(b" ")[1] in (b"408", b"403"), said  # 403: nobody signed for the photo


def test_batches_that_wait_leave_room_for_the_office(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.lane.inspect("a1")
    gate, lock, inside, most = threading.Event(), threading.Lock(), 0, 0
    full = threading.Event()

    def waiting(*asked: Any) -> b.Receipt:
        nonlocal inside, most
        with lock:
            inside, most = inside + 1, max(most, inside + 1)
            if inside == api.BATCHES_AT_ONCE:
                full.set()
        assert gate.wait(30)
        with lock:
            inside -= 1
        return accept(*asked)

    monkeypatch.setattr(api, "accept", waiting)
    with ThreadPoolExecutor(3 * api.BATCHES_AT_ONCE) as couriers:
        answers = [couriers.submit(desk.post, desk.lane.batch()) for _ in range(3 * api.BATCHES_AT_ONCE)]
        try:
            assert full.wait(30)
            assert desk.get("/healthz") == {"ok": True}
        finally:
            gate.set()
        assert {answer.result().status_code for answer in answers} == {200}
    assert most == api.BATCHES_AT_ONCE


def test_a_fault_of_our_own_is_a_problem_without_the_inside(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: sa.Engine) -> None:
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr("central_sync.registry.search.stats", broken)
    told = desk.client.get("/v1/stats")
    problem(told, 500)
    assert "secret" not in told.text


def test_connections_that_postgresql_cut_are_replaced(tmp_path: Path) -> None:
    lane, dsn = Lane(), postgres.server().fresh()
    lane.inspect("a1")
    cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()"
    with Serving(build_app(settings_for(dsn, tmp_path, lane))) as served:
        desk = Desk(served.url, lane, dsn, tmp_path)
        assert desk.post(lane.batch(1, 5)).status_code == 200
        engine = open_engine(dsn)
        with engine.connect() as connection:
            cuts = connection.execute(sa.text(cut + " AND pid <> pg_backend_pid()")).scalar_one()
        engine.dispose()
        assert cuts >= 1
        assert b.decode_receipt(desk.post(lane.batch()).content).stored == 6
        desk.client.close()

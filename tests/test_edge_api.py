"""The edge API: acts once however often they are posted, clear problems for everything else."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

from benchmarks.reuse import rendered
from edge.reviews import review, take_photos
from firmware_bridge.device import Act
from lanes.record import Judged, Reviewed, Sensed, Signed
from models.images import encode
from models.reuse import Searcher
from tests.edge_parts import JPEG, TOKEN, Edge, edge_at, vehicle

DIGEST = hashlib.sha256(JPEG).hexdigest()
CHECK = {"kind": "checked", "item": "01", "result": "pass"}


def assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == f"urn:chayan:problem:{code}" and body["status"] == status
    assert body["title"] and body["title_zh"]


def test_an_order_repeated_is_the_same_inspection(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            first = await edge.order("k1")
            body = {"key": "k1", "vehicle": vehicle(), "business": "periodic", "ordered_by": "clerk"}
            again = await edge.client.post("/api/v1/orders", json=body)
            assert (again.status_code, again.json()["inspection"]) == (200, first)
            other = body | {"business": "registration"}
            assert_problem(await edge.client.post("/api/v1/orders", json=other), 409, "key-reused")
            twice = body | {"key": "k2"}
            assert_problem(await edge.client.post("/api/v1/orders", json=twice), 409, "open-already")
            assert edge.desk.journal.head()[0] == 1

    asyncio.run(use())


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"vehicle": {"vin": "X"}}, 422, "malformed"),
        ({"vehicle": vehicle() | {"kerb_mass_kg": -5}}, 422, "malformed"),
        ({"business": "repainting"}, 422, "no-rules"),
        ({"vehicle": vehicle() | {"vehicle_class": "Y99"}}, 422, "no-rules"),
        ({"lane": "9"}, 422, "no-lane"),
        ({"vehicle": vehicle(plate="浙a·12345")}, 422, "plate"),
        ({"vehicle": vehicle() | {"parking_axles": []}}, 422, "axles"),
        ({"vehicle": vehicle() | {"parking_axles": [3]}}, 422, "axles"),
        ({"wheels": 4}, 422, "malformed"),
        ({"key": ""}, 422, "malformed"),
    ],
)
def test_orders_that_cannot_be_inspected_are_refused(
    tmp_path: Path, change: dict[str, Any], status: int, code: str
) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            body = {"key": "k", "vehicle": vehicle(), "business": "periodic", "ordered_by": "clerk"} | change
            assert_problem(await edge.client.post("/api/v1/orders", json=body), status, code)
            assert edge.desk.journal.head()[0] == 0

    asyncio.run(use())


def test_a_pda_posting_twice_over_two_channels_makes_one_record(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            from edge.acts import Acts

            inspection = await edge.order()
            await edge.arrive(inspection)
            first = await edge.act(inspection, "a1", CHECK)
            again = await edge.act(inspection, "a1", CHECK)
            assert (first.status_code, again.status_code) == (201, 200)
            fields = {"key": "a1", "inspection": inspection, "officer": "officer-01", "act": CHECK}
            seq, fresh = await Acts(edge.desk).from_pda(Act(key="a1", pda="p", fields=fields))
            assert (seq, fresh) == (first.json()["seq"], False)
            other = await edge.order("k2", vehicle=vehicle("LTEST1A28N0000017", "浙A54321"))
            await edge.arrive(other)
            assert_problem(await edge.act(other, "a1", CHECK), 409, "key-reused")
            changed = CHECK | {"result": "fail"}
            assert_problem(await edge.act(inspection, "a1", changed), 409, "key-reused")

    asyncio.run(use())


def test_a_repetition_is_answered_even_after_the_verdict(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            inspection = await edge.order()
            await edge.arrive(inspection)
            first = await edge.act(inspection, "a1", CHECK)
            verdict = Judged(verdict="pass", findings=(), rules="r", rules_sha256="0" * 64)
            await edge.desk.append("virtual+agent", "j", verdict, inspection)
            again = await edge.act(inspection, "a1", CHECK)
            assert (again.status_code, again.json()) == (200, first.json())
            assert_problem(await edge.act(inspection, "a2", CHECK), 409, "not-open")

    asyncio.run(use())


def test_nothing_can_be_added_once_it_is_signed(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            inspection = await edge.order()
            await edge.arrive(inspection)
            await edge.desk.append("virtual+officer/o", "s", Signed(officer="o"), inspection)
            assert_problem(await edge.act(inspection, "a", CHECK), 409, "signed")

    asyncio.run(use())


def test_acts_are_refused_with_the_reason(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            inspection = await edge.order()
            assert_problem(await edge.act(inspection, "a", CHECK), 409, "not-open")
            await edge.arrive(inspection)
            cases: list[tuple[dict[str, Any], int, str]] = [
                (CHECK | {"item": "99"}, 422, "no-item"),
                (CHECK | {"result": "perhaps"}, 422, "malformed"),
                ({"kind": "danced"}, 422, "malformed"),
                ({"kind": "photographed", "shot": "0113", "photo": "0" * 64}, 409, "photo-first"),
                ({"kind": "photographed", "shot": "0113", "photo": "../x"}, 422, "malformed"),
                ({"kind": "ruled", "review_seq": 1, "decision": "pass"}, 409, "no-ask"),
                ({"kind": "signed"}, 409, "incomplete"),
            ]
            for number, (act, status, code) in enumerate(cases):
                assert_problem(await edge.act(inspection, f"c{number}", act), status, code)
            assert_problem(await edge.act(inspection, "x", CHECK, officer="stranger"), 422, "no-officer")
            assert_problem(await edge.act("none", "x", CHECK), 404, "no-inspection")
            await edge.client.put(f"/api/v1/photos/{DIGEST}", content=JPEG)
            naive = {
                "kind": "photographed",
                "shot": "0113",
                "photo": DIGEST,
                "taken_at": "2026-11-22T08:00:00",
            }
            assert_problem(await edge.act(inspection, "n", naive), 422, "no-zone")
            wrong = {"kind": "photographed", "shot": "9999", "photo": DIGEST}
            assert_problem(await edge.act(inspection, "w", wrong), 422, "no-shot")
            assert edge.desk.journal.head()[0] == 3

    asyncio.run(use())


def test_photos_are_taken_by_digest_and_only_images(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            url = f"/api/v1/photos/{DIGEST}"
            assert (await edge.client.get(url)).status_code == 404
            assert (await edge.client.put(url, content=JPEG)).status_code == 201
            assert (await edge.client.put(url, content=JPEG)).status_code == 200
            got = await edge.client.get(url)
            assert (got.content, got.headers["content-type"]) == (JPEG, "image/jpeg")
            assert_problem(await edge.client.put(url, content=JPEG + b"x"), 422, "digest")
            text = b"no image at all"
            other = f"/api/v1/photos/{hashlib.sha256(text).hexdigest()}"
            assert_problem(await edge.client.put(other, content=text), 422, "no-image")
            assert_problem(await edge.client.put("/api/v1/photos/nohex", content=JPEG), 422, "digest")
            huge = JPEG + bytes(13 * 1024 * 1024)
            big = f"/api/v1/photos/{hashlib.sha256(huge).hexdigest()}"
            assert_problem(await edge.client.put(big, content=huge), 413, "too-large")

    asyncio.run(use())


async def photographed(edge: Edge, inspection: str, shot: str, key: str) -> int:
    await edge.client.put(f"/api/v1/photos/{DIGEST}", content=JPEG)
    act = {"kind": "photographed", "shot": shot, "photo": DIGEST, "taken_at": "2026-11-22T16:00:00+08:00"}
    answer = await edge.act(inspection, key, act)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["seq"])


def test_reviews_are_due_once_and_doubts_wait_for_a_ruling(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            auth = {"Authorization": f"Bearer {TOKEN}"}
            assert_problem(await edge.client.get("/api/v1/reviews/due"), 401, "token")
            inspection = await edge.order()
            await edge.arrive(inspection)
            seq = await photographed(edge, inspection, "0113", "p1")
            due = (await edge.client.get("/api/v1/reviews/due", headers=auth)).json()["due"]
            vin = next(each for each in due if each["question"] == "vin")
            assert (vin["photo_seq"], vin["expected"]) == (seq, vehicle()["vin"])
            review = Reviewed(
                photo_seq=seq,
                photo=DIGEST,
                shot="0113",
                question="vin",
                opinion="disagree",
                model="m",
                expected=vin["expected"],
                text="LTEST1A27R0000007",
            )
            body = msgspec.json.encode({"inspection": inspection, "review": review})
            posted = [await edge.client.post("/api/v1/reviews", content=body, headers=auth) for _ in range(2)]
            assert [each.status_code for each in posted] == [201, 200]
            due = (await edge.client.get("/api/v1/reviews/due", headers=auth)).json()["due"]
            assert all(each["question"] != "vin" for each in due)
            page = await edge.detail(inspection)
            (ask,) = page["asks"]
            assert (ask["question"], ask["text"]) == ("vin", "LTEST1A27R0000007")
            ruled = {"kind": "ruled", "review_seq": ask["review_seq"], "decision": "fail", "reason": "不一致"}
            assert (await edge.act(inspection, "r1", ruled)).status_code == 201
            assert (await edge.detail(inspection))["asks"] == []

    asyncio.run(use())


def test_a_photo_of_an_earlier_visit_waits_for_a_ruling(tmp_path: Path) -> None:
    scene = rendered(np.random.default_rng(3))
    taken = {"k1": encode(scene), "k2": encode(scene[40:360, 60:480], 60)}

    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            edge.client.headers["Authorization"] = f"Bearer {TOKEN}"
            searcher = Searcher(tmp_path / "reuse.sqlite")
            digests = {}
            for key, photo in taken.items():
                inspection = await edge.order(key)
                await edge.arrive(inspection)
                digests[key] = hashlib.sha256(photo).hexdigest()
                await edge.client.put(f"/api/v1/photos/{digests[key]}", content=photo)
                act = {"kind": "photographed", "shot": "0113", "photo": digests[key]}
                seq = int((await edge.act(inspection, f"{key}/p", act)).json()["seq"])
                lacking = {gap["code"] for gap in (await edge.detail(inspection))["missing"]}
                assert "review:0113:reuse" in lacking
                due = (await edge.client.get("/api/v1/reviews/due")).json()["due"]
                mine = next(each for each in due if (each["photo_seq"], each["question"]) == (seq, "reuse"))
                assert await take_photos(edge.client, searcher, seq)
                assert searcher.through >= seq
                body = review(searcher, photo, mine)
                content = msgspec.json.encode({"inspection": inspection, "review": body})
                assert (await edge.client.post("/api/v1/reviews", content=content)).status_code == 201
                page = await edge.detail(inspection)
                assert "review:0113:reuse" not in {gap["code"] for gap in page["missing"]}
                if key == "k1":
                    assert page["asks"] == []
                    left = {"key": "x", "by": "op", "reason": "车辆离开"}
                    url = f"/api/v1/inspections/{inspection}/abort"
                    assert (await edge.client.post(url, json=left)).status_code == 201
            searcher.close()
            (ask,) = page["asks"]
            assert (ask["question"], ask["reasons"]) == ("reuse", ["reused"])
            assert ask["earlier"]["photo"] == digests["k1"]
            assert "ruling:0113:reuse" in {gap["code"] for gap in page["missing"]}
            ruled = {"kind": "ruled", "review_seq": ask["review_seq"], "decision": "fail", "reason": "旧照片"}
            assert (await edge.act(inspection, "r1", ruled)).status_code == 201
            gaps = {gap["code"] for gap in (await edge.detail(inspection))["missing"]}
            assert "ruling:0113:reuse" not in gaps

    asyncio.run(use())


def test_an_operator_aborts_with_a_reason(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            inspection = await edge.order()
            url = f"/api/v1/inspections/{inspection}/abort"
            assert_problem(
                await edge.client.post(url, json={"key": "k", "by": "op", "reason": ""}), 422, "malformed"
            )
            body = {"key": "k", "by": "op", "reason": "车辆离开"}
            assert (await edge.client.post(url, json=body)).status_code == 201
            assert (await edge.client.post(url, json=body)).status_code == 200
            again = await edge.client.post(url, json=body | {"key": "k2"})
            assert_problem(again, 409, "not-open")
            assert edge.desk.book.inspections[inspection].phase == "aborted"

    asyncio.run(use())


def test_board_lists_and_health(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            inspection = await edge.order()
            board = (await edge.client.get("/api/v1/board")).json()
            assert [each["inspection"] for each in board["waiting"]] == [inspection]
            assert [lane["lane"] for lane in board["lanes"]] == ["1", "2"]
            assert board["simulated"] is True and board["link"] == "none"
            listed = (await edge.client.get("/api/v1/inspections?state=open")).json()["inspections"]
            assert [each["inspection"] for each in listed] == [inspection]
            assert (await edge.client.get("/healthz")).json()["ok"] is True
            status = (await edge.client.get("/api/v1/status")).json()
            assert (status["records"], status["receipts"]) == (1, 0)
            site = (await edge.client.get("/api/v1/site")).json()
            assert site["officers"][0]["officer"] == "officer-01"
            assert_problem(await edge.client.get("/api/v1/inspections/none"), 404, "no-inspection")
            headers = (await edge.client.get("/api/v1/site")).headers
            assert "default-src 'self'" in headers["content-security-policy"]
            root = await edge.client.get("/")
            assert root.status_code == 503 and "make pages" in root.text

    asyncio.run(use())


def test_names_of_codes_for_pages(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            names = (await edge.client.get("/api/v1/names")).json()
            assert names["vehicle_classes"]["K33"] == {"zh": "小型轿车", "en": "small saloon"}
            assert names["fuels"]["C"]["en"] == "electric"
            assert set(names) == set(edge.desk.rules.installed.names)

    asyncio.run(use())


def test_the_officer_is_told_what_is_wrong_with_the_papers(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            sound = await edge.order("k1", vehicle=vehicle("LTEST1A21J0000001"))
            assert (await edge.detail(sound))["alarms"] == []
            changes = {"fuel": "X", "vin_series": "LTEST1B2", "plate": {"hpzl": "52", "hphm": "浙A12345"}}
            odd = await edge.order("k2", vehicle=vehicle("LTEST1A20J0000001") | changes)
            alarms = [each["en"] for each in (await edge.detail(odd))["alarms"]]
            assert alarms == [
                "fuel X is in no code table",
                "hphm '浙A12345' is no plate of kind 52: it would fit kind 01, 02, 06, 07, 08, 12, 13, 22",
                "VIN character 9 is 0, the check digit is 1",
                "VIN differs from the announced series: character 7 is A, not B",
            ]

    asyncio.run(use())


def test_an_operator_admits_the_vehicle_whose_plate_the_camera_misread(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            inspection = await edge.order()
            body = {"key": "k", "inspection": inspection, "by": "op", "reason": "相机误读"}
            url = "/api/v1/lanes/1/admit"
            assert_problem(await edge.client.post(url, json=body), 409, "nobody-there")
            assert_problem(await edge.client.post("/api/v1/lanes/9/admit", json=body), 404, "no-lane")
            at_gate = Sensed(lane="1", station="gate", sensor="occupied", on=True)
            await edge.desk.append("virtual+io", "s", at_gate)
            stranger = body | {"inspection": "none", "key": "k0"}
            assert_problem(await edge.client.post(url, json=stranger), 404, "no-inspection")
            answers = [await edge.client.post(url, json=body) for _ in range(2)]
            assert [each.status_code for each in answers] == [201, 200]
            known = edge.desk.book.inspections[inspection]
            assert (known.phase, known.lane, known.station) == ("on_lane", "1", "gate")
            again = body | {"key": "k2"}
            assert_problem(await edge.client.post(url, json=again), 409, "nobody-there")

    asyncio.run(use())


def test_orders_of_one_vehicle_at_the_same_moment_open_one_inspection(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            body = {"vehicle": vehicle(), "business": "periodic", "ordered_by": "clerk"}
            posts = [edge.client.post("/api/v1/orders", json=body | {"key": f"k{n}"}) for n in range(4)]
            statuses = sorted(each.status_code for each in await asyncio.gather(*posts))
            assert statuses == [201, 409, 409, 409]
            spelled = body | {"key": "k9", "vehicle": vehicle(vin=vehicle()["vin"].lower())}
            assert_problem(await edge.client.post("/api/v1/orders", json=spelled), 409, "open-already")
            assert edge.desk.journal.head()[0] == 1

    asyncio.run(use())


def test_what_is_repeated_at_the_same_moment_is_answered_as_done(tmp_path: Path) -> None:
    """A page whose network stalls posts the same again while the first is still being written."""

    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            sensed = Sensed(lane="1", station="gate", sensor="occupied", on=True)
            await edge.desk.append("virtual+io", "s1", sensed)
            admit = {"key": "a", "by": "op", "reason": "misread", "inspection": await edge.order()}
            url = "/api/v1/lanes/1/admit"
            both = await asyncio.gather(*(edge.client.post(url, json=admit) for _ in range(2)))
            assert sorted(each.status_code for each in both) == [200, 201]

    asyncio.run(use())


def test_a_body_nested_too_deep_is_malformed(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            nested = b'{"vehicle":{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
            assert_problem(await edge.client.post("/api/v1/orders", content=nested), 422, "malformed")

    asyncio.run(use())


def test_a_photo_the_disk_does_not_take_is_a_clear_answer(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            (tmp_path / "photos" / DIGEST[:2]).write_bytes(b"in the way")
            put = await edge.client.put(f"/api/v1/photos/{DIGEST}", content=JPEG)
            assert_problem(put, 503, "disk")

    asyncio.run(use())


def test_a_page_of_another_site_cannot_post(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            body = {"key": "k", "vehicle": vehicle(), "business": "periodic", "ordered_by": "clerk"}
            for origin in ("http://evil.example", "null", "http://edge.test.evil.example"):
                foreign = {"Origin": origin}
                answer = await edge.client.post("/api/v1/orders", json=body, headers=foreign)
                assert_problem(answer, 403, "origin")
            assert edge.desk.journal.head()[0] == 0
            own = {"Origin": "http://edge.test"}
            answer = await edge.client.post("/api/v1/orders", json=body, headers=own)
            assert answer.status_code == 201
            assert (await edge.client.get("/api/v1/site", headers=foreign)).status_code == 200

    asyncio.run(use())

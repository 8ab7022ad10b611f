"""Verdicts other than pass and fail on a node, suspicion and its release, and re-inspection."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from lanes.flow import outputs
from lanes.record import Checked, ItemStarted, Judged, Moved, Ordered, Sensed
from tests.edge_parts import Edge, vehicle
from tests.lanes_parts import brake, checked, review
from tests.test_edge_api import assert_problem
from tests.verdict_parts import ITEMS, WEAK, Visit, visit, visited

SIGNS = {"kind": "referred", "signs": ["4-10"], "reason": "third digit chiselled over", "hold": "yard 2"}
Use = Callable[[Edge, Visit], Awaitable[None]]


def run(folder: Path, use: Use) -> None:
    async def inside() -> None:
        async with visited(folder) as (edge, made):
            await use(edge, made)

    asyncio.run(inside())


async def second(edge: Edge, again_of: str, **changes: Any) -> httpx.Response:
    body = {"key": "k2", "vehicle": vehicle(), "business": "periodic", "ordered_by": "clerk"}
    return await edge.client.post("/api/v1/orders", json=body | {"again_of": again_of} | changes)


def failed_of(judged: Judged | None) -> list[str]:
    assert judged is not None
    return [finding.item for finding in judged.findings if finding.result == "fail"]


# ---- incomplete ----------------------------------------------------------------------------------


def test_an_aborted_inspection_is_incomplete_and_names_what_was_lacking(tmp_path: Path) -> None:
    async def use(edge: Edge, made: Visit) -> None:
        await made.do(*(item for item in ITEMS if item != "08"))
        assert await made.judged() is None
        body = {"key": "a", "by": "op", "reason": "oil on the floor"}
        await edge.client.post(f"/api/v1/inspections/{made.name}/abort", json=body)
        judged = await made.judged()
        assert judged is not None and judged.verdict == "incomplete"
        assert failed_of(judged) == []
        assert judged.missing[0] == "item:08" and "instrument:B1" in judged.missing
        assert judged.missing[-2:] == ("signature:officer", "end:aborted")
        inspection = edge.desk.book.inspections[made.name]
        assert (inspection.phase, inspection.verdict) == ("aborted", "incomplete")
        board = (await edge.client.get("/api/v1/board")).json()
        assert [each["verdict"] for each in board["recent"]] == ["incomplete"]

    run(tmp_path, use)


def test_a_vehicle_that_leaves_unjudged_is_incomplete(tmp_path: Path) -> None:
    async def use(edge: Edge, made: Visit) -> None:
        await made.do()
        await made.leave()
        judged = await made.judged()
        assert judged is not None
        assert (judged.verdict, judged.missing) == ("incomplete", ("signature:officer",))
        assert edge.desk.book.inspections[made.name].phase == "gone"

    run(tmp_path, use)


def test_a_signed_and_whole_one_that_left_while_the_agent_was_away_is_judged(tmp_path: Path) -> None:
    async def use(edge: Edge, made: Visit) -> None:
        await made.do()
        await made.sign()
        await made.leave()
        judged = await made.judged()
        assert judged is not None and (judged.verdict, judged.missing) == ("pass", ())

    run(tmp_path, use)


def test_rules_that_do_not_cover_what_has_ended_stop_no_lane(tmp_path: Path) -> None:
    async def use(edge: Edge, made: Visit) -> None:
        book = edge.desk.book.inspections[made.name]
        book.vehicle = msgspec.structs.replace(book.vehicle, vehicle_class="X99")
        await made.leave()
        assert await made.judged() is None

    run(tmp_path, use)


# ---- suspicion -----------------------------------------------------------------------------------


def test_a_referred_vehicle_never_passes_until_somebody_else_releases_it(tmp_path: Path) -> None:
    async def use(edge: Edge, made: Visit) -> None:
        await made.do()
        photos = [seq for taken in edge.desk.book.inspections[made.name].photos.values() for seq, _ in taken]
        referred = await edge.act(made.name, "r", SIGNS | {"photos": photos[:1]})
        assert referred.status_code == 201
        seq = referred.json()["seq"]
        page = await edge.detail(made.name)
        assert [(each["seq"], each["released"]) for each in page["referrals"]] == [(seq, False)]
        await made.sign()
        judged = await made.judged()
        assert judged is not None and judged.verdict == "suspicious"
        (finding,) = [each for each in judged.findings if each.quantity == "referral"]
        assert (finding.result, finding.value, finding.basis) == ("not_applicable", "4-10", (seq, photos[0]))

        released = {"kind": "released", "referred_seq": seq, "reason": "forensic report 7: original"}
        assert_problem(await edge.act(made.name, "x1", released), 409, "same-officer")
        assert_problem(await second(edge, made.name), 409, "suspicious")
        assert_problem(await second(edge, ""), 409, "suspicious")
        assert (await edge.act(made.name, "x2", released, officer="officer-02")).status_code == 201
        again = await edge.act(made.name, "x3", released, officer="officer-02")
        assert_problem(again, 409, "no-referral")
        await made.leave()
        assert_problem(await second(edge, made.name, mode="failed_only"), 409, "inspect-all")
        assert (await second(edge, made.name)).status_code == 201

    run(tmp_path, use)


def test_released_in_time_it_is_judged_like_any_other(tmp_path: Path) -> None:
    async def use(edge: Edge, made: Visit) -> None:
        seq = (await edge.act(made.name, "r", SIGNS)).json()["seq"]
        await made.do()
        released = {"kind": "released", "referred_seq": seq, "reason": "rust"}
        assert (await edge.act(made.name, "x", released, officer="officer-02")).status_code == 201
        await made.sign()
        judged = await made.judged()
        assert judged is not None and judged.verdict == "pass"
        (finding,) = [each for each in judged.findings if each.quantity == "referral"]
        assert finding.result == "pass" and "released it: rust" in finding.arithmetic

    run(tmp_path, use)


def test_a_suspicious_vehicle_is_signed_for_as_it_is_and_sent_through(tmp_path: Path) -> None:
    async def use(edge: Edge, made: Visit) -> None:
        await made.do("01")
        assert_problem(await edge.act(made.name, "s", {"kind": "signed"}), 409, "incomplete")
        await edge.act(made.name, "r", SIGNS)
        await made.sign()
        judged = await made.judged()
        assert judged is not None and judged.verdict == "suspicious"
        assert "item:03" in judged.missing and failed_of(judged) == []
        lane = edge.desk.site.lane("1")
        for station in [each for each in lane.stations if each.kind != "gate"]:
            seen = Sensed(lane="1", station=station.name, sensor="occupied", on=True)
            await edge.desk.append("virtual+io", f"on-{station.name}", seen)
            await made.add(Moved(lane="1", station=station.name))
            wanted = outputs(lane, edge.desk.book, edge.desk.instruments(), {})
            leads = "barrier" if station.kind == "exit" else "light"
            assert [place for place, goal in wanted.items() if goal.on] == [(station.name, leads)]
            await edge.desk.append(
                "virtual+io", f"off-{station.name}", msgspec.structs.replace(seen, on=False)
            )

    run(tmp_path, use)


def test_what_may_not_be_referred_is_told(tmp_path: Path) -> None:
    async def use(edge: Edge, made: Visit) -> None:
        assert_problem(await edge.act(made.name, "1", SIGNS | {"signs": ["9-9"]}), 422, "no-sign")
        assert_problem(await edge.act(made.name, "2", SIGNS | {"photos": [1]}), 422, "no-photo")
        assert_problem(await edge.act(made.name, "3", SIGNS | {"signs": []}), 422, "malformed")
        assert_problem(await edge.act(made.name, "4", SIGNS | {"reason": ""}), 422, "malformed")
        nobody = {"kind": "released", "referred_seq": 1, "reason": "r"}
        assert_problem(await edge.act(made.name, "5", nobody), 409, "no-referral")
        other = vehicle(vin="LTEST1A27R0000002", plate="浙A00002")
        waiting = await edge.order("k9", vehicle=other)
        assert_problem(await edge.act(waiting, "6", SIGNS), 409, "not-open")

    run(tmp_path, use)


def test_a_model_only_proposes(tmp_path: Path) -> None:
    async def use(edge: Edge, made: Visit) -> None:
        await made.do()
        (taken, *_) = edge.desk.book.inspections[made.name].photos["0113"]
        other = "LTEST1A27R0000002"
        asked = await made.add(
            review(
                taken[0], "0113", "vin", "disagree", edge.desk.book.inspections[made.name].vehicle.vin, other
            )
        )
        page = await edge.detail(made.name)
        assert [each["sign"] for each in page["signs"] if each["proposed"]] == ["4-1"]
        assert page["referrals"] == []
        ruled = {"kind": "ruled", "review_seq": asked, "decision": "pass", "reason": "dirt"}
        assert (await edge.act(made.name, "r", ruled)).status_code == 201
        await made.sign()
        judged = await made.judged()
        assert judged is not None and judged.verdict == "pass"
        assert [each.item for each in judged.findings if each.proposes] == ["vin"]

    run(tmp_path, use)


# ---- defects -------------------------------------------------------------------------------------


def test_an_item_with_a_defect_that_rejects_cannot_be_ticked_as_passed(tmp_path: Path) -> None:
    async def use(edge: Edge, made: Visit) -> None:
        act = {"kind": "checked", "item": "08", "result": "pass"}
        assert_problem(await edge.act(made.name, "1", act | {"defects": ["1-1", "8-1"]}), 422, "rejects")
        assert (await edge.act(made.name, "2", act | {"defects": ["1-1"]})).status_code == 201
        assert (
            await edge.act(made.name, "3", act | {"result": "fail", "defects": ["8-1"]})
        ).status_code == 201
        kept = edge.desk.book.inspections[made.name].checks["08"][1]
        assert kept == Checked(item="08", result="fail", officer="officer-01", defects=("8-1",))

    run(tmp_path, use)


# ---- once more -----------------------------------------------------------------------------------


def test_an_item_is_done_again_in_the_same_attempt_and_the_later_counts(tmp_path: Path) -> None:
    async def use(edge: Edge, made: Visit) -> None:
        await made.do(_B1=WEAK)
        act = {"kind": "repeated", "items": ["B1", "W1", "08", "A1"], "reason": "tyre was wet"}
        await made.add(ItemStarted(lane="1", station="brake", item="A1", device="p"))
        assert_problem(await edge.act(made.name, "0", act), 409, "running")
        await made.do("A1")
        assert_problem(await edge.act(made.name, "1", act | {"items": ["B9"]}), 422, "no-item")
        assert (await edge.act(made.name, "2", act)).status_code == 201
        page = await edge.detail(made.name)
        lacking = ["item:08", "instrument:B1", "weight:1", "instrument:A1"]
        assert [gap["code"] for gap in page["missing"]] == lacking
        await made.do("W1", "B1", "08", "A1")
        await made.sign()
        judged = await made.judged()
        assert judged is not None and judged.verdict == "pass"
        kinds = [record["kind"] for record in (await edge.detail(made.name))["records"]]
        assert kinds.count("brake_measured") == 4

    run(tmp_path, use)


def test_what_a_vehicle_has_left_behind_is_not_repeated(tmp_path: Path) -> None:
    async def use(edge: Edge, made: Visit) -> None:
        await made.do()
        for station in ("brake", "sideslip"):
            await made.add(Moved(lane="1", station=station))
        act = {"kind": "repeated", "items": ["B1"], "reason": "in doubt"}
        assert_problem(await edge.act(made.name, "1", act), 409, "left")
        assert (await edge.act(made.name, "2", act | {"items": ["A1", "08"]})).status_code == 201

    run(tmp_path, use)


# ---- another visit -------------------------------------------------------------------------------


async def failed_visit(made: Visit, **faults: Any) -> Judged:
    await made.do(**faults)
    await made.sign()
    judged = await made.judged()
    await made.leave()
    assert judged is not None and judged.verdict == "fail"
    return judged


def test_only_what_failed_is_inspected_again_and_the_rest_stands_by_its_records(tmp_path: Path) -> None:
    async def use(edge: Edge, made: Visit) -> None:
        before = await failed_visit(made, _08=checked("08", "fail", defects=("8-1",)))
        answer = await second(edge, made.name, mode="failed_only")
        assert answer.status_code == 201, answer.text
        assert (await second(edge, made.name, mode="failed_only")).status_code == 200
        assert_problem(await second(edge, made.name), 409, "key-reused")
        again = Visit(edge, answer.json()["inspection"])
        await edge.arrive(again.name)
        page = await edge.detail(again.name)
        lacking = ["item:01", "item:08", "shot:0111", "shot:0113"]
        assert [gap["code"] for gap in page["missing"]] == lacking
        assert page["attempt"] == 2
        assert not {"B1", "B2", "B0", "A1"} & set(edge.desk.instruments()[again.name])
        await again.do("01", "08", "0111", "0113")
        await again.sign()
        judged = await again.judged()
        assert judged is not None and (judged.verdict, judged.attempt) == ("pass", 2)
        rates = {f.quantity: f.basis for f in judged.findings if f.item == "B1"}
        assert rates == {f.quantity: f.basis for f in before.findings if f.item == "B1"}
        (tyres,) = [f for f in judged.findings if f.item == "08"]
        checked_anew = edge.desk.book.inspections[again.name].checks["08"][0]
        assert (tyres.result, tyres.basis) == ("pass", (checked_anew,))
        assert {f.item for f in judged.findings} == {f.item for f in before.findings}

    run(tmp_path, use)


def test_a_failed_axle_brings_the_whole_vehicle(tmp_path: Path) -> None:
    async def use(edge: Edge, made: Visit) -> None:
        await failed_visit(made, _B1=WEAK)
        again = await visit(edge, "k2", again_of=made.name, mode="failed_only")
        assert {"B1", "B2", "B0", "A1"} & set(edge.desk.instruments()[again.name]) == {"B1", "B2"}
        page = await edge.detail(again.name)
        codes = [gap["code"] for gap in page["missing"]]
        assert [code for code in codes if code.startswith(("inst", "wei"))] == [
            "instrument:B1",
            "instrument:B2",
            "weight:1",
            "weight:2",
        ]
        await again.do("01", "0111", "0113", "W1", "B1", "W2", "B2", _B2=brake("B2", 20, 20))
        await again.sign()
        assert failed_of(await again.judged()) == ["B2", "whole"]

        await again.leave()
        third = await visit(edge, "k3", again_of=again.name, mode="failed_only")
        ordered = next(
            record.body
            for record in edge.desk.journal.of_inspection(third.name)
            if isinstance(record.body, Ordered)
        )
        assert ordered.attempt == 3 and ordered.redo == ("01", "B1", "B2", "0111", "0113")
        assert {"08", "B0"} <= {finding.item for finding in ordered.stands}

    run(tmp_path, use)


def test_what_passed_does_not_stand_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def use(edge: Edge, made: Visit) -> None:
        await failed_visit(made, _B1=WEAK)
        desk = edge.desk
        today = desk.rules_today

        def later(days: int) -> None:
            def shifted(*asked: Any) -> Any:
                found = today(*asked)
                return msgspec.structs.replace(found, on=found.on + timedelta(days=days))

            monkeypatch.setattr(desk, "rules_today", shifted)

        later(11)
        assert_problem(await second(edge, made.name, mode="failed_only"), 409, "inspect-all")
        later(10)
        assert (await second(edge, made.name, mode="failed_only")).status_code == 201

    run(tmp_path, use)


def test_what_cannot_be_inspected_again_is_told(tmp_path: Path) -> None:
    async def use(edge: Edge, made: Visit) -> None:
        assert_problem(await second(edge, "", mode="failed_only"), 422, "no-attempt")
        assert_problem(await second(edge, made.name), 409, "open-already")
        other = vehicle(vin="LTEST1A27R0000002", plate="浙A00002")
        assert_problem(await second(edge, made.name, vehicle=other), 409, "another-vehicle")
        assert_problem(await second(edge, made.name, business="registration"), 409, "open-already")
        abort = {"key": "a", "by": "op", "reason": "r"}
        await edge.client.post(f"/api/v1/inspections/{made.name}/abort", json=abort)
        assert_problem(await second(edge, made.name, mode="failed_only"), 409, "inspect-all")
        await made.judged()
        assert_problem(await second(edge, made.name, mode="failed_only"), 409, "inspect-all")
        assert_problem(await second(edge, "i-unknown"), 404, "no-inspection")
        assert (await second(edge, made.name)).status_code == 201

    run(tmp_path, use)

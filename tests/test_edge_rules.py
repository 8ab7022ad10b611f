"""What a site leaves out and what the platform lists: from site file and order to record and page."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from edge.__main__ import app
from edge.compose import run_node
from edge.rules import left_out_warnings, must_know_left_out
from edge.settings import RulesPolicy, SettingsError, load
from lanes.record import Listed, Ordered
from tests.edge_parts import Edge, edge_at, site_file, vehicle
from tests.lanes_parts import rulebook

LISTING = {
    "by": "platform",
    "items": ["01", "77"],
    "shots": ["0113"],
    "version": "18C47",
    "listed_at": "2026-11-25T08:00:00+08:00",
}


def changed(folder: Path, old: str, new: str) -> Path:
    path = site_file(folder)
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    return path


def checked(path: Path, *words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["check", str(path), *words])
    return result.exit_code, result.stdout, result.stderr


def test_check_warns_of_what_is_left_out_and_what_it_means(tmp_path: Path) -> None:
    status, out, _ = checked(site_file(tmp_path))
    assert status == 0
    assert (
        "warning: [rules] left_out: S1 车速表 speedometer: not inspected here; every order records it" in out
    )
    status, out, _ = checked(site_file(tmp_path), "--json")
    body = json.loads(out)
    assert (status, body["ok"], len(body["warnings"])) == (0, True, 10)


def test_by_default_nothing_is_left_out() -> None:
    example = load(Path(__file__).parents[1] / "configs" / "site.example.toml")
    assert example.rules == RulesPolicy()
    assert left_out_warnings(example, rulebook()) == ()


@pytest.mark.parametrize("code", ["S9", "whole", "vin", "B"])
def test_a_code_that_is_no_item_is_refused_by_name(tmp_path: Path, code: str) -> None:
    path = changed(tmp_path, '"S1"]', f'"{code}"]')
    status, _, err = checked(path)
    assert status == 1
    assert f"[rules] left_out: '{code}' is no item of" in err
    assert json.loads(checked(path, "--json")[1])["ok"] is False
    with pytest.raises(SettingsError, match=f"'{code}' is no item"):
        must_know_left_out(path, load(path), rulebook())
    with pytest.raises(SettingsError, match=f"'{code}' is no item"):
        asyncio.run(run_node(path))


@pytest.mark.parametrize(
    ("old", "new"), [("left_out = [", "# left_out = ["), ("left_out_why = ", "# left_out_why = ")]
)
def test_what_is_left_out_needs_its_reason(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(SettingsError, match="left_out and left_out_why go together"):
        load(changed(tmp_path, old, new))


def body_of(edge: Edge, inspection: str) -> Ordered:
    body = next(r.body for r in edge.desk.journal.replay(0) if r.inspection == inspection)
    assert isinstance(body, Ordered)
    return body


def test_an_order_records_what_its_site_leaves_out(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            inspection = await edge.order()
            policy = edge.desk.site.rules
            body = body_of(edge, inspection)
            assert (body.left_out, body.left_out_why) == (policy.left_out, policy.left_out_why)
            wanted = edge.desk.checklist(edge.desk.book.inspections[inspection])
            assert "S1" in {item.item for item in wanted.left_out}
            asked = {gap.code for gap in edge.desk.missing(edge.desk.book.inspections[inspection])}
            assert "instrument:B1" in asked
            assert not {"instrument:S1", "instrument:H1", "item:G16"} & asked

    asyncio.run(use())


def test_an_order_stands_when_the_site_file_changes_afterwards(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            first = await edge.order("k1")
            edge.desk.site = msgspec.structs.replace(edge.desk.site, rules=RulesPolicy())
            body = {"key": "k1", "vehicle": vehicle(), "business": "periodic", "ordered_by": "clerk"}
            again = await edge.client.post("/api/v1/orders", json=body)
            assert (again.status_code, again.json()["inspection"]) == (200, first)
            assert edge.desk.book.inspections[first].left_out

    asyncio.run(use())


def test_a_site_that_leaves_nothing_out_waits_for_everything(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            edge.desk.site = msgspec.structs.replace(edge.desk.site, rules=RulesPolicy())
            inspection = edge.desk.book.inspections[await edge.order()]
            asked = {gap.code for gap in edge.desk.missing(inspection)}
            assert {"instrument:S1", "instrument:H1", "item:G16", "item:G80", "item:G45"} <= asked

    asyncio.run(use())


def test_an_order_may_carry_the_platforms_list(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            inspection = await edge.order(listed=LISTING)
            records = [r for r in edge.desk.journal.replay(0) if r.inspection == inspection]
            assert [type(r.body) for r in records] == [Ordered, Listed]
            assert records[1].source_key == f"{inspection}/listed"
            page = await edge.detail(inspection)
            assert [item["item"] for item in page["items"]] == ["01", "77"]
            assert page["items"][1]["name"]["en"] == "item 77 of the platform, without a name here"
            assert [shot["shot"] for shot in page["shots"]] == ["0113"]
            wanted = edge.desk.checklist(edge.desk.book.inspections[inspection])
            assert wanted.basis.startswith("platform platform 18C47; rules ")
            # an unknown item is answered like any other
            await edge.arrive(inspection)
            act = {"kind": "checked", "item": "77", "result": "pass"}
            assert (await edge.act(inspection, "a1", act)).status_code == 201
            # its repetition adds nothing
            body: dict[str, Any] = {"key": "k1", "vehicle": vehicle(), "business": "periodic"}
            body |= {"ordered_by": "clerk", "listed": LISTING}
            again = await edge.client.post("/api/v1/orders", json=body)
            assert (again.status_code, again.json()["inspection"]) == (200, inspection)

    asyncio.run(use())


def test_a_list_that_comes_later_counts_until_the_verdict(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            inspection = await edge.order()
            before = edge.desk.checklist(edge.desk.book.inspections[inspection])
            assert "03" in {item.item for item in before.checks}
            body = Listed(by="platform", items=("01",))
            await edge.desk.append("virtual+agent", f"{inspection}/listed", body, inspection)
            after = edge.desk.checklist(edge.desk.book.inspections[inspection])
            assert [item.item for item in after.checks] == ["01"]

    asyncio.run(use())


def test_an_order_that_the_platform_spoils_is_refused(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            body = {"key": "k1", "vehicle": vehicle(), "business": "periodic", "ordered_by": "clerk"}
            listed = {"by": "platform", "instruments": ["B1", "B5"]}
            answer = await edge.client.post("/api/v1/orders", json=body | {"listed": listed})
            assert answer.status_code == 422
            assert "item B5" in answer.json()["title"]

    asyncio.run(use())

"""chayan judge: what a journal recorded, computed again from its records by the rules of their day."""

import asyncio
import hashlib
import json
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from edge.__main__ import app
from edge.rulebook import default_folder, pack, unpack
from lanes.record import Directed, Referred
from tests.edge_parts import Edge, edge_at, vehicle
from tests.lanes_parts import checked, rulebook
from tests.verdict_parts import WEAK, Visit, visit

OLD = Path(__file__).parent / "journals" / "format-1.sql"


def judged_again(target: Path, *options: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(app, ["judge", str(target), "--json", *options])
    assert done.exit_code in (0, 1), done.output
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["ok"] is (done.exit_code == 0)
    return done.exit_code, found


def said(target: Path, *options: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["judge", str(target), *options])
    return done.exit_code, done.output


async def ended(made: Visit, **faults: Any) -> None:
    await made.do(**faults)
    await made.sign()
    await made.judged()
    await made.leave()


def recorded(folder: Path, use: Callable[[Edge], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with edge_at(folder) as edge:
            await use(edge)

    asyncio.run(inside())
    kept = folder / "node" / "reference"  # the small site's journal lies beside its node folder, not in it
    if kept.exists():
        kept.rename(folder / "reference")


def tampered(folder: Path, changed: Callable[[dict[str, Any]], None]) -> None:
    """The judged records of a closed journal, written anew with plain SQLite."""
    with closing(sqlite3.connect(folder / "journal.sqlite")) as file, file:
        for (trigger,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            file.execute(f"DROP TRIGGER {trigger}")
        for seq, data in file.execute("SELECT seq, data FROM records WHERE kind = 'judged'").fetchall():
            record = json.loads(data)
            changed(record["body"])
            new = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
            file.execute("UPDATE records SET data = ? WHERE seq = ?", (new, seq))


# ---- what it says of a journal -------------------------------------------------------------------


def test_every_kind_of_verdict_is_reproduced(tmp_path: Path) -> None:
    async def one_vehicle(edge: Edge) -> None:
        await ended(await visit(edge, "k1"))
        bad = await visit(edge, "k2")
        await ended(bad, _08=checked("08", "fail", defects=("8-1",)))
        again = await visit(edge, "k3", again_of=bad.name, mode="failed_only")
        await again.do("01", "08", "0111", "0113")
        await again.sign()
        await again.judged()
        await again.add(Referred(officer="1", signs=("weld",), reason="after the verdict"))
        await again.leave()

    async def others(edge: Edge) -> None:
        left = await visit(edge, "k4", vehicle=other(4))
        await left.leave()
        await left.judged()
        doubted = await visit(edge, "k5", vehicle=other(5))
        await doubted.add(Referred(officer="1", signs=("weld",), reason="r"))
        await doubted.sign()
        await doubted.judged()
        await visit(edge, "k6", vehicle=other(6))

    async def use(edge: Edge) -> None:
        await one_vehicle(edge)
        await others(edge)

    recorded(tmp_path, use)
    for target in (tmp_path, tmp_path / "journal.sqlite"):
        status, found = judged_again(target)
        assert status == 0, found
        verdicts = [each["recorded"] for each in found["inspections"]]
        assert verdicts == ["pass", "fail", "pass", "incomplete", "suspicious"]
        assert [each["computed"]["verdict"] for each in found["inspections"]] == verdicts
        assert [each["computed"]["differences"] for each in found["inspections"]] == [[]] * 5
        assert (found["verdicts"], found["reproduced"], found["rules_not_at_hand"]) == (5, 5, 0)
        assert (found["without_verdict"], found["order_not_here"]) == (1, 0)
    status, text = said(tmp_path)
    assert status == 0 and len(text.splitlines()) == 1
    assert "5 verdicts, 5 reproduced" in text


def other(number: int) -> dict[str, Any]:
    return vehicle(vin=f"LTEST1A27R000000{number}", plate=f"浙A0000{number}")


def test_one_inspection_is_shown_finding_by_finding(tmp_path: Path) -> None:
    names = []

    async def use(edge: Edge) -> None:
        for key in ("k1", "k2"):
            made = await visit(edge, key)
            names.append(made.name)
            await ended(made)

    recorded(tmp_path, use)
    status, text = said(tmp_path, "--inspection", names[1])
    assert status == 0
    assert f"✓ {names[1]}" in text and names[0] not in text
    assert "B1 axle_rate 74.6% ≥ 60 % pass [" in text
    status, text = said(tmp_path, "--inspection", "i-unknown")
    assert status == 2 and "no verdict of inspection i-unknown" in text


def test_a_changed_verdict_and_a_changed_value_are_found(tmp_path: Path) -> None:
    async def use(edge: Edge) -> None:
        await ended(await visit(edge), _B1=WEAK)

    recorded(tmp_path, use)

    def lie(body: dict[str, Any]) -> None:
        body["verdict"] = "pass"
        for finding in body["findings"]:
            if (finding["item"], finding.get("quantity")) == ("B1", "axle_rate"):
                finding.update(value="61.2", result="pass", clause="another clause")

    tampered(tmp_path, lie)
    status, found = judged_again(tmp_path)
    assert status == 1
    (one,) = found["inspections"]
    assert (one["recorded"], one["computed"]["verdict"], one["reproduced"]) == ("pass", "fail", False)
    told = {(d["item"], d["field"], d["recorded"], d["deciding"]) for d in one["computed"]["differences"]}
    assert told == {
        ("", "verdict", "pass", True),
        ("B1", "result", "pass", True),
        ("B1", "value", "61.2", True),
        ("B1", "clause", "another clause", False),
    }
    status, text = said(tmp_path)
    assert status == 1
    assert "✗" in text and "≠ verdict: pass ≠ fail" in text and "≠ B1 axle_rate value: 61.2 ≠ 46.2" in text


def test_other_words_alone_are_told_and_are_no_other_verdict(tmp_path: Path) -> None:
    async def use(edge: Edge) -> None:
        await ended(await visit(edge))

    recorded(tmp_path, use)
    tampered(tmp_path, lambda body: body["findings"][8].update(clause="older words"))
    status, text = said(tmp_path)
    assert status == 0
    assert text.startswith("! ") and "clause: older words ≠ " in text


def test_what_a_re_inspection_claims_to_stand_must_have_been_found(tmp_path: Path) -> None:
    async def use(edge: Edge) -> None:
        bad = await visit(edge)
        await ended(bad, _08=checked("08", "fail"))
        again = await visit(edge, "k2", again_of=bad.name, mode="failed_only")
        await again.do("01", "08", "0111", "0113")
        await again.sign()
        await again.judged()

    recorded(tmp_path, use)
    assert judged_again(tmp_path)[0] == 0

    def empty(body: dict[str, Any]) -> None:
        if body["verdict"] == "fail":
            body["findings"] = [each for each in body["findings"] if each["item"] != "B0"]

    tampered(tmp_path, empty)
    status, found = judged_again(tmp_path)
    assert status == 1
    claims = found["inspections"][1]["computed"]["differences"]
    assert [(d["item"], d["computed"]) for d in claims] == [("B0", "not in the attempt before")]


# ---- which rules ---------------------------------------------------------------------------------


def stricter(folder: Path, name: str = "stricter") -> Path:
    """The installed rules, but the front axle must brake 80 %."""
    copy = folder / name
    shutil.copytree(default_folder(), copy)
    limits = copy / "limits.toml"
    rows = [
        line.replace("value = 60,", "value = 80,")
        if 'axle = "front"' in line and "axle_rate" in line
        else line
        for line in limits.read_text("utf-8").splitlines()
    ]
    limits.write_text("\n".join(rows), "utf-8")
    book = copy / "rulebook.toml"
    text = book.read_text("utf-8").splitlines()
    book.write_text("\n".join(f'name = "{name}"' if t.startswith("name =") else t for t in text), "utf-8")
    return copy


async def sent(edge: Edge, content: bytes, number: int) -> None:
    edge.desk.reference.keep(content)
    digest = hashlib.sha256(content).hexdigest()
    body = Directed(number=number, subject="rules", version=f"v{number}", sha256=digest, outcome="taken")
    await edge.desk.append("virtual+agent", f"directive/{number}", body)
    edge.desk.renew()


def test_each_is_judged_by_the_rules_under_which_it_was_ordered(tmp_path: Path) -> None:
    """Before, under, and after rules that the centre had sent; also once the file of those is lost."""
    node, content = tmp_path / "node", pack(stricter(tmp_path))
    node.mkdir()

    async def use(edge: Edge) -> None:
        first = await visit(edge, "k1")
        await sent(edge, content, 1)
        await ended(first)
        await ended(await visit(edge, "k2"))
        await sent(edge, b"{}", 2)
        await ended(await visit(edge, "k3"))

    recorded(node, use)
    status, found = judged_again(node)
    assert status == 0, found
    assert [each["recorded"] for each in found["inspections"]] == ["pass", "fail", "pass"]
    assert [each["rules"] == "stricter" for each in found["inspections"]] == [False, True, False]

    (node / "reference" / hashlib.sha256(content).hexdigest()).unlink()
    status, found = judged_again(node)
    assert status == 1
    assert [each["rules_at_hand"] for each in found["inspections"]] == [True, False, True]
    assert [each["reproduced"] for each in found["inspections"]] == [True, False, True]
    status, text = said(node)
    assert "the edition stricter (" in text and "is not at hand; CN " in text

    status, found = judged_again(
        node, "--rules", str(default_folder()), "--rules", str(tmp_path / "stricter")
    )
    assert (status, found["rules_not_at_hand"]) == (0, 0)


def test_as_of_another_day_the_newest_rules_stand_beside(tmp_path: Path) -> None:
    node, content = tmp_path / "node", pack(stricter(tmp_path))
    node.mkdir()

    async def use(edge: Edge) -> None:
        await ended(await visit(edge, "k1"))
        await sent(edge, content, 1)

    recorded(node, use)
    status, found = judged_again(node, "--today")
    assert status == 0
    (one,) = found["inspections"]
    assert (one["recorded"], one["computed"]["verdict"], one["as_of"]["verdict"]) == ("pass", "pass", "fail")
    changed = {(d["item"], d["field"]) for d in one["as_of"]["differences"]}
    assert changed == {("", "verdict"), ("B1", "result"), ("B1", "limit")}
    status, text = said(node, "--as-of", "2026-12-24")
    assert status == 0
    assert "recorded pass, 重算 computed pass, 按新规则 as of fail" in text
    assert "as of ≠ B1 axle_rate limit: ≥ 60 % ≠ ≥ 80 %" in text
    status, found = judged_again(node, "--as-of", "2019-01-01")
    assert status == 0
    assert "no row" in found["inspections"][0]["as_of"]["trouble"]


def test_the_day_is_that_of_the_site(tmp_path: Path) -> None:
    async def use(edge: Edge) -> None:
        await ended(await visit(edge))

    recorded(tmp_path, use)
    ordered = datetime.now(UTC)
    days = {
        zone: judged_again(tmp_path, "--timezone", zone)[1]["inspections"][0]["on"]
        for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago")
    }
    assert days["Pacific/Kiritimati"] > days["Pacific/Pago_Pago"]
    assert days["Pacific/Pago_Pago"] <= ordered.date().isoformat() <= days["Pacific/Kiritimati"]


# ---- old, broken, foreign ------------------------------------------------------------------------


def test_a_journal_of_the_first_format_whose_orders_are_gone_is_counted_and_left_alone(
    tmp_path: Path,
) -> None:
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as file:
        file.executescript(OLD.read_text("utf-8"))
    before = (tmp_path / "journal.sqlite").read_bytes()
    status, found = judged_again(tmp_path)
    assert (status, found["verdicts"], found["order_not_here"]) == (0, 0, 1)
    assert (tmp_path / "journal.sqlite").read_bytes() == before


def test_what_cannot_be_read_is_one_clear_error(tmp_path: Path) -> None:
    status, text = said(tmp_path)
    assert status == 2 and "holds no journal" in text

    async def use(edge: Edge) -> None:
        await ended(await visit(edge))

    recorded(tmp_path, use)
    for options, words in (
        (("--timezone", "Mars/Base"), "is no time zone"),
        (("--today", "--as-of", "2026-01-01"), "exclude each other"),
        (("--rules", str(tmp_path)), "unknown file 'site'"),
    ):
        status, text = said(tmp_path, *options)
        assert status == 2 and words in text
    tampered(tmp_path, lambda body: body.update(kind="of_tomorrow"))
    status, text = said(tmp_path)
    assert status == 2 and "cannot be read by this version" in text and "chayan verify" in text


def test_packed_rules_are_the_same_edition() -> None:
    unpacked = unpack(pack(default_folder()))
    assert unpacked is not None and unpacked.rules_sha256 == rulebook().rules_sha256

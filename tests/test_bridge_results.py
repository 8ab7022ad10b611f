"""Results as text: every form by a map of fields, files in a folder, lines over TCP and a pty."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.device import Health, MeasureError
from firmware_bridge.devices import fields, result_file, result_line
from firmware_bridge.devices.fields import FieldMap, Unreadable
from firmware_bridge.virtual import faults, physics
from firmware_bridge.virtual.fleet import sound_car
from firmware_bridge.virtual.twin_line import PtyLine
from firmware_bridge.virtual.twin_results import FileTwin, LineTwin
from lanes.record import OutlineMeasured, RoadTested, Tread, TyresMeasured
from tests.bridge_parts import Told, end, running

COMMON = {"lane": "lane-1", "station": "outline", "device": "gauge", "item": "M1"}
SIZES = OutlineMeasured(**COMMON, length_mm=4625, width_mm=1802, height_mm=1478)  # type: ignore[arg-type]
XML_MAP = {"length_mm": "Size/Length", "width_mm": "Size/Width", "height_mm": "Size/@h", "bench_verdict": "J"}
XML = '<R xmlns="urn:x"><Size h="1478"><Length>4625</Length><Width>1802</Width></Size>%s</R>'

# the layouts are ours: no maker's is public
FORMS: dict[str, tuple[bytes, FieldMap]] = {
    "xml": ((XML % "").encode(), FieldMap(form="xml", fields=XML_MAP)),
    "ini": (
        "[外廓]\r\n长=462.5\r\n宽=180.2\r\n高=147.8\r\n".encode("gb18030"),
        FieldMap(
            form="ini",
            fields={"length_mm": "外廓.长", "width_mm": "外廓.宽", "height_mm": "外廓.高"},
            factors=dict.fromkeys(("length_mm", "width_mm", "height_mm"), Decimal(10)),
            encoding="gb18030",
        ),
    ),
    "csv": (
        b"\xef\xbb\xbfname;L;W;H\r\nA;4625;1802;1478.2\r\n",
        FieldMap(form="csv", fields={"length_mm": "L", "width_mm": "W", "height_mm": "H"}, delimiter=";"),
    ),
    "csv without names": (
        b"7,4625,1802,1478\n",
        FieldMap(form="csv", fields={"length_mm": "2", "width_mm": "3", "height_mm": "4"}),
    ),
    "pairs": (
        b"L=4625, W=1802 ,H=+1478",
        FieldMap(form="pairs", fields={"length_mm": "L", "width_mm": "W", "height_mm": "H"}),
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_by_its_map(form: str) -> None:
    data, settings = FORMS[form]
    assert fields.read(data, fields.OUTLINE, settings, COMMON) == SIZES


def test_words_of_a_verdict_go_into_the_benchs_verdict() -> None:
    settings = FieldMap(form="xml", fields=XML_MAP, pass_words=("合格",), fail_words=("不合格",))
    for word, verdict in {"合格": "pass", "不合格": "fail", "?": None}.items():
        read = fields.read((XML % f"<J>{word}</J>").encode(), fields.OUTLINE, settings, COMMON)
        assert read.bench_verdict == verdict


PLAIN = FieldMap(form="pairs", fields={"length_mm": "L", "width_mm": "W", "height_mm": "H"})
UNREADABLE: dict[str, tuple[bytes, FieldMap, str]] = {
    "a lacking field": (b"L=4625,W=1802", PLAIN, "required field `height_mm`; it names L, W"),
    "an empty field": (b"L=4625,W=1802,H=", PLAIN, "required field `height_mm`"),
    "no number": (b"L=46O5,W=1,H=1", PLAIN, "L is '46O5', no number"),
    "an exponent": (b"L=1e9,W=1,H=1", PLAIN, "no number"),
    "not a number": (b"L=NaN,W=1,H=1", PLAIN, "no number"),
    "zero": (b"L=0,W=1,H=1", PLAIN, "length 0 mm is not between 0 and 99999 mm"),
    "a field twice": (b"L=1,W=1,H=1,L=2", PLAIN, "L stands in it twice, as 1 and as 2"),
    "foreign bytes": (b"\xff\xfe", PLAIN, "is no pairs in utf-8-sig"),
    "torn XML": ((XML % "").encode()[:-3], FieldMap(form="xml", fields=XML_MAP), "is no xml"),
    "entities": (
        b'<!DOCTYPE a [<!ENTITY b "x">]><a>&b;</a>',
        FieldMap(form="xml", fields=XML_MAP),
        "is no xml",
    ),
    "too large": (b"L=1," * 20_000, PLAIN, "80000 bytes, 65536 are the most"),
    "rows": (b"1\n2\n3\n", FieldMap(form="csv", fields={"length_mm": "1"}), "3 rows"),
    "columns": (b"a,b\n2\n", FieldMap(form="csv", fields={"length_mm": "a"}), "2 names, 1 values"),
    "no section": (b"a=1\n", FieldMap(form="ini", fields={"length_mm": "a"}), "is no ini"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_a_result_does_not_tell_is_said(case: str) -> None:
    data, settings, why = UNREADABLE[case]
    with pytest.raises(Unreadable, match=why):
        fields.read(data, fields.OUTLINE, settings, COMMON)


@given(
    data=st.binary(max_size=300) | st.text(max_size=200).map(str.encode), form=st.sampled_from(list(FORMS))
)
def test_no_bytes_break_the_reader(data: bytes, form: str) -> None:
    try:
        body = fields.read(data, fields.OUTLINE, FORMS[form][1], COMMON)
    except Unreadable:
        return
    assert isinstance(body, OutlineMeasured)


def test_a_stop_on_the_road_and_treads_are_read_by_a_map_too() -> None:
    road = FieldMap(
        form="ini",
        fields={"initial_kmh": "t.V0", "mfdd_m_per_s2": "t.MFDD", "coordination_ms": "t.tc"},
        factors={"coordination_ms": Decimal(1000)},
    )
    common = {**COMMON, "item": "R1"}
    assert fields.read(b"[t]\nV0=51.3\nMFDD=6.42\ntc=0.28\n", fields.ROAD, road, common) == RoadTested(
        **common,  # type: ignore[arg-type]
        initial_kmh=Decimal("51.3"),
        mfdd_m_per_s2=Decimal("6.42"),
        coordination_ms=280,
    )
    treads = FieldMap(form="csv", fields={"1.left": "1", "1.right": "2", "2.left_inner": "3"})
    assert fields.read(b"4.5,4.6,\n", fields.TREADS, treads, COMMON) == TyresMeasured(
        **COMMON,  # type: ignore[arg-type]
        treads=(
            Tread(axle=1, wheel="left", depth_mm=Decimal("4.5")),
            Tread(axle=1, wheel="right", depth_mm=Decimal("4.6")),
        ),
    )
    with pytest.raises(Unreadable, match="no tyre was measured"):
        fields.read(b" ,,\n", fields.TREADS, treads, COMMON)


# ---- files ---------------------------------------------------------------------------------------


def result_of(number: int) -> tuple[bytes, OutlineMeasured]:
    length, width, height = physics.outline(sound_car(number, 0, 1, ("a",)))
    text = f"<R><L>{length}</L><W>{width}</W><H>{height}</H></R>".encode()
    return text, OutlineMeasured(**COMMON, length_mm=length, width_mm=width, height_mm=height)  # type: ignore[arg-type]


def gauge(folder: Path, **changes: object) -> result_file.ResultFile:
    settings: dict[str, Any] = {
        "folder": folder,
        "pattern": "*.xml",
        "form": "xml",
        "fields": {"length_mm": "L", "width_mm": "W", "height_mm": "H"},
        "settle_ms": 100,
        "wait_s": 5.0,
        **changes,
    }
    return result_file.ResultFile("gauge", result_file.Config(**settings), fields.OUTLINE)


async def measured(device: result_file.ResultFile, meanwhile: Awaitable[None]) -> OutlineMeasured:
    asking = asyncio.create_task(device.measure("lane-1", "outline", "M1", 0))
    await asyncio.sleep(0.5)
    await meanwhile
    body = await asking
    assert isinstance(body, OutlineMeasured)
    return body


@pytest.mark.parametrize("rename", [False, True])
def test_a_result_file_is_taken_once_it_is_whole(rename: bool, tmp_path: Path) -> None:
    async def main() -> None:
        twin, device = FileTwin(tmp_path, rename=rename), gauge(tmp_path)
        old, _ = result_of(1)
        await twin.result("old.xml", old)
        text, wanted = result_of(2)
        twin.fault = lambda sent: [
            faults.Part(sent[:9]),
            faults.Part(sent[9:30], 0.5),
            faults.Part(sent[30:], 0.3),
        ]
        assert await measured(device, twin.result("new.xml", text)) == wanted
        text, wanted = result_of(3)
        assert await measured(device, twin.result("newer.xml", text)) == wanted

    asyncio.run(main())


NOT_TAKEN = {
    "nothing": (None, {}, "nothing for 1 s: no new result"),
    "torn": (b"<R><L>4625</L><W>18", {}, "new.xml: is no xml"),
    "silent program": (b"", {}, "new.xml: is no xml"),
    "no closing mark": (b"<R><L>1</L><W>1</W><H>1</H></R>", {"closing": "<!--end-->"}, "does not end with"),
    "another name": (b"<R><L>1</L><W>1</W><H>1</H></R>", {"pattern": "*.csv"}, "no new result"),
    "out of range": (b"<R><L>100000</L><W>1</W><H>1</H></R>", {}, "length 100000 mm is not between"),
}


@pytest.mark.parametrize("case", NOT_TAKEN)
def test_what_is_no_result_is_not_taken_and_the_next_one_is(case: str, tmp_path: Path) -> None:
    text, changes, why = NOT_TAKEN[case]

    async def main() -> None:
        twin, device = FileTwin(tmp_path), gauge(tmp_path, wait_s=1.0, **changes)

        async def write() -> None:
            if text is not None:
                await twin.result("new.xml", text)

        with pytest.raises(MeasureError, match=f"gauge: .*{why}"):
            await measured(device, write())
        good, wanted = result_of(4)
        assert await measured(gauge(tmp_path), twin.result("good.xml", good)) == wanted

    asyncio.run(main())


def test_an_earlier_result_is_never_taken(tmp_path: Path) -> None:
    async def main() -> None:
        twin = FileTwin(tmp_path)
        old, wanted = result_of(1)
        device = gauge(tmp_path, wait_s=1.0)
        await twin.result("1.xml", old)
        with pytest.raises(MeasureError, match="no new result"):
            await measured(device, twin.result("1.xml", old))  # written again, under the name it had
        twin.fault = lambda sent: [faults.Part(sent[:9]), faults.Part(sent[9:], 0.6)]
        late = asyncio.create_task(twin.result("2.xml", old))
        await asyncio.sleep(0.05)  # it has begun before the measurement
        with pytest.raises(MeasureError, match="no new result"):
            await device.measure("lane-1", "outline", "M1", 0)
        await late
        twin.fault = faults.whole
        over = gauge(tmp_path, overwrites=True, wait_s=1.0)
        assert await measured(over, twin.result("1.xml", old)) == wanted
        with pytest.raises(MeasureError, match="its content was taken before"):
            await measured(over, twin.result("1.xml", old))
        with pytest.raises(MeasureError, match=r"2 results at once \(8.xml, 9.xml\)"):
            await measured(device, _both(twin, old))

    asyncio.run(main())


async def _both(twin: FileTwin, text: bytes) -> None:
    await twin.result("8.xml", text)
    await twin.result("9.xml", text)


def test_a_broken_off_measurement_of_files_leaves_nothing_behind(tmp_path: Path) -> None:
    async def main() -> None:
        twin, device = FileTwin(tmp_path), gauge(tmp_path)
        asking = asyncio.create_task(device.measure("lane-1", "outline", "M1", 0))
        await asyncio.sleep(0.3)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await twin.result("1.xml", result_of(1)[0])
        text, wanted = result_of(2)
        assert await measured(device, twin.result("2.xml", text)) == wanted

    asyncio.run(main())


def test_a_last_line_without_an_end_may_still_be_written(tmp_path: Path) -> None:
    async def main() -> None:
        csv = {
            "form": "csv",
            "pattern": "*.csv",
            "fields": {"length_mm": "1", "width_mm": "2", "height_mm": "3"},
        }
        twin, device = FileTwin(tmp_path), gauge(tmp_path, **csv)
        twin.fault = lambda sent: [faults.Part(sent[:-3]), faults.Part(sent[-3:], 1.0)]
        assert (await measured(device, twin.result("1.csv", b"4625,1802,1478\n"))).height_mm == 1478
        hasty = gauge(tmp_path, wait_s=1.0, **csv)
        with pytest.raises(MeasureError, match=r"2\.csv: the last line has no end"):
            await measured(hasty, twin.result("2.csv", b"4625,1802,1478"))

    asyncio.run(main())


def test_files_that_vanish_while_they_are_looked_at_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kept.xml").write_bytes(b"1")
    listed = [tmp_path / "kept.xml", tmp_path / "gone.xml"]
    monkeypatch.setattr(Path, "iterdir", lambda _folder: iter(listed))
    assert set(result_file.stamps(tmp_path, "*.xml")) == {"kept.xml"}


def test_a_folder_that_never_rests_gives_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        twin, device = FileTwin(tmp_path), gauge(tmp_path, wait_s=1.0)
        twin.fault = lambda sent: [faults.Part(sent[at : at + 1], 0.04) for at in range(len(sent))]
        writing = asyncio.create_task(twin.result("log.xml", bytes(60)))
        await asyncio.sleep(0.1)
        with pytest.raises(MeasureError, match="gauge: files keep changing; give a narrower pattern"):
            await device.measure("lane-1", "outline", "M1", 0)
        await writing

    asyncio.run(main())


def test_a_folder_that_goes_and_comes_back_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr(result_file, "PROBE_S", 0.05)
        folder = tmp_path / "share"
        device, told = gauge(folder), Told()
        task = asyncio.create_task(device.run(told))
        await told.count(Health, 1)
        with pytest.raises(MeasureError, match=r"share.*; check the folder"):
            await device.measure("lane-1", "outline", "M1", 0)
        folder.mkdir()
        await told.count(Health, 2)
        await end(task)
        assert [said.state for said in told.of(Health) if isinstance(said, Health)] == ["lost", "ok"]

    asyncio.run(main())


# ---- lines ---------------------------------------------------------------------------------------


def line_config(address: str, **changes: object) -> result_line.Config:
    settings: dict[str, Any] = {
        "address": address,
        "form": "pairs",
        "fields": PLAIN.fields,
        "opening": "$",
        "closing": ";",
        "check": True,
        "wait_s": 2.0,
        **changes,
    }
    return result_line.Config(**settings)


def line_of(number: int) -> tuple[bytes, OutlineMeasured]:
    _, wanted = result_of(number)
    return f"L={wanted.length_mm},W={wanted.width_mm},H={wanted.height_mm}".encode(), wanted


def test_a_line_golden() -> None:
    config = line_config("tcp://x:1")
    assert result_line.build(b"L=1,W=2,H=3", config) == b"$L=1,W=2,H=3;*41\r\n"
    for wrong in (
        b"$L=1,W=2,H=3;*42",
        b"L=1,W=2,H=3;*60",
        b"$L=1,W=2,H=3;",
        b"$;*1F",
        b"",
        b"$L=1$L=1,W=2,H=3;*25",
    ):
        assert result_line.read(wrong, config) is None
    assert result_line.read(b"$L=1,W=2,H=3;*41", config) == b"L=1,W=2,H=3"


async def with_lines(
    twin: LineTwin, work: Callable[[result_line.ResultLine, Told], Awaitable[None]], **changes: object
) -> None:
    await twin.start()
    device = result_line.ResultLine("gauge", line_config(twin.address, **changes), fields.OUTLINE)
    async with running(device, twin) as told:
        await work(device, told)


async def told_line(
    twin: LineTwin, device: result_line.ResultLine, *lines: bytes, pause_s: float = 0.1
) -> OutlineMeasured:
    asking = asyncio.create_task(device.measure("lane-1", "outline", "M1", 0))
    await asyncio.sleep(pause_s)
    for line in lines:
        await twin.send(line)
    body = await asking
    assert isinstance(body, OutlineMeasured)
    return body


DAMAGE = {
    "silent": (faults.silent, "result: nothing for 2 s"),
    "torn": (faults.torn(random.Random(2), 1.0), r"result: (\d+ bytes were damaged|nothing)"),
    "corrupt": (faults.corrupt(random.Random(2), 1.0), r"\d+ bytes were damaged"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_line_is_no_result_and_the_next_one_is(case: str) -> None:
    fault, why = DAMAGE[case]

    async def work(device: result_line.ResultLine, _told: Told) -> None:
        config = line_config(twin.address)
        (first, _), (second, wanted) = line_of(1), line_of(2)
        twin.fault = fault
        with pytest.raises(MeasureError, match=why):
            await told_line(twin, device, result_line.build(first, config))
        twin.fault = faults.bytewise
        assert await told_line(twin, device, b"\r\n" + result_line.build(second, config)) == wanted

    twin = LineTwin()
    asyncio.run(with_lines(twin, work))


def test_an_earlier_line_is_no_new_result() -> None:
    async def work(device: result_line.ResultLine, told: Told) -> None:
        config = line_config(twin.address)
        (first, _), (second, wanted) = line_of(1), line_of(2)
        await twin.send(result_line.build(first, config))  # a vehicle that nobody measured
        await asyncio.sleep(0.2)
        with pytest.raises(MeasureError, match="gauge: result: "):
            await told_line(twin, device, *[result_line.build(first, config)] * 3)
        lines = [result_line.build(each, config) for each in (first, second)]
        assert await told_line(twin, device, *lines) == wanted
        await twin.stop()
        await told.count(Health, 2)
        with pytest.raises(MeasureError, match=r"gauge: result: (link lost|nothing)"):
            await device.measure("lane-1", "outline", "M1", 0)
        await twin.start()
        await told.count(Health, 3)
        assert [said.state for said in told.of(Health) if isinstance(said, Health)] == ["ok", "lost", "ok"]
        third, wanted = line_of(3)
        assert await told_line(twin, device, result_line.build(third, config)) == wanted

    twin = LineTwin()
    asyncio.run(with_lines(twin, work))


def test_a_gauge_that_is_asked_may_say_the_same_again() -> None:
    async def work(device: result_line.ResultLine, _told: Told) -> None:
        text, wanted = line_of(1)
        twin.reply = result_line.build(text, line_config(twin.address))
        for _ in range(2):
            assert await told_line(twin, device) == wanted
        assert twin.asked == [b"RESULT?\r\n"] * 2
        twin.reply = result_line.build(b"L=1,W=2", line_config(twin.address))
        with pytest.raises(MeasureError, match=r"gauge: .*required field `height_mm`; it names L, W"):
            await told_line(twin, device)

    twin = LineTwin()
    asyncio.run(with_lines(twin, work, ask="RESULT?"))


def test_treads_come_over_a_serial_line(tmp_path: Path) -> None:
    async def main() -> None:
        line = PtyLine(tmp_path / "tread", lambda _heard: None)
        line.open()
        config = result_line.Config(
            address=line.address, form="csv", fields={"1.left": "1", "1.right": "2"}, wait_s=5.0
        )
        device, told = result_line.ResultLine("tread", config, fields.TREADS), Told()
        task = asyncio.create_task(device.run(told))
        await told.count(Health, 1)
        asking = asyncio.create_task(device.measure("lane-1", "exterior", "tyres", 0))
        await asyncio.sleep(0.1)
        line.send(b"5,3.9\r\n4.1,3.9\r\n")  # the first may be a tail
        body = await asking
        assert isinstance(body, TyresMeasured)
        assert [tread.depth_mm for tread in body.treads] == [Decimal("4.1"), Decimal("3.9")]
        await end(task)
        line.close()

    asyncio.run(main())

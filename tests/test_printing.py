"""Forms as PDF: every text is there, the QR code is read back, nothing is cut, no image breaks a sheet."""

import io
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from central_sync.photos import Photos
from edge.printing import NoForm, dossier_of, printed, source_of
from edge.printing_paper import BOTTOM, MARGIN, Paper
from edge.printing_record import draw_record
from edge.printing_report import POINTS, draw_report, thinned
from lanes.form_record import Line, places_of, record_form
from lanes.form_report import instrument_report
from lanes.form_words import RECORD_BUSINESSES, WORDS
from lanes.forms import KINDS, FormKind
from lanes.record import AnyBody, Finding, Judged, Photographed, Signed
from lanes.tables import Label
from tests.forms_parts import (
    BUS,
    HEAD,
    NUMBER,
    PERIODIC,
    bare,
    boxes,
    codes,
    digest,
    dossier,
    jpeg,
    kept,
    no_photo,
    office,
    opened,
    pages,
    pdf,
    periodic,
    pictures,
    text,
    verdict,
)
from tests.lanes_parts import checked, rulebook

ROOT = Path(__file__).parent.parent
SEAL = f"chayan:record:1:3301-0001:lane-1:{NUMBER}:{{seq}}:{HEAD}"


def seal(bodies: list[AnyBody]) -> str:
    return SEAL.format(seq=kept(bodies).records[-1].seq)


def must_hold(printed_text: str, *words: str) -> None:
    assert [each for each in words if bare(each) not in printed_text] == []


# ---- what is printed -----------------------------------------------------------------------------


def test_the_record_form_is_one_page_with_every_text() -> None:
    data = pdf("record", periodic())
    (page,) = pages(data)
    must_hold(
        page,
        "机动车查验记录表",
        "Vehicle inspection record",
        "示例查验区 Example site",
        *(
            f"{place.label.zh} {place.label.en}"
            for place in places_of(rulebook(), "record")
            if place.item not in ("09", "14")
        ),
        *(f"{choice.zh} {choice.en}" for choice in RECORD_BUSINESSES),
        *(
            WORDS[key].zh
            for key in WORDS
            if key.startswith(("head.", "table.")) and key not in ("head.school", "head.rules")
        ),
        *(WORDS[key].en for key in WORDS if key.startswith(("table.", "sign.c", "sign.f"))),
        "√ 核发检验合格标志 periodic",
        "浙A·12345",
        "LTEST1A27R0000001",
        "√ 合格 passed",
        "张三 001",
        "站点 site: 3301-0001",
        "节点 node: lane-1",
        f"流水号 Inspection: {NUMBER}",
        "第几次 attempt: 1",
        f"链头 head: {HEAD}",
        "打印 printed: 2026-11-22 12:30:00 +0800",
        "打印人 by: 王五",
        "第 1 页 共 1 页 page 1 of 1",
    )
    assert "草稿" not in page and "SIMULATED" not in page
    assert len(data) < 130_000


def test_the_school_bus_form_has_its_22_items_on_one_page() -> None:
    places = places_of(rulebook(), "school_bus")
    bodies = [
        *opened(BUS, "school_bus_permit"),
        *(checked(place.item) for place in places),
        Signed(officer="001"),
        verdict("pass"),
    ]
    (page,) = pages(pdf("record", bodies))
    must_hold(
        page,
        "校车查验记录表",
        *(place.label.zh for place in places),
        "校车使用许可",
        "专用校车",
        "√ 申请校车使用许可",
    )
    assert page.count("√") >= 22


def test_the_report_has_rows_limits_judgement_and_then_arithmetic_and_clauses() -> None:
    (page,) = pages(pdf("instruments", periodic()))
    must_hold(
        page,
        "仪器设备检验报告",
        "Instrument test report",
        "B1 一轴制动 轴制动率 brakes of the first axle, axle braking rate 74.6 % ≥ 60 % √ 合格 pass",
        "整车制动 整车制动率",
        "322.5 / 317.5 240 / 228 10 / 12",
        "左轮 left 240",
        "右轮 right 228",
        "计算过程与条款 Arithmetic and clauses",
        "B1 轴制动率 (240+228)×10 N ÷ (640 kg×9.8) = 74.6 % GB 7258-2017 台试制动力",
    )


def test_the_photo_sheet_names_each_photo() -> None:
    data = pdf("photos", periodic())
    page = "".join(pages(data))
    must_hold(
        page,
        "查验照片表",
        "0113 车辆识别代号 VIN",
        "0157 驾驶人座椅汽车安全带",
        f"SHA-256: {digest(b'0113')[:16]}",
        "查验员 Officer: 张三 001",
        "本机没有这张照片 the photo is not here",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_page_of_every_form_bears_the_digest_text(kind: FormKind) -> None:
    bodies = periodic()
    data = pdf(kind, bodies)
    assert codes(data) == [seal(bodies)] * len(pages(data))
    for number, page in enumerate(pages(data), 1):
        must_hold(page, HEAD, f"第{number}页共{len(pages(data))}页", "打印人 by: 王五")


@pytest.mark.parametrize("kind", KINDS)
def test_simulated_records_and_drafts_are_marked_on_every_page(kind: FormKind) -> None:
    bodies = [*opened(), *(checked(item) for item in PERIODIC[:3])]
    for page in pages(pdf(kind, bodies, source="virtual+agent")):
        assert (
            page.count("仿真数据SIMULATED") == page.count("草稿DRAFT") == 2
        )  # in the heading, across the page
        must_hold(page, "未判定 not judged yet")
    for page in pages(pdf(kind, periodic())):
        assert "SIMULATED" not in page and "草稿" not in page


def test_without_an_order_there_is_no_form() -> None:
    with pytest.raises(NoForm):
        dossier_of(kept([checked("01")]), office(), "")


# ---- nothing is cut ------------------------------------------------------------------------------


def must_lie_on_paper(data: bytes) -> None:
    """Every letter lies between the margins, and above the seal or in it."""
    outside = [
        (page, char, box)
        for page, char, box in boxes(data)
        if not (box[0] >= MARGIN - 0.5 and box[2] <= 210 - MARGIN + 0.5 and box[1] >= 5 and box[3] <= 295)
        or box[1] < BOTTOM < box[3] - 0.2
    ]
    assert outside == []


LONG = " ".join(f"K{n:04}" for n in range(330))  # 1979 characters


def test_long_texts_go_on_over_pages_and_nothing_is_lost() -> None:
    words = [f"W{n:02}x{k:03}" for n in range(1, 21) for k in range(200)]
    remarks = {n: " ".join(words[(n - 1) * 200 : n * 200]) for n in range(1, 21)}
    bodies = [
        *opened(),
        *(checked(f"{n:02}", "fail", remark=remarks[n], value=LONG) for n in range(1, 21)),
        Signed(officer="张" * 80, statement=LONG),
        verdict("fail"),
    ]
    data = pdf("record", bodies)
    whole = text(data)
    assert len(pages(data)) > 5
    assert [word for word in words if word not in whole] == []
    assert whole.count("K0329") == 21 and whole.count("张") >= 80
    must_lie_on_paper(data)


def test_200_items_go_on_over_pages_under_the_same_heading() -> None:
    form = record_form(dossier(periodic()))
    many = tuple(
        Line(
            number=n,
            item=f"{n}",
            label=Label(zh=f"第{n}号项目", en=f"item no. {n}"),
            mark="pass",
            value=f"v{n}",
        )
        for n in range(1, 201)
    )
    form = replace(form, groups=((form.groups[0][0], many[:150]), (form.groups[1][0], many[150:])))
    paper = Paper(form, no_photo)
    draw_record(paper, form)
    data = bytes(paper.output())
    assert len(pages(data)) > 4
    whole = text(data)
    assert [n for n in range(1, 201) if f"第{n}号项目" not in whole] == []
    with_items = [page for page in pages(data) if "号项目" in page]
    assert all("查验项目Item" in page for page in with_items)
    assert all("通用项目" in page or "货车、挂车" in page for page in with_items)
    must_hold(whole, "查验结论", "备注")
    must_lie_on_paper(data)


def test_a_finding_of_the_longest_texts_is_whole() -> None:
    finding = Finding(
        item="B1", result="fail", quantity="axle_rate", value=LONG, unit="%", limit=LONG, clause=LONG,
        arithmetic=LONG, basis=tuple(range(100_000, 100_300)),
    )  # fmt: skip
    last = Judged(verdict="fail", findings=(finding,) * 3, rules="r" * 80, rules_sha256="0" * 64)
    data = pdf("instruments", [*opened(), last])
    whole = text(data)
    assert whole.count("K0000") == whole.count("K0329") == 12
    assert whole.count("100299") == 3
    must_lie_on_paper(data)


def test_a_report_of_many_rows_repeats_its_heading() -> None:
    one = Finding(item="B1", result="pass", quantity="axle_rate", value="61.0", unit="%", limit="≥ 60 %")
    last = Judged(verdict="pass", findings=(one,) * 200, rules="r", rules_sha256="0" * 64)
    report = instrument_report(dossier([*opened(), last]))
    paper = Paper(report, no_photo)
    draw_report(paper, report)
    data = bytes(paper.output())
    assert text(data).count("轴制动率") == 400  # each in the table, and with its arithmetic
    assert all("序号" in page for page in pages(data))
    must_lie_on_paper(data)


@pytest.mark.parametrize("kind", KINDS)
def test_names_of_any_length_leave_the_seal_readable(kind: FormKind) -> None:
    bodies = periodic()
    long = kept(bodies, site="S" * 40, node="n" * 63)
    long = replace(long, records=[_named(record, "流" * 80) for record in long.records])
    data = printed(kind, long, office(), no_photo, "打" * 80)
    must_hold(text(data), "流" * 80, "n" * 63, "打" * 80)
    must_lie_on_paper(data)
    assert all(code.endswith(HEAD) for code in codes(data))


def _named(record: Any, inspection: str) -> Any:
    import msgspec

    return msgspec.structs.replace(record, inspection=inspection)


def test_characters_that_the_font_has_not_are_named() -> None:
    remark = "已核对 😀 \u202e\x00 \ue000"
    whole = text(pdf("record", [*opened(), checked("01", remark=remark)]))
    must_hold(whole, "已核对 [U+1F600] [U+202E][U+0000] [U+E000]")


def test_a_thinned_curve_keeps_its_peak() -> None:
    forces = tuple([10] * 1234 + [777] + [10] * 4000)
    points = thinned(forces, 10)
    assert len(points) <= POINTS and (12340, 777) in points
    assert thinned((1, 2, 3), 10) == [(0, 1), (10, 2), (20, 3)]
    assert thinned((), 10) == []


# ---- photos --------------------------------------------------------------------------------------


def png(mode: str, size: tuple[int, int] = (60, 40)) -> bytes:
    sink = io.BytesIO()
    Image.new(mode, size).save(sink, "PNG")
    return sink.getvalue()


def bomb() -> bytes:
    """A PNG of a few bytes whose header claims 3.6 gigapixels."""
    import struct
    import zlib

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def exif_junk() -> bytes:
    good = jpeg()
    return good[:2] + b"\xff\xe1\x00\x20Exif\0\0MM\0*\xff\xff\xff\xff" + b"\xff" * 16 + good[2:]


BROKEN: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "cut": lambda: jpeg(2000, 1500)[:900],
    "text": lambda: b"\xff\xd8\xff\xe0" + b"no image at all" * 20,
    "bomb": bomb,
    "dot": lambda: jpeg(1, 1),
    "svg": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><image href='http://example.org/x'/></svg>",
    "pdf": lambda: pdf("photos", opened()),
}
WHOLE: dict[str, Callable[[], bytes]] = {
    "exif": exif_junk,
    "palette": lambda: png("P"),
    "alpha": lambda: png("RGBA"),
    "sixteen": lambda: png("I;16"),
    "line": lambda: png("RGB", (30_000, 16)),
}


def photographed(*contents: bytes) -> list[AnyBody]:
    """Photos of the vehicle, the last of them beside a signature of the same bytes."""
    taken = [Photographed(shot="0111", photo=digest(each), size_bytes=1) for each in contents]
    return [*opened(), *taken, Signed(officer="001", photo=digest(contents[-1]))]


def test_no_image_breaks_a_photo_sheet() -> None:
    contents = {
        digest(content): content for make in [*BROKEN.values(), *WHOLE.values()] for content in [make()]
    }
    data = pdf("photos", photographed(*contents.values()), contents.__getitem__)
    assert len(contents) == len(BROKEN) + len(WHOLE)
    assert text(data).count("照片文件已损坏") == len(BROKEN)
    assert [name for name in contents if name[:16] not in text(data)] == []
    assert len(data) < 1_000_000
    assert all(code.startswith("chayan:record:1:") for code in codes(data))


@pytest.mark.parametrize("name", ["cut", "bomb", "line"])
def test_no_image_breaks_a_record_form(name: str) -> None:
    content = (BROKEN | WHOLE)[name]()
    data = pdf("record", photographed(content), lambda _: content)
    assert text(data).count("照片文件已损坏") == (2 if name in BROKEN else 0)  # the photo, and the signature


@pytest.mark.parametrize(
    ("tag", "left", "right"), [(1, "red", "red"), (6, "blue", "red"), (8, "red", "blue")]
)
def test_a_photo_stands_upright(tag: int, left: str, right: str) -> None:
    image = Image.new("RGB", (400, 300), (255, 0, 0))
    image.paste((0, 0, 255), (0, 150, 400, 300))  # red above, blue below
    exif = Image.Exif()
    exif[0x0112] = tag
    sink = io.BytesIO()
    image.save(sink, "JPEG", exif=exif, quality=95)
    content = sink.getvalue()
    (page,) = pictures(pdf("photos", photographed(content), lambda _: content), 100)
    red = np.argwhere((page[:, :, 0] > 200) & (page[:, :, 1] < 60) & (page[:, :, 2] < 60))
    blue = np.argwhere((page[:, :, 2] > 200) & (page[:, :, 0] < 60) & (page[:, :, 1] < 60))
    assert len(red) > 1000 and len(blue) > 1000
    (red_y, red_x), (blue_y, blue_x) = red.mean(axis=0), blue.mean(axis=0)
    if tag == 1:
        assert red_y < blue_y - 20 and abs(red_x - blue_x) < 20
    else:
        assert {left: -1, right: 1} == {"red": np.sign(red_x - blue_x), "blue": np.sign(blue_x - red_x)}


def test_large_photos_are_scaled_down() -> None:
    slopes = np.add.outer(np.arange(3000), np.arange(4000)) // 28
    grain = np.random.default_rng(1).integers(0, 40, (3000, 4000, 3))
    sink = io.BytesIO()
    Image.fromarray((slopes[:, :, None] % 200 + grain).astype(np.uint8)).save(sink, "JPEG", quality=95)
    content = sink.getvalue()
    data = pdf("photos", photographed(content), lambda _: content)
    assert len(content) > 5_000_000 and len(data) < 500_000


def test_a_store_tells_why_it_has_no_photo(tmp_path: Path) -> None:
    store = Photos(tmp_path / "photos")
    good, spoilt = jpeg(), jpeg(colour=(1, 2, 3))
    find = source_of(store)
    assert store.put(good) == digest(good) and find(digest(good)) == good
    store.path(store.put(spoilt)).write_bytes(b"other")
    altered = find(digest(spoilt))
    assert isinstance(altered, Label) and altered.zh == "内容与摘要不符"
    for absent in (find("0" * 64), source_of(None)(digest(good))):
        assert isinstance(absent, Label)
        assert absent.zh == "本机没有这张照片：尚未送到，或已按保存期限移除"


# ---- fonts, network, noise -----------------------------------------------------------------------

ALONE = """
import logging, sys, socket
logging.basicConfig(level=logging.DEBUG)

def watch(event, args):
    if event.startswith("socket."):
        raise SystemExit(f"asks the network: {event} {args}")
    if event == "open" and "/fonts/" in str(args[0]) and "site-packages" not in str(args[0]):
        raise SystemExit(f"opens a font of the system: {args[0]}")

sys.path.insert(0, sys.argv[1])
from tests.forms_parts import pdf, periodic, jpeg, pages
from lanes.forms import KINDS
sys.addaudithook(watch)
for kind in KINDS:
    data = pdf(kind, periodic(), lambda _: jpeg())
    assert "查验" in "".join(pages(data)), kind
print("done")
"""


def test_it_needs_no_font_of_the_system_and_no_network_and_is_silent(tmp_path: Path) -> None:
    (tmp_path / "fonts.conf").write_text("<fontconfig></fontconfig>")
    bare_env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "FONTCONFIG_FILE": str(tmp_path / "fonts.conf"),
        "LANG": "C",
    }
    command = [sys.executable, "-X", "utf8", "-W", "error", "-c", ALONE, str(ROOT)]
    done = subprocess.run(command, cwd=tmp_path, env=bare_env, capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stdout.strip()) == (0, "done"), done.stderr
    noise = [line for line in done.stderr.splitlines() if re.search("fpdf|fontTools", line)]
    assert noise == []


def test_the_libraries_log_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        pdf("record", [*opened(), checked("01", remark="😀")])
    assert [r.name for r in caplog.records if r.name.startswith(("fpdf", "fontTools"))] == []


def test_two_at_a_time_are_two_whole_forms() -> None:
    made: dict[str, bytes] = {}

    def one(kind: FormKind) -> None:
        made[kind] = pdf(kind, periodic())

    threads = [threading.Thread(target=one, args=(kind,)) for kind in KINDS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert {kind: WORDS[f"title.{kind}"].zh in text(data) for kind, data in made.items()} == dict.fromkeys(
        KINDS, True
    )

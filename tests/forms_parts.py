"""Inspections for the tests of printed forms: records as a lane writes them, photos, and PDFs read back."""

import hashlib
import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import cv2
import numpy as np
import pypdfium2
from PIL import Image

from edge.desk import evidence
from edge.printing import Office, dossier_of, printed
from edge.printing_paper import BOTTOM, MARGIN, QR_SIDE, Photos
from edge.rulebook import read_rulebook
from lanes.forms import Dossier, FormKind, Kept
from lanes.inspection import fold
from lanes.judge import judge
from lanes.record import AnyBody, Arrived, Judged, Moved, Ordered, Photographed, Record, Reviewed, Signed
from lanes.tables import Label
from lanes.vehicle import Plate, Vehicle
from tests.lanes_parts import ON, SMALL_SITE, brake, car, checked, weighed

NUMBER = "2026112200017"
START = datetime(2026, 11, 22, 1, tzinfo=UTC)  # 09:00 in China
PRINTED = datetime(2026, 11, 22, 4, 30, tzinfo=UTC)
HEAD = "5e" * 32
MM = 72 / 25.4  # points
CAR = car(colour="A", brand="示例牌", model="SL7160A", engine_no="E1234567")
BUS = car(
    vehicle_class="K18", use="P", seats=45, colour="C", gross_mass_kg=12000, kerb_mass_kg=9000,
    plate=Plate(hpzl="01", hphm="浙A88888"),
)  # fmt: skip
TRUCK = car(
    vehicle_class="H11", use="F", axles=3, gross_mass_kg=25000, kerb_mass_kg=9000,
    plate=Plate(hpzl="01", hphm="浙A66666"),
)  # fmt: skip
PERIODIC = ("01", "03", "04", "06", "07", "08", "09", "20")
REGISTRATION = ("01", "02", "03", "04", "05", "06", "07", "08", "09", "20")
VALUES = {"04": "A", "05": "5", "06": "K33"}


def records(bodies: Sequence[AnyBody], source: str = "agent", first: int = 101) -> list[Record]:
    """Records of one inspection, one every seven seconds, with other records between them."""
    return [
        Record(
            seq=first + 2 * n, at=START + timedelta(seconds=7 * n), tick_ms=n, source=source,
            source_key=str(n), inspection=NUMBER, body=body,
        )
        for n, body in enumerate(bodies)
    ]  # fmt: skip


def opened(vehicle: Vehicle = CAR, business: str = "periodic", **changes: Any) -> list[AnyBody]:
    left_out = {"left_out": SMALL_SITE.left_out, "left_out_why": SMALL_SITE.left_out_why}
    order = Ordered(vehicle=vehicle, business=business, ordered_by="clerk", **left_out, **changes)
    return [order, Arrived(lane="1"), Moved(lane="1", station="exterior")]


def checks(items: Sequence[str], **changes: Any) -> list[AnyBody]:
    """Checks that pass, with the values that registration wants; ``changes`` of item 03."""
    return [
        checked(item, **{"value": VALUES.get(item, ""), **(changes if item == "03" else {})})
        for item in items
    ]


def bench(front: int = 240) -> list[AnyBody]:
    """Weights and brakes; a sound car has a front axle of 240 and 228."""
    return [
        weighed(1, "322.5", "317.5"),
        weighed(2, "290", "285"),
        brake("B1", front, 228, left_drag_dan=10, right_drag_dan=12),
        brake("B2", 150, 145),
        brake("B0", 160, 150),
    ]


def photographed(shots: Sequence[str], officer: str = "001") -> list[AnyBody]:
    return [Photographed(shot=s, photo=digest(s.encode()), size_bytes=1, officer=officer) for s in shots]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def judged(bodies: Sequence[AnyBody]) -> list[AnyBody]:
    """The attempt signed for and judged as a lane does it, every photo agreed with."""
    bodies = list(bodies)
    for record in records(bodies):
        if isinstance(record.body, Photographed):
            bodies += _reviews(record.seq, record.body, bodies[0])
    bodies.append(Signed(officer="001"))
    inspection = fold(records(bodies))
    assert inspection is not None
    book = read_rulebook()
    findings, verdict = judge(evidence(inspection), book, ON)
    return [
        *bodies,
        Judged(verdict=verdict, findings=findings, rules=book.name, rules_sha256=book.rules_sha256),
        Moved(lane="1", station=""),
    ]


def _reviews(seq: int, taken: Photographed, order: AnyBody) -> list[AnyBody]:
    assert isinstance(order, Ordered)
    vehicle = order.vehicle
    expected = {"quality": ""} | ({"vin": vehicle.vin} if taken.shot == "0113" else {})
    if taken.shot == "0111" and vehicle.plate is not None:
        expected["plate"] = vehicle.plate.hphm
    return [
        Reviewed(
            photo_seq=seq, photo=taken.photo, shot=taken.shot, question=question, opinion="agree",  # type: ignore[arg-type]
            model="reader-1", expected=text, text=text,
        )
        for question, text in expected.items()
    ]  # fmt: skip


def periodic(**changes: Any) -> list[AnyBody]:
    """A whole periodic inspection; ``changes`` of item 03."""
    shots = ("0111", "0112", "0113", "0157")
    return judged([*opened(), *photographed(shots), *checks(PERIODIC, **changes), *bench()])


def verdict(kind: str, rules_sha256: str = "cd" * 32) -> Judged:
    """A verdict by rules that are not here."""
    return Judged(verdict=kind, findings=(), rules="CN 2027", rules_sha256=rules_sha256)  # type: ignore[arg-type]


def kept(bodies: Sequence[AnyBody], source: str = "agent", **changes: Any) -> Kept:
    made = {"site": "3301-0001", "node": "lane-1", "records": records(bodies, source), "head": HEAD}
    return Kept(**(made | changes))


def office() -> Office:
    return Office(
        rulebook=read_rulebook(),
        site_title=Label(zh="示例查验区", en="Example site"),
        officers={"001": "张三", "002": "李四"},
    )


def dossier(bodies: Sequence[AnyBody], source: str = "agent", **changes: Any) -> Dossier:
    return dossier_of(kept(bodies, source, **changes), office(), "王五", PRINTED)


def no_photo(_: str) -> Label:
    return Label(zh="本机没有这张照片", en="the photo is not here")


def pdf(kind: FormKind, bodies: Sequence[AnyBody], photos: Photos = no_photo, source: str = "agent") -> bytes:
    return printed(kind, kept(bodies, source), office(), photos, "王五", PRINTED)


def jpeg(width: int = 400, height: int = 300, colour: tuple[int, int, int] = (40, 120, 60)) -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(sink, "JPEG")
    return sink.getvalue()


# ---- reading back --------------------------------------------------------------------------------


def pages(data: bytes) -> list[str]:
    """The text of each page without blanks and line breaks: nothing but what is printed."""
    document = pypdfium2.PdfDocument(data)
    try:
        return [re.sub(r"[\s\u3000]+", "", page.get_textpage().get_text_range()) for page in document]
    finally:
        document.close()


def text(data: bytes) -> str:
    return "".join(pages(data))


def bare(words: str) -> str:
    """Words as ``pages`` gives them."""
    return re.sub(r"[\s\u3000]+", "", words)


def pictures(data: bytes, dpi: int = 150) -> list[np.ndarray]:
    """Each page as pixels (RGB)."""
    document = pypdfium2.PdfDocument(data)
    try:
        return [np.asarray(page.render(scale=dpi / 72).to_pil().convert("RGB")) for page in document]
    finally:
        document.close()


def codes(data: bytes) -> list[str]:
    """What the QR code of each page says, at the first resolution at which the detector finds it."""
    found: list[str] = []
    for dpi in (200, 250, 300, 400):
        said = [_code(page, dpi / 25.4) for page in pictures(data, dpi)]
        found = [one or other for one, other in zip(found or said, said, strict=True)]
        if all(found):
            break
    return found


def _code(page: np.ndarray, per_mm: float) -> str:
    low, high = int(BOTTOM * per_mm), int((BOTTOM + QR_SIDE + 5) * per_mm)
    left, right = int((MARGIN - 5) * per_mm), int((MARGIN + QR_SIDE + 3) * per_mm)
    return str(cv2.QRCodeDetectorAruco().detectAndDecode(np.ascontiguousarray(page[low:high, left:right]))[0])


def boxes(data: bytes) -> list[tuple[int, str, tuple[float, float, float, float]]]:
    """(page, character, (left, top, right, bottom) in mm) of all that is printed."""
    document = pypdfium2.PdfDocument(data)
    found = []
    try:
        for number, page in enumerate(document):
            letters, height = page.get_textpage(), page.get_height()
            for n in range(letters.count_chars()):
                left, bottom, right, top = letters.get_charbox(n)
                char = letters.get_text_range(n, 1)
                if char.strip():
                    box = (left / MM, (height - top) / MM, right / MM, (height - bottom) / MM)
                    found.append((number, char, box))
    finally:
        document.close()
    return found

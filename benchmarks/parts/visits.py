"""The records and photos of one vehicle's visit, as a lane of the virtual site writes them."""

import hashlib
import random
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from lanes import record as r
from lanes.vehicle import Plate, Vehicle

SHOTS = ("0111", "0112", "0113", "0157", "0158", "0163", "0164", "0201", "0204", "0301", "0321", "0344")
STATIONS = ("gate", "exterior", "brake", "sideslip", "exit")
ITEMS = tuple(f"{number:02d}" for number in range(1, 13))
PHOTO_BYTES = 4096
CURVE_POINTS = 250  # 2.5 s at 10 ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Drafts in order, and the photos that they name."""

    drafts: list[r.Draft]
    photos: list[bytes]


def visit(number: int, lane: str, first_seq: int) -> Visit:
    """Visit ``number``, whose first record will be ``first_seq``: some 110 records and 12 photos."""
    made = _Visit(number, lane, first_seq)
    made.arrive()
    made.measure()
    made.photograph()
    made.judge()
    return Visit(drafts=made.drafts, photos=made.photos)


class _Visit:
    """One visit while it is being made."""

    def __init__(self, number: int, lane: str, first_seq: int) -> None:
        self.drafts: list[r.Draft] = []
        self.photos: list[bytes] = []
        self._name, self._lane, self._first = f"V{number:09d}", lane, first_seq
        self._dice = random.Random(number)
        self._plate = f"浙A{number % 100_000:05d}"

    def _tell(self, body: r.AnyBody) -> int:
        """Adds a record; its number."""
        key = f"{self._name}/{len(self.drafts)}"
        source = "virtual+" + ("agent" if len(self.drafts) % 3 else f"io://lane-{self._lane}")
        self.drafts.append(r.Draft(source=source, source_key=key, inspection=self._name, body=body))
        return self._first + len(self.drafts) - 1

    def _photo(self) -> tuple[str, int]:
        photo = b"\xff\xd8\xff\xe0" + self._dice.randbytes(PHOTO_BYTES)
        self.photos.append(photo)
        return hashlib.sha256(photo).hexdigest(), len(photo)

    def arrive(self) -> None:
        """Order, capture, and the way through all stations with its sensors, lights and barriers."""
        vehicle = Vehicle(
            vin=f"LTEST1A27R{int(self._name[1:]) % 10**7:07d}",
            vehicle_class="K33",
            use="A",
            made_on=date(2018, 3, 1),
            gross_mass_kg=1640,
            kerb_mass_kg=1265,
            plate=Plate(hpzl="02", hphm=self._plate),
        )
        self._tell(r.Ordered(vehicle=vehicle, business="periodic", ordered_by="clerk", lane=self._lane))
        seen = self._tell(
            r.Captured(
                lane=self._lane, station="gate", device="camera", plate_text=self._plate, confidence_pct=97
            )
        )
        self._tell(r.Arrived(lane=self._lane, capture_seq=seen))
        for station in STATIONS:
            self._pass(station)
        self._tell(r.Moved(lane=self._lane, station=""))

    def _pass(self, station: str) -> None:
        self._tell(r.Moved(lane=self._lane, station=station))
        for on in (True, False):
            for sensor in ("occupied", "axle"):
                self._tell(r.Sensed(lane=self._lane, station=station, sensor=sensor, on=on))
            for actuator in ("green", "red", "barrier"):
                self._tell(r.Switched(lane=self._lane, station=station, actuator=actuator, on=on))

    def measure(self) -> None:
        """Axle loads, brakes and side slip."""
        for axle in (1, 2):
            left, right = (Decimal(self._dice.randrange(280, 420)) for _ in range(2))
            self._tell(
                r.AxleWeighed(
                    lane=self._lane, station="brake", device="scale", axle=axle, left_kg=left, right_kg=right
                )
            )
        for item, axle in (("B1", 1), ("B2", 2), ("B0", 2)):
            self._brake(item, axle)
        slip = Decimal(self._dice.randrange(-40, 40)) / 10
        self._tell(r.ItemStarted(lane=self._lane, station="sideslip", item="A1", device="plate"))
        self._tell(
            r.SideslipMeasured(
                lane=self._lane, station="sideslip", item="A1", device="plate", slip_m_per_km=slip
            )
        )

    def _brake(self, item: str, axle: int) -> None:
        left, right = (tuple(self._force(point) for point in range(CURVE_POINTS)) for _ in range(2))
        self._tell(r.ItemStarted(lane=self._lane, station="brake", item=item, device="brake"))
        self._tell(
            r.BrakeMeasured(
                lane=self._lane,
                station="brake",
                device="brake",
                item=item,
                axle=axle,
                left_max_dan=max(left),
                right_max_dan=max(right),
                curve=r.BrakeCurve(interval_ms=10, left_dan=left, right_dan=right),
            )
        )

    def _force(self, point: int) -> int:
        return min(point * 3, 260) + self._dice.randrange(12)

    def photograph(self) -> None:
        """Each shot, and what the models think of it."""
        for shot in SHOTS:
            digest, size = self._photo()
            taken = self._tell(r.Photographed(shot=shot, photo=digest, size_bytes=size, officer="officer-01"))
            self._tell(
                r.Reviewed(
                    photo_seq=taken,
                    photo=digest,
                    shot=shot,
                    question="plate",
                    opinion="agree",
                    model="plate-1",
                    expected=self._plate,
                    text=self._plate,
                    confidence=Decimal("0.98"),
                    characters=tuple(r.Character(letter, Decimal("0.99")) for letter in self._plate),
                    took_ms=83,
                )
            )

    def judge(self) -> None:
        """Checks, signature, findings, verdict."""
        for item in ITEMS:
            self._tell(r.Checked(item=item, result="pass", officer="officer-01"))
        self._tell(r.Signed(officer="officer-01"))
        findings = tuple(
            r.Finding(item=item, result="pass", value="61.2", unit="%", limit="≥ 60", clause="GB 38900 6.12")
            for item in ITEMS
        )
        self._tell(r.Judged(verdict="pass", findings=findings, rules="gb38900", rules_sha256="0" * 64))

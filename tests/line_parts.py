"""A lane without wires for tests: its records, its book, and what is due on it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from lanes.book import Book, LaneBook
from lanes.flow import Arrive, Measure, Move, ending, outputs, steps
from lanes.layout import Lane, Station, StationKind, Title
from lanes.record import (
    AnyBody,
    Arrived,
    AxleWeighed,
    BrakeCurve,
    BrakeMeasured,
    Captured,
    HeadlampMeasured,
    ItemStarted,
    KerbMassMeasured,
    Moved,
    NodeStarted,
    Ordered,
    OutlineMeasured,
    Record,
    Scanned,
    Sensed,
    SideslipMeasured,
    SpeedometerMeasured,
    Switched,
)
from lanes.vehicle import Plate, Vehicle

KINDS: tuple[StationKind, ...] = ("gate", "exterior", "brake", "sideslip", "exit")
LANE = Lane(
    name="1",
    title=Title(zh="一", en="one"),
    stations=tuple(Station(name=kind, kind=kind, title=Title(zh=kind, en=kind)) for kind in KINDS),
)
ITEMS = ("B1", "B2", "B0", "A1")
START = datetime(2026, 11, 22, 8, tzinfo=UTC)


def car(number: int, plated: bool = True, **changes: Any) -> Vehicle:
    """A small passenger car, 浙A and its number."""
    vehicle = Vehicle(
        vin=f"LTEST1A27R{number:07d}",
        vehicle_class="K33",
        use="A",
        made_on=date(2020, 5, 1),
        gross_mass_kg=1800,
        kerb_mass_kg=1300,
        plate=Plate(hpzl="02", hphm=f"浙A{number:05d}") if plated else None,
    )
    return msgspec.structs.replace(vehicle, **changes)


class World:
    """One lane, its cars and its journal: an agent without wires."""

    def __init__(self, lane: Lane = LANE, items: tuple[str, ...] = ITEMS) -> None:
        self.lane, self.items = lane, items
        self.now_s = 0.0
        self.records: list[Record] = []
        self.book = Book()
        self.coils: dict[tuple[str, str], bool] = {}

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.now_s)

    @property
    def state(self) -> LaneBook:
        return self.book.lane("1")

    def add(self, body: AnyBody, inspection: str | None = None, after_s: float = 1.0) -> int:
        seq = len(self.records) + 1
        self.now_s += after_s
        record = Record(
            seq=seq,
            at=self.now,
            tick_ms=round(self.now_s * 1000),
            source="virtual+modbus://io-1" if isinstance(body, Sensed) else "virtual+test",
            source_key=str(seq),
            inspection=inspection,
            body=body,
        )
        self.records.append(record)
        self.book.take(record)
        return seq

    def restart(self) -> None:
        """The agent is killed: all it knows is the journal."""
        self.book = Book()
        for record in self.records:
            self.book.take(record)
        self.add(NodeStarted(version="1", boot="b", site="s", config_sha256="0" * 64))

    def sense(self, station: str, on: bool, sensor: str = "occupied", after_s: float = 1.0) -> None:
        self.add(Sensed(lane="1", station=station, sensor=sensor, on=on), after_s=after_s)

    def capture(
        self,
        text: str,
        station: str = "gate",
        plate_type: str = "unknown",
        *,
        device: str = "cam",
        replayed: bool = False,
        at_s: int | None = None,
    ) -> int:
        """``at_s``: what the camera's clock said, in seconds of the journal's."""
        return self.add(
            Captured(
                lane="1",
                station=station,
                device=device,
                plate_text=text,
                plate_type=plate_type,
                taken_at=None if at_s is None else START + timedelta(seconds=at_s),
                replayed=replayed,
            )
        )

    def scan(self, text: str, station: str = "gate") -> int:
        return self.add(Scanned(lane="1", station=station, device="scanner", text=text))

    def waiting(self) -> list[str]:
        """Plates of the captures that wait for a vehicle."""
        return [seen.capture.plate_text for seen in self.book.lane("1").captures]

    def order(self, name: str, vehicle: Vehicle, lane: str = "") -> None:
        self.add(Ordered(vehicle=vehicle, business="periodic", ordered_by="clerk", lane=lane), name)

    def instruments(self) -> dict[str, tuple[str, ...]]:
        return dict.fromkeys(self.book.inspections, self.items)

    def done(self) -> dict[str, frozenset[str]]:
        return {
            name: frozenset({"exterior", "chassis"} if each.checks else ())
            for name, each in self.book.inspections.items()
        }

    def settle(self) -> list[Measure]:
        """Does what is due until nothing is; the measurements that wait for an instrument."""
        for _ in range(50):
            due = list(steps(self.lane, self.book, self.instruments()))
            acts = [step for step in due if not isinstance(step, Measure)]
            if not acts:
                break
            for step in acts[:1]:
                self.do(step)
        self.end()
        due = list(steps(self.lane, self.book, self.instruments()))
        wanted = outputs(self.lane, self.book, self.instruments(), self.done())
        for place, goal in wanted.items():
            if self.coils.get(place, False) != goal.on:
                self.coils[place] = goal.on
                self.add(Switched(lane="1", station=place[0], actuator=place[1], on=goal.on))
        return [step for step in due if isinstance(step, Measure)]

    def end(self) -> None:
        now = self.book.moment(self.now, round(self.now_s * 1000))
        for inspection, _, body in list(ending(self.lane, self.book, now)):
            self.add(body, inspection.inspection)

    def do(self, step: Arrive | Move | Measure) -> None:
        match step:
            case Arrive():
                self.add(Arrived(lane="1", capture_seq=step.capture_seq), step.inspection)
                self.add(Moved(lane="1", station=step.gate), step.inspection)
            case Move():
                self.add(Moved(lane="1", station=step.station), step.inspection)
            case Measure():
                self.add(
                    ItemStarted(lane="1", station=step.station, item=step.item, device="d"), step.inspection
                )
                self.add(measured(step), step.inspection)


def measured(step: Measure) -> AnyBody:
    """A reading of what is due."""
    where = {"lane": "1", "station": step.station, "device": "d"}
    if step.role == "weigh":
        load = Decimal(300)
        return AxleWeighed(**where, axle=step.axle, left_kg=load, right_kg=load)
    if step.role == "speed":
        return SpeedometerMeasured(**where, item=step.item, indicated_kmh=Decimal(40), actual_kmh=Decimal(38))
    if step.role == "headlamp":
        return HeadlampMeasured(**where, item=step.item, main_intensity_cd=20_000)
    if step.role == "outline":
        return OutlineMeasured(**where, item=step.item, length_mm=4500, width_mm=1800, height_mm=1500)
    if step.role == "mass":
        return KerbMassMeasured(**where, item=step.item, mass_kg=Decimal(1300))
    if step.role == "brake":
        curve = BrakeCurve(interval_ms=10, left_dan=(0, 200), right_dan=(0, 200))
        return BrakeMeasured(
            lane="1",
            station="brake",
            device="b",
            item=step.item,
            axle=step.axle,
            left_max_dan=200,
            right_max_dan=200,
            curve=curve,
        )
    return SideslipMeasured(lane="1", station="sideslip", device="s", item="A1", slip_m_per_km=Decimal("1.2"))

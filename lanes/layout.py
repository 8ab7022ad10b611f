"""Site ▸ Lane ▸ Station: what stands where, in the order a vehicle passes it, and what each kind measures."""

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

Word: TypeAlias = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]
StationKind: TypeAlias = Literal[
    "gate", "exterior", "chassis", "brake", "sideslip", "speed", "headlamp", "outline", "mass", "exit"
]
Role: TypeAlias = Literal["weigh", "brake", "sideslip", "speed", "headlamp", "outline", "mass"]
Stand: TypeAlias = Literal["axle", "whole", "pass"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What instruments of a role measure.

    ``letter``: stands first in the codes of their items. ``stand``: with the item's ``axle`` on the rollers,
    as a ``whole`` anywhere on the station, or while it is sent through (``pass``).
    """

    letter: str
    stand: Stand
    sensors: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


#: In the order in which a station with several roles measures; W1…W6 are the weighings of the axles.
WORK: dict[Role, Work] = {
    "mass": Work(letter="Z", stand="whole"),
    "headlamp": Work(letter="H", stand="whole"),
    "weigh": Work(letter="W", stand="axle", sensors=("axle", "beyond"), outputs=("advance",)),
    "brake": Work(letter="B", stand="axle", sensors=("axle", "beyond"), outputs=("advance",)),
    "speed": Work(letter="S", stand="axle", sensors=("axle",), outputs=("advance",)),
    "sideslip": Work(letter="A", stand="pass", outputs=("advance",)),
    "outline": Work(letter="M", stand="pass", outputs=("advance",)),
}
#: What a station of a kind measures by itself; ``roles`` in the site file says otherwise.
ROLES: dict[StationKind, tuple[Role, ...]] = {
    "gate": (),
    "exterior": (),
    "chassis": (),
    "brake": ("weigh", "brake"),
    "sideslip": ("sideslip",),
    "speed": ("speed",),
    "headlamp": ("headlamp",),
    "outline": ("outline",),
    "mass": ("mass",),
    "exit": (),
}
#: What only the officer in the pit checks, on a lane that has one: group of items and shots (F: PDA lists).
PIT_GROUP, PIT_SHOTS = "chassis", ("0323",)


def _wired(kind: StationKind, first: tuple[str, ...], of: Literal["sensors", "outputs"]) -> tuple[str, ...]:
    further = (each for role in ROLES[kind] for each in getattr(WORK[role], of))
    return tuple(dict.fromkeys((*first, *further)))


#: What a station of a kind must have wired: sensors by which the vehicle is followed, outputs that lead it.
SENSORS: dict[StationKind, tuple[str, ...]] = {kind: _wired(kind, ("occupied",), "sensors") for kind in ROLES}
OUTPUTS: dict[StationKind, tuple[str, ...]] = {
    kind: _wired(kind, ("barrier" if kind in ("gate", "exit") else "light",), "outputs") for kind in ROLES
}


class Title(Struct, frozen=True, kw_only=True):
    """A name people read, Chinese first."""

    zh: str
    en: str


class Station(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Room for one vehicle and some tests (工位). ``roles``: what is measured here, if not the usual."""

    name: Word
    kind: StationKind
    title: Title
    roles: tuple[Role, ...] = ()

    @property
    def work(self) -> tuple[Role, ...]:
        """What is measured here, in the order of ``WORK``."""
        mine = self.roles or ROLES[self.kind]
        return tuple(role for role in WORK if role in mine)

    @property
    def by_axle(self) -> bool:
        """Whether something here is measured axle by axle."""
        return any(WORK[role].stand == "axle" for role in self.work)

    @property
    def sensors(self) -> tuple[str, ...]:
        """Sensors that must be wired here."""
        return self._wired(SENSORS[self.kind][:1], "sensors")

    @property
    def outputs(self) -> tuple[str, ...]:
        """Outputs that lead a vehicle here; the first lets it go on."""
        return self._wired(OUTPUTS[self.kind][:1], "outputs")

    @property
    def lead(self) -> str:
        """The output that lets a vehicle go on."""
        return OUTPUTS[self.kind][0]

    def _wired(self, first: tuple[str, ...], of: Literal["sensors", "outputs"]) -> tuple[str, ...]:
        further = (each for role in self.work for each in getattr(WORK[role], of))
        return tuple(dict.fromkeys((*first, *further)))


class LeastSeconds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The shortest time of an item by its role, and of the whole lane, as registered (备案 18C02).

    Names there: zdjcsj, dgjcsj, sdjcsj, chjcsj, czjcsj, qxjcsj (F: MFC). The values are the line's own.
    """

    weigh: Annotated[int, Meta(ge=0, le=3600)] = 0
    brake: Annotated[int, Meta(ge=0, le=3600)] = 0
    sideslip: Annotated[int, Meta(ge=0, le=3600)] = 0
    speed: Annotated[int, Meta(ge=0, le=3600)] = 0
    headlamp: Annotated[int, Meta(ge=0, le=3600)] = 0
    outline: Annotated[int, Meta(ge=0, le=3600)] = 0
    mass: Annotated[int, Meta(ge=0, le=3600)] = 0
    whole: Annotated[int, Meta(ge=0, le=7200)] = 0


class Lane(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of stations (检测线 / 查验通道); the first is the gate, the last the exit.

    ``target_s``: how long a visit should last at most (S: 15 minutes of the 2.0 channel). ``stand_limit_s``:
    after how long on one station the board asks what is the matter (M).
    """

    name: Word
    title: Title
    stations: Annotated[tuple[Station, ...], Meta(min_length=2)]
    least_s: LeastSeconds | None = None
    target_s: Annotated[int, Meta(ge=60, le=86_400)] = 900
    stand_limit_s: Annotated[int, Meta(ge=10, le=86_400)] = 300

    def index(self, station: str) -> int:
        """Place of a station in the lane, from 0; raises ValueError for a station of another lane."""
        return [each.name for each in self.stations].index(station)

    def has(self, kind: StationKind) -> bool:
        """Whether a station of a kind stands on this lane."""
        return any(station.kind == kind for station in self.stations)

    def measuring(self, item: str) -> Station | None:
        """The station where an instrument item is measured; None: not on this lane."""
        role = role_of(item)
        return next((station for station in self.stations if role in station.work), None)

    def least_ms(self, item: str) -> int:
        """How long an item must last at least, ms."""
        role = role_of(item)
        return 0 if self.least_s is None or role is None else 1000 * int(getattr(self.least_s, role))


def role_of(item: str) -> Role | None:
    """The role of the instrument that measures an item (B1, W2, A1 …); None: no instrument of a lane does."""
    numbered = item[1:].isdigit()
    return next((role for role, work in WORK.items() if numbered and work.letter == item[0]), None)


def layout_problems(lanes: tuple[Lane, ...]) -> list[str]:
    """What is wrong with a site's lanes, in words; empty when nothing is."""
    problems = _repeated("lane", [lane.name for lane in lanes])
    for lane in lanes:
        problems += _repeated(f"lane {lane.name}: station", [station.name for station in lane.stations])
        if lane.stations[0].kind != "gate":
            problems.append(f"lane {lane.name}: the first station must be of kind gate")
        if lane.stations[-1].kind != "exit":
            problems.append(f"lane {lane.name}: the last station must be of kind exit")
        problems += [
            f"lane {lane.name}: station {station.name}: roles: nothing is measured at kind {station.kind}"
            for station in lane.stations
            if station.roles and station.kind in ("gate", "exit")
        ]
        measured: list[str] = [role for station in lane.stations for role in station.work]
        problems += _repeated(f"lane {lane.name}: role", measured)
    return problems


def _repeated(what: str, names: list[str]) -> list[str]:
    return [f"{what} {name} is named twice" for name in sorted({n for n in names if names.count(n) > 1})]

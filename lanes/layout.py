"""Site ▸ Lane ▸ Station: what stands where, in the order a vehicle passes it."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

Word: TypeAlias = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]
StationKind: TypeAlias = Literal["gate", "exterior", "brake", "sideslip", "exit"]

#: What a station of a kind must have wired: sensors by which the vehicle is followed, outputs that lead it.
SENSORS: dict[StationKind, tuple[str, ...]] = {
    "gate": ("occupied",),
    "exterior": ("occupied",),
    "brake": ("occupied", "axle", "beyond"),
    "sideslip": ("occupied",),
    "exit": ("occupied",),
}
OUTPUTS: dict[StationKind, tuple[str, ...]] = {
    "gate": ("barrier",),
    "exterior": ("light",),
    "brake": ("light", "advance"),
    "sideslip": ("light", "advance"),
    "exit": ("barrier",),
}


class Title(Struct, frozen=True, kw_only=True):
    """A name people read, Chinese first."""

    zh: str
    en: str


class Station(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Room for one vehicle and some tests (工位)."""

    name: Word
    kind: StationKind
    title: Title


class Lane(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of stations (检测线 / 查验通道); the first is the gate, the last the exit."""

    name: Word
    title: Title
    stations: Annotated[tuple[Station, ...], Meta(min_length=2)]

    def index(self, station: str) -> int:
        """Place of a station in the lane, from 0; raises ValueError for a station of another lane."""
        return [each.name for each in self.stations].index(station)


def layout_problems(lanes: tuple[Lane, ...]) -> list[str]:
    """What is wrong with a site's lanes, in words; empty when nothing is."""
    problems = _repeated("lane", [lane.name for lane in lanes])
    for lane in lanes:
        problems += _repeated(f"lane {lane.name}: station", [station.name for station in lane.stations])
        if lane.stations[0].kind != "gate":
            problems.append(f"lane {lane.name}: the first station must be of kind gate")
        if lane.stations[-1].kind != "exit":
            problems.append(f"lane {lane.name}: the last station must be of kind exit")
    return problems


def _repeated(what: str, names: list[str]) -> list[str]:
    return [f"{what} {name} is named twice" for name in sorted({n for n in names if names.count(n) > 1})]

"""Lanes and their stations: places in order, and what no lane may be, in words."""

import pytest

from lanes.layout import Lane, Station, StationKind, Title, layout_problems

TITLE = Title(zh="一", en="one")


def lane(name: str, *stations: tuple[str, StationKind]) -> Lane:
    placed = tuple(Station(name=station, kind=kind, title=TITLE) for station, kind in stations)
    return Lane(name=name, title=TITLE, stations=placed)


GOOD = lane("1", ("in", "gate"), ("brake", "brake"), ("out", "exit"))


def test_a_station_has_its_place_in_its_own_lane_only() -> None:
    assert [GOOD.index(station.name) for station in GOOD.stations] == [0, 1, 2]
    with pytest.raises(ValueError, match="slip"):
        GOOD.index("slip")


@pytest.mark.parametrize(
    ("lanes", "problems"),
    [
        ((GOOD,), []),
        ((GOOD, GOOD), ["lane 1 is named twice"]),
        (
            (lane("2", ("in", "gate"), ("in", "brake"), ("out", "exit")),),
            ["lane 2: station in is named twice"],
        ),
        ((lane("2", ("in", "brake"), ("out", "exit")),), ["lane 2: the first station must be of kind gate"]),
        ((lane("2", ("in", "gate"), ("out", "gate")),), ["lane 2: the last station must be of kind exit"]),
        (
            (
                lane("3", ("a", "exit"), ("a", "exit"), ("b", "gate"), ("b", "gate")),
                lane("3", ("in", "gate"), ("out", "exit")),
            ),
            [
                "lane 3 is named twice",
                "lane 3: station a is named twice",
                "lane 3: station b is named twice",
                "lane 3: the first station must be of kind gate",
                "lane 3: the last station must be of kind exit",
            ],
        ),
    ],
)
def test_what_no_lane_may_be(lanes: tuple[Lane, ...], problems: list[str]) -> None:
    assert layout_problems(lanes) == problems

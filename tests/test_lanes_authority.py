"""Who may inspect what, and what stands against an officer, as the shipped rows say it."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from lanes.authority import Grant, objections, requirement
from lanes.rulebook import Rulebook
from lanes.samples import ordinary
from lanes.vehicle import Vehicle
from tests.lanes_parts import ON, car, rulebook, tables

MADE = date(2024, 3, 1)
CHANGES = (
    *("registration", "vehicle_replacement", "transfer_out", "colour_change"),
    *("body_change", "engine_change", "use_change"),
)
OTHERS = ("periodic", "transfer", "transfer_in", "certificate_issue", "other")
SENIOR = Grant(officer="110001", level="senior", police=True)


def vehicle(kind: str, **changes: Any) -> Vehicle:
    made = ordinary(kind, MADE, use=changes.pop("use", ""))
    fields = {name: getattr(made, name) for name in made.__struct_fields__}
    return Vehicle(**{**fields, **changes})


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        *(
            (kind, "junior")
            for kind in ("K31", "K33", "K39", "K41", "H31", "H41", "Q31", "H51", "M21", "N11")
        ),
        *(
            (kind, "middle")
            for kind in ("K11", "K21", "K18", "K38", "H11", "H21", "Q11", "Z11", "B31", "G11", "J11")
        ),
        ("T11", "senior"),  # no row: the highest
    ],
)
def test_the_level_of_officer_by_class(kind: str, level: str) -> None:
    assert requirement(vehicle(kind, use="A"), "periodic", ON, rulebook()).level == level


@pytest.mark.parametrize("use", ["O", "P", "Q", "R", "S"])
def test_school_buses_and_dangerous_goods_raise_the_level(use: str) -> None:
    assert requirement(car(use=use), "periodic", ON, rulebook()).level == "middle"


@pytest.mark.parametrize(
    ("kind", "changes", "police"),
    [
        ("K33", {}, False),
        ("H31", {}, False),
        ("M21", {}, False),
        ("K33", {"imported": True}, True),
        ("M21", {"imported": True}, True),
        ("K33", {"use": "P"}, True),
        ("H31", {"use": "R"}, True),
        *(
            (kind, {}, True)
            for kind in ("K11", "K21", "K18", "H11", "H21", "Q11", "Z51", "H51", "N11", "B31", "G11")
        ),
    ],
)
def test_what_the_police_must_inspect_themselves(kind: str, changes: dict[str, Any], police: bool) -> None:
    for business in CHANGES:
        assert requirement(vehicle(kind, **changes), business, ON, rulebook()).police is police, business
    for business in OTHERS:
        assert not requirement(vehicle(kind, **changes), business, ON, rulebook()).police, business


@pytest.mark.parametrize(
    ("business", "police", "persons"),
    [
        ("scrapping", True, 2),
        ("vin_restamping", True, 2),
        ("engine_restamping", True, 2),
        ("school_bus_permit", True, 2),
        ("school_bus_renewal", True, 1),
        ("school_bus_end", True, 1),
        ("periodic", False, 1),
        ("registration", False, 1),
    ],
)
def test_businesses_for_the_police_and_for_two(business: str, police: bool, persons: int) -> None:
    found = requirement(car(), business, ON, rulebook())
    assert (found.police, found.persons) == (police, persons)
    assert found.by == ("video", "afterwards")
    assert found.rows


def codes(grant: Grant, inspected: Vehicle, business: str = "registration", on: date = ON) -> list[str]:
    found = objections(grant, inspected, business, on, rulebook())
    assert all(each.zh and each.en for each in found)
    return [each.code for each in found]


def test_an_officer_with_every_grant_may_inspect_everything() -> None:
    for kind in ("K33", "K18", "H11", "B11", "M21"):
        assert codes(SENIOR, vehicle(kind)) == []


@pytest.mark.parametrize(
    ("grant", "wanted"),
    [
        ({"suspended": True}, ["suspended"]),
        ({"valid_until": ON}, []),
        ({"valid_until": ON - timedelta(days=1)}, ["expired"]),
        ({"reviewed_until": ON}, []),
        ({"reviewed_until": ON - timedelta(days=1)}, ["review"]),
        ({"level": "middle"}, []),
        ({"level": "junior"}, ["level"]),
        ({"level": "top"}, ["level"]),
        ({"police": False}, ["police"]),
        ({"businesses": ("registration",)}, []),
        ({"businesses": ("periodic",)}, ["business"]),
        ({"businesses": ()}, ["business"]),
        ({"classes": ("K3", "H1")}, []),
        ({"classes": ("K3",)}, ["class"]),
        ({"classes": ()}, ["class"]),
        ({"uses": ("F",)}, []),
        ({"uses": ("A",)}, ["use"]),
        (
            {"level": "junior", "police": False, "suspended": True, "uses": ()},
            ["suspended", "level", "police", "use"],
        ),
    ],
)
def test_what_stands_against_an_officer(grant: dict[str, Any], wanted: list[str]) -> None:
    fields: dict[str, Any] = {"officer": "110001", "level": "senior", "police": True}
    assert codes(Grant(**{**fields, **grant}), vehicle("H11")) == wanted


def test_the_words_name_level_and_day() -> None:
    junior = Grant(officer="1", level="junior", police=True, valid_until=date(2026, 1, 1))
    expired, level = objections(junior, vehicle("H11"), "periodic", ON, rulebook())
    assert expired.zh == "查验员资格证书已于 2026-01-01 到期"
    assert expired.en == "the certificate ended on 2026-01-01"
    assert level.zh == "须中级查验员，现为初级查验员"
    assert level.en == "needs at least: intermediate officer; this is: junior officer"


@pytest.mark.parametrize(
    ("grant", "zh", "en"),
    [
        ({"suspended": True}, "查验员资格已暂停", "the officer is suspended"),
        (
            {"valid_until": date(2026, 1, 1)},
            "查验员资格证书已于 2026-01-01 到期",
            "the certificate ended on 2026-01-01",
        ),
        (
            {"reviewed_until": date(2026, 1, 2)},
            "资格年度审验已于 2026-01-02 到期",
            "the yearly review of the certificate was due on 2026-01-02",
        ),
        (
            {"level": "top"},
            "查验员等级 top 未知（已知：junior、middle、senior）",
            "no level 'top' of officers (known: junior, middle, senior)",
        ),
        (
            {"police": False},
            "该车辆和业务须由民警查验",
            "this vehicle and business must be inspected by the police",
        ),
        ({"businesses": ()}, "未获授权办理该业务（registration）", "not permitted: registration"),
        ({"classes": ("K3",)}, "未获授权查验车辆类型 H11", "not permitted: class H11"),
        ({"uses": ("A",)}, "未获授权查验使用性质 F", "not permitted: use F"),
    ],
)
def test_each_objection_in_words(grant: dict[str, Any], zh: str, en: str) -> None:
    fields: dict[str, Any] = {"officer": "110001", "level": "senior", "police": True}
    (found,) = objections(Grant(**{**fields, **grant}), vehicle("H11"), "registration", ON, rulebook())
    assert (found.zh, found.en) == (zh, en)


def test_the_highest_level_is_the_one_of_the_highest_rank() -> None:
    ranks = {"junior": 3, "middle": 1, "senior": 2}
    levels = {code: msgspec.structs.replace(row, rank=ranks[code]) for code, row in rulebook().levels.items()}
    assert (
        requirement(car(), "periodic", ON, replace(rulebook(), levels=levels, authority=())).level == "junior"
    )


def test_a_dated_row_changes_who_may_inspect_from_its_day() -> None:
    files = tables()
    files["authority"]["authority"].append(
        {
            "police": True,
            "persons": 2,
            "effective_from": date(2027, 1, 1),
            "source": "own-default",
            "confidence": "M",
        }
    )
    book = Rulebook.from_tables(files)
    assert not requirement(car(), "periodic", date(2026, 12, 31), book).police
    after = requirement(car(), "periodic", date(2027, 1, 1), book)
    assert (after.police, after.persons) == (True, 2)


def test_without_rows_the_highest_level_and_one_person() -> None:
    files = tables()
    files["authority"]["authority"] = []
    found = requirement(car(), "periodic", ON, Rulebook.from_tables(files))
    assert (found.level, found.police, found.persons, found.by, found.rows) == ("senior", False, 1, (), ())

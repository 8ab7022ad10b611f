"""What a vehicle must pass, as the shipped tables say it; and the tables' own faults, each told by place."""

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import pytest

from lanes.authority import AuthorityRow
from lanes.checklist import Checklist, checklist
from lanes.item_codes import axle_of
from lanes.limits import Limit
from lanes.needs import ArtefactNeed, ItemNeed, Outside, ShotNeed
from lanes.rulebook import FILES, Rulebook
from lanes.scope import RuleError
from lanes.vehicle import Vehicle
from tests.lanes_parts import ON, RULES, SMALL_SITE, car, rulebook, tables

FORM_REGISTRATION = ["01", "02", "03", "04", "05", "06", "07", "08", "09", "20"]
FORM_PERIODIC = ["01", "03", "04", "06", "07", "08", "09", "20"]


def made(business: str = "periodic", **changes: Any) -> Checklist:
    return checklist(car(**changes), business, ON, rulebook(), SMALL_SITE)


def codes(found: Checklist, required: bool = True) -> list[str]:
    return [item.item for item in found.items if item.required is required and not item.left_out]


@pytest.mark.parametrize(
    ("business", "form"), [("registration", FORM_REGISTRATION), ("periodic", FORM_PERIODIC)]
)
@pytest.mark.parametrize("vehicle_class", ["K31", "K33", "K39", "K41", "K49"])
def test_items_of_a_small_passenger_car(business: str, form: list[str], vehicle_class: str) -> None:
    found = made(business, vehicle_class=vehicle_class)
    assert codes(found) == [*form, "B1", "B2", "B0"]
    assert codes(found, required=False) == ["A1", "R", "R1", "R2", "R3"]
    assert [item.item for item in found.checks] == form
    assert [item.item for item in found.instruments] == ["B1", "B2", "B0", "A1", "R", "R1", "R2", "R3"]


def test_side_slip_is_required_only_without_independent_suspension() -> None:
    assert "A1" in codes(made(steer_suspension="dependent"))


@pytest.mark.parametrize(("use", "there"), [("A", False), ("H", True), ("J", True)])
def test_lamps_and_siren_of_vehicles_that_may_have_them(use: str, there: bool) -> None:
    assert ("19" in codes(made(use=use), required=False)) is there


def test_what_is_written_and_what_may_not_apply() -> None:
    registration = {item.item: item for item in made("registration").checks}
    assert [i for i in registration if registration[i].writes_value] == ["04", "05", "06"]
    assert [i for i in registration if registration[i].may_not_apply] == ["20"]
    assert not any(item.writes_value or item.may_not_apply for item in made().checks)


def test_shots_and_their_questions() -> None:
    registration = {s.shot: (s.required, s.questions) for s in made("registration").shots if s.shot < "02"}
    assert registration == {
        "0111": (True, ("plate", "quality")),
        "0112": (True, ("quality",)),
        "0113": (True, ("vin", "quality")),
        "0119": (False, ("quality",)),
        "0135": (False, ("quality",)),
    }
    periodic = {s.shot: (s.required, s.questions) for s in made().shots if s.shot < "02"}
    assert periodic == {
        "0111": (True, ("plate", "quality")),
        "0112": (True, ("quality",)),
        "0113": (True, ("vin", "quality")),
        "0124": (False, ("quality",)),
        **dict.fromkeys(("0135", "0136", "0154", "0155", "0156"), (False, ("quality",))),
        "0157": (True, ("quality",)),
    }


def test_a_new_vehicle_is_not_asked_for_its_plate() -> None:
    shots = {shot.shot: shot.questions for shot in made("registration", plate=None).shots}
    assert shots["0111"] == ("quality",)
    assert shots["0113"] == ("vin", "quality")


def test_names_in_both_languages() -> None:
    items = {item.item: (item.zh, item.en) for item in made().items}
    assert items["01"] == ("车辆识别代号", "VIN")
    assert items["B0"] == ("驻车制动", "parking brake")
    assert all(zh and en for zh, en in items.values())
    names = rulebook().names
    assert names["plate_kinds"]["02"].zh == "小型汽车"
    assert names["businesses"]["periodic"].en == "periodic inspection"
    assert set(names) == {
        "items",
        "shots",
        "businesses",
        "quantities",
        "groups",
        "artefacts",
        "levels",
        "plate_kinds",
        "uses",
        "vehicle_classes",
        "colours",
        "fuels",
        "test_kinds",
        "special_classes",
        "line_kinds",
        "defect_items",
    }
    assert len(names["plate_kinds"]) == 35
    assert msgspec.json.decode(msgspec.json.encode(names))["items"]["whole"]["zh"] == "整车制动"


@pytest.mark.parametrize(
    ("vehicle", "business", "on", "why"),
    [
        (car(vehicle_class="T11"), "periodic", ON, "class T11, use A, periodic: .* farm machinery"),
        (car(vehicle_class="H11", use="P"), "periodic", ON, "only a bus or a car can be a school bus"),
        (car(vehicle_class="Y11"), "periodic", ON, "no class Y11, and it is in no class group"),
        (car(), "sale", ON, "no business 'sale' \\(known: registration, periodic, transfer"),
        (car(axles=3), "periodic", ON, "no row B3 for class K33"),
        (
            car(),
            "periodic",
            date(2020, 12, 31),
            "limits.toml, limit: no row axle_rate \\(front, roller bench\\)",
        ),
    ],
)
def test_vehicles_the_tables_do_not_cover(vehicle: Vehicle, business: str, on: date, why: str) -> None:
    with pytest.raises(RuleError, match=why):
        checklist(vehicle, business, on, rulebook())


@pytest.mark.parametrize(
    ("item", "axle"),
    [
        ("B1", 1),
        ("B6", 6),
        ("B0", None),
        ("A1", None),
        ("01", None),
        ("B", None),
        ("whole", None),
        ("1", None),
    ],
)
def test_axles_of_items(item: str, axle: int | None) -> None:
    assert axle_of(item) == axle


# ---- the tables themselves -----------------------------------------------------------------------


def limit(number: int, **changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda files: files["limits"]["limit"][number].update(changes)


def limit_of(quantity: str, **changes: Any) -> Callable[[dict[str, Any]], None]:
    """Changes the last row of a quantity, the narrowest of those here."""

    def change(files: dict[str, Any]) -> None:
        rows = files["limits"]["limit"]
        [*_, last] = [row for row in rows if row["quantity"] == quantity]
        last.update(changes)

    return change


def without(stem: str, table: str, number: int, column: str) -> Callable[[dict[str, Any]], None]:
    return lambda files: files[stem][table][number].pop(column) and None


FAULTS: list[tuple[str, Callable[[dict[str, Any]], None], str]] = [
    ("file gone", lambda f: f.pop("limits") and None, "limits.toml is missing"),
    ("file unknown", lambda f: f.update(limit={}), "rules: unknown file 'limit'; nearest known: 'limits'"),
    (
        "table gone",
        lambda f: f["checklists"].pop("shot") and None,
        "checklists.toml: table 'shot' is missing",
    ),
    (
        "table unknown",
        lambda f: f["limits"].update(limits=[]),
        "limits.toml: unknown table 'limits'; nearest known: 'limit'",
    ),
    ("no list", lambda f: f["limits"].update(limit={}), "limits.toml, limit: must be a list of rows"),
    ("no row", lambda f: f["limits"].update(limit=[7]), "limits.toml, limit, row 1: is not a row"),
    ("no name", lambda f: f["rulebook"].update(name=""), "rulebook.toml: name must be"),
    (
        "typo in a column",
        limit(2, vlaue=60),
        "limits.toml, limit, row 3 \\(axle_rate\\): unknown column 'vlaue'; nearest known: 'value'",
    ),
    (
        "no value",
        without("limits", "limit", 0, "value"),
        "row 1 \\(axle_rate\\): .*missing required field `value`",
    ),
    ("no source", without("limits", "limit", 0, "source"), "row 1 \\(axle_rate\\): .*`source`"),
    ("no confidence", without("checklists", "item", 1, "confidence"), "item, row 2 \\(01\\): .*`confidence`"),
    ("wrong confidence", limit(0, confidence="sure"), "row 1 \\(axle_rate\\): Invalid enum value 'sure'"),
    ("not a number", limit(0, value="sixty"), "row 1 \\(axle_rate\\): "),
    (
        "nan",
        limit(0, value=float("nan")),
        "row 1 \\(axle_rate\\): value, value_to and or_pct must be numbers",
    ),
    (
        "turned range",
        limit_of("sideslip", value_to=-6),
        "row [0-9]+ \\(sideslip\\): value_to = -6 is not above value = -5",
    ),
    ("a share of nothing", limit(0, or_pct=3), 'or_pct belongs to bound = "within"'),
    ("dynamic rollers", limit(0, over="dynamic"), 'over = "dynamic" belongs to bench = "plate"'),
    ("half a range", limit(0, bound="between"), 'value_to belongs to bound = "between"'),
    ("places", limit(0, places=-1), "row 1 \\(axle_rate\\): Expected `int` >= 0"),
    (
        "source unknown",
        limit(0, source="MFC VHE"),
        "row 1 \\(axle_rate\\): source 'VHE' is not defined; nearest known: 'VEH'",
    ),
    (
        "quantity unknown",
        limit(0, quantity="axel_rate"),
        "quantity 'axel_rate' is not defined; nearest known: 'axle_rate'",
    ),
    (
        "class unknown",
        limit(0, classes=["small_pasenger"]),
        "classes: 'small_pasenger' is neither a class group",
    ),
    (
        "business unknown",
        limit(0, businesses=["periodical"]),
        "business 'periodical' is not defined; nearest known: 'periodic'",
    ),
    ("use", limit(0, uses=["private"]), "row 1 \\(axle_rate\\): .*uses"),
    (
        "dates turned",
        limit(0, effective_to=date(2020, 1, 1)),
        "row 1 \\(axle_rate\\): a range .* ends before it begins",
    ),
    (
        "masses turned",
        limit(0, gross_mass_from_kg=2, gross_mass_to_kg=1),
        "kg = 2 lies beyond",
    ),
    ("two ratios", limit_of("parking_rate", mass_ratio_to="1.2"), "exclude each other"),
    (
        "ratio",
        limit_of("parking_rate", mass_ratio_below="0"),
        "mass_ratio_below = 0 is not a positive number",
    ),
    (
        "ambiguous limit",
        limit(0, axle="rear", classes=["K3", "K4"]),
        "limit, axle_rate: row 1 and row 2 can both be for the same vehicle",
    ),
    (
        "ambiguous item",
        lambda f: f["checklists"]["item"].append(dict(f["checklists"]["item"][0])),
        "checklists.toml, item, row 1 \\(01\\) and checklists.toml, item, row [0-9]+ \\(01\\) can both be",
    ),
    (
        "ambiguous shot",
        lambda f: f["checklists"]["shot"].append(dict(f["checklists"]["shot"][0])),
        "shot, row 1 \\(0111\\) and checklists.toml, shot, row [0-9]+ \\(0111\\) can both be",
    ),
    (
        "item unknown",
        lambda f: f["checklists"]["item"][0].update(item="21"),
        "item, row 1 \\(21\\): item '21' is not defined",
    ),
    ("shot unknown", lambda f: f["checklists"]["shot"][0].update(shot="0110"), "shot '0110' is not defined"),
    (
        "question",
        lambda f: f["checklists"]["shot"][0].update(questions=["colour"]),
        "shot, row 1 \\(0111\\): Invalid enum value 'colour'",
    ),
    (
        "name twice",
        lambda f: f["codes"]["use"].append(dict(f["codes"]["use"][0])),
        "codes.toml, use, row 23 \\(A\\): 'A' stands twice",
    ),
    ("name without English", without("names", "item", 0, "en"), "names.toml, item, row 1 \\(01\\): .*`en`"),
    ("group unknown", lambda f: f["names"]["item"][0].update(group="all"), "group 'all' is not defined"),
    ("part unknown", lambda f: f["names"]["item"][0].update(part_of="F9"), "part_of 'F9' is not defined"),
    ("cover unknown", lambda f: f["names"]["item"][0].update(covered_by=["01 77"]), "covered_by '77'"),
    ("judge unknown", lambda f: f["names"]["item"][0].update(quantities=["weight"]), "quantity 'weight'"),
    ("with unknown", lambda f: f["checklists"]["shot"][0].update(with_item="B9"), "with_item 'B9' is not"),
    (
        "artefact unknown",
        lambda f: f["checklists"]["artefact"][0].update(artefact="rubbing"),
        "artefact 'rubbing' is not defined",
    ),
    (
        "ambiguous artefact",
        lambda f: f["checklists"]["artefact"].append(dict(f["checklists"]["artefact"][0])),
        "artefact, row 1 \\(vin_rubbing\\) and .* can both be",
    ),
    ("level unknown", lambda f: f["authority"]["authority"][0].update(level="top"), "level 'top' is not"),
    ("no levels", lambda f: f["authority"].update(level=[]), "name at least one level of officers"),
    (
        "condition",
        lambda f: f["rulebook"]["business"][0].update(condition="old"),
        "business, row 1 \\(registration\\)",
    ),
]


@pytest.mark.parametrize(("spoil", "why"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_faults_of_tables_are_told_by_place(spoil: Callable[[dict[str, Any]], None], why: str) -> None:
    files = tables()
    spoil(files)
    with pytest.raises(RuleError, match=why):
        Rulebook.from_tables(files)


def test_every_row_says_where_it_comes_from() -> None:
    rows = [
        row
        for document in tables().values()
        for name, table in document.items()
        if isinstance(table, list) and name != "source"
        for row in table
    ]
    assert len(rows) > 150
    assert all(row["source"] and row["confidence"] in ("S", "F", "F1", "Q", "M") for row in rows)


def test_the_digest_follows_the_meaning_not_the_order_of_columns() -> None:
    files = tables()
    files["limits"]["limit"][0] = dict(reversed(files["limits"]["limit"][0].items()))
    assert Rulebook.from_tables(dict(reversed(files.items()))).rules_sha256 == rulebook().rules_sha256
    files["limits"]["limit"][0]["value"] = 61
    assert Rulebook.from_tables(files).rules_sha256 != rulebook().rules_sha256
    assert len(rulebook().rules_sha256) == 64


def test_file_names_may_carry_their_ending() -> None:
    files = {f"{stem}.toml": document for stem, document in tables().items()}
    assert Rulebook.from_tables(files).rules_sha256 == rulebook().rules_sha256


def test_a_buyer_takes_an_item_out_for_a_narrower_scope() -> None:
    files = tables()
    files["checklists"]["item"].append(
        {
            "item": "09",
            "businesses": ["periodic"],
            "classes": ["K33"],
            "need": "none",
            "source": "CHY",
            "confidence": "M",
        }
    )
    book = Rulebook.from_tables(files)
    assert "09" not in codes(checklist(car(), "periodic", ON, book))
    assert "09" in codes(checklist(car(vehicle_class="K31"), "periodic", ON, book))
    assert "09" in codes(checklist(car(), "registration", ON, book))
    # what the form asked under 09 is now asked under its own numbers
    assert {"G22", "G23"} <= set(codes(checklist(car(), "periodic", ON, book)))


def test_a_fraction_in_toml_is_taken_as_written() -> None:
    files = tables()
    files["limits"]["limit"][0]["value"] = 59.55
    found = Rulebook.from_tables(files).limits.find("axle_rate", car(), "periodic", ON, axle="front")
    assert found is not None
    assert str(found.value) == "59.55"


def test_the_page_on_rules_names_every_file_table_and_column() -> None:
    page = (RULES.parent.parent / "docs" / "rules.md").read_text(encoding="utf-8")
    columns = {
        *Limit.__struct_fields__,
        *ItemNeed.__struct_fields__,
        *ShotNeed.__struct_fields__,
        *ArtefactNeed.__struct_fields__,
        *Outside.__struct_fields__,
        *AuthorityRow.__struct_fields__,
    }
    names = (
        {f"{stem}.toml" for stem in FILES} | {table for known in FILES.values() for table in known} | columns
    )
    assert sorted(name for name in names if f"`{name}`" not in page) == []

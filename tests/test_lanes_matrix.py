"""The matrix of items by business and class, written here a second time on purpose, from the notes.

✔ required, v required with a written value, a required unless it does not apply, o optional, . not asked.
A changed cell must be changed here too.
"""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanes.checklist import Artefact, CheckItem, Checklist, Given, Shot, checklist, listing
from lanes.record import Listed
from lanes.rulebook import Rulebook
from lanes.samples import classes, ordinary
from lanes.scope import Case, RuleError, narrowest
from lanes.vehicle import Vehicle
from tests.lanes_parts import ON, car, rulebook, tables

MADE = date(2024, 3, 1)
FORM = [f"{n:02}" for n in range(1, 21)]
#: business -> items 01 … 09, 19, 20 of any ordinary vehicle with an engine and belts
GENERAL = {
    "registration": "✔✔✔vvv✔✔✔.a",
    "vehicle_replacement": "✔✔✔vvv✔✔✔.a",
    "transfer": "✔o✔✔✔✔✔✔✔..",
    "transfer_in": "✔o✔✔✔✔✔✔✔.o",
    "transfer_out": "✔o✔✔✔✔✔✔✔.o",
    "body_change": "✔.✔✔✔✔✔...✔",
    "engine_change": ".✔....✔...✔",
    "colour_change": "✔..v..✔....",
    "use_change": "✔..o✔✔✔....",
    "certificate_issue": "✔o✔✔..✔....",
    "certificate_reissue": "✔o✔✔..✔....",
    "vin_restamping": "✔.....✔....",
    "engine_restamping": ".✔....✔....",
    "periodic": "✔.✔✔.✔✔✔✔.✔",
    "scrapping": "✔✔✔..✔✔....",
    "other": "✔.....✔....",
}
#: business -> items 10 … 14 of a heavy truck
GOODS = {
    "registration": "✔✔✔aa",
    "vehicle_replacement": "✔✔✔aa",
    "transfer": "✔✔✔aa",
    "transfer_in": "✔✔✔aa",
    "transfer_out": "✔✔✔aa",
    "body_change": "✔✔✔aa",
    "use_change": "ooooo",
    "periodic": "ooooo",
}
#: business -> items 15 … 18 of a bus
BUS = {
    **dict.fromkeys(
        ("registration", "vehicle_replacement", "transfer", "transfer_in", "transfer_out"), "✔✔✔✔"
    ),
    **dict.fromkeys(("periodic", "use_change"), "✔✔✔✔"),
    "body_change": "oooo",
}
RUBBING = {
    "registration": True,
    "vehicle_replacement": True,
    "transfer": True,
    "transfer_in": True,
    "transfer_out": True,
    "body_change": True,
    "certificate_issue": True,
    "vin_restamping": True,
    "certificate_reissue": False,
}
STANDARD_PHOTO = {
    *("registration", "transfer", "transfer_in", "scrapping"),
    *("vehicle_replacement", "body_change", "colour_change", "use_change"),
}
ENGINE = ("engine_change", "engine_restamping")  # not of trailers
SCHOOL = [f"X{n}" for n in range(10, 23)]


def marks(found: Checklist, items: list[str]) -> str:
    """One sign an item, as in the tables above."""
    by_code = {item.item: item for item in found.items}
    return "".join(_mark(by_code.get(code)) for code in items)


def _mark(item: object) -> str:
    if item is None:
        return "."
    assert hasattr(item, "required")
    if not item.required:
        return "o"
    return "v" if item.writes_value else "a" if item.may_not_apply else "✔"  # type: ignore[attr-defined]


def made(vehicle_class: str, business: str, *, use: str = "", **changes: object) -> Checklist:
    vehicle = ordinary(vehicle_class, changes.pop("made_on", MADE), use=use)  # type: ignore[arg-type]
    fields = {name: getattr(vehicle, name) for name in vehicle.__struct_fields__}
    return listing(Vehicle(**{**fields, **changes}), business, ON, rulebook())


def required(found: Checklist, kind: str) -> list[str]:
    return [item.item for item in found.items if item.kind == kind and item.required]


@pytest.mark.parametrize("business", GENERAL)
@pytest.mark.parametrize(
    "vehicle_class", ["K33", "K41", "K21", "K11", "D11", "H11", "H31", "Q11", "Z51", "H51"]
)
def test_general_items(vehicle_class: str, business: str) -> None:
    use = "A"  # neither a school bus nor dangerous goods
    items = [*FORM[:9], "19", "20"]
    wanted = GENERAL[business]
    if vehicle_class == "Z51" and business in {"periodic", "use_change", "colour_change"} | set(GOODS) - {
        "body_change"
    }:
        wanted = f"{wanted[:9]}o{wanted[10:]}"  # special-purpose vehicles may have lamps
    assert marks(made(vehicle_class, business, use=use), items) == wanted


@pytest.mark.parametrize("business", GENERAL)
@pytest.mark.parametrize(
    ("vehicle_class", "never"), [("B11", "02 05 09"), ("G21", "02 05 09"), ("M21", "09"), ("M12", "09")]
)
def test_what_trailers_and_motorcycles_do_not_have(vehicle_class: str, never: str, business: str) -> None:
    if vehicle_class[0] in "BG" and business in ENGINE:
        with pytest.raises(RuleError, match="挂车没有发动机 a trailer has no engine"):
            made(vehicle_class, business)
        return
    items = FORM[:9]
    wanted = [
        "." if code in never.split() else mark for code, mark in zip(items, GENERAL[business], strict=False)
    ]
    assert marks(made(vehicle_class, business), items) == "".join(wanted)


@pytest.mark.parametrize("business", GENERAL)
def test_items_of_goods_vehicles(business: str) -> None:
    items = FORM[9:14]
    assert marks(made("H11", business), items) == GOODS.get(business, ".....")
    assert marks(made("Q21", business), items) == GOODS.get(business, ".....")
    light = {"body_change": "oo✔aa"}.get(business, GOODS.get(business, "....."))
    assert marks(made("H31", business), items) == light
    chassis = {"registration": "✔a✔aa", "body_change": "aa✔aa"}.get(business, GOODS.get(business, "....."))
    assert marks(made("Z11", business), items) == chassis
    if business not in ENGINE:
        assert marks(made("B11", business), items) == GOODS.get(business, ".....")  # above 3500 kg
        assert marks(made("B31", business), items) == light
    for none in ("K33", "K11", "M21", "N11"):
        assert marks(made(none, business, use="A"), items) == "....."


def test_kerb_mass_of_three_wheeled_motorcycles_with_a_cab() -> None:
    assert marks(made("M14", "registration"), ["11"]) == "a"
    assert marks(made("M21", "registration"), ["11"]) == "."


@pytest.mark.parametrize("gross", [3500, 3501])
def test_the_threshold_of_trailers_after_a_change_of_body(gross: int) -> None:
    found = made("B31", "body_change", gross_mass_kg=gross)
    assert marks(found, ["10", "11"]) == ("✔✔" if gross > 3500 else "oo")
    assert required(found, "instrument") == (["M1", "Z1"] if gross > 3500 else [])


@pytest.mark.parametrize("business", GENERAL)
def test_items_of_buses_and_dangerous_goods(business: str) -> None:
    items = FORM[14:18]
    for bus in ("K11", "K21", "D11"):
        assert marks(made(bus, business, use="B"), items) == BUS.get(business, "....")
    for truck in ("H11", "H31", "Z11", "K33"):
        cargo = BUS.get(business, "....")
        assert marks(made(truck, business, use="R"), items) == f"{cargo[:2]}.{cargo[3]}"
    if business not in ENGINE:  # no recorder on a trailer
        cargo = BUS.get(business, "....")
        assert marks(made("B11", business, use="R"), items) == f"{cargo[0]}..{cargo[3]}"
        assert marks(made("B11", business, use="A"), items) == "...."
    for none in ("K33", "H11", "M21"):
        assert marks(made(none, business, use="A"), items) == "...."


@pytest.mark.parametrize("use", ["H", "I", "J", "K"])
def test_marking_lamps_and_sirens(use: str) -> None:
    assert marks(made("K33", "periodic", use=use), ["19"]) == "o"
    assert marks(made("K33", "use_change", use=use), ["19"]) == "✔"
    assert marks(made("K33", "engine_change", use=use), ["19"]) == "."


@pytest.mark.parametrize("use", ["O", "P", "Q", "S"])
@pytest.mark.parametrize("vehicle_class", ["K33", "K21", "K11", "K18", "K28", "K38"])
def test_school_buses_by_class_and_by_use(vehicle_class: str, use: str) -> None:
    soft = "a" if vehicle_class[1:] not in ("18", "28", "38") else "✔"
    form = f"✔✔✔✔✔✔✔{soft}✔{soft}{soft}✔"
    for business in ("registration", "vehicle_replacement"):
        found = made(vehicle_class, business, use=use)
        assert marks(found, SCHOOL) == f"{form}a"
        assert marks(found, FORM) == "✔✔✔vvv✔✔✔..........."
    assert marks(made(vehicle_class, "transfer", use=use), SCHOOL) == f"{form}."
    for business in ("transfer_in", "transfer_out"):
        assert marks(made(vehicle_class, business, use=use), SCHOOL) == f"{form}o"
    assert marks(made(vehicle_class, "body_change", use=use), SCHOOL) == "oooooooooooo✔"
    assert marks(made(vehicle_class, "body_change", use=use), FORM[9:]) == "..........."
    # the 20-item form again: the items of buses
    periodic = made(vehicle_class, "periodic", use=use)
    assert marks(periodic, SCHOOL) == "............."
    assert marks(periodic, FORM[14:18]) == ("aaaa" if vehicle_class == "K33" else "✔✔✔✔")
    assert marks(periodic, ["G30", "G39"]) == "✔✔"


@pytest.mark.parametrize("vehicle_class", ["K33", "K21", "K11", "K18"])
def test_businesses_of_the_school_bus_permit(vehicle_class: str) -> None:
    for business in ("school_bus_permit", "school_bus_renewal"):
        found = made(vehicle_class, business, use="A")
        assert marks(found, FORM) == "✔.✔✔✔✔✔✔✔..........."
        assert marks(found, SCHOOL) == "✔✔✔✔✔✔✔a✔aaa✔"
    end = made(vehicle_class, "school_bus_end", use="A")
    assert marks(end, FORM) == "✔.✔✔✔✔✔............."
    assert marks(end, SCHOOL) == "aa....a....a."


# ---- the safety test -------------------------------------------------------------------------------


BRAKES = {1: ["B1"], 2: ["B1", "B2"], 3: ["B1", "B2", "B3"], 6: ["B1", "B2", "B3", "B4", "B5", "B6"]}


@pytest.mark.parametrize("axles", range(1, 7))
@pytest.mark.parametrize("business", ["registration", "periodic", "vehicle_replacement"])
def test_a_truck_has_as_many_brake_items_as_axles(business: str, axles: int) -> None:
    found = required(made("H11", business, axles=axles), "instrument")
    laden = [f"L{n}" for n in range(2, 5) if axles > n]
    brakes = [f"B{n}" for n in range(1, axles + 1)]
    mass = ["M1", "Z1"] if business != "periodic" else ["M1"]
    assert found == [*brakes, "B0", *laden, "H1", "H4", "S1", *mass]


@pytest.mark.parametrize("axles", range(1, 7))
def test_a_trailer_has_brakes_and_nothing_that_drives(axles: int) -> None:
    found = made("B11", "periodic", axles=axles)
    laden = [f"L{n}" for n in range(1, 4) if axles > n]
    assert required(found, "instrument") == [*(f"B{n}" for n in range(1, axles + 1)), *laden, "M1"]
    assert marks(found, ["B0", "H1", "S1", "A1"]) == "o..."
    assert marks(found, [f"G{n}" for n in range(41, 50)]) == "......✔✔✔"
    assert marks(found, ["G22", "G23", "G04"]) == "..."


@pytest.mark.parametrize(
    ("vehicle_class", "business", "wanted"),
    [
        ("K33", "periodic", ["B1", "B2", "B0", "H1", "H4", "S1"]),
        ("K33", "registration", ["B1", "B2", "B0", "H1", "H4", "S1"]),
        ("K11", "periodic", ["B1", "B2", "B0", "H1", "H4", "S1"]),
        ("K28", "periodic", ["B1", "B2", "B0", "H1", "H4", "S1"]),
        ("H31", "periodic", ["B1", "B2", "B0", "H1", "H4", "S1"]),
        ("H31", "registration", ["B1", "B2", "B0", "H1", "H4", "S1", "M1", "Z1"]),
        ("Q11", "periodic", ["B1", "B2", "B3", "B0", "L2", "H1", "H4", "S1"]),
        ("Z11", "periodic", ["B1", "B2", "B0", "H1", "H4", "S1", "M1"]),
        ("H51", "periodic", ["B1", "B2", "B0", "H1", "H4"]),
        ("H51", "registration", ["B1", "B2", "B0", "H1", "H4", "Z1"]),
        ("M21", "periodic", ["B1", "B2", "H1", "H4"]),
        ("M14", "periodic", ["B1", "B2", "B0", "H1", "H4"]),
        ("N11", "periodic", ["B2", "B0", "H1", "H4"]),
        ("J11", "periodic", []),
        *((kind, "transfer", []) for kind in ("K33", "H11", "B11", "M21")),
        *(("H11", business, []) for business in ("engine_change", "colour_change", "scrapping")),
    ],
)
def test_instrument_items(vehicle_class: str, business: str, wanted: list[str]) -> None:
    assert required(made(vehicle_class, business), "instrument") == wanted


@pytest.mark.parametrize(
    ("lamps", "wanted"), [("one", ["H1"]), ("two", ["H1", "H4"]), ("four", ["H1", "H2", "H3", "H4"])]
)
@pytest.mark.parametrize("vehicle_class", ["K33", "H11", "K11", "M21", "N11"])
@pytest.mark.parametrize("business", ["registration", "periodic"])
def test_headlamps_by_their_system(vehicle_class: str, lamps: str, wanted: list[str], business: str) -> None:
    found = required(made(vehicle_class, business, lamps=lamps), "instrument")
    assert [item for item in found if item.startswith("H")] == wanted


@pytest.mark.parametrize("vehicle_class", ["K33", "K11", "H11", "Q11", "Z11", "K18"])
@pytest.mark.parametrize("business", ["registration", "periodic", "vehicle_replacement"])
def test_side_slip_follows_the_suspension(vehicle_class: str, business: str) -> None:
    assert marks(made(vehicle_class, business, steer_suspension="dependent"), ["A1"]) == "✔"
    assert marks(made(vehicle_class, business, steer_suspension="independent"), ["A1"]) == "o"


@pytest.mark.parametrize(
    ("vehicle_class", "use", "item", "made_on", "mark"),
    [
        ("K33", "A", "G90", "2018-01-01", "✔"),
        ("K33", "A", "G90", "2017-12-31", "."),
        ("H11", "F", "G25", "2013-03-01", "✔"),
        ("H11", "F", "G25", "2013-02-28", "."),
        ("Q21", "F", "G25", "2013-03-01", "✔"),
        ("H21", "F", "G25", "2024-01-01", "."),
        ("H21", "R", "G25", "2010-01-01", "."),  # asked under 16
        ("H11", "F", "G27", "2012-09-01", "✔"),
        ("H11", "F", "G27", "2012-08-31", "."),
        ("B11", "F", "G27", "2012-09-01", "a"),
        ("H11", "F", "G32", "2012-09-01", "a"),
        ("K21", "B", "G32", "2017-12-31", "."),
        ("K21", "B", "G32", "2018-01-01", "a"),
        ("H11", "F", "G33", "2012-08-31", "."),
        ("H11", "R", "G34", "2012-09-01", "a"),
        ("H11", "F", "G34", "2024-01-01", "."),
        ("H11", "R", "G35", "2000-01-01", "a"),
        ("H11", "R", "G40", "2000-01-01", "✔"),
        ("K11", "B", "G36", "2013-03-01", "a"),
        ("K11", "B", "G37", "2012-08-31", "."),
        ("K11", "C", "G92", "2020-01-01", "a"),
        ("K11", "B", "G92", "2024-01-01", "."),
        ("K33", "N", "G38", "2000-01-01", "✔"),
        ("K33", "A", "G38", "2024-01-01", "."),
        ("H11", "F", "G26", "2000-01-01", "✔"),
        ("H11", "F", "G28", "2000-01-01", "a"),
        ("H41", "F", "G28", "2000-01-01", "."),
    ],
)
def test_safety_devices_by_date_of_manufacture(
    vehicle_class: str, use: str, item: str, made_on: str, mark: str
) -> None:
    found = made(vehicle_class, "periodic", use=use, made_on=date.fromisoformat(made_on))
    assert marks(found, [item]) == mark


def test_items_that_the_form_asks_already() -> None:
    found = made("K33", "registration")
    assert marks(found, ["G01", "G02", "G03", "G04", "G05", "G09", "G19", "G22", "G23"]) == "........."
    # at a periodic inspection engine and seats are not on the form
    assert marks(made("K33", "periodic"), ["G04", "G09"]) == "✔✔"
    # what the form only asks for if it is there does not take the place of what is required
    assert marks(made("H11", "periodic"), ["10", "G06"]) == "o✔"


# ---- artefacts, shots ------------------------------------------------------------------------------


@pytest.mark.parametrize("business", [*GENERAL, "aid_change", "school_bus_permit"])
def test_artefacts(business: str) -> None:
    found = {each.artefact: each.required for each in made("K33", business).artefacts}
    assert found.get("vin_rubbing") == RUBBING.get(business)
    assert ("standard_photo" in found) is (business in STANDARD_PHOTO)


def test_an_artefact_may_be_taken_out_for_a_narrower_scope() -> None:
    files = tables()
    row = {"artefact": "vin_rubbing", "businesses": ["transfer"], "classes": ["M"], "need": "none"}
    files["checklists"]["artefact"].append({**files["checklists"]["artefact"][0], **row})
    files["checklists"]["artefact"][0]["businesses"] = ["transfer"]
    files["checklists"]["artefact"] = [files["checklists"]["artefact"][i] for i in (0, -1)]
    book = Rulebook.from_tables(files)
    assert [a.artefact for a in listing(car(), "transfer", ON, book).artefacts] == ["vin_rubbing"]
    assert listing(ordinary("M21", MADE), "transfer", ON, book).artefacts == ()


def shots(found: Checklist) -> set[str]:
    return {shot.shot for shot in found.shots if shot.required}


@pytest.mark.parametrize(
    ("vehicle_class", "use", "business", "wanted"),
    [
        ("K33", "A", "registration", "0111 0112 0113"),
        ("K33", "A", "transfer", "0111 0112 0113"),
        ("K33", "A", "engine_change", "0119"),
        ("K33", "A", "vin_restamping", "0113"),
        ("K33", "A", "scrapping", "0111 0113"),
        ("K33", "A", "periodic", "0111 0112 0113 0157"),
        ("K33", "A", "aid_change", "0111 0113 0135"),
        ("K33", "N", "periodic", "0111 0112 0113 0157 0140"),
        ("K11", "B", "periodic", "0111 0112 0113 0157 0115 0116 0118 0125"),
        ("K18", "P", "periodic", "0111 0112 0113 0157 0115 0116 0118 0125 0126 0127 0128 0138"),
        ("K33", "P", "periodic", "0111 0112 0113 0157 0126 0127 0128 0138"),
        ("K33", "A", "school_bus_permit", "0111 0112 0113 0126 0127 0128 0138"),
        ("H11", "R", "periodic", "0111 0112 0113 0157 0116 0118 0163"),
        ("B11", "R", "periodic", "0111 0112 0113 0116 0163"),
        ("B11", "F", "registration", "0111 0112 0113"),
        ("M21", "A", "periodic", "0111 0112 0113"),
    ],
)
def test_required_shots(vehicle_class: str, use: str, business: str, wanted: str) -> None:
    assert shots(made(vehicle_class, business, use=use)) == set(wanted.split())


def test_station_shots_are_asked_for_with_their_item() -> None:
    codes = {shot.shot for shot in made("H11", "periodic", axles=4).shots}
    assert {"0322", "0348", "0349", "0350", "0351", "0321", "0352", "0323", "0360"} <= codes
    assert not {"0354", "0355", "0353"} & codes
    left = Given(left_out=("C1", "H1", "B0"), left_out_why="no pit")
    fewer = {shot.shot for shot in listing(car(), "periodic", ON, rulebook(), left).shots}
    assert {"0352", "0322"} <= fewer
    assert not {"0321", "0323", "0351"} & fewer


# ---- what always holds -----------------------------------------------------------------------------


def test_every_business_and_class_has_a_list_or_a_reason() -> None:
    book = rulebook()
    refused = 0
    kinds = classes(book)
    assert len(kinds) > 200
    for business in book.businesses:
        for kind in kinds:
            try:
                found = listing(ordinary(kind, MADE), business, ON, book)
            except RuleError as error:
                assert "outside: " in str(error)
                refused += 1
            else:
                assert found.items
                assert any(shot.required for shot in found.shots)
                assert len({item.item for item in found.items}) == len(found.items)
    assert 0 < refused < len(kinds) * len(book.businesses) // 4


uses = st.sampled_from("ABCDEFGHIJKLMNOPQRSTUZ")


@settings(max_examples=200, deadline=None)
@given(
    kind=st.sampled_from(
        ["K33", "K11", "K21", "K18", "H11", "H31", "Q11", "Z11", "B11", "M14", "N11", "H51"]
    ),
    use=uses,
    business=st.sampled_from(sorted(GENERAL)),
    made_on=st.dates(date(2000, 1, 1), ON),
    gross=st.integers(500, 49000),
    axles=st.integers(1, 6),
    lamps=st.sampled_from(["one", "two", "four"]),
    imported=st.booleans(),
)
def test_the_narrowest_row_decides_each_item(
    kind: str, use: str, business: str, made_on: date, gross: int, axles: int, lamps: str, imported: bool
) -> None:
    vehicle = ordinary(kind, made_on, use=use, gross_mass_kg=gross, axles=axles)
    fields = {name: getattr(vehicle, name) for name in vehicle.__struct_fields__}
    vehicle = Vehicle(**{**fields, "lamps": lamps, "imported": imported})
    book = rulebook()
    try:
        found = listing(vehicle, business, ON, book)
    except RuleError as error:
        assert "outside: " in str(error)
        return
    case = Case(vehicle=vehicle, business=business, on=ON)
    for item in found.items:
        row = narrowest([row for row in book.item_needs if row.item == item.item], case)
        assert row is not None
        assert (row.need, row.writes_value) == (
            "required" if item.required else "optional",
            item.writes_value,
        )
        # no row that applies is narrower
        rivals = [r for r in book.item_needs if r.item == item.item and r.covers(case) and r is not row]
        assert all(row.within(other) and not other.within(row) for other in rivals)


# ---- the platform's list, and what a site leaves out -----------------------------------------------


def listed(**changes: object) -> Given:
    return Given(listed=Listed(by="platform", version="18C47/1", **changes))  # type: ignore[arg-type]


def test_the_platforms_list_goes_before_the_tables() -> None:
    found = listing(
        car(),
        "periodic",
        ON,
        rulebook(),
        listed(items=("07", "01", "02"), instruments=("B1", "A1"), shots=("0113",)),
    )
    assert [item.item for item in found.items] == ["01", "02", "07", "B1", "A1"]
    assert all(item.required for item in found.items)
    assert [(shot.shot, shot.questions) for shot in found.shots] == [("0113", ("vin", "quality"))]
    assert found.basis == f"platform platform 18C47/1; rules {rulebook().name} {rulebook().rules_sha256}"
    assert listing(car(), "periodic", ON, rulebook()).basis.startswith("rules ")


def test_what_the_platform_does_not_list_follows_the_tables() -> None:
    ours = listing(car(), "periodic", ON, rulebook())
    only_items = listing(car(), "periodic", ON, rulebook(), listed(items=("01",)))
    assert [i.item for i in only_items.items if i.kind == "check"] == ["01"]
    assert only_items.instruments == ours.instruments
    assert {s.shot for s in only_items.shots} >= {"0111", "0112", "0113", "0157"}
    only_instruments = listing(car(), "periodic", ON, rulebook(), listed(instruments=("B0",)))
    assert only_instruments.checks == ours.checks
    assert [i.item for i in only_instruments.instruments] == ["B0"]


def test_codes_of_the_platform_that_nobody_knows_are_kept_and_shown() -> None:
    given_list = listed(items=("01", "77"), instruments=("B1", "Q9"), shots=("0111", "0999", "0158"))
    found = listing(car(), "periodic", ON, rulebook(), given_list)
    unknown = [item for item in found.items if not item.known]
    assert [(item.item, item.kind, item.required, item.may_not_apply) for item in unknown] == [
        ("77", "check", True, True),
        ("Q9", "check", True, True),
    ]
    assert unknown[0].zh == "平台项目 77（本机无名称）"
    assert [(shot.shot, shot.known, shot.required) for shot in found.shots] == [
        ("0111", True, True),
        ("0999", False, True),
        ("0158", True, True),
    ]


def test_a_group_of_the_platform_stands_for_its_items() -> None:
    found = listing(car(), "periodic", ON, rulebook(), listed(items=("01", "C1")))
    assert [item.item for item in found.checks] == ["01", "G45", "G46", "G47", "G48", "G49"]


def test_an_axle_that_the_papers_do_not_have_is_told() -> None:
    with pytest.raises(RuleError, match="item B3, but by its papers the vehicle has 2 axles"):
        checklist(car(), "periodic", ON, rulebook(), listed(instruments=("B1", "B3")))


def test_what_a_site_leaves_out_is_marked_and_not_asked() -> None:
    left = Given(left_out=("S1", "DC", "09"), left_out_why="no tester")
    found = listing(car(), "periodic", ON, rulebook(), left)
    assert [item.item for item in found.left_out] == ["09", "G41", "G42", "G43", "G44", "S1"]
    assert {item.left_out for item in found.left_out} == {"no tester"}
    assert not {"09", "G41"} & {item.item for item in found.checks}
    assert "S1" not in {item.item for item in found.instruments}
    assert all(item.required for item in found.left_out)


def test_a_required_item_that_is_left_out_needs_no_limit() -> None:
    truck = ordinary("H11", MADE)
    brakes = ("B1", "B2", "B3", "B0", "A1")
    assert checklist(truck, "periodic", ON, rulebook(), Given(left_out=brakes, left_out_why="no bench")).items


# ---- every column of a row comes with its item, photo and artefact ---------------------------------


def items_of(found: Checklist) -> dict[str, CheckItem]:
    return {item.item: item for item in found.items}


def test_an_item_bears_all_that_its_row_and_its_name_say() -> None:
    found = items_of(listing(car(), "registration", ON, rulebook()))
    assert found["04"] == CheckItem(
        item="04", kind="check", required=True, zh="车身颜色", en="body colour", confidence="F",
        writes_value=True, group="general",
    )  # fmt: skip
    assert found["20"] == CheckItem(
        item="20", kind="check", required=True, zh="检验合格证明", en="proof of the safety test",
        confidence="M", may_not_apply=True, group="other",
    )  # fmt: skip
    assert found["A1"] == CheckItem(
        item="A1",
        kind="instrument",
        required=False,
        zh="侧滑",
        en="side-slip",
        confidence="F",
        group="sideslip",
    )


def test_an_item_of_the_platform_bears_what_is_known_of_it() -> None:
    wanted = listed(items=("77", "10", "04"), instruments=("A1",))
    found = listing(car(), "registration", ON, rulebook(), wanted)
    ours = items_of(listing(car(), "registration", ON, rulebook()))
    assert [item.item for item in found.items] == ["04", "10", "A1", "77"], "in the order of the form"
    assert found.items[0] == ours["04"], "what the tables say of it stays"
    assert found.items[1] == CheckItem(  # not asked of a car by the tables
        item="10", kind="check", required=True, zh="外廓尺寸、轴数、轴距", en="outline, axles, wheelbase",
        confidence="F", group="goods",
    )  # fmt: skip
    assert (found.items[2].required, ours["A1"].required) == (True, False), "the platform asks for it"
    assert found.items[3] == CheckItem(
        item="77", kind="check", required=True, zh="平台项目 77（本机无名称）",
        en="item 77 of the platform, without a name here", confidence="F", may_not_apply=True, known=False,
    )  # fmt: skip


def test_a_photo_bears_all_that_its_row_and_its_name_say() -> None:
    ours = {shot.shot: shot for shot in listing(car(), "registration", ON, rulebook()).shots}
    assert ours["0111"] == Shot(
        shot="0111", required=True, zh="车辆左前方斜视45度", en="front left, 45°", confidence="F",
        questions=("plate", "quality"),
    )  # fmt: skip
    assert ours["0119"] == Shot(
        shot="0119", required=False, zh="发动机号或柔性标签", en="engine number or flexible label",
        confidence="F1", questions=("quality",),
    )  # fmt: skip
    wanted = listed(shots=("9X", "0119", "0114", "9X", "0111"))
    assert listing(car(), "registration", ON, rulebook(), wanted).shots == (
        Shot(
            shot="9X", required=True, zh="平台照片 9X（本机无名称）",
            en="photo 9X of the platform, without a name here", confidence="F", questions=("quality",),
            known=False,
        ),
        Shot(
            shot="0119", required=True, zh="发动机号或柔性标签", en="engine number or flexible label",
            confidence="F1", questions=("quality",),
        ),
        Shot(shot="0114", required=True, zh="机动车侧面", en="side", confidence="F", questions=("quality",)),
        ours["0111"],
    )  # fmt: skip


def test_an_artefact_bears_all_that_its_row_and_its_name_say() -> None:
    assert listing(car(), "registration", ON, rulebook()).artefacts == (
        Artefact(
            artefact="vin_rubbing",
            required=True,
            zh="车辆识别代号拓印膜",
            en="rubbing of the struck VIN",
            confidence="F",
        ),
        Artefact(
            artefact="standard_photo",
            required=True,
            zh="车辆标准照片",
            en="standard photo of the vehicle",
            confidence="F",
        ),
    )


def test_a_list_says_whose_it_is_with_what_the_platform_gave() -> None:
    book, digest = rulebook(), "ab" * 32
    rules = f"rules {book.name} {book.rules_sha256}"
    bare = Given(listed=Listed(by="18C47", items=("01",)))
    full = Given(listed=Listed(by="18C47", version="3", sha256=digest, items=("01",)))
    assert listing(car(), "periodic", ON, book).basis == rules
    assert listing(car(), "periodic", ON, book, bare).basis == f"platform 18C47; {rules}"
    assert listing(car(), "periodic", ON, book, full).basis == f"platform 18C47 3 {digest}; {rules}"


def test_what_is_left_out_without_a_reason_is_marked_all_the_same() -> None:
    found = listing(car(), "periodic", ON, rulebook(), Given(left_out=("S1",)))
    assert [(item.item, item.left_out) for item in found.left_out] == [("S1", "—")]
    both = Given(listed=Listed(by="18C47", items=("01", "77")), left_out=("77",), left_out_why="no bench")
    assert [item.item for item in listing(car(), "periodic", ON, rulebook(), both).left_out] == ["77"]


def test_station_photos_of_an_item_that_is_left_out_are_not_asked_for() -> None:
    for left in (("B1",), ("B1", "B2", "B0")):
        given_list = Given(left_out=left, left_out_why="no bench")
        found = {shot.shot for shot in listing(car(), "periodic", ON, rulebook(), given_list).shots}
        assert ("0322" in found, "0348" in found) == ("B1" not in left, "B2" not in left)


def test_a_vehicle_without_a_plate_is_asked_for_no_plate_by_the_tables() -> None:
    bare = listing(car(plate=None), "registration", ON, rulebook())
    assert bare.shots[0].questions == ("quality",)
    wanted = listing(car(plate=None), "registration", ON, rulebook(), listed(shots=("0111",)))
    assert wanted.shots == (bare.shots[0],)

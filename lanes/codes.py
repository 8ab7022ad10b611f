"""Codes of one edition: plates, VINs, defects, old photo codes; and what is wrong with papers by them."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from msgspec import Struct

from lanes.plate import OpenKindRow, Plates
from lanes.plate_form import FormatRow
from lanes.scope import Confidence, RuleError
from lanes.tables import Document, Label, by_code, must_know, rows
from lanes.vehicle import Problem, Vehicle
from lanes.vin_rules import CountryRow, RegionRow, VinRule, Vins

MOST_COLOURS = 3  # letters of csys that a vehicle of several colours may have (M)
#: fields of a vehicle that hold one code, the names they are looked up in, and what they are called
_CODED = (
    ("vehicle_class", "vehicle_classes", "车辆类型", "vehicle class"),
    ("use", "uses", "使用性质", "use"),
    ("fuel", "fuels", "燃料种类", "fuel"),
)


class DefectRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """defects.toml, defect: what may be wrong at an item; a reminder is told, a reject fails the vehicle."""

    code: str
    item: str
    severity: Literal["reminder", "reject"]
    zh: str
    en: str
    source: str
    confidence: Confidence


class OldShotRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """photos.toml, old_shot: a two-digit code of older platforms and the shot it means."""

    code: str
    shot: str
    source: str
    confidence: Confidence


_TABLES: tuple[
    tuple[str, str, type[FormatRow | OpenKindRow | RegionRow | CountryRow | OldShotRow | DefectRow]], ...
] = (
    ("plates", "format", FormatRow),
    ("plates", "open_kind", OpenKindRow),
    ("vins", "region", RegionRow),
    ("vins", "country", CountryRow),
    ("photos", "old_shot", OldShotRow),
    ("defects", "defect", DefectRow),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """Tables of codes of one edition. ``old_shots``: two-digit photo code -> shot."""

    plates: Plates
    vins: Vins
    defects: Mapping[str, DefectRow]
    old_shots: Mapping[str, str]
    names: Mapping[str, Mapping[str, Label]]

    @classmethod
    def from_tables(
        cls,
        docs: Mapping[str, Document],
        vin_rules: list[tuple[str, VinRule]],
        names: Mapping[str, Mapping[str, Label]],
        sources: Collection[str],
    ) -> "Codes":
        """Codes from parsed files; raises RuleError naming file, table and row."""
        for stem, table, kind in _TABLES:
            for label, row in rows(docs, stem, table, kind):
                must_know(label, "source", row.source.split(), sources)
                if isinstance(row, FormatRow | OpenKindRow):
                    must_know(label, "hpzl", [row.hpzl], names["plate_kinds"])
        plates = Plates.from_tables(docs)
        silent = sorted(set(names["plate_kinds"]) - plates.known)
        if silent:
            raise RuleError(f"plates.toml: no format and no open_kind for hpzl {', '.join(silent)}")
        defects = rows(docs, "defects", "defect", DefectRow)
        for label, defect in defects:
            must_know(label, "item", [defect.item], names["defect_items"])
        old = rows(docs, "photos", "old_shot", OldShotRow)
        for label, shot in old:
            must_know(label, "shot", [shot.shot], names["shots"])
        return cls(
            plates=plates,
            vins=Vins.from_tables(docs, vin_rules),
            defects=by_code(defects, lambda row: row.code),
            old_shots={code: row.shot for code, row in by_code(old, lambda row: row.code).items()},
            names=names,
        )

    def problems(self, vehicle: Vehicle, on: date) -> tuple[Problem, ...]:
        """What is wrong with the papers of a vehicle: codes that no table knows, its plate, its VIN."""
        plate = vehicle.plate
        return (
            *self._unknown(vehicle),
            *(self.plates.problems(plate.hpzl, plate.hphm, on) if plate else ()),
            *self.vins.problems(vehicle, on),
        )

    def _unknown(self, vehicle: Vehicle) -> Iterator[Problem]:
        for field, table, zh, en in _CODED:
            code = getattr(vehicle, field)
            if code not in self.names[table]:
                yield Problem(
                    "warning", field, f"{zh} {code} 不在代码表中", f"{en} {code} is in no code table"
                )
        strange = set(vehicle.colour) - set(self.names["colours"])
        if strange or len(vehicle.colour) > MOST_COLOURS:
            yield Problem(
                "warning",
                "colour",
                f"车身颜色 {vehicle.colour} 应为代码表中的字母，最多{MOST_COLOURS}个",
                f"colour {vehicle.colour}: write up to {MOST_COLOURS} letters of the code table",
            )

    def colour(self, csys: str) -> Label:
        """The name of a colour code of one or several letters (白、黑); an unknown letter stands as it is."""
        known = self.names["colours"]
        found = [known.get(letter) or Label(zh=letter, en=letter) for letter in csys]
        return Label(zh="、".join(each.zh for each in found), en=" and ".join(each.en for each in found))

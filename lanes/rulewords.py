"""Rule rows in words of both languages: for whom a row is, what it says, how sure that is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, TypeAlias

from lanes.authority import AuthorityRow
from lanes.limits import Limit
from lanes.needs import ArtefactNeed, ItemNeed, Outside, ShotNeed
from lanes.quantity import plain
from lanes.scope import Case, Confidence, Scope
from lanes.tables import Label

if TYPE_CHECKING:
    from lanes.rulebook import Rulebook

AnyRow: TypeAlias = ItemNeed | ShotNeed | ArtefactNeed | Outside | Limit | AuthorityRow

SURENESS: dict[Confidence, Label] = {
    "S": Label(zh="业务文件载明", en="stated in an official document"),
    "F": Label(zh="公开资料载明", en="found in a public source"),
    "F1": Label(zh="仅一个公开来源，可能是厂家习惯", en="one public source only, maybe a maker's habit"),
    "Q": Label(zh="题库引用标准", en="quoted from the standard by a question bank"),
    "M": Label(
        zh="工作默认值，尚未核对标准原文", en="working default, not checked against the standard's text"
    ),
}
_COLUMNS: dict[str, dict[str, Label]] = {
    "origin": {"domestic": Label(zh="国产", en="made in China"), "imported": Label(zh="进口", en="imported")},
    "steer_suspension": {
        "independent": Label(zh="转向轴独立悬架", en="independent suspension of the steering axle"),
        "dependent": Label(zh="转向轴非独立悬架", en="steering axle without independent suspension"),
    },
    "service_brake": {
        "hydraulic": Label(zh="液压制动", en="hydraulic brakes"),
        "air": Label(zh="气压制动", en="air brakes"),
    },
    "lamps": {
        "one": Label(zh="一灯制", en="one headlamp"),
        "two": Label(zh="两灯制", en="two headlamps"),
        "four": Label(zh="四灯制", en="four headlamps"),
    },
    "condition": {
        "new": Label(zh="新车", en="new vehicles"),
        "in_use": Label(zh="在用车", en="vehicles in use"),
    },
    "axle": {"front": Label(zh="前轴", en="front axle"), "rear": Label(zh="后轴", en="rear axles")},
    "bench": {"roller": Label(zh="滚筒台", en="roller bench"), "plate": Label(zh="平板台", en="plate bench")},
    "load": {"unladen": Label(zh="空载", en="unladen"), "laden": Label(zh="加载", en="laden")},
}
_RANGES = (
    ("gross_mass_from_kg", "gross_mass_to_kg", "总质量", "gross mass", "kg"),
    ("axles_from", "axles_to", "轴数", "axles", ""),
    ("seats_from", "seats_to", "核定载人数", "persons", ""),
    ("speed_from_kmh", "speed_to_kmh", "最高设计车速", "top speed", "km/h"),
)
NEEDS = {
    "required": Label(zh="必查", en="required"),
    "optional": Label(zh="选查（有则判定）", en="optional (judged if it is there)"),
    "none": Label(zh="不查", en="not inspected"),
}
BROUGHT = {  # photos and artefacts
    "required": Label(zh="必须", en="required"),
    "optional": Label(zh="可选", en="optional"),
    "none": Label(zh="不要", en="not asked for"),
}
_SUPERVISION = {
    "video": Label(zh="民警现场或视频监管", en="the police watch on the spot or by video"),
    "afterwards": Label(zh="民警事后抽查复核", en="the police check samples afterwards"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One rule row and its place: ``table`` such as ``checklists.toml, item``, ``number`` from 1, code."""

    table: str
    number: int
    code: str
    row: AnyRow

    @property
    def where(self) -> str:
        """The place as errors name it."""
        return f"{self.table}, row {self.number}" + (f" ({self.code})" if self.code else "")

    @property
    def where_zh(self) -> str:
        """The same in Chinese."""
        return f"{self.table} 第 {self.number} 行" + (f"（{self.code}）" if self.code else "")


def placed(rulebook: "Rulebook") -> Iterator[Placed]:
    """Every row with a scope, in the order of the files."""
    tables: tuple[tuple[str, tuple[AnyRow, ...]], ...] = (
        ("checklists.toml, item", rulebook.item_needs),
        ("checklists.toml, shot", rulebook.shot_needs),
        ("checklists.toml, artefact", rulebook.artefact_needs),
        ("checklists.toml, outside", rulebook.outside),
        ("limits.toml, limit", rulebook.limits.rows),
        ("authority.toml, authority", rulebook.authority),
    )
    for table, rows in tables:
        for number, row in enumerate(rows, 1):
            yield Placed(table=table, number=number, code=code_of(row), row=row)


def code_of(row: AnyRow) -> str:
    """What a row is about: its item, shot, artefact or quantity; empty for the other tables."""
    match row:
        case ItemNeed():
            return row.item
        case ShotNeed():
            return row.shot
        case ArtefactNeed():
            return row.artefact
        case Limit():
            return row.quantity
    return ""


def scope_words(row: Scope, rulebook: "Rulebook", case: Case | None = None) -> Label:
    """For whom a row is: ``重型载货汽车；注册登记；出厂日期自 2013-03-01 起``.

    With a case the row is told from where it stands: of many classes and businesses only its own is named.
    """
    parts = list(_parts(row, rulebook, case))
    if not row.classes:
        parts.insert(0, Label(zh="所有车辆", en="all vehicles"))
    return Label(zh="；".join(part.zh for part in parts), en="; ".join(part.en for part in parts))


def _parts(row: Scope, rulebook: "Rulebook", case: Case | None) -> Iterator[Label]:
    names = rulebook.names
    if row.classes:
        kinds = _class_words(row.classes, rulebook)
        mine = [word for word, prefixes in kinds if case and case.vehicle.vehicle_class.startswith(prefixes)]
        yield _listed([word for word, _ in kinds], mine, "类车辆", "kinds of vehicle")
    yield from _coded("使用性质", "use", row.uses, names["uses"])
    if row.businesses:
        mine = [names["businesses"][case.business]] if case else []
        yield _listed([names["businesses"][code] for code in row.businesses], mine, "项业务", "businesses")
    yield from _coded("燃料", "fuel", row.fuels, {})
    yield from _coded("号牌种类", "plate kind", row.plate_kinds, names["plate_kinds"])
    for column, words in _COLUMNS.items():
        value = getattr(row, column, None)
        if value is not None:
            yield words[value]
    for first, last, zh, en, unit in _RANGES:
        said = _span(getattr(row, first), getattr(row, last), f" {unit}".rstrip())
        if said:
            yield Label(zh=f"{zh}{said.zh}", en=f"{en} {said.en}")
    for ratio, mark in ((row.mass_ratio_to, "≤"), (row.mass_ratio_below, "<")):
        if ratio is not None:
            yield Label(
                zh=f"总质量 {mark} {plain(ratio)} 倍整备质量",
                en=f"gross mass {mark} {plain(ratio)} × kerb mass",
            )
    made, effective = _span(row.made_from, row.made_to), _span(row.effective_from, row.effective_to)
    if made:
        yield Label(zh=f"出厂日期{made.zh}", en=f"made {made.en}")
    if effective:
        yield Label(zh=f"检验日期{effective.zh}", en=f"inspected {effective.en}")


def _listed(labels: list[Label], mine: list[Label], zh: str, en: str) -> Label:
    """All of them; of more than three only that of the case and how many there are."""
    if mine and len(labels) > 3:
        return Label(
            zh=f"{mine[0].zh}等 {len(labels)} {zh}", en=f"{mine[0].en} and {len(labels) - 1} other {en}"
        )
    return Label(zh="、".join(each.zh for each in labels), en=", ".join(each.en for each in labels))


def _coded(zh: str, en: str, codes: tuple[str, ...], names: Mapping[str, Label]) -> Iterator[Label]:
    if codes:
        named = [names.get(code, Label(zh=code, en=code)) for code in codes]
        yield Label(
            zh=f"{zh}：{'、'.join(n.zh for n in named)}", en=f"{en}: {', '.join(n.en for n in named)}"
        )


def _class_words(prefixes: tuple[str, ...], rulebook: "Rulebook") -> list[tuple[Label, tuple[str, ...]]]:
    """The class groups and codes as the row says them, each in words and with its beginnings of cllx."""
    known = rulebook.names["vehicle_classes"]
    words: list[tuple[Label, tuple[str, ...]]] = []
    for name in rulebook.said.get(prefixes, prefixes):
        group = rulebook.groups.get(name)
        if group is not None:
            words.append((Label(zh=group.zh or name, en=group.en or name), group.classes))
        else:
            words.append((known.get(name, Label(zh=f"车辆类型 {name}…", en=f"class {name}…")), (name,)))
    return words


def _span(first: int | date | None, last: int | date | None, unit: str = "") -> Label | None:
    if first is None and last is None:
        return None
    if last is None:
        return Label(zh=f"自 {first}{unit} 起", en=f"from {first}{unit}")
    if first is None:
        return Label(zh=f"至 {last}{unit} 止", en=f"to {last}{unit}")
    return Label(zh=f" {first} 至 {last}{unit}", en=f"{first} to {last}{unit}")


def outcome_words(row: AnyRow, rulebook: "Rulebook") -> Label:
    """What a row says of those it is for."""
    match row:
        case ItemNeed():
            return need_words(row.need, row.writes_value, row.may_not_apply)
        case ShotNeed():
            need, asked = BROUGHT[row.need], ", ".join(row.questions)
            tail = (
                Label(zh=f"，模型审核：{asked}", en=f", a model is asked: {asked}")
                if asked
                else Label(zh="", en="")
            )
            return Label(zh=need.zh + tail.zh, en=need.en + tail.en)
        case ArtefactNeed():
            return BROUGHT[row.need]
        case Outside():
            return Label(zh=f"不受理：{row.why_zh or row.why}", en=f"refused: {row.why}")
        case Limit():
            return Label(zh=f"{row.text}（{row.clause}）", en=f"{row.text} ({row.clause})")
    return _authority_words(row, rulebook)


def need_words(need: str, writes_value: bool, may_not_apply: bool) -> Label:
    """required, optional or none, and what the officer may or must write."""
    zh, en = [NEEDS[need].zh], [NEEDS[need].en]
    if writes_value:
        zh.append("填写确定值")
        en.append("write the determined value")
    if may_not_apply:
        zh.append("不适用时可填“—”")
        en.append('"—" where it does not apply')
    return Label(zh="，".join(zh), en=", ".join(en))


def _authority_words(row: AuthorityRow, rulebook: "Rulebook") -> Label:
    words = []
    if row.level is not None:
        level = rulebook.levels[row.level]
        words.append(Label(zh=f"{level.zh}以上", en=f"at least: {level.en}"))
    if row.police:
        words.append(Label(zh="须由民警查验", en="by the police only"))
    if row.persons > 1:
        words.append(Label(zh="须双人查验", en="by two persons"))
    words += supervision_words(row.by)
    return Label(zh="；".join(word.zh for word in words), en="; ".join(word.en for word in words))


def supervision_words(by: tuple[str, ...]) -> list[Label]:
    """How those who are not of the police are supervised."""
    return [_SUPERVISION[way] for way in by]

"""rulecheck: what is doubtful in a rulebook that can be used: gaps, rows without use, codes nobody knows."""

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import product
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from lanes.checklist import checklist, listing, outside, unlimited
from lanes.rulecases import useless
from lanes.rulewords import placed
from lanes.samples import classes, ordinary
from lanes.scope import Case, RuleError
from lanes.tables import Label

if TYPE_CHECKING:
    from lanes.rulebook import Rulebook

MADE = date(2024, 3, 1)


class Doubt(Struct, frozen=True, kw_only=True):
    """One thing to look at. ``level``: warning, or note for what may well be meant."""

    level: Literal["warning", "note"]
    code: str
    zh: str
    en: str


def doubts(rulebook: "Rulebook", on: date) -> tuple[Doubt, ...]:
    """Everything doubtful on a day; a rulebook that cannot be used is refused when it is read."""
    return (
        *_unknown_codes(rulebook),
        *_dates(rulebook, on),
        *_useless(rulebook, on),
        *_unused_items(rulebook),
        *_unmeasured(rulebook),
        *_gaps(rulebook, on),
        *_levels(rulebook, on),
    )


def _warn(code: str, zh: str, en: str) -> Doubt:
    return Doubt(level="warning", code=code, zh=zh, en=en)


def _note(code: str, zh: str, en: str) -> Doubt:
    return Doubt(level="note", code=code, zh=zh, en=en)


def _unknown_codes(rulebook: "Rulebook") -> Iterator[Doubt]:
    """Codes in rows that no table of codes names: a slip, or a table that is not complete."""
    names = rulebook.names
    columns = (
        ("uses", "使用性质", "use", set(names["uses"])),
        ("plate_kinds", "号牌种类", "plate kind", set(names["plate_kinds"])),
    )
    for each in placed(rulebook):
        for column, zh, en, known in columns:
            for value in getattr(each.row, column):
                if value not in known:
                    yield _warn(
                        "unknown-code",
                        f"{each.where_zh}：{zh} {value} 不在代码表中",
                        f"{each.where}: {en} {value} is in no table of codes",
                    )
    used = {prefix for each in placed(rulebook) for prefix in each.row.classes}
    for prefix in sorted(used):
        if not any(code.startswith(prefix) for code in names["vehicle_classes"]):
            yield _warn(
                "unknown-class",
                f"codes.toml 没有以 {prefix} 开头的车辆类型，但有规则使用它",
                f"codes.toml names no vehicle class that begins with {prefix}, but rows use it",
            )


def _dates(rulebook: "Rulebook", on: date) -> Iterator[Doubt]:
    for each in placed(rulebook):
        ends, begins = each.row.effective_to, each.row.effective_from
        if ends is not None and ends < on:
            yield _note("expired", f"{each.where_zh}：已于 {ends} 失效", f"{each.where}: ended on {ends}")
        elif begins is not None and begins > on:
            yield _note(
                "not-yet", f"{each.where_zh}：自 {begins} 起生效", f"{each.where}: in force from {begins}"
            )


def _useless(rulebook: "Rulebook", on: date) -> Iterator[Doubt]:
    for each in useless(rulebook, on):
        yield _warn(
            "useless",
            f"{each.where_zh}：没有找到由这一行决定的车辆",
            f"{each.where}: no vehicle was found for which this row decides",
        )


# ---- items nobody asks for, or nobody can answer ---------------------------------------------------


def _unused_items(rulebook: "Rulebook") -> Iterator[Doubt]:
    asked = {row.item for row in rulebook.item_needs}
    for code, named in rulebook.items.items():
        if named.kind in ("check", "instrument") and code not in asked:
            yield _note(
                "unused-item",
                f"names.toml, item {code}（{named.zh}）：没有任何规则要求它",
                f"names.toml, item {code} ({named.en}): no row asks for it",
            )


def _unmeasured(rulebook: "Rulebook") -> Iterator[Doubt]:
    """Instrument items that some row requires and no quantity judges."""
    required = {row.item for row in rulebook.item_needs if row.need == "required"}
    for code, named in rulebook.items.items():
        if named.kind == "instrument" and code in required and not named.quantities:
            yield _warn(
                "unmeasured",
                f"项目 {code}（{named.zh}）必查，但没有判定它的量：不能完成检验，除非本机构声明不查",
                f"item {code} ({named.en}) is required, but no quantity judges it: no inspection with it "
                "can end unless the site leaves it out",
            )


# ---- businesses × classes --------------------------------------------------------------------------


def _gaps(rulebook: "Rulebook", on: date) -> Iterator[Doubt]:
    """Businesses and classes without a list, and lists that no limits judge; one line a reason."""
    kinds = classes(rulebook)
    found: dict[tuple[str, Label], dict[str, list[str]]] = {}  # (code, why) -> class -> businesses
    for business, alike in product(rulebook.businesses, _alike(rulebook, kinds)):
        gap = _gap(alike[0], business, on, rulebook)
        if gap is None:
            continue
        for kind in alike:
            found.setdefault(gap, {}).setdefault(kind, []).append(business)
    for (code, why), where in found.items():
        together: dict[tuple[str, ...], list[str]] = {}
        for kind, businesses in where.items():
            together.setdefault(tuple(businesses), []).append(kind)
        for concerned, found_kinds in together.items():
            yield _told(code, why, concerned, short(found_kinds, kinds), rulebook)


def _alike(rulebook: "Rulebook", kinds: Iterable[str]) -> list[list[str]]:
    """Classes that no row tells apart, together: one of them speaks for all."""
    prefixes = tuple({prefix for each in placed(rulebook) for prefix in each.row.classes})
    found: dict[tuple[object, ...], list[str]] = {}
    for kind in kinds:
        vehicle = replace(ordinary(kind, MADE), vehicle_class="")
        found.setdefault((vehicle, *(p for p in prefixes if kind.startswith(p))), []).append(kind)
    return list(found.values())


def _gap(kind: str, business: str, on: date, rulebook: "Rulebook") -> tuple[str, Label] | None:
    """Why a class has no list in a business, or none that could be judged; None: it has one."""
    vehicle = ordinary(kind, MADE)
    refused = outside(Case(vehicle=vehicle, business=business, on=on), rulebook)
    if refused is not None:
        return "outside", Label(zh=refused.why_zh or refused.why, en=refused.why)
    try:
        wanted = listing(vehicle, business, on, rulebook)
        items = [item.item for item in wanted.instruments if item.required]
        lacking = dict.fromkeys(q for q, _, _ in unlimited(items, vehicle, business, on, rulebook))
        if lacking:
            named = [rulebook.names["quantities"][quantity] for quantity in lacking]
            zh, en = "、".join(name.zh for name in named), ", ".join(name.en for name in named)
            return "unlimited", Label(zh=zh, en=en)
        checklist(vehicle, business, on, rulebook)
    except RuleError as error:
        reason = str(error).rpartition(": ")[2].partition(" for class ")[0]
        return "gap", Label(zh=reason, en=reason)
    return None


def short(kinds: Iterable[str], known: Iterable[str]) -> str:
    """Class codes in few words: ``K1… K21`` where all known codes that begin with K1 are among them."""
    left, words = list(kinds), []
    for length in (1, 2):
        for begins in dict.fromkeys(kind[:length] for kind in left):
            alike = [kind for kind in known if kind.startswith(begins)]
            if len(alike) > 1 and set(alike) <= set(left):
                words.append(f"{begins}…")
                left = [kind for kind in left if not kind.startswith(begins)]
    return " ".join(sorted(words + left))


def _told(code: str, why: Label, concerned: tuple[str, ...], kinds: str, rulebook: "Rulebook") -> Doubt:
    names = [rulebook.names["businesses"][business] for business in concerned]
    if len(concerned) == len(rulebook.businesses):
        names = [Label(zh="所有业务", en="every business")]
    zh, en = "、".join(name.zh for name in names), ", ".join(name.en for name in names)
    match code:
        case "outside":
            return _note(
                code,
                f"{zh}：不受理车辆类型 {kinds}：{why.zh}",
                f"{en}: classes {kinds} are refused: {why.en}",
            )
        case "unlimited":
            return _warn(
                code,
                f"{zh}：车辆类型 {kinds} 没有限值（{why.zh}），受理时被拒绝",
                f"{en}: no limits ({why.en}) for classes {kinds}; they are refused when ordered",
            )
    return _warn(
        code, f"{zh}：车辆类型 {kinds} 没有项目表：{why.zh}", f"{en}: no list for classes {kinds}: {why.en}"
    )


def _levels(rulebook: "Rulebook", on: date) -> Iterator[Doubt]:
    """Classes for which no row tells the level of officer: there the highest is asked for."""
    rows = [row for row in rulebook.authority if row.level is not None]
    refused = [row for row in rulebook.outside if not row.businesses and not row.uses]
    cases = {kind: Case(vehicle=ordinary(kind, MADE), business="", on=on) for kind in classes(rulebook)}
    without = [k for k, case in cases.items() if not any(row.covers(case) for row in (*rows, *refused))]
    if without:
        kinds = short(without, cases)
        yield _note(
            "no-level",
            f"车辆类型 {kinds}：没有规定查验员等级，按最高等级要求",
            f"classes {kinds}: no row tells the level of officer; the highest is asked for",
        )

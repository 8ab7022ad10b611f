"""explain: item by item what a vehicle must pass and why: the row that applies, what it is narrower than."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import TYPE_CHECKING

from msgspec import Struct

from lanes.authority import Requirement, requirement
from lanes.checklist import (
    BENCHES,
    NOTHING,
    CheckItem,
    Checklist,
    Given,
    listing,
)
from lanes.item_codes import axle_of, is_beyond, load_of, position
from lanes.limits import Axle, Bench
from lanes.record import Load
from lanes.rulewords import (
    BROUGHT,
    NEEDS,
    SURENESS,
    Placed,
    need_words,
    outcome_words,
    placed,
    scope_words,
    supervision_words,
)
from lanes.scope import Case, Confidence, narrowest
from lanes.tables import Label
from lanes.vehicle import Vehicle

if TYPE_CHECKING:
    from lanes.rulebook import Rulebook


class Why(Struct, frozen=True, kw_only=True):
    """The row that decided: its place, for whom it is, which wider rows it went before, source, sureness."""

    where: Label
    scope: Label
    wider: tuple[Label, ...]
    sources: tuple[str, ...]
    confidence: Confidence
    sure: Label


class Told(Struct, frozen=True, kw_only=True):
    """One item, shot or artefact: what is asked and why. ``why`` None: the platform asks for it."""

    code: str
    name: Label
    group: Label | None
    need: Label
    why: Why | None
    limits: tuple[Label, ...] = ()


class Who(Struct, frozen=True, kw_only=True):
    """Who may inspect it, with the rows that say so."""

    words: tuple[Label, ...]
    why: tuple[Why, ...]


class Explanation(Struct, frozen=True, kw_only=True):
    """Everything about one vehicle, business and day. ``absent``: what some row asks for, but not here."""

    basis: str
    who: Who
    items: tuple[Told, ...]
    shots: tuple[Told, ...]
    artefacts: tuple[Told, ...]
    absent: tuple[Told, ...]


def explain(
    vehicle: Vehicle, business: str, on: date, rulebook: "Rulebook", given: Given = NOTHING
) -> Explanation:
    """Raises RuleError for a vehicle or business that no row covers, with the reason."""
    return _Explainer(vehicle, business, on, rulebook).explained(given)


class _Explainer:
    def __init__(self, vehicle: Vehicle, business: str, on: date, rulebook: "Rulebook") -> None:
        self.rulebook, self.vehicle, self.on, self.business = rulebook, vehicle, on, business
        self.case = Case(vehicle=vehicle, business=business, on=on)
        self.rows: dict[tuple[str, str], list[Placed]] = {}
        self.places: dict[int, Placed] = {}
        for each in placed(rulebook):
            self.rows.setdefault((each.table, each.code), []).append(each)
            self.places[id(each.row)] = each

    def explained(self, given: Given) -> Explanation:
        wanted = listing(self.vehicle, self.business, self.on, self.rulebook, given)
        return Explanation(
            basis=wanted.basis,
            who=self._who(),
            items=tuple(self._item(item) for item in wanted.items),
            shots=tuple(
                self._plain("shot", shot.shot, Label(zh=shot.zh, en=shot.en), shot.required)
                for shot in wanted.shots
            ),
            artefacts=tuple(
                self._plain("artefact", each.artefact, Label(zh=each.zh, en=each.en), each.required)
                for each in wanted.artefacts
            ),
            absent=tuple(self._absent(wanted)),
        )

    def _item(self, item: CheckItem) -> Told:
        need = need_words("required" if item.required else "optional", item.writes_value, item.may_not_apply)
        if item.left_out:
            need = Label(zh=f"本机构不查：{item.left_out}", en=f"left out at this site: {item.left_out}")
        return Told(
            code=item.item,
            name=Label(zh=item.zh, en=item.en),
            group=self.rulebook.names["groups"].get(item.group),
            need=need,
            why=self._why("item", item.item),
            limits=tuple(self._limits(item)),
        )

    def _plain(self, table: str, code: str, name: Label, required: bool) -> Told:
        need = BROUGHT["required" if required else "optional"]
        return Told(code=code, name=name, group=None, need=need, why=self._why(table, code))

    def _absent(self, wanted: Checklist) -> Iterator[Told]:
        """Items that a row takes out, and those the form asks under another number."""
        here = {item.item for item in wanted.items}
        for code, named in self.rulebook.items.items():
            found = self._applied("item", code)
            if code in here or not found or is_beyond(code, self.vehicle):
                continue
            row = _winner(found, self.case)
            need = NEEDS["none"]
            if row is not None and outcome_words(row.row, self.rulebook) != NEEDS["none"]:
                need = _elsewhere(named.covered_by, here)
            yield Told(
                code=code,
                name=Label(zh=named.zh, en=named.en),
                group=None,
                need=need,
                why=self._why("item", code),
            )

    def _applied(self, table: str, code: str) -> list[Placed]:
        rows = self.rows.get((f"checklists.toml, {table}", code), [])
        return [each for each in rows if each.row.covers(self.case)]

    def _why(self, table: str, code: str) -> Why | None:
        found = self._applied(table, code)
        winner = _winner(found, self.case)
        return None if winner is None else self._because(winner, found)

    def _because(self, winner: Placed, found: Iterable[Placed]) -> Why:
        row = winner.row
        return Why(
            where=_where(winner),
            scope=scope_words(row, self.rulebook, self.case),
            wider=tuple(
                Label(
                    zh=f"{each.where_zh}：{scope_words(each.row, self.rulebook, self.case).zh} → "
                    f"{outcome_words(each.row, self.rulebook).zh}",
                    en=f"{each.where}: {scope_words(each.row, self.rulebook, self.case).en} → "
                    f"{outcome_words(each.row, self.rulebook).en}",
                )
                for each in found
                if each is not winner
            ),
            sources=tuple(f"{key}: {self.rulebook.sources[key]}" for key in row.source.split()),
            confidence=row.confidence,
            sure=SURENESS[row.confidence],
        )

    def _limits(self, item: CheckItem) -> Iterator[Label]:
        """What judges a reading of this item, by bench."""
        axle = axle_of(item.item)
        named = self.rulebook.items.get(item.item)
        if item.kind == "instrument" and named is not None and not named.quantities:
            yield Label(zh="这些规则没有判定它的量", en="no quantity of these rules judges it")
        for quantity in named.quantities if named is not None else ():
            said = [
                self._limit(quantity, None if axle is None else position(axle), bench, load_of(item.item))
                for bench in BENCHES
            ]
            name = self.rulebook.names["quantities"][quantity]
            if said[0] == said[1]:
                yield Label(zh=f"{name.zh}：{said[0].zh}", en=f"{name.en}: {said[0].en}")
            else:
                yield Label(
                    zh=f"{name.zh}：滚筒台 {said[0].zh}；平板台 {said[1].zh}",
                    en=f"{name.en}: roller bench {said[0].en}; plate bench {said[1].en}",
                )

    def _limit(self, quantity: str, axle: Axle | None, bench: Bench, load: Load) -> Label:
        row = self.rulebook.limits.find(
            quantity, self.vehicle, self.business, self.on, axle=axle, bench=bench, load=load
        )
        if row is None:
            return Label(zh="没有限值，不判定", en="no limit, not judged")
        return Label(zh=f"{row.text}（{row.clause}）", en=f"{row.text} ({row.clause})")

    def _who(self) -> Who:
        needed = requirement(self.vehicle, self.business, self.on, self.rulebook)
        return Who(
            words=tuple(who_words(needed, self.rulebook)),
            why=tuple(self._because(self.places[id(row)], ()) for row in needed.rows),
        )


def who_words(needed: Requirement, rulebook: "Rulebook") -> Iterator[Label]:
    """A requirement in words."""
    level = rulebook.levels[needed.level]
    yield Label(zh=f"{level.zh}或以上", en=f"at least: {level.en}")
    if needed.police:
        yield Label(zh="须由民警查验", en="by the police only")
    else:
        yield Label(zh="民警、辅警或其他查验员均可", en="by the police or by others")
        yield from (
            Label(zh=f"非民警查验时：{way.zh}", en=f"when not by the police: {way.en}")
            for way in supervision_words(needed.by)
        )
    if needed.persons > 1:
        yield Label(zh="须双人查验", en="by two persons")


def _elsewhere(covered_by: tuple[str, ...], here: set[str]) -> Label:
    """Under which items of this list an item is inspected; under none when a platform does not list it."""
    said = [together.split() for together in covered_by if here.issuperset(together.split())]
    if not said:
        return Label(zh="平台未列", en="not listed by the platform")
    zh, en = (" / ".join(joint.join(codes) for codes in said) for joint in ("、", " and "))
    return Label(zh=f"已由 {zh} 查验", en=f"inspected under {en}")


def _winner(found: list[Placed], case: Case) -> Placed | None:
    row = narrowest((each.row for each in found), case)
    return next((each for each in found if each.row is row), None)


def _where(each: Placed) -> Label:
    return Label(zh=each.where_zh, en=each.where)

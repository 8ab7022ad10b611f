"""Plates by GA 36: what is wrong with a number, the kinds it fits, how it is painted.

The forms are rows of ``plates.toml``; only the characters of a plate stand in the program.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from msgspec import Meta, Struct

from lanes.plate_form import FormatRow, Ground, PlateForm, laid_out
from lanes.scope import Confidence
from lanes.spelling import fold
from lanes.tables import Document, by_code, each, rows
from lanes.vehicle import Plate, Problem

SUGGESTED = 3  # numbers that a problem names as what may have been meant


class PlateError(ValueError):
    """Text that cannot be the number of a plate of that kind."""


class OpenKindRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """plates.toml, open_kind: a kind whose forms are not all known; other numbers only warn."""

    hpzl: Annotated[str, Meta(pattern="^[0-9]{2}$")]
    why_zh: str
    why_en: str
    source: str
    confidence: Confidence


@dataclass(frozen=True, slots=True)
class Plates:
    """Every form of every kind of plate."""

    by_kind: Mapping[str, tuple[PlateForm, ...]]
    open_kinds: Mapping[str, OpenKindRow]

    @classmethod
    def from_tables(cls, docs: Mapping[str, Document]) -> "Plates":
        """Plates from the parsed ``plates`` file; raises RuleError naming the row."""
        formats = rows(docs, "plates", "format", FormatRow)
        by_code(formats, lambda row: f"{row.hpzl} {row.name}")
        forms = each(formats, PlateForm.of)
        kinds = by_code(rows(docs, "plates", "open_kind", OpenKindRow), lambda row: row.hpzl)
        by_kind: dict[str, tuple[PlateForm, ...]] = {}
        for _, form in forms:
            by_kind[form.row.hpzl] = (*by_kind.get(form.row.hpzl, ()), form)
        return cls(by_kind, kinds)

    @property
    def forms(self) -> tuple[PlateForm, ...]:
        """Every form, kind by kind."""
        return tuple(form for forms in self.by_kind.values() for form in forms)

    @property
    def known(self) -> frozenset[str]:
        """Kinds (hpzl) that the table speaks of."""
        return frozenset(self.by_kind) | frozenset(self.open_kinds)

    def problems(self, hpzl: str, hphm: str, on: date | None = None) -> tuple[Problem, ...]:
        """What is wrong with a plate on a day; empty: it has a known form."""
        number = fold(hphm)
        if hpzl not in self.by_kind and hpzl not in self.open_kinds:
            return (
                _error(
                    "kind",
                    f"号牌种类 {hpzl!r} 不在 GA/T 16.7 中，应为两位数字，如 02",
                    f"hpzl {hpzl!r} is not a plate kind: write the two digits of GA/T 16.7, such as 02",
                ),
            )
        if not 5 <= len(number) <= 12:
            return (
                _error(
                    "length",
                    f"号牌号码 {number!r} 为{len(number)}位，应为5至12位",
                    f"hphm {number!r} has {len(number)} characters: a plate has 5 to 12",
                ),
            )
        if any(form.fits(number) for form in self._of(hpzl, on)):
            return ()
        return (self._misfit(hpzl, number, on),)

    def _of(self, hpzl: str, on: date | None) -> Iterator[PlateForm]:
        return (form for form in self.by_kind.get(hpzl, ()) if form.in_force(on))

    def _misfit(self, hpzl: str, number: str, on: date | None) -> Problem:
        """Why a number has no form of its kind."""
        kind = self.open_kinds.get(hpzl)
        if kind is not None:
            zh, en = (
                f"号牌号码 {number!r} 未核对：{kind.why_zh}",
                f"hphm {number!r} is not checked: {kind.why_en}",
            )
            return Problem("warning", "unknown_form", zh, en)
        shaped = [form for form in self._of(hpzl, on) if form.pattern.fullmatch(number)]
        if shaped:
            most = shaped[0].row.letters_to
            return _error(
                "letters",
                f"号牌号码 {number!r} 的序号中字母多于{most}个",
                f"hphm {number!r} has more than {most} letters in its serial",
            )
        zh, en = self._hint(hpzl, number, on)
        return _error(
            "form",
            f"号牌号码 {number!r} 不是 {hpzl} 类号牌{zh}",
            f"hphm {number!r} is no plate of kind {hpzl}{en}",
        )

    def _hint(self, hpzl: str, number: str, on: date | None) -> tuple[str, str]:
        """The likeliest reason, as the end of a sentence."""
        past = next((form.row for form in self._of(hpzl, None) if form.fits(number)), None)
        if past is not None and past.effective_to is not None and on is not None and on > past.effective_to:
            return f"：该式样至 {past.effective_to} 止", f": plates of that form ended on {past.effective_to}"
        if past is not None:
            return (
                f"：该式样自 {past.effective_from} 起",
                f": plates of that form begin on {past.effective_from}",
            )
        meant = self.meant(hpzl, number, on)
        zh, en = "、".join(meant or "01"), " or ".join(meant or "01")
        if set(number[2:]) & set("OI"):
            said = "号牌序号没有字母 O 和 I", "plates have no letter O and no letter I"
            return f"：{said[0]}，是否为 {zh}？", f": {said[1]}, is it {en}?"
        others = [kind for kind in self.kinds(number, on=on) if kind != hpzl]
        if others:
            return f"：符合 {'、'.join(others)} 类", f": it would fit kind {', '.join(others)}"
        if meant:
            return f"：是否为 {zh}？", f": is it {en}?"
        return "：请核对省份、字母和位数", ": check province, letter and length"

    def meant(self, hpzl: str, hphm: str, on: date | None = None) -> tuple[str, ...]:
        """Numbers of that kind that this one may be misread from, by look-alikes, the cheapest first."""
        number = fold(hphm)
        found = sorted({pair for form in self._of(hpzl, on) for pair in form.meant(number)})
        return tuple(true for _, true in found[:SUGGESTED])

    def kinds(self, hphm: str, ground: Ground | None = None, on: date | None = None) -> tuple[str, ...]:
        """The kinds (hpzl) whose form, and ground if it was seen, this number fits; often several."""
        number = fold(hphm)
        fitting = (
            form.row.hpzl
            for form in self.forms
            if form.in_force(on) and ground in (None, form.row.ground) and form.fits(number)
        )
        return tuple(dict.fromkeys(fitting))

    def parse(self, hpzl: str, text: str, on: date | None = None) -> Plate:
        """Plate from typed text, warnings passed over; raises PlateError with the error."""
        for problem in self.problems(hpzl, text, on):
            if problem.level == "error":
                raise PlateError(problem.en)
        return Plate(hpzl=hpzl, hphm=fold(text))

    def form_of(self, plate: Plate) -> PlateForm | None:
        """The form of a plate, with its colours and the energy its letter stands for; None: no known one."""
        return next((form for form in self._of(plate.hpzl, None) if form.fits(plate.hphm)), None)

    def painted(self, plate: Plate, side: Literal["front", "rear"] = "front") -> str:
        """The number as it is painted, with its dot (浙A·12345); two rows are two lines.

        A kind without a plate on that side is given as on the other; one without a known form as it stands.
        """
        form = self.form_of(plate)
        if form is None:
            return plate.hphm
        front, rear = form.row.front, form.row.rear
        return laid_out(plate.hphm, (front or rear) if side == "front" else (rear or front))


def _error(code: str, zh: str, en: str) -> Problem:
    return Problem("error", code, zh, en)

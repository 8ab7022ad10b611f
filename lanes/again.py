"""Re-inspection (复检): what of the attempt before stands, and what must be done again."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, TypeVar

import msgspec

from lanes.checklist import CheckItem, Checklist, Shot
from lanes.record import LEFT_OUT, Finding, Judged
from lanes.scope import Case, narrowest
from lanes.verdicts import ANY

if TYPE_CHECKING:
    from lanes.rulebook import Rulebook

_Need = TypeVar("_Need", CheckItem, Shot)


class AgainError(Exception):
    """Failed items alone cannot be inspected again; why, in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedOnly:
    """A re-inspection of failed items: what it does again, and the findings that stand until a day."""

    redo: tuple[str, ...]
    stands: tuple[Finding, ...]
    until: date


def failed_only(
    judged: Judged, judged_on: date, until: date | None, wanted: Checklist, case: Case, rulebook: "Rulebook"
) -> FailedOnly:
    """What stands of an attempt that failed; ``until``: how long what it took over itself stands.

    ``wanted`` and ``case`` are of the new attempt's day. Raises AgainError: then everything is done again.
    """
    if judged.verdict != "fail":
        raise AgainError(
            "上次检验结论不是不合格，须全项检验", "the attempt before did not fail: inspect all items"
        )
    row = narrowest(rulebook.verdicts.stands, case)
    if row is None:
        raise AgainError("规则未规定合格项目的有效期，须全项检验", "no rule says how long passed items stand")
    last = min(judged_on + timedelta(days=row.days), until or date.max)
    if case.on > last:
        raise AgainError(
            f"合格项目有效至 {last}，须全项检验", f"passed items stood until {last}: inspect all items"
        )
    brought = _brought({ANY, *(f.item for f in judged.findings if f.result == "fail")}, case, rulebook)
    passed = {f.item for f in judged.findings if f.quantity != LEFT_OUT} - brought
    redo = tuple(
        code for code, required in _units(wanted) if code in brought or (required and code not in passed)
    )
    stands = (
        f for f in judged.findings if f.item in passed - {*redo} and f.quantity not in ("referral", LEFT_OUT)
    )
    return FailedOnly(redo=redo, stands=tuple(stands), until=last)


def remaining(wanted: Checklist, redo: tuple[str, ...] | None) -> Checklist:
    """The checklist of a re-inspection: what stands is not required, but may be found anew."""
    if redo is None:
        return wanted
    return msgspec.structs.replace(
        wanted,
        items=tuple(_required(each, each.item in redo) for each in wanted.items),
        shots=tuple(_required(each, each.shot in redo) for each in wanted.shots),
    )


def _required(need: _Need, again: bool) -> _Need:
    return msgspec.structs.replace(need, required=need.required and again)


def _units(wanted: Checklist) -> Iterable[tuple[str, bool]]:
    """Code of each item and shot that is done by itself, and whether it is required."""
    yield from ((each.item, each.required) for each in (*wanted.checks, *wanted.instruments))
    yield from ((each.shot, each.required) for each in wanted.shots)


def _brought(items: set[str], case: Case, rulebook: "Rulebook") -> set[str]:
    """The items, and all that they bring with them, and what that brings."""
    rows = [row for row in rulebook.verdicts.again if row.covers(case)]
    found: set[str] = set()
    fresh = items
    while fresh:
        found |= fresh
        fresh = {code for row in rows if row.item in fresh for code in row.brings} - found
    return found

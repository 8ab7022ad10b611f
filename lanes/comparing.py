"""Comparing: a recorded verdict beside what the same evidence gives now, difference by difference."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import count
from typing import TypeAlias

import msgspec
from msgspec import Struct

from lanes.evidence import Evidence
from lanes.judge import Missing, NotReady, judge
from lanes.record import LEFT_OUT, Finding, Judged
from lanes.rulebook import Rulebook
from lanes.scope import RuleError

Place: TypeAlias = tuple[str, str]  # item and quantity
#: fields that every finding has had from the first; a later one is compared where a finding has it
_FIRST = ("result", "value", "unit", "limit", "clause", "arithmetic", "basis")
_DECIDING = ("verdict", "finding", "result", "value", "basis")
_NONE = "—"


class Outcome(Struct, frozen=True, kw_only=True):
    """What rules of a day make of an attempt; no verdict: what is lacking, or what the rules do not cover."""

    verdict: str = ""
    findings: tuple[Finding, ...] = ()
    lacking: tuple[Missing, ...] = ()
    trouble: str = ""


class Difference(Struct, frozen=True, kw_only=True):
    """One thing that is not as it was recorded. ``deciding``: more than its wording."""

    item: str
    quantity: str
    field: str
    recorded: str
    computed: str

    @property
    def deciding(self) -> bool:
        """Whether it touches the verdict, what was found, or the records it rests on."""
        return self.field in _DECIDING

    @property
    def words(self) -> str:
        """In one line."""
        where = f"{self.item} {self.quantity}".strip()
        return f"{where} {self.field}".strip() + f": {self.recorded} ≠ {self.computed}"


def outcome(evidence: Evidence, rulebook: Rulebook, on: date) -> Outcome:
    """The attempt judged by the rules of a day; never raises for what they say."""
    try:
        findings, verdict = judge(evidence, rulebook, on)
    except NotReady as refused:
        return Outcome(lacking=refused.missing)
    except RuleError as error:
        return Outcome(trouble=str(error))
    return Outcome(verdict=verdict, findings=findings)


def differences(recorded: Judged, computed: Outcome) -> tuple[Difference, ...]:
    """Everything in which a recorded verdict differs from a computed one, the verdict first."""
    found = []
    if recorded.verdict != computed.verdict:
        why = computed.trouble or "; ".join(lack.en for lack in computed.lacking)
        now = computed.verdict or f"none ({why})"
        found.append(_difference(("", ""), "verdict", recorded.verdict, now))
    if computed.verdict:
        before, after = _placed(recorded.findings), _placed(_comparable(recorded, computed))
        for key in dict.fromkeys((*before, *after)):
            found += _between(key[0], before.get(key), after.get(key))
    return tuple(found)


def _comparable(recorded: Judged, computed: Outcome) -> Iterable[Finding]:
    """Without what a verdict from before ``checklist_by`` did not name."""
    named = recorded.checklist_by != ""
    return (each for each in computed.findings if named or each.quantity != LEFT_OUT)


def unfounded(stands: Iterable[Finding], before: Iterable[Finding]) -> tuple[Difference, ...]:
    """Findings that a re-inspection took over and the attempt before does not hold."""
    held = tuple(before)
    return tuple(
        _difference((each.item, each.quantity), "finding", "taken over", "not in the attempt before")
        for each in stands
        if each not in held
    )


def _between(place: Place, before: Finding | None, after: Finding | None) -> Iterator[Difference]:
    if before is None or after is None:
        yield _difference(place, "finding", _said(before), _said(after))
        return
    for field in msgspec.structs.fields(Finding):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old != new and (field.name in _FIRST or old != field.default):
            yield _difference(place, field.name, _text(old), _text(new))


def _difference(place: Place, field: str, recorded: str, computed: str) -> Difference:
    item, quantity = place
    return Difference(item=item, quantity=quantity, field=field, recorded=recorded, computed=computed)


def _placed(findings: Iterable[Finding]) -> dict[tuple[Place, int], Finding]:
    """Findings by place and by which of several there they are."""
    numbers: defaultdict[Place, count[int]] = defaultdict(count)
    placed = {}
    for each in findings:
        place = each.item, each.quantity
        placed[place, next(numbers[place])] = each
    return placed


def _said(finding: Finding | None) -> str:
    return _NONE if finding is None else f"{finding.value}{finding.unit} {finding.result}".strip()


def _text(value: object) -> str:
    words = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return words or _NONE

"""judge: readings × limits -> findings -> verdict. The model advises; the officer's ruling decides.

A vehicle is never failed for what is missing: ``judge`` refuses while ``missing`` names anything.
"""

from collections.abc import Iterator
from datetime import date

from lanes.brakes import axle_rate, brake_problem, drag_rate, imbalance, parking_rate, whole_rate
from lanes.checklist import Checklist, axle_of, checklist, position
from lanes.evidence import Answer, Evidence, answers
from lanes.limits import Axle, Bench, Limit
from lanes.missing import Missing, missing
from lanes.quantity import Derived, plain, rounded
from lanes.record import AxleWeighed, Finding, Result, Reviewed, Verdict
from lanes.rulebook import Rulebook
from lanes.sideslip import sideslip, sideslip_problem
from lanes.weight import weighing_problem

__all__ = ["Evidence", "Missing", "NotReady", "judge", "measured", "missing"]

UNLIMITED_PLACES = 1  # decimals of a value that no limit judges (n(4,1) in the platform's fields)


class NotReady(Exception):
    """The attempt cannot be judged yet; ``missing`` says what must come first."""

    def __init__(self, lacking: tuple[Missing, ...]) -> None:
        super().__init__("cannot be judged yet: " + "; ".join(lack.en for lack in lacking))
        self.missing = lacking


def judge(evidence: Evidence, rulebook: Rulebook, on: date) -> tuple[tuple[Finding, ...], Verdict]:
    """All findings of an attempt by the rules in force on a day, and the verdict.

    Raises NotReady while anything is missing, RuleError when the rules do not cover this vehicle.
    """
    wanted = checklist(evidence.vehicle, evidence.business, on, rulebook)
    lacking = missing(evidence, wanted)
    if lacking:
        raise NotReady(lacking)
    findings = (
        *_checks(evidence),
        *measured(evidence, rulebook, on),
        *_photos(evidence, wanted),
    )
    failed = any(finding.result == "fail" for finding in findings)
    return findings, "fail" if failed else "pass"


def measured(evidence: Evidence, rulebook: Rulebook, on: date) -> tuple[Finding, ...]:
    """Findings of the instrument readings there are so far; unusable readings have none."""
    wanted = checklist(evidence.vehicle, evidence.business, on, rulebook)
    return tuple(_Readings(evidence, rulebook, on).findings(wanted))


def _checks(evidence: Evidence) -> Iterator[Finding]:
    """Every item an officer judged, also beyond the checklist: a defect outside the form fails too (F)."""
    for item, (seq, checked) in sorted(evidence.checks.items()):
        words = [*checked.defects, checked.remark]
        yield Finding(
            item=item,
            result=checked.result,
            value=checked.value,
            arithmetic="; ".join(word for word in words if word),
            basis=(seq,),
        )


class _Readings:
    """One attempt's usable instrument readings beside the limits that are in force for it."""

    def __init__(self, evidence: Evidence, rulebook: Rulebook, on: date) -> None:
        self.evidence, self.rulebook, self.on = evidence, rulebook, on
        self.brakes = {item: pair for item, pair in evidence.brakes.items() if brake_problem(pair[1]) is None}
        axles = range(1, evidence.vehicle.axles + 1)
        weights = ((axle, evidence.weights[axle]) for axle in axles if axle in evidence.weights)
        self.weights = {axle: pair for axle, pair in weights if weighing_problem(pair[1]) is None}
        self.weighed = len(self.weights) == len(axles)

    def findings(self, wanted: Checklist) -> Iterator[Finding]:
        """Findings in the order of the checklist, the whole vehicle's rate after its axles."""
        service = [
            i.item for i in wanted.instruments if axle_of(i.item) in self.weights and i.item in self.brakes
        ]
        for item in service:
            yield from self._axle(item)
        if len(service) == self.evidence.vehicle.axles:
            yield self._whole(service)
        if "B0" in self.brakes and self.weighed:
            yield self._parking()
        slip = self.evidence.sideslip
        if slip is not None and sideslip_problem(slip[1]) is None:
            yield self._judged("A1", sideslip(slip[1]), (slip[0],))

    def _axle(self, item: str) -> Iterator[Finding]:
        seq, measured = self.brakes[item]
        axle = axle_of(item) or 0
        weight_seq, weighed = self.weights[axle]
        derived = (axle_rate(measured, weighed), imbalance(measured, weighed), drag_rate(measured, weighed))
        for one in derived:
            if one is not None:
                yield self._judged(item, one, (seq, weight_seq), position(axle), measured.bench)

    def _whole(self, items: list[str]) -> Finding:
        brakes = [self.brakes[item] for item in items]
        derived = whole_rate([body for _, body in brakes], self._loads())
        basis = (*(seq for seq, _ in brakes), *(seq for seq, _ in self.weights.values()))
        return self._judged("whole", derived, basis, bench=brakes[0][1].bench)

    def _parking(self) -> Finding:
        seq, measured = self.brakes["B0"]
        basis = (seq, *(weight_seq for weight_seq, _ in self.weights.values()))
        return self._judged("B0", parking_rate(measured, self._loads()), basis, bench=measured.bench)

    def _loads(self) -> list[AxleWeighed]:
        return [body for _, body in self.weights.values()]

    def _judged(
        self,
        item: str,
        derived: Derived,
        basis: tuple[int, ...],
        axle: Axle | None = None,
        bench: Bench | None = None,
    ) -> Finding:
        """A derived value against its limit; without a limit for this vehicle it is not applicable."""
        limit = self.rulebook.limits.find(
            derived.quantity,
            self.evidence.vehicle,
            self.evidence.business,
            self.on,
            axle=axle,
            bench=bench,
        )
        places = UNLIMITED_PLACES if limit is None else limit.places
        return Finding(
            item=item,
            result=_result(limit, derived),
            quantity=derived.quantity,
            value=str(rounded(derived.value, places)),
            unit=derived.unit,
            limit="" if limit is None else limit.text,
            clause="" if limit is None else limit.clause,
            arithmetic=derived.arithmetic(places),
            basis=basis,
        )


def _result(limit: Limit | None, derived: Derived) -> Result:
    if limit is None:
        return "not_applicable"
    return "pass" if limit.holds(derived.value) else "fail"


def _photos(evidence: Evidence, wanted: Checklist) -> Iterator[Finding]:
    """Identity findings plate and vin, and the quality of photos that a model or an officer doubted."""
    for shot in wanted.shots:
        for answer in answers(evidence, shot.shot, shot.questions):
            yield _identity(evidence, answer)
    if evidence.vehicle.plate is None:
        yield Finding(item="plate", result="not_applicable", quantity="review", arithmetic="no plate yet")


def _identity(evidence: Evidence, answer: Answer) -> Finding:
    """The officer's ruling if there is one, else the model's agreement."""
    review = answer.review[1] if answer.review is not None else None
    if answer.ruling is None:
        result: Result = "pass"
        reason = _agreed(review) if review is not None else ""
    else:
        ruled = answer.ruling[1]
        result = "pass" if ruled.decision == "pass" else "fail"
        opinion = review.opinion if review is not None else "none"
        reason = f"officer {ruled.officer} ruled {ruled.decision}: {ruled.reason} (model: {opinion})"
    return Finding(
        item=answer.shot if answer.question == "quality" else answer.question,
        result=result,
        quantity="review",
        value="" if review is None else review.text,
        limit=_claimed(evidence, answer),
        arithmetic=reason,
        basis=answer.basis,
    )


def _agreed(review: Reviewed) -> str:
    sure = f", {plain(review.confidence)}" if review.confidence else ""
    return f"model agrees ({review.model}{sure})"


def _claimed(evidence: Evidence, answer: Answer) -> str:
    """What the papers say."""
    match answer.question:
        case "vin":
            return evidence.vehicle.vin
        case "plate" if evidence.vehicle.plate is not None:
            return evidence.vehicle.plate.hphm
    return ""

"""judge: readings × limits -> findings -> verdict. The model advises; the officer's ruling decides.

A vehicle is never failed for what is missing: ``judge`` refuses while ``missing`` names anything.
"""

from collections.abc import Iterator
from datetime import date

from lanes.checklist import Checklist, checklist
from lanes.evidence import Answer, Evidence, answers
from lanes.missing import Missing, missing
from lanes.quantity import plain
from lanes.readings import Readings
from lanes.record import Finding, Result, Reviewed, Verdict
from lanes.rulebook import Rulebook

__all__ = ["Evidence", "Missing", "NotReady", "judge", "measured", "missing"]


class NotReady(Exception):
    """The attempt cannot be judged yet; ``missing`` says what must come first."""

    def __init__(self, lacking: tuple[Missing, ...]) -> None:
        super().__init__("cannot be judged yet: " + "; ".join(lack.en for lack in lacking))
        self.missing = lacking


def judge(evidence: Evidence, rulebook: Rulebook, on: date) -> tuple[tuple[Finding, ...], Verdict]:
    """All findings of an attempt by the rules in force on a day, and the verdict.

    Raises NotReady while anything is missing, RuleError when the rules do not cover this vehicle.
    """
    wanted = checklist(evidence.vehicle, evidence.business, on, rulebook, evidence.given)
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
    wanted = checklist(evidence.vehicle, evidence.business, on, rulebook, evidence.given)
    return tuple(Readings(evidence, rulebook, on).findings(wanted))


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

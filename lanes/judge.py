"""judge: readings × limits -> findings -> verdict. The model advises; the officer's ruling decides.

A vehicle is never failed for what is missing: ``judge`` refuses while ``missing`` names anything, and calls
incomplete what has ended so.
"""

from collections.abc import Container, Iterable, Iterator
from datetime import date

from lanes.again import remaining
from lanes.calibration import reminders
from lanes.checklist import Checklist, checklist
from lanes.evidence import Answer, Evidence, answers
from lanes.filmed import film_findings
from lanes.identity import identity_findings
from lanes.missing import Missing, missing
from lanes.quantity import plain
from lanes.readings import Readings
from lanes.record import LEFT_OUT, Checked, Finding, Result, Reviewed, Severity, Verdict
from lanes.rulebook import Rulebook

__all__ = ["Evidence", "Missing", "NotReady", "judge", "measured", "missing"]


class NotReady(Exception):
    """The attempt cannot be judged yet; ``missing`` says what must come first."""

    def __init__(self, lacking: tuple[Missing, ...]) -> None:
        super().__init__("cannot be judged yet: " + "; ".join(lack.en for lack in lacking))
        self.missing = lacking


def judge(evidence: Evidence, rulebook: Rulebook, on: date) -> tuple[tuple[Finding, ...], Verdict]:
    """All findings of an attempt by the rules in force on a day, and the verdict.

    suspicious while a referral stands; incomplete when it ended with something missing; else fail or pass.
    Raises NotReady while anything is missing of an attempt that is neither referred nor has ended, RuleError
    when the rules do not cover this vehicle.
    """
    wanted = wanted_of(evidence, rulebook, on)
    lacking = missing(evidence, wanted)
    if lacking and not (evidence.ended or evidence.referred):
        raise NotReady(lacking)
    fresh = (
        *_checks(evidence, rulebook),
        *measured(evidence, rulebook, on),
        *_photos(evidence, wanted, rulebook),
        *reminders(evidence),
        *identity_findings(evidence, rulebook),
        *film_findings(evidence),
    )
    anew = {finding.item for finding in fresh}
    stands = (finding for finding in evidence.stands if finding.item not in anew)
    findings = (*stands, *fresh, *_left_out(wanted, anew), *_referrals(evidence))
    return findings, _verdict(evidence, lacking, findings)


def _verdict(evidence: Evidence, lacking: tuple[Missing, ...], findings: tuple[Finding, ...]) -> Verdict:
    if evidence.referred:
        return "suspicious"
    if lacking:
        return "incomplete"
    return "fail" if any(finding.result == "fail" for finding in findings) else "pass"


def wanted_of(evidence: Evidence, rulebook: Rulebook, on: date) -> Checklist:
    """What the attempt must pass: the vehicle's checklist; in a re-inspection, what does not stand."""
    wanted = checklist(evidence.vehicle, evidence.business, on, rulebook, evidence.given)
    return remaining(wanted, evidence.redo)


def measured(evidence: Evidence, rulebook: Rulebook, on: date) -> tuple[Finding, ...]:
    """Findings of the instrument readings there are so far; unusable readings have none."""
    wanted = checklist(evidence.vehicle, evidence.business, on, rulebook, evidence.given)
    return tuple(Readings(evidence, rulebook, on).findings(wanted))


def _checks(evidence: Evidence, rulebook: Rulebook) -> Iterator[Finding]:
    """Every item an officer judged, also beyond the checklist: a defect outside the form fails too (F)."""
    for item, (seq, checked) in sorted(evidence.checks.items()):
        words = [*checked.defects, checked.remark]
        result, severity = _weighed(checked, rulebook)
        yield Finding(
            item=item,
            result=result,
            severity=severity,
            value=checked.value,
            arithmetic="; ".join(word for word in words if word),
            basis=(seq,),
        )


def _weighed(checked: Checked, rulebook: Rulebook) -> tuple[Result, Severity]:
    """A defect that rejects fails the item whatever was ticked; with mere reminders alone it passes (F)."""
    if rejecting(checked.defects, rulebook):
        return "fail", "reject"
    if not checked.defects or (checked.result == "fail" and checked.remark.strip()):
        return checked.result, "reject"
    return ("not_applicable" if checked.result == "not_applicable" else "pass"), "reminder"


def rejecting(defects: Iterable[str], rulebook: Rulebook) -> list[str]:
    """The defects that are no mere reminders; a code that the rules do not know rejects."""
    known = rulebook.codes.defects
    return [code for code in defects if code not in known or known[code].severity == "reject"]


def _left_out(wanted: Checklist, found: Container[str]) -> Iterator[Finding]:
    """What the rules want and this site does not inspect is named in every verdict."""
    for item in wanted.left_out:
        if item.item not in found:
            yield Finding(
                item=item.item, result="not_applicable", quantity=LEFT_OUT, arithmetic=item.left_out[:2000]
            )


def _photos(evidence: Evidence, wanted: Checklist, rulebook: Rulebook) -> Iterator[Finding]:
    """Identity findings plate and vin, and the quality of photos that a model or an officer doubted."""
    for shot in wanted.shots:
        for answer in answers(evidence, shot.shot, shot.questions):
            silent = answer.question == "reuse" and answer.ruling is None  # no copy: nothing to tell
            if answer.settled and answer.review is not None and not silent:
                yield _identity(evidence, answer, answer.review[1], rulebook)
    if evidence.vehicle.plate is None:
        yield Finding(item="plate", result="not_applicable", quantity="review", arithmetic="no plate yet")


def _identity(evidence: Evidence, answer: Answer, review: Reviewed, rulebook: Rulebook) -> Finding:
    """The officer's ruling if there is one, else the model's agreement."""
    if answer.ruling is None:
        result: Result = "pass"
        reason = _agreed(review)
    else:
        ruled = answer.ruling[1]
        result = "pass" if ruled.decision == "pass" else "fail"
        reason = f"officer {ruled.officer} ruled {ruled.decision}: {ruled.reason} (model: {review.opinion})"
    return Finding(
        item=answer.question if answer.question in ("plate", "vin") else answer.shot,
        result=result,
        quantity="review",
        value=review.text,
        limit=_claimed(evidence, answer),
        arithmetic=reason,
        basis=answer.basis,
        proposes=proposed(review, rulebook),
    )


def proposed(review: Reviewed, rulebook: Rulebook) -> tuple[str, ...]:
    """Signs of suspicion that a model's disagreement proposes; only an officer refers a vehicle."""
    if review.opinion != "disagree":
        return ()
    return tuple(
        code for code, sign in rulebook.verdicts.signs.items() if sign.proposed_by == review.question
    )


def _referrals(evidence: Evidence) -> Iterator[Finding]:
    """A suspicion judges nothing: while it stands it is not applicable, and passed once it is released."""
    for seq, referred in sorted(evidence.referrals.items()):
        release = evidence.releases.get(seq)
        words = f"officer {referred.officer} referred it: {referred.reason}"
        if release is not None:
            words += f"; officer {release[1].officer} released it: {release[1].reason}"
        yield Finding(
            item="suspicion",
            result="not_applicable" if release is None else "pass",
            quantity="referral",
            value=" ".join(referred.signs),
            arithmetic=words[:2000],
            basis=(seq, *referred.photos, *(() if release is None else (release[0],))),
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

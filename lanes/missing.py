"""What an attempt still lacks before it can be judged, in words for officer and operator."""

from collections.abc import Iterator
from typing import TypeAlias

from msgspec import Struct

from lanes.checklist import CheckItem, Checklist, Shot
from lanes.evidence import Answer, Evidence, Numbered, answers
from lanes.item_codes import axle_of
from lanes.measured import problem as unusable
from lanes.record import BrakeMeasured, Instrumental, SideslipMeasured

QUESTIONS = {
    "plate": ("号牌", "plate"),
    "vin": ("车辆识别代号", "VIN"),
    "quality": ("照片质量", "photo quality"),
    "reuse": ("照片是否重复使用", "reuse of the photo"),
    "rubbing": ("拓印膜与打刻是否一致", "the rubbing beside the strike"),
}
_Reading: TypeAlias = BrakeMeasured | SideslipMeasured | Instrumental


class Missing(Struct, frozen=True, kw_only=True):
    """One thing that is lacking; ``code``: what and which (item:01, shot:0113, weight:1, ruling:0113:vin)."""

    code: str
    zh: str
    en: str


def missing(evidence: Evidence, checklist: Checklist) -> tuple[Missing, ...]:
    """Everything that must still come, in the order of the form; empty: the attempt can be judged."""
    return (
        *(lack for item in checklist.checks for lack in _check(evidence, item)),
        *_instruments(evidence, checklist),
        *(lack for shot in checklist.shots for lack in _shot(evidence, shot)),
        *_ending(evidence),
    )


def _ending(evidence: Evidence) -> Iterator[Missing]:
    """What an attempt that has ended without verdict lacks beside its items."""
    if evidence.ended and not evidence.signed:
        yield _lack("signature:officer", "查验员未签字", "the officer has not signed")
    if evidence.ended == "aborted":
        yield _lack("end:aborted", "检验已中止", "the inspection was stopped")


def _check(evidence: Evidence, item: CheckItem) -> Iterator[Missing]:
    """A required item must be judged; × or √, and — only where the tables allow it."""
    checked = evidence.checks[item.item][1] if item.item in evidence.checks else None
    if not item.required:
        return
    if checked is None:
        yield _lack(f"item:{item.item}", f"{item.zh}：未查验", f"{item.en}: not checked yet")
    elif checked.result == "not_applicable" and not item.may_not_apply:
        yield _lack(
            f"item:{item.item}", f"{item.zh}：必查项目，不能填“—”", f"{item.en}: required, cannot be left out"
        )
    elif item.writes_value and checked.result == "pass" and not checked.value.strip():
        yield _lack(
            f"value:{item.item}", f"{item.zh}：须填写确定值", f"{item.en}: write the determined value"
        )


def _instruments(evidence: Evidence, checklist: Checklist) -> Iterator[Missing]:
    """Required items must be measured; what was measured must be usable, and be weighed for."""
    to_weigh: set[int] = set()
    for item in checklist.instruments:
        found = _readings(evidence, item.item)
        if item.item.startswith("B") and (item.required or found):
            axle = axle_of(item.item)
            to_weigh |= set(range(1, evidence.vehicle.axles + 1)) if axle is None else {axle}
        yield from _instrument(evidence, item, found)
    for axle in sorted(to_weigh):
        yield from _weight(evidence, axle)


def _readings(evidence: Evidence, item: str) -> list[_Reading]:
    """The measurements that count for an instrument item."""
    slips = [evidence.sideslip] if evidence.sideslip is not None else []
    pairs: list[Numbered[_Reading]] = [*evidence.brakes.values(), *slips, *evidence.measured.values()]
    return [body for _, body in pairs if body.item == item]


def _instrument(evidence: Evidence, item: CheckItem, found: list[_Reading]) -> Iterator[Missing]:
    if item.required and not found:
        yield _lack(f"instrument:{item.item}", f"{item.zh}：未检测", f"{item.en}: not measured yet")
    for body in found:
        why = unusable(body, evidence.vehicle)
        if why is not None:
            yield _again(f"instrument:{item.item}", item, why)


def _weight(evidence: Evidence, axle: int) -> Iterator[Missing]:
    code, zh, en = f"weight:{axle}", f"第{axle}轴轴荷", f"load of axle {axle}"
    if axle not in evidence.weights:
        yield _lack(code, f"{zh}：未称重", f"{en}: not weighed yet")
        return
    problem = unusable(evidence.weights[axle][1], evidence.vehicle)
    if problem is not None:
        yield _lack(code, f"{zh}：数据无效，须重新称重（{problem}）", f"{en}: weigh again ({problem})")


def _shot(evidence: Evidence, shot: Shot) -> Iterator[Missing]:
    """A required photo must be there, and every question about a photo answered."""
    if shot.shot not in evidence.photos:
        if shot.required:
            yield _lack(f"shot:{shot.shot}", f"{shot.zh}照片：未拍摄", f"photo {shot.en}: not taken yet")
        return
    found = answers(evidence, shot.shot, shot.questions)
    if any(answer.ruling is not None and answer.ruling[1].decision == "retake" for answer in found):
        yield _lack(f"shot:{shot.shot}", f"{shot.zh}照片：须重拍", f"photo {shot.en}: take it again")
        return
    for answer in found:
        if not answer.settled:
            yield _unsettled(answer, shot)


def _unsettled(answer: Answer, shot: Shot) -> Missing:
    zh, en = QUESTIONS[answer.question]
    tail = f"{answer.shot}:{answer.question}"
    if answer.review is None:
        return _lack(
            f"review:{tail}", f"{shot.zh}照片：{zh}待审核", f"photo {shot.en}: {en} not reviewed yet"
        )
    return _lack(f"ruling:{tail}", f"{shot.zh}照片：{zh}待查验员裁定", f"photo {shot.en}: rule on the {en}")


def _again(code: str, item: CheckItem, problem: str) -> Missing:
    return _lack(
        code, f"{item.zh}：数据无效，须重新检测（{problem}）", f"{item.en}: measure again ({problem})"
    )


def _lack(code: str, zh: str, en: str) -> Missing:
    return Missing(code=code, zh=zh, en=en)

"""The figures of an evaluation, from its answers: what ``chayan review eval`` tells and writes as JSON."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from lanes.record import Opinion
from models.catalog import ClaimLimits
from models.evaluation import Answer, Scored
from models.labelled import Kind
from models.probability import Chosen, Claimed, Fit, choose, fit, probability
from models.scoring import Point, Reliability, Share, at_most, percentile, reliability, roc, share

ALL = "all"
FALSE_ACCEPTS = (0.01, 0.001)


class ClassFigures(Struct, frozen=True, kw_only=True):
    """One class of photos: what was read (``listed``: the label is among it), and the right claim."""

    name: str
    exact: Share
    listed: Share
    agree: Share
    disagree: Share
    unsure: Share


class WayFigures(Struct, frozen=True, kw_only=True):
    """What became of the wrong claims that one rule made."""

    way: str
    agree: Share
    disagree: Share


class Verified(Struct, frozen=True, kw_only=True):
    """How many right claims are accepted where at most ``far`` of the wrong ones are."""

    far: float
    at: Point


class Latency(Struct, frozen=True, kw_only=True):
    """Milliseconds of one stage over all photos; photos that skip it count as 0."""

    stage: str
    p50_ms: float
    p95_ms: float


class Proposal(Struct, frozen=True, kw_only=True):
    """Thresholds and probability as these claims would have them, cross-validated by vehicle."""

    margins: Chosen
    probability: Fit


class Fault(Struct, frozen=True, kw_only=True):
    """A photo to look at: unreadable, misread, its right claim doubted, or a wrong one agreed with."""

    line: int
    file: str
    label: str
    wrong: str = ""
    read: str = ""
    opinion: Opinion = "unsure"
    reasons: tuple[str, ...] = ()
    margin: float | None = None
    accepted: tuple[str, ...] = ()


class Run(Struct, frozen=True, kw_only=True):
    """What was evaluated, by what, and how."""

    folder: str
    kind: Kind
    photos: int
    unreadable: int
    model: str
    weights_sha256: str
    candidate: str
    agree_from: float
    chosen_on: str
    seed: int
    every: int
    threads: int
    peak_mb: int


class Report(Struct, frozen=True, kw_only=True):
    """Everything that one evaluation found; ``curve``: the ROC from strict to lenient."""

    run: Run
    classes: tuple[ClassFigures, ...]
    claims: tuple[WayFigures, ...]
    verification: tuple[Verified, ...]
    curve: tuple[Point, ...]
    confidence: Reliability
    probability: Reliability | None
    latency: tuple[Latency, ...]
    proposal: Proposal | None
    faults: tuple[Fault, ...]


def report(
    run: Run, answers: Sequence[Answer], limits: ClaimLimits, stages: Sequence[str], far: float | None
) -> Report:
    """The figures of ``answers``; with ``far`` also thresholds for that rate of false accepts."""
    answered = [answer for answer in answers if not answer.wrong]
    claims = _claims(answered)
    true, false = ([c.margin for c in claims if c.true is truth] for truth in (True, False))
    both = bool(true and false)
    return Report(
        run=run,
        classes=class_figures(answered),
        claims=way_figures(answered),
        verification=tuple(Verified(far=far, at=at_most(true, false, far)) for far in FALSE_ACCEPTS if both),
        curve=tuple(roc(true, false)) if both else (),
        confidence=_confidence(answered),
        probability=_probability(claims, limits),
        latency=latency(answered, stages),
        proposal=Proposal(margins=choose(claims, far), probability=fit(claims)) if far and both else None,
        faults=tuple(_fault(answer) for answer in answers if answer.faulty),
    )


def class_figures(answers: Sequence[Answer]) -> tuple[ClassFigures, ...]:
    """The table of accuracy: every class in alphabetical order, then all."""
    names = sorted({name for answer in answers for name in answer.row.classes})
    chosen = [(name, [each for each in answers if name in each.row.classes]) for name in names]
    return tuple(_class(name, some) for name, some in [*chosen, (ALL, answers)])


def _class(name: str, answers: Sequence[Answer]) -> ClassFigures:
    def held(test: Callable[[Answer], bool]) -> Share:
        return share(sum(map(test, answers)), len(answers))

    return ClassFigures(
        name=name,
        exact=held(lambda each: each.exact),
        listed=held(lambda each: each.listed),
        agree=held(lambda each: each.opinion == "agree"),
        disagree=held(lambda each: each.opinion == "disagree"),
        unsure=held(lambda each: each.opinion == "unsure"),
    )


def way_figures(answers: Sequence[Answer]) -> tuple[WayFigures, ...]:
    """What became of wrong claims by the rule that made them, then of all."""
    wrong = [each for answer in answers for each in answer.claims if each.way != "right"]
    ways = dict.fromkeys(each.way for each in wrong)
    chosen = [(str(way), [each for each in wrong if each.way == way]) for way in ways]
    return tuple(
        WayFigures(way=way, agree=_of(some, "agree"), disagree=_of(some, "disagree"))
        for way, some in [*chosen, (ALL, wrong)]
    )


def _of(claims: Sequence[Scored], opinion: Opinion) -> Share:
    return share(sum(each.opinion == opinion for each in claims), len(claims))


def _claims(answers: Sequence[Answer]) -> list[Claimed]:
    """Every claim as scoring wants it; the label stands for the vehicle."""
    return [
        Claimed(margin=each.margin, true=each.way == "right", vehicle=answer.row.label, sure=each.sure)
        for answer in answers
        for each in answer.claims
    ]


def _confidence(answers: Sequence[Answer]) -> Reliability:
    """Whether a text is right as often as its confidence says; photos without a text are left out."""
    read = [(answer.first, answer.exact) for answer in answers if answer.first and answer.first.text]
    return reliability(
        [float(first.confidence) for first, _ in read], [exact for _, exact in read], even=False
    )


def _probability(claims: Sequence[Claimed], limits: ClaimLimits) -> Reliability | None:
    """Whether claims are true as often as their probability says; None where the catalog has no fit."""
    known = limits.probability
    if known is None or not claims:
        return None
    stated = [probability(claim.margin, known.a, known.b) for claim in claims]
    return reliability(stated, [claim.true for claim in claims], even=True)


def latency(answers: Sequence[Answer], stages: Sequence[str]) -> tuple[Latency, ...]:
    """p50 and p95 of each stage, and of the whole."""
    spent = [answer.spent_ms for answer in answers]
    columns = [(name, [each.get(name, 0.0) for each in spent]) for name in (*stages, "total")]
    return tuple(
        Latency(stage=name, p50_ms=percentile(column, 0.5), p95_ms=percentile(column, 0.95))
        for name, column in columns
    )


def _fault(answer: Answer) -> Fault:
    row, told = answer.row, answer.told
    if told is None or answer.first is None:
        return Fault(line=row.line, file=row.file, label=row.label, wrong=answer.wrong)
    return Fault(
        line=row.line,
        file=row.file,
        label=row.label,
        read=answer.first.text,
        opinion=told.opinion,
        reasons=told.reasons,
        margin=None if told.score is None else float(told.score),
        accepted=tuple(each.claim for each in answer.accepted),
    )

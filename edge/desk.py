"""Desk: what every loop of a node works at: site, journal, photos, rules, and the book of the journal."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import msgspec

from central_sync.journal import Appended, Journal
from central_sync.photos import Photos
from central_sync.volumes import JournalError
from edge.blacklist import Blacklist, parse
from edge.calibrating import Calibrations
from edge.reference import Reference
from edge.rulebook import Rules
from edge.settings import SiteFile
from edge.starting import REUSE
from lanes.again import remaining
from lanes.book import Book
from lanes.calibration import Standing
from lanes.checklist import Checklist, Given, checklist
from lanes.inspection import Inspection, fold
from lanes.judge import Evidence, Missing, measured, missing
from lanes.missing import QUESTIONS
from lanes.moments import Moment
from lanes.record import AnyBody, Draft, Finding, Record
from lanes.rulebook import Rulebook
from lanes.vehicle import Problem, Vehicle

REFERENCE = "reference"  # folder of what the centre has sent: lists, rules …
REPLAYED = 5000  # last records that are always replayed: captures at the gates, states of devices
RUBBING, STRUCK = "rubbing", "0113"  # a question, and the shot of the struck VIN that it needs
GATE = "gate"  # shot of the plate camera's own photo
GATE_QUESTIONS = ("plate",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something the people at this node should know, in both languages."""

    at: datetime
    zh: str
    en: str


class Desk:
    """A node's shared state. All of it can be made again from the journal.

    ``replay_from``: first record that the book still needs, as ``needed_from`` said it before.
    """

    def __init__(
        self,
        site: SiteFile,
        journal: Journal,
        photos: Photos,
        rulebook: Rulebook,
        replay_from: int = 1,
    ) -> None:
        self.site, self.journal, self.photos = site, journal, photos
        self.prefix = "virtual+" if site.site.simulated else ""
        self._zone = ZoneInfo(site.site.timezone)
        self.book = Book()
        self.version = 0
        self.closing = False
        self.turn = asyncio.Lock()  # nothing slips in between a check of the book and its append
        self._checklists: dict[str, tuple[Given, Checklist]] = {}
        self._bells: set[asyncio.Event] = set()
        self.alarms: dict[str, Alarm] = {}  # by subject: stores, clock, directives, bundles, checkpoints
        self.reference = Reference(site.node.folder / REFERENCE, journal, f"{self.prefix}agent")
        self.rules = Rules(rulebook, self.reference)
        self.blacklist = Blacklist()
        self.renew()
        self.full = False  # no new vehicle is taken: its facts might find no room
        for record in journal.replay(replay_from - 1):
            self.book.take(record)
        self.calibrations = Calibrations(site, journal, f"{self.prefix}agent", self._zone)
        journal.listen(self._taken)

    def _taken(self, records: Sequence[Record]) -> None:
        for record in records:
            self.book.take(record)
            self.reference.take(record)
        self.ring()

    def ring(self) -> None:
        """Tells every loop that something changed."""
        self.version += 1
        for bell in self._bells:
            bell.set()

    def alarm(self, subject: str, zh: str, en: str) -> None:
        """Raises an alarm, or renews that of the same subject when it says something else."""
        known = self.alarms.get(subject)
        if known is None or (known.zh, known.en) != (zh, en):
            self.alarms[subject] = Alarm(at=datetime.now(UTC), zh=zh, en=en)
            self.ring()

    def calm(self, subject: str) -> None:
        """The alarm of ``subject`` is over."""
        if self.alarms.pop(subject, None) is not None:
            self.ring()

    def renew(self) -> None:
        """Reads what the centre has sent anew; an alarm names what is in force and cannot be read."""
        content = self.reference.content("blacklist")
        damaged = self.reference.damaged()
        try:
            self.blacklist = Blacklist() if content is None else parse(content)
        except msgspec.MsgspecError:  # taken by a newer version of this software
            damaged += [each for each in [self.reference.current("blacklist")] if each is not None]
        self.rules.forget()
        self._checklists.clear()
        names = "、".join(f"{each.subject} {each.version}" for each in damaged)
        if names:
            self.alarm(
                "reference",
                f"中心下发的 {names} 在本机已损坏或无法读取，正向中心重新取；规则损坏期间不受理新车",
                f"not readable here: {names}; asked of the centre again; without its rules no order is taken",
            )
        else:
            self.calm("reference")

    def needed_from(self) -> int:
        """First record without which the book could not be made again."""
        firsts = [
            min(each.ordered_seq, each.capture[0] if each.capture else each.ordered_seq)
            for each in self.book.inspections.values()
        ]
        return max(1, min([*firsts, self.book.seq - REPLAYED]))

    def close(self) -> None:
        """Lets everyone who waits for news go home."""
        self.closing = True
        self.ring()

    @contextmanager
    def bell(self) -> Iterator[asyncio.Event]:
        """An event that is set at each change; its holder clears it."""
        bell = asyncio.Event()
        self._bells.add(bell)
        try:
            yield bell
        finally:
            self._bells.discard(bell)

    async def append(self, source: str, key: str, body: AnyBody, inspection: str | None = None) -> Appended:
        """Makes one fact durable."""
        draft = Draft(source=source, source_key=key, body=body, inspection=inspection)
        return (await self.journal.append(draft))[0]

    async def own(self, key: str, body: AnyBody, inspection: str | None = None) -> None:
        """Makes a fact of the agent's own durable; raises JournalError when its key stands for another."""
        await self.own_all(inspection, {key: body})

    async def own_all(self, inspection: str | None, facts: Mapping[str, AnyBody]) -> None:
        """The same for facts that belong together: all of them, or after a power cut none."""
        source = f"{self.prefix}agent"
        drafts = [
            Draft(source=source, source_key=key, body=body, inspection=inspection)
            for key, body in facts.items()
        ]
        for appended, draft in zip(await self.journal.append(*drafts), drafts, strict=True):
            if appended.record.body != draft.body:
                seq = appended.record.seq
                raise JournalError(f"key {draft.source_key!r} of the agent stands for another fact: {seq}")

    async def keep(self, data: bytes) -> str:
        """Makes photo bytes durable without holding the loop; the digest."""
        return await asyncio.to_thread(self.photos.put, data)

    # ---- questions to the book -------------------------------------------------------------------

    def moment(self) -> Moment:
        """Now, by both clocks, as the next record would have it."""
        return self.book.moment(datetime.now(UTC), time.monotonic_ns() // 1_000_000)

    def checklist(self, inspection: Inspection) -> Checklist:
        """What it must pass, by the platform's list or the rules of its day; what stands is optional."""
        given = inspection.given
        known = self._checklists.get(inspection.inspection)
        if known is None or known[0] != given:
            made = checklist(
                inspection.vehicle,
                inspection.business,
                self.rules_day(inspection.ordered_at),
                self.rules.of(inspection.ordered_seq),
                given,
            )
            open_ones = self.book.inspections.keys()
            self._checklists = {name: each for name, each in self._checklists.items() if name in open_ones}
            known = (given, remaining(made, inspection.redo))
            self._checklists[inspection.inspection] = known
        return known[1]

    def rules_of(self, inspection: Inspection) -> Rulebook:
        """The rules that hold for an inspection."""
        return self.rules.of(inspection.ordered_seq)

    def rules_day(self, moment: datetime) -> date:
        """The day, by the site's own clock, whose rules hold for what was ordered at a moment."""
        return moment.astimezone(self._zone).date()

    def rules_today(self, vehicle: Vehicle, business: str, given: Given) -> Checklist:
        """What this vehicle must pass by today's rules; raises RuleError when they cannot tell."""
        return checklist(vehicle, business, self.rules_day(datetime.now(UTC)), self.rules.now(), given)

    def paper_problems(self, inspection: Inspection) -> tuple[Problem, ...]:
        """What is wrong with the papers of a vehicle, by the rules of the day it was ordered."""
        rules, day = self.rules.of(inspection.ordered_seq), self.rules_day(inspection.ordered_at)
        return rules.codes.problems(inspection.vehicle, day)

    def instruments(self) -> dict[str, tuple[str, ...]]:
        """Instrument items of each inspection that is on a lane; those that stand are not measured again."""
        return {
            each.inspection: tuple(
                item.item for item in self.checklist(each).instruments if not each.has_standing(item.item)
            )
            for each in self.book.inspections.values()
            if each.phase in ("on_lane", "judged", "aborted") and each.station is not None
        }

    def missing(self, inspection: Inspection) -> tuple[Missing, ...]:
        """What keeps this inspection from its verdict, but for the signature."""
        wanted = self.checklist(inspection)
        told = missing(evidence(inspection), wanted)
        return (*told, *_unsought(inspection, wanted), *self._ahead(inspection, wanted))

    def _ahead(self, inspection: Inspection, wanted: Checklist) -> tuple[Missing, ...]:
        """Items nobody requires but this lane measures: the verdict waits until they are passed."""
        if inspection.lane is None or inspection.sideslip is not None:
            return ()
        measured_here = self.site.lane(inspection.lane).measuring("A1") is not None
        return tuple(
            Missing(
                code=f"instrument:{item.item}", zh=f"{item.zh}：未检测", en=f"{item.en}: not measured yet"
            )
            for item in wanted.instruments
            if item.item == "A1" and not item.required and measured_here
            if not inspection.has_standing("A1")
        )

    def instrument_findings(self, inspection: Inspection) -> tuple[Finding, ...]:
        """Findings of what has been measured so far; the verdict's own once it is judged."""
        if inspection.judged is not None:
            codes = {item.item for item in self.checklist(inspection).instruments}
            return tuple(f for f in inspection.judged[1].findings if f.item in codes)
        rules = self.rules.of(inspection.ordered_seq)
        return measured(evidence(inspection), rules, self.rules_day(inspection.ordered_at))

    def unreviewed(self) -> list[tuple[Inspection, int, str, str, str]]:
        """(inspection, photo_seq, digest, shot, question) of each review that is due, oldest first."""
        due = []
        for inspection in self.book.inspections.values():
            if inspection.phase != "on_lane":
                continue
            asked = {shot.shot: shot.questions for shot in self.checklist(inspection).shots}
            for shot, seq, photo in _photos(inspection):
                answered = {review.question for _, review in inspection.reviews.get(seq, [])}
                due += [
                    (inspection, seq, photo, shot, question)
                    for question in (*asked.get(shot, GATE_QUESTIONS), *(() if shot == GATE else (REUSE,)))
                    if question not in answered and self.expected(inspection, question) is not None
                ]
        return sorted(due, key=lambda each: each[1])

    def uncalibrated(self, now: datetime) -> list[tuple[str, Standing]]:
        """(device, how it stands) of every measuring device that lacks calibration."""
        stands = [(entry.name, self.calibrations.of(entry.name, now)) for entry in self.site.devices]
        return [each for each in stands if each[1].word]

    def inspection(self, name: str) -> Inspection | None:
        """An inspection at hand, or as the journal tells it; None for one that never was."""
        known = self.book.inspections.get(name)
        return known or (fold(self.journal.of_inspection(name)) if name else None)

    @staticmethod
    def expected(inspection: Inspection, question: str) -> str | None:
        """What a photo of this vehicle should show; None when the question cannot be asked of it."""
        if question == "plate":
            return inspection.vehicle.plate.hphm if inspection.vehicle.plate else None
        if question == RUBBING and not beside(inspection, question):
            return None
        return inspection.vehicle.vin if question in ("vin", RUBBING) else ""


def beside(inspection: Inspection, question: str) -> str:
    """The photo that a question's own is held against: of a rubbing the struck VIN; empty: none (yet)."""
    struck = inspection.latest_photos().get(STRUCK) if question == RUBBING else None
    return "" if struck is None else struck[1].photo


def evidence(inspection: Inspection) -> Evidence:
    """An inspection as the judge wants it."""
    return Evidence(
        vehicle=inspection.vehicle,
        business=inspection.business,
        attempt=inspection.attempt,
        given=inspection.given,
        checks=dict(inspection.checks),
        brakes=dict(inspection.brakes),
        weights=dict(inspection.weights),
        sideslip=inspection.sideslip,
        measured=dict(inspection.measured),
        reviews=tuple(each for _, reviews in sorted(inspection.reviews.items()) for each in reviews),
        rulings=dict(inspection.rulings),
        photos=inspection.latest_photos(),
        obd=inspection.obd,
        films=tuple(inspection.films),
        spans=dict(inspection.spans),
        redo=inspection.redo,
        stands=inspection.stands,
        referrals=dict(inspection.referrals),
        releases=dict(inspection.releases),
        signed="officer" in inspection.signatures,
        ended=inspection.ending,
    )


def moved_key(inspection: Inspection, station: str) -> str:
    """The key of a move: a vehicle may come to a station of the same name more than once."""
    return f"{inspection.inspection}/moved/{inspection.moves}/{station or 'out'}"


def _unsought(inspection: Inspection, wanted: Checklist) -> Iterator[Missing]:
    """Photos of the checklist that have not been sought among the earlier ones yet."""
    zh, en = QUESTIONS[REUSE]
    for shot in wanted.shots:
        seq, _ = inspection.latest_photos().get(shot.shot, (0, None))
        if seq and all(review.question != REUSE for _, review in inspection.reviews.get(seq, [])):
            yield Missing(
                code=f"review:{shot.shot}:{REUSE}",
                zh=f"{shot.zh}照片：{zh}待审核",
                en=f"photo {shot.en}: {en} not reviewed yet",
            )


def _photos(inspection: Inspection) -> list[tuple[str, int, str]]:
    """(shot, seq, digest) of every photo that counts, the gate camera's first."""
    photos = [(shot, seq, taken.photo) for shot, (seq, taken) in inspection.latest_photos().items()]
    if inspection.capture is not None and inspection.capture[1].photo is not None:
        photos.insert(0, (GATE, inspection.capture[0], inspection.capture[1].photo))
    return photos

"""The lane board's snapshot and one inspection in full: the book as pages want it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from edge.desk import Desk, evidence
from edge.obd import adapters
from edge.watching import marks
from lanes.arrivals import queue
from lanes.identity import identity_findings
from lanes.inspection import Inspection
from lanes.irregular import elapsed_level, irregular
from lanes.judge import proposed
from lanes.layout import Lane, Station
from lanes.record import BrakeMeasured, Record, Reviewed, is_simulated, kind_of

RECENT = 12
Json = dict[str, Any]


class LinkState(Protocol):
    """What the board says of the ways to the registries: link is ok, down, or none."""

    @property
    def link(self) -> str: ...
    @property
    def accepted_through(self) -> int: ...
    @property
    def alarms(self) -> list[dict[str, str]]: ...
    @property
    def destinations(self) -> Sequence[Json]: ...


def site_view(desk: Desk) -> Json:
    """Who and what this node is."""
    site = desk.site
    return {
        "site": site.site.id,
        "name": both(site.site.title),
        "node": site.node.name,
        "simulated": site.site.simulated,
        "officers": [{"officer": each.officer, "name": each.name} for each in site.officers],
        "lanes": [
            {
                "lane": lane.name,
                "name": both(lane.title),
                "stations": [
                    {"station": each.name, "name": both(each.title), "kind": each.kind}
                    for each in lane.stations
                ],
            }
            for lane in site.lanes
        ],
    }


def board(desk: Desk, link: LinkState, now: datetime | None = None) -> Json:
    """Every lane and station as it stands."""
    now = now or datetime.now(UTC)
    seq, head = desk.journal.head()
    return {
        "version": desk.version,
        "at": now.isoformat(),
        "site": desk.site.site.id,
        "simulated": desk.site.site.simulated,
        "node": desk.site.node.name,
        "head": {"seq": seq, "hash": head.hex()},
        "sent_through": link.accepted_through,
        "link": link.link,
        "destinations": link.destinations,
        "waiting": [_queued(each) for each in queue(desk.book.waiting(), now)],
        "lanes": [_lane(desk, lane, now) for lane in desk.site.lanes],
        "recent": _recent(desk),
        "devices": _devices(desk, now),
        "alarms": _alarms(desk, now) + link.alarms,
    }


def both(title: Any) -> Json:
    """A Title as pages want it."""
    return {"zh": title.zh, "en": title.en}


def _brief(inspection: Inspection) -> Json:
    plate = inspection.vehicle.plate
    return {
        "inspection": inspection.inspection,
        "plate": plate.hphm if plate else None,
        "hpzl": plate.hpzl if plate else None,
        "vin": inspection.vehicle.vin,
        "business": inspection.business,
    }


def _queued(inspection: Inspection) -> Json:
    """One that waits, in the order of the queue."""
    booked, held = inspection.appointed_at, inspection.held
    return {
        **_brief(inspection),
        "called_to": inspection.called_to,
        "priority": inspection.priority,
        "appointed_at": booked.isoformat() if booked else None,
        "held": held.reason if held else None,
    }


def _lane(desk: Desk, lane: Lane, now: datetime) -> Json:
    return {
        "lane": lane.name,
        "name": both(lane.title),
        "stations": [_station(desk, lane, station, now) for station in lane.stations],
    }


def _station(desk: Desk, lane: Lane, station: Station, now: datetime) -> Json:
    state = desk.book.lane(lane.name)
    switched = desk.book.switched
    inspection = desk.book.inspections.get(state.at.get(station.name, ""))
    outputs = {name: switched.get((lane.name, station.name, name)) for name in station.outputs}
    return {
        "station": station.name,
        "name": both(station.title),
        "kind": station.kind,
        "light": outputs.get("light"),
        "barrier": outputs.get("barrier"),
        "sensors": {sensor: on for (at, sensor), on in state.levels.items() if at == station.name},
        "obd": [entry.name for entry in adapters(desk.site.devices, lane.name, station.name)],
        "vehicle": None if inspection is None else _vehicle(desk, lane, inspection, now),
    }


def _vehicle(desk: Desk, lane: Lane, inspection: Inspection, now: datetime) -> Json:
    arrived = inspection.arrived_at or now
    return {
        **_brief(inspection),
        "vehicle_class": inspection.vehicle.vehicle_class,
        "arrived_at": arrived.isoformat(),
        "elapsed_s": int((now - arrived).total_seconds()),
        "target_s": lane.target_s,
        "elapsed": elapsed_level(lane, arrived, now),
        "held": inspection.held.reason if inspection.held else None,
        "stopped": sorted(inspection.halted),
        "next": [gap.code for gap in desk.missing(inspection)] if inspection.judged is None else [],
        "running": inspection.running,
        "done": sorted(_done(inspection)),
        "alarms": [
            {
                "code": item,
                "zh": f"{item} 未测成：{failed.why}",
                "en": f"{item} gave no reading: {failed.why}",
            }
            for item, (_, failed) in inspection.failures.items()
        ],
        "readings": readings(desk, inspection),
        "curve": curve_of(max(inspection.brakes.values(), key=lambda each: each[0])[1])
        if inspection.brakes
        else None,
        "photos": [
            {"shot": shot, "photo": photo.photo, "opinion": opinion_of(inspection.reviews.get(seq, []))}
            for shot, (seq, photo) in inspection.latest_photos().items()
        ],
        "verdict": inspection.verdict,
    }


def _done(inspection: Inspection) -> list[str]:
    measured = {body.item for _, body in inspection.measured.values()}
    slip = ["A1"] if inspection.sideslip else []
    return [*inspection.brakes, *inspection.checks, *measured, *slip]


def readings(desk: Desk, inspection: Inspection) -> list[Json]:
    """Instrument results so far with their limits; the verdict's own findings once it is judged."""
    return [
        {
            "item": finding.item,
            "quantity": finding.quantity,
            "value": finding.value,
            "unit": finding.unit,
            "limit": finding.limit,
            "result": finding.result,
        }
        for finding in desk.instrument_findings(inspection)
    ]


def curve_of(body: BrakeMeasured) -> Json:
    """A brake curve for drawing; forces in daN."""
    return {
        "item": body.item,
        "interval_ms": body.curve.interval_ms,
        "left_dan": body.curve.left_dan,
        "right_dan": body.curve.right_dan,
    }


def opinion_of(reviews: list[tuple[int, Reviewed]]) -> str | None:
    """The most doubtful of a photo's reviews; None before the first."""
    opinions = {review.opinion for _, review in reviews}
    return next((each for each in ("disagree", "unsure", "agree") if each in opinions), None)


def _recent(desk: Desk) -> list[Json]:
    ended = [each for each in desk.book.inspections.values() if each.ended_at is not None]
    ended.sort(key=lambda each: each.ended_at or each.ordered_at, reverse=True)
    return [
        {
            **_brief(each),
            "lane": each.lane,
            "verdict": each.verdict,
            "failed": each.failed_items,
            "ended_at": each.ended_at.isoformat() if each.ended_at else None,
        }
        for each in ended[:RECENT]
    ]


def _devices(desk: Desk, now: datetime) -> list[Json]:
    states = desk.book.devices
    return [
        {
            "device": entry.name,
            "kind": entry.kind,
            "lane": entry.lane,
            "station": entry.station,
            "state": states[entry.name].state if entry.name in states else "unknown",
            "why": states[entry.name].why if entry.name in states else "",
            "simulated": bool(getattr(entry.config, "simulated", False)),
            "marks": marks(desk, entry, now),
        }
        for entry in desk.site.devices
    ]


def _alarms(desk: Desk, now: datetime) -> list[Json]:
    items = desk.instruments()
    alarms = [
        {
            "at": each.at.isoformat(),
            "zh": each.zh,
            "en": each.en,
            "code": each.code,
            "lane": each.lane,
            "station": each.station,
            "inspection": each.inspection,
            "acts": each.acts,
            "candidates": each.candidates,
        }
        for lane in desk.site.lanes
        for each in irregular(lane, desk.book, items, now)
    ]
    alarms += [{"at": alarm.at.isoformat(), "zh": alarm.zh, "en": alarm.en} for alarm in desk.alarms.values()]
    alarms += [
        {"at": now.isoformat(), "zh": zh, "en": en}
        for zh, en in desk.blacklist.on_site(desk.book, desk.site.lanes)
    ]
    alarms += [
        {
            "at": now.isoformat(),
            "zh": f"设备 {name} {'不得检测' if stands.blocks else '未检定合格'}：{stands.zh}",
            "en": f"device {name} {'must not measure' if stands.blocks else 'is uncalibrated'}: {stands.en}",
        }
        for name, stands in desk.uncalibrated(now)
    ]
    return alarms + [
        {
            "at": now.isoformat(),
            "zh": f"设备 {name} {body.state}：{body.why}",
            "en": f"device {name} {body.state}: {body.why}",
        }
        for name, body in desk.book.devices.items()
        if body.state != "ok"
    ]


# ---- one inspection ------------------------------------------------------------------------------


def summary(inspection: Inspection) -> Json:
    """A line of the list of inspections."""
    return {
        **_brief(inspection),
        "lane": inspection.lane,
        "station": inspection.station,
        "phase": inspection.phase,
        "verdict": inspection.verdict,
        "ordered_at": inspection.ordered_at.isoformat(),
    }


def detail(desk: Desk, inspection: Inspection, records: list[Record]) -> Json:
    """Everything an officer's page shows of one vehicle."""
    gaps = () if inspection.judged is not None else desk.missing(inspection)
    open_ = inspection.phase == "on_lane" and "officer" not in inspection.signatures
    return {
        **summary(inspection),
        "vehicle": msgspec.to_builtins(inspection.vehicle),
        "attempt": inspection.attempt,
        "stands": [every_field(each) for each in inspection.stands],
        "items": _items(desk, inspection),
        "shots": _shots(desk, inspection),
        "asks": [_review(seq, review) for seq, review in inspection.asks()],
        "readings": readings(desk, inspection),
        "obd": None if inspection.obd is None else every_field(inspection.obd[1]),
        "films": [{"seq": seq, **every_field(film)} for seq, film in inspection.films],
        "curves": [curve_of(body) for _, body in inspection.brakes.values()],
        "findings": [
            every_field(each) for each in (inspection.judged[1].findings if inspection.judged else ())
        ],
        "referrals": [
            {"seq": seq, **every_field(body), "released": seq in inspection.releases}
            for seq, body in inspection.referrals.items()
        ],
        "signs": [
            {"sign": code, "zh": sign.zh, "en": sign.en, "proposed": code in _proposed(desk, inspection)}
            for code, sign in desk.rules_of(inspection).verdicts.signs.items()
        ],
        "may_sign": open_ and (not gaps or inspection.referred),
        "missing": [{"code": gap.code, "zh": gap.zh, "en": gap.en} for gap in gaps],
        "alarms": [
            *({"zh": zh, "en": en} for zh, en in desk.blacklist.words_of(inspection.vehicle)),
            *({"zh": each.zh, "en": each.en} for each in desk.paper_problems(inspection)),
        ],
        "records": [record_view(record) for record in records],
    }


def _proposed(desk: Desk, inspection: Inspection) -> set[str]:
    """Signs of suspicion that a model's doubt of photos that count, or the control units' VIN, proposes."""
    rules, current = desk.rules_of(inspection), {seq for seq, _ in inspection.latest_photos().values()}
    doubts = (review for seq in current for _, review in inspection.reviews.get(seq, ()))
    told = identity_findings(evidence(inspection), rules)
    return {
        *(sign for review in doubts for sign in proposed(review, rules)),
        *(sign for finding in told for sign in finding.proposes),
    }


def _items(desk: Desk, inspection: Inspection) -> list[Json]:
    views = []
    for item in desk.checklist(inspection).checks:
        check = inspection.checks.get(item.item)
        views.append(
            {
                "item": item.item,
                "name": {"zh": item.zh, "en": item.en},
                "kind": "check",
                "required": item.required,
                "writes_value": item.writes_value,
                "may_not_apply": item.may_not_apply,
                "state": check[1].result if check else "missing",
                "value": check[1].value if check else "",
                "officer": check[1].officer if check else "",
            }
        )
    return views


def _shots(desk: Desk, inspection: Inspection) -> list[Json]:
    views = []
    due = {shot for each, _, _, shot, _ in desk.unreviewed() if each is inspection}
    for shot in desk.checklist(inspection).shots:
        taken = inspection.photos.get(shot.shot, [])
        views.append(
            {
                "shot": shot.shot,
                "name": {"zh": shot.zh, "en": shot.en},
                "required": shot.required,
                "state": _shot_state(inspection, shot.shot, due),
                "photos": [
                    {
                        "seq": seq,
                        "photo": photo.photo,
                        "taken_at": photo.taken_at.isoformat() if photo.taken_at else None,
                        "reviews": [
                            _review(review_seq, review)
                            for review_seq, review in inspection.reviews.get(seq, [])
                        ],
                    }
                    for seq, photo in taken
                ],
            }
        )
    return views


def _shot_state(inspection: Inspection, shot: str, due: set[str]) -> str:
    latest = inspection.latest_photos().get(shot)
    if latest is None:
        return "missing"
    if shot in due:
        return "reviewing"
    reviews = inspection.reviews.get(latest[0], [])
    rulings = [inspection.rulings[seq][1].decision for seq, _ in reviews if seq in inspection.rulings]
    if any(seq == asked for seq, _ in reviews for asked, _ in inspection.asks()):
        return "ask"
    return next((each for each in ("retake", "fail") if each in rulings), "ok")


def _review(seq: int, review: Reviewed) -> Json:
    return {"review_seq": seq, **every_field(review)}


def every_field(struct: msgspec.Struct) -> Json:
    """A struct as JSON with every field, also those at their default."""
    return {name: msgspec.to_builtins(getattr(struct, name)) for name in struct.__struct_fields__}


def record_view(record: Record) -> Json:
    """A record as JSON for a timeline; a curve's samples stay in the journal."""
    body: Json = msgspec.to_builtins(record.body)
    if isinstance(record.body, BrakeMeasured):
        body["curve"] = {"samples": len(record.body.curve.left_dan)}
    return {
        "seq": record.seq,
        "at": record.at.isoformat(),
        "kind": kind_of(record.body),
        "source": record.source,
        "simulated": is_simulated(record.source),
        "body": body,
    }

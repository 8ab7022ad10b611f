"""Record and the closed union of bodies: the one schema of the system.

Rules of this file, for good: add-only (a new field has a default, a new fact is a new kind), units in
names, no floats (``Decimal`` or integers), aware UTC times. ``docs/records.md`` says what each kind means.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from lanes.vehicle import Vehicle

SCHEMA_VERSION = 1

Sha256: TypeAlias = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
Key: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=80)]
Text: TypeAlias = Annotated[str, Meta(max_length=2000)]
Probability: TypeAlias = Annotated[Decimal, Meta()]
Business: TypeAlias = Annotated[str, Meta(min_length=1, max_length=40)]

Result: TypeAlias = Literal["pass", "fail", "not_applicable"]
Opinion: TypeAlias = Literal["agree", "disagree", "unsure"]
Decision: TypeAlias = Literal["pass", "fail", "retake"]
Verdict: TypeAlias = Literal["pass", "fail", "incomplete", "suspicious"]
Severity: TypeAlias = Literal["reject", "reminder"]
Mode: TypeAlias = Literal["full", "failed_only"]
Load: TypeAlias = Literal["unladen", "laden"]
Calibration: TypeAlias = Literal["", "missing", "expired", "failed", "overdue"]  # what a device lacked
BenchVerdict: TypeAlias = Literal["pass", "fail"] | None  # what an instrument itself thinks; kept, never used


class Body(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """One fact. Subclasses are the whole list of what may stand in a journal."""


# ---- the node itself -----------------------------------------------------------------------------


class NodeStarted(Body, frozen=True, kw_only=True, tag="node_started"):
    """The agent began to write; ``tick_ms`` of later records counts from this boot."""

    version: Name
    boot: Name
    site: Name
    config_sha256: Sha256


class DeviceChanged(Body, frozen=True, kw_only=True, tag="device_changed"):
    """A device entered another state of health."""

    device: Name
    state: Literal["ok", "silent", "faulty", "lost"]
    why: Text = ""


class DeviceCertified(Body, frozen=True, kw_only=True, tag="device_certified"):
    """The verification certificate (检定证书) by which a device measures from now on; no number: none.

    ``valid_until``: its last day. ``serial``: the device's own number. ``range``: as the certificate has it.
    """

    device: Name
    number: Annotated[str, Meta(max_length=80)] = ""
    valid_until: date | None = None
    by: Text = ""
    serial: Annotated[str, Meta(max_length=80)] = ""
    range: Text = ""


class CalibrationChecked(Body, frozen=True, kw_only=True, tag="calibration_checked"):
    """The zero, or a reading at a known value, of a measuring device was checked by a person."""

    device: Name
    check: Literal["zero", "span"]
    expected: Decimal
    measured: Decimal
    tolerance: Decimal
    unit: Annotated[str, Meta(min_length=1, max_length=20)]
    passed: bool
    by: Name
    remark: Text = ""


class Quarantined(Body, frozen=True, kw_only=True, tag="quarantined"):
    """Input that could not be read as anything: kept as evidence, never retried."""

    channel: Text
    why: Text
    size_bytes: int
    sha256: Sha256
    excerpt: Text = ""


class Refused(Body, frozen=True, kw_only=True, tag="refused"):
    """A destination would not take one record; the sequence moved on."""

    destination: Name
    refused_seq: int
    why: Text


class Continued(Body, frozen=True, kw_only=True, tag="continued"):
    """First record of a further volume of the journal: what the chain goes on from.

    ``lost_from`` to ``lost_through`` are numbers that this node cannot show any more (a mended journal).
    """

    volume: int
    last_seq: int
    head: Sha256
    lost_from: int | None = None
    lost_through: int | None = None
    why: Text = ""


class Retired(Body, frozen=True, kw_only=True, tag="retired"):
    """Records, photos or clips that were removed from this node by policy.

    Every destination had settled the records and photos; clips go nowhere else.
    """

    what: Literal["volume", "photos", "clips"]
    first_seq: int
    last_seq: int
    head: Sha256 | None = None
    files: int = 0
    size_bytes: int = 0
    policy: Text = ""


class StorageChanged(Body, frozen=True, kw_only=True, tag="storage_changed"):
    """The node's disk, journal or photo store entered another state."""

    what: Literal["disk", "journal", "photos"]
    state: Literal["ok", "low", "full", "read_only", "damaged"]
    free_mb: int | None = None
    why: Text = ""


class ClockStepped(Body, frozen=True, kw_only=True, tag="clock_stepped"):
    """The node's wall clock jumped against its monotonic clock; forward positive."""

    step_ms: int


class ClockCompared(Body, frozen=True, kw_only=True, tag="clock_compared"):
    """The node's clock beside that of a destination; positive: the destination is ahead."""

    destination: Name
    offset_ms: int
    round_trip_ms: int


class Directed(Body, frozen=True, kw_only=True, tag="directed"):
    """A directive of the centre arrived; this record is its acknowledgement."""

    number: int
    subject: Name
    version: Name
    sha256: Sha256
    outcome: Literal["taken", "refused"]
    why: Text = ""


# ---- the lane ------------------------------------------------------------------------------------


class Sensed(Body, frozen=True, kw_only=True, tag="sensed"):
    """A lane sensor changed its level."""

    lane: Name
    station: Name
    sensor: Name
    on: bool


class Switched(Body, frozen=True, kw_only=True, tag="switched"):
    """The agent switched a light or a barrier."""

    lane: Name
    station: Name
    actuator: Name
    on: bool
    why: Text = ""


class Captured(Body, frozen=True, kw_only=True, tag="captured"):
    """A plate camera reported a vehicle. ``plate_text`` is what the camera thinks; empty: no plate seen."""

    lane: Name
    station: Name
    device: Name
    plate_text: Text
    plate_type: Name = "unknown"
    confidence_pct: int = 0
    photo: Sha256 | None = None
    crop: Sha256 | None = None
    taken_at: datetime | None = None
    replayed: bool = False


class Scanned(Body, frozen=True, kw_only=True, tag="scanned"):
    """A code was scanned. ``text`` as the scanner told it; what it means is for its reader to say."""

    lane: Name
    station: Name
    device: Name
    text: Text


class TagRead(Body, frozen=True, kw_only=True, tag="tag_read"):
    """A UHF tag came into a reader's field: its EPC in upper-case hex, and how strongly it was heard."""

    lane: Name
    station: Name
    device: Name
    epc: Annotated[str, Meta(pattern="^(?:[0-9A-F]{4})+$", max_length=124)]
    rssi_dbm: int | None = None


# ---- the inspection ------------------------------------------------------------------------------


class Ordered(Body, frozen=True, kw_only=True, tag="ordered"):
    """A vehicle was accepted for inspection (受理); opens it. ``lane``: where it was called to.

    A re-inspection (复检) is ``again_of`` one before. With ``failed_only`` only ``redo`` is done anew; what
    was found in ``stands`` stands, with its records, through the day ``stands_until``. ``appointed_at``,
    ``booking``: when it was booked to come, and under which number (预约).
    """

    vehicle: Vehicle
    business: Business
    ordered_by: Name
    attempt: int = 1
    lane: Annotated[str, Meta(max_length=80)] = ""
    left_out: tuple[Name, ...] = ()
    left_out_why: Text = ""
    again_of: Annotated[str, Meta(max_length=80)] = ""
    mode: Mode = "full"
    redo: tuple[Name, ...] = ()
    stands: tuple["Finding", ...] = ()
    stands_until: date | None = None
    appointed_at: datetime | None = None
    booking: Annotated[str, Meta(max_length=80)] = ""


class Listed(Body, frozen=True, kw_only=True, tag="listed"):
    """The platform's own list for this vehicle (18C47); it goes before the tables of the rules.

    A part that is empty was not listed: there the tables still hold. Codes that nobody here knows stay in it.
    """

    by: Name
    items: tuple[Name, ...] = ()
    instruments: tuple[Name, ...] = ()
    shots: tuple[Name, ...] = ()
    version: Annotated[str, Meta(max_length=80)] = ""
    sha256: Sha256 | None = None
    listed_at: datetime | None = None


class Arrived(Body, frozen=True, kw_only=True, tag="arrived"):
    """The vehicle was recognised at the gate: by its capture, by a scan, or by an operator with a reason."""

    lane: Name
    capture_seq: int | None = None
    how: Literal["plate", "no_plate", "operator", "scan"] = "plate"
    by: Annotated[str, Meta(max_length=80)] = ""
    reason: Text = ""
    scan_seq: int | None = None


class Moved(Body, frozen=True, kw_only=True, tag="moved"):
    """The vehicle now stands at ``station``; empty: it left the lane. ``by``: an operator says so."""

    lane: Name
    station: Annotated[str, Meta(max_length=80)]
    by: Annotated[str, Meta(max_length=80)] = ""
    reason: Text = ""


class Called(Body, frozen=True, kw_only=True, tag="called"):
    """A waiting vehicle was called to a lane (叫号)."""

    lane: Name
    by: Name
    reason: Text = ""


class Ranked(Body, frozen=True, kw_only=True, tag="ranked"):
    """A waiting vehicle goes before those of lower ``priority`` (插队), or after; 0 is ordinary."""

    priority: Annotated[int, Meta(ge=-9, le=9)]
    by: Name
    reason: Text


class Held(Body, frozen=True, kw_only=True, tag="held"):
    """An inspection is held (暂停): no gate takes it, and on a lane nothing further is measured."""

    by: Name
    reason: Text


class Resumed(Body, frozen=True, kw_only=True, tag="resumed"):
    """An inspection that was held goes on."""

    by: Name
    reason: Text = ""


class Withdrawn(Body, frozen=True, kw_only=True, tag="withdrawn"):
    """The vehicle is off its lane before the exit: reversed out, or going to lane ``to``. It waits again.

    What was measured stays.
    """

    lane: Name
    by: Name
    reason: Text
    to: Annotated[str, Meta(max_length=80)] = ""


class Positioned(Body, frozen=True, kw_only=True, tag="positioned"):
    """An operator says which axle stands on the rollers, or stood there last; 0: none yet."""

    lane: Name
    station: Name
    axle: Annotated[int, Meta(ge=0, le=6)]
    by: Name
    reason: Text


class Corrected(Body, frozen=True, kw_only=True, tag="corrected"):
    """An operator reads a capture's plate otherwise than the camera did; the capture stays as it is."""

    lane: Name
    capture_seq: int
    plate_text: Text
    by: Name
    reason: Text
    hpzl: Annotated[str, Meta(max_length=2)] = ""


class ItemStarted(Body, frozen=True, kw_only=True, tag="item_started"):
    """An instrument item began (检验项目开始). ``to_film``: the site films this station, so must this be."""

    lane: Name
    station: Name
    item: Name
    device: Name
    to_film: bool = False


class ItemFailed(Body, frozen=True, kw_only=True, tag="item_failed"):
    """An instrument item gave no reading; it will be tried again or handed to the operator.

    ``by``: who stopped it; then it begins anew only when it is asked to be repeated.
    """

    lane: Name
    station: Name
    item: Name
    device: Name
    why: Text
    by: Annotated[str, Meta(max_length=80)] = ""


class ItemEnded(Body, frozen=True, kw_only=True, tag="item_ended"):
    """An instrument item ended with its reading (检验项目结束), not before ``least_ms`` had passed."""

    lane: Name
    station: Name
    item: Name
    device: Name
    lasted_ms: int
    least_ms: int = 0


class BrakeCurve(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Left and right brake force sampled every ``interval_ms``, in daN (10 N); plate benches add loads."""

    interval_ms: int
    left_dan: tuple[int, ...]
    right_dan: tuple[int, ...]
    left_load_kg: tuple[int, ...] = ()
    right_load_kg: tuple[int, ...] = ()


class BrakeMeasured(Body, frozen=True, kw_only=True, tag="brake_measured"):
    """Roller or plate bench: one axle (B1..B6, laden L1..L4) or the parking brake (B0), forces in daN (10 N).

    ``wheels`` 1: the axle has one wheel, which stands left; right is 0. ``pedal_ms``: when the pedal was
    touched, by the curve's clock. ``left_load_kg``, ``right_load_kg``: what the bench itself weighed under
    each wheel at its maximum force. ``coupled``: with its trailer, axles counted through the combination.
    """

    lane: Name
    station: Name
    device: Name
    item: Name
    axle: int
    bench: Literal["roller", "plate"] = "roller"
    left_max_dan: int
    right_max_dan: int
    left_drag_dan: int | None = None
    right_drag_dan: int | None = None
    curve: BrakeCurve
    load: Load = "unladen"
    wheels: Literal[1, 2] = 2
    pedal_ms: int | None = None
    left_load_kg: Decimal | None = None
    right_load_kg: Decimal | None = None
    coupled: bool = False
    bench_verdict: BenchVerdict = None
    calibration: Calibration = ""


class AxleWeighed(Body, frozen=True, kw_only=True, tag="axle_weighed"):
    """Wheel-load scale: static load of one axle's wheels, kg. ``wheels`` 1: it stands left, right is 0."""

    lane: Name
    station: Name
    device: Name
    axle: int
    left_kg: Decimal
    right_kg: Decimal
    wheels: Literal[1, 2] = 2
    bench_verdict: BenchVerdict = None
    calibration: Calibration = ""


class SideslipMeasured(Body, frozen=True, kw_only=True, tag="sideslip_measured"):
    """Side-slip plate, m/km, outward positive."""

    lane: Name
    station: Name
    device: Name
    item: Name
    slip_m_per_km: Decimal
    bench_verdict: BenchVerdict = None
    calibration: Calibration = ""


class HeadlampMeasured(Body, frozen=True, kw_only=True, tag="headlamp_measured"):
    """Headlamp tester, one lamp: H1 left outer, H2 left inner, H3 right inner, H4 right outer.

    Offsets in mm at 10 m, up and right positive; what the lamp does not have is left out.
    """

    lane: Name
    station: Name
    device: Name
    item: Name
    main_intensity_cd: int | None = None
    main_vertical_mm_per_10m: int | None = None
    main_horizontal_mm_per_10m: int | None = None
    dipped_vertical_mm_per_10m: int | None = None
    dipped_horizontal_mm_per_10m: int | None = None
    lamp_height_mm: int | None = None
    dipped_lamp_height_mm: int | None = None
    bench_verdict: BenchVerdict = None
    calibration: Calibration = ""


class SpeedometerMeasured(Body, frozen=True, kw_only=True, tag="speedometer_measured"):
    """Speedometer bench (S1) or road (R3): what the vehicle indicates and how fast it is, km/h."""

    lane: Name
    station: Name
    device: Name
    item: Name
    indicated_kmh: Decimal
    actual_kmh: Decimal
    bench_verdict: BenchVerdict = None
    calibration: Calibration = ""


class OutlineMeasured(Body, frozen=True, kw_only=True, tag="outline_measured"):
    """Outline gauge (M1), mm. ``coupled``: a combination was measured, and of which kind."""

    lane: Name
    station: Name
    device: Name
    item: Name
    length_mm: int
    width_mm: int
    height_mm: int
    wheelbase_mm: int | None = None
    side_board_mm: int | None = None
    coupled: Literal["no", "semi_trailer", "full_trailer", "centre_axle_trailer"] = "no"
    bench_verdict: BenchVerdict = None
    calibration: Calibration = ""


class KerbMassMeasured(Body, frozen=True, kw_only=True, tag="kerb_mass_measured"):
    """Weighbridge or automatic scale (Z1): the whole vehicle, empty, kg."""

    lane: Name
    station: Name
    device: Name
    item: Name
    mass_kg: Decimal
    bench_verdict: BenchVerdict = None
    calibration: Calibration = ""


class RoadTested(Body, frozen=True, kw_only=True, tag="road_tested"):
    """Portable brake tester on the road (R1): one stop.

    ``reach_80_pct_m``, ``reach_10_pct_m``: how far the vehicle ran until 80 and 10 % of its initial speed;
    MFDD is worked out of them, else taken as reported. ``judged_by``: which judgement the tester chose.
    """

    lane: Name
    station: Name
    device: Name
    item: Name
    initial_kmh: Decimal
    brake: Literal["service", "emergency"] = "service"
    load: Load = "unladen"
    judged_by: Literal["mfdd", "distance"] = "mfdd"
    mfdd_m_per_s2: Decimal | None = None
    reach_80_pct_m: Decimal | None = None
    reach_10_pct_m: Decimal | None = None
    distance_m: Decimal | None = None
    coordination_ms: int | None = None
    control: Literal["foot", "hand"] = "foot"
    control_force_n: int | None = None
    pulled: Literal["no", "left", "right"] = "no"
    left_channel: bool = False
    coupled: bool = False
    bench_verdict: BenchVerdict = None
    calibration: Calibration = ""


class RoadParked(Body, frozen=True, kw_only=True, tag="road_parked"):
    """Parking brake on a slope (R2): its gradient, and how long it held in each direction."""

    lane: Name
    station: Name
    device: Name
    item: Name
    slope_pct: Decimal
    uphill_s: int
    downhill_s: int
    bench_verdict: BenchVerdict = None
    calibration: Calibration = ""


class Tread(Struct, frozen=True, kw_only=True):
    """Tread depth of one tyre, mm. ``wheel``: left or right, outer (or only) or inner tyre."""

    axle: int
    wheel: Literal["left", "right", "left_inner", "right_inner"]
    depth_mm: Decimal


class TyresMeasured(Body, frozen=True, kw_only=True, tag="tyres_measured"):
    """Tread depth gauge: all tyres that were measured."""

    lane: Name
    station: Name
    device: Name
    item: Name
    treads: tuple[Tread, ...]
    bench_verdict: BenchVerdict = None
    calibration: Calibration = ""


class ObdRead(Body, frozen=True, kw_only=True, tag="obd_read"):
    """What the vehicle's control units say of themselves, asked through its OBD socket.

    ``no_obd``: the adapter is there and no unit answered; ``no_vin``: units answered and none holds a VIN;
    ``why`` says it in words. ``other_vins``: of further units, where they hold another than ``vin``.
    ``mil``: the malfunction lamp is commanded on. ``ready``, ``not_ready``: monitors by name.
    """

    lane: Name
    station: Name
    device: Name
    outcome: Literal["read", "no_vin", "no_obd"] = "read"
    why: Text = ""
    vin: Annotated[str, Meta(max_length=80)] = ""
    other_vins: tuple[Name, ...] = ()
    calids: tuple[Name, ...] = ()
    cvns: tuple[Name, ...] = ()
    mil: bool | None = None
    dtc_count: int | None = None
    ready: tuple[Name, ...] = ()
    not_ready: tuple[Name, ...] = ()
    protocol: Annotated[str, Meta(max_length=80)] = ""
    adapter: Annotated[str, Meta(max_length=80)] = ""
    officer: Annotated[str, Meta(max_length=80)] = ""


class Photographed(Body, frozen=True, kw_only=True, tag="photographed"):
    """An inspection photo is durable on this node; its bytes lie beside the journal under ``photo``."""

    shot: Name
    photo: Sha256
    size_bytes: int
    media: Name = "image/jpeg"
    officer: Annotated[str, Meta(max_length=80)] = ""
    taken_at: datetime | None = None


class Filmed(Body, frozen=True, kw_only=True, tag="filmed"):
    """Where the video of an inspection lies: recorder or body camera, from, to, and the clip's digest.

    ``item``: what was filmed at ``station``; empty: whatever happened meanwhile. ``stills``: photos of its
    beginning and end.
    """

    device: Name
    from_at: datetime
    to_at: datetime
    clip: Sha256 | None = None
    size_bytes: int | None = None
    place: Text = ""
    lane: Annotated[str, Meta(max_length=80)] = ""
    station: Annotated[str, Meta(max_length=80)] = ""
    item: Annotated[str, Meta(max_length=80)] = ""
    stills: tuple[Sha256, ...] = ()


class Checked(Body, frozen=True, kw_only=True, tag="checked"):
    """An officer's own finding on one item of the form (人工检验结果)."""

    item: Name
    result: Result
    officer: Name
    value: Text = ""
    defects: tuple[Name, ...] = ()
    remark: Text = ""


class Character(Struct, frozen=True):
    """One read character and its posterior probability."""

    c: str
    p: Decimal


class Earlier(Struct, frozen=True, kw_only=True):
    """A photo that was taken before: its digest, record, inspection and shot."""

    photo: Sha256
    photo_seq: int
    inspection: Name
    shot: Name


class Reviewed(Body, frozen=True, kw_only=True, tag="reviewed"):
    """What a model thinks of a photo. It advises; it never passes or fails a vehicle.

    Question ``reuse``: ``earlier`` is the photo of which this is a copy, ``searched`` how many were sought.
    """

    photo_seq: int
    photo: Sha256
    shot: Name
    question: Literal["plate", "vin", "quality", "reuse", "rubbing"]
    opinion: Opinion
    model: Name
    weights_sha256: Sha256 | None = None
    expected: Text = ""
    text: Text = ""
    confidence: Decimal = Decimal(0)
    score: Decimal | None = None
    characters: tuple[Character, ...] = ()
    plate_type: Name = "unknown"
    box: tuple[int, int, int, int] | None = None
    reasons: tuple[Name, ...] = ()
    took_ms: int = 0
    probability: Decimal | None = None
    earlier: Earlier | None = None
    searched: int = 0


class Shadowed(Body, frozen=True, kw_only=True, tag="shadowed"):
    """What a candidate would have said of a question that a model has answered; it decides nothing.

    ``compared``: questions since the one before, this one included; ``left_out``: for want of time.
    """

    photo_seq: int
    photo: Sha256
    shot: Name
    question: Name
    candidate: Name
    model: Name
    weights_sha256: Sha256 | None = None
    opinion: Opinion
    text: Text = ""
    score: Decimal | None = None
    took_ms: int = 0
    current_opinion: Opinion
    current_text: Text = ""
    current_score: Decimal | None = None
    compared: int = 1
    left_out: int = 0


class Ruled(Body, frozen=True, kw_only=True, tag="ruled"):
    """An officer's decision on a review."""

    review_seq: int
    decision: Decision
    officer: Name
    reason: Text = ""


class Signed(Body, frozen=True, kw_only=True, tag="signed"):
    """An officer or the presenter signed; ``photo`` is the image of the handwriting."""

    officer: Name
    role: Literal["officer", "second_officer", "presenter"] = "officer"
    photo: Sha256 | None = None
    statement: Text = ""


class Repeated(Body, frozen=True, kw_only=True, tag="repeated"):
    """Items of the running attempt must be done again (W1: weighed); what was found before counts no more."""

    items: tuple[Name, ...]
    officer: Name
    reason: Text


class Referred(Body, frozen=True, kw_only=True, tag="referred"):
    """An officer refers the vehicle as suspicious (嫌疑车辆): no pass until somebody else releases it.

    ``signs``: codes of the rules. ``photos``: seqs of the photos that show them. ``hold``: where the vehicle
    is held, or to whom it was handed over.
    """

    officer: Name
    signs: tuple[Name, ...]
    reason: Text
    photos: tuple[int, ...] = ()
    hold: Text = ""


class Released(Body, frozen=True, kw_only=True, tag="released"):
    """Another officer than the one who referred it found no ground for the suspicion."""

    referred_seq: int
    officer: Name
    reason: Text


#: quantity of a finding that only says that the site left its item out
LEFT_OUT = "left_out"
#: quantities of findings that no instrument measured
NOT_MEASURED = ("check", "review", "referral", "calibration", "obd", "film", LEFT_OUT)


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One judged item: what was found, against which limit, by which clause, from which records.

    ``severity``: what is a reminder only passes. ``proposes``: signs of suspicion, from a doubt.
    """

    item: Name
    result: Result
    quantity: Name = "check"
    value: Text = ""
    unit: Annotated[str, Meta(max_length=20)] = ""
    limit: Text = ""
    clause: Text = ""
    arithmetic: Text = ""
    basis: tuple[int, ...] = ()
    limit_source: Text = ""
    confidence: Annotated[str, Meta(max_length=2)] = ""
    effective_from: date | None = None
    severity: Severity = "reject"
    proposes: tuple[Name, ...] = ()


class Judged(Body, frozen=True, kw_only=True, tag="judged"):
    """All findings of an attempt and the verdict, with the rules that were used, and what was lacking.

    ``checklist_by``: whose list of items and photos it was, that of the rules or the platform's; empty in
    records from before 2026-11-25.
    """

    verdict: Verdict
    findings: tuple[Finding, ...]
    rules: Name
    rules_sha256: Sha256
    attempt: int = 1
    missing: tuple[Name, ...] = ()
    checklist_by: Text = ""


class Stage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long one stage of a visit lasted: ``queue``, a station of ``lane``, or ``signing``."""

    stage: Name
    lasted_ms: int
    lane: Annotated[str, Meta(max_length=80)] = ""


class StagesTimed(Body, frozen=True, kw_only=True, tag="stages_timed"):
    """The stages of a visit as the vehicle left the lane; ``whole_ms`` from its arrival, against a target."""

    stages: tuple[Stage, ...]
    whole_ms: int
    target_ms: int


class Aborted(Body, frozen=True, kw_only=True, tag="aborted"):
    """The inspection was stopped by a person, with the reason."""

    by: Name
    reason: Text


AnyBody: TypeAlias = (
    NodeStarted
    | DeviceChanged
    | DeviceCertified
    | CalibrationChecked
    | Quarantined
    | Refused
    | Continued
    | Retired
    | StorageChanged
    | ClockStepped
    | ClockCompared
    | Directed
    | Sensed
    | Switched
    | Captured
    | Scanned
    | TagRead
    | Ordered
    | Listed
    | Arrived
    | Moved
    | Called
    | Ranked
    | Held
    | Resumed
    | Withdrawn
    | Positioned
    | Corrected
    | ItemStarted
    | ItemFailed
    | ItemEnded
    | BrakeMeasured
    | AxleWeighed
    | SideslipMeasured
    | HeadlampMeasured
    | SpeedometerMeasured
    | OutlineMeasured
    | KerbMassMeasured
    | RoadTested
    | RoadParked
    | TyresMeasured
    | ObdRead
    | Photographed
    | Filmed
    | Checked
    | Reviewed
    | Shadowed
    | Ruled
    | Signed
    | Repeated
    | Referred
    | Released
    | Judged
    | StagesTimed
    | Aborted
)


#: what the newer instruments say: folded into one container, by item and what tells its tests apart
Instrumental: TypeAlias = (
    HeadlampMeasured
    | SpeedometerMeasured
    | OutlineMeasured
    | KerbMassMeasured
    | RoadTested
    | RoadParked
    | TyresMeasured
)
#: everything an instrument measured
Measurement: TypeAlias = BrakeMeasured | AxleWeighed | SideslipMeasured | Instrumental


class Draft(Struct, frozen=True, kw_only=True):
    """A fact on its way to the journal, which gives it ``seq``, ``at`` and ``tick_ms``."""

    source: Key
    source_key: Key
    body: AnyBody
    inspection: Annotated[str, Meta(max_length=80)] | None = None


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fact in the journal.

    ``seq``: dense from 1 in one node's journal, the only order. ``at``: the node's wall clock when it wrote
    the record (UTC). ``tick_ms``: the node's monotonic clock, for durations. ``(source, source_key)`` is
    unique: whoever repeats itself is recognised by it. A source beginning with ``virtual+`` is simulated.
    """

    seq: int
    at: datetime
    tick_ms: int
    source: Key
    source_key: Key
    body: AnyBody
    inspection: str | None = None
    v: int = SCHEMA_VERSION


_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(Record)

GENESIS = b"chayan journal 1\n"


def canonical(record: Record) -> bytes:
    """The bytes that are hashed, sent and kept: UTF-8 JSON, keys sorted, no blanks, defaults left out."""
    return _encoder.encode(record)


def parse(data: bytes) -> Record:
    """Record from canonical bytes; raises ``msgspec.ValidationError`` naming the field."""
    return _decoder.decode(data)


def genesis(node: str) -> bytes:
    """Head (32 bytes) of an empty journal of ``node``: binds the chain to its node."""
    return hashlib.sha256(GENESIS + node.encode()).digest()


def link(head: bytes, data: bytes) -> bytes:
    """Head (32 bytes) after a record with canonical bytes ``data`` follows ``head``: SHA-256(head ‖ data)."""
    return hashlib.sha256(head + data).digest()


def link_all(head: bytes, rows: Sequence[bytes]) -> bytes:
    """Head after all ``rows`` in order."""
    for data in rows:
        head = link(head, data)
    return head


def kind_of(body: AnyBody) -> str:
    """The tag of a body as it stands in the journal."""
    return str(body.__struct_config__.tag)


def place_of(body: Instrumental) -> str:
    """Under which name a measurement counts until the next: its item, and what tells its tests apart."""
    if isinstance(body, RoadTested):
        return "/".join((body.item, body.brake, body.load, *(("coupled",) if body.coupled else ())))
    if isinstance(body, OutlineMeasured) and body.coupled != "no":
        return f"{body.item}/{body.coupled}"
    return body.item


def photos_of(body: AnyBody) -> tuple[tuple[str, str], ...]:
    """(digest, shot) of each photo whose bytes belong to a fact."""
    match body:
        case Photographed():
            pairs: tuple[tuple[str | None, str], ...] = ((body.photo, body.shot),)
        case Captured():
            pairs = ((body.photo, "capture"), (body.crop, "crop"))
        case Signed():
            pairs = ((body.photo, "signature"),)
        case Filmed():
            pairs = tuple((digest, "still") for digest in body.stills)
        case _:
            pairs = ()
    return tuple((digest, shot) for digest, shot in pairs if digest)


def is_simulated(source: str) -> bool:
    """Whether a source announces itself as simulated."""
    return source.startswith("virtual+")


_NODE = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")


def is_node_name(name: str) -> bool:
    """Whether ``name`` can name a node: lower-case letters, digits, hyphens, 2 to 63 long."""
    return _NODE.fullmatch(name) is not None


def utc(moment: datetime) -> datetime:
    """The same moment in UTC; raises ``ValueError`` for a naive time."""
    if moment.tzinfo is None:
        raise ValueError(f"a time without zone: {moment.isoformat()}")
    return moment.astimezone(UTC)

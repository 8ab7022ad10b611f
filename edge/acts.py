"""What an officer's PDA does, over HTTP or MQTT: one road, one set of rules, one record each."""

import hashlib
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from central_sync.journal import RetiredError
from edge.desk import Desk, moved_key
from edge.permits import ActError, must_be_permitted
from firmware_bridge.device import Act
from lanes.inspection import Inspection
from lanes.record import (
    Aborted,
    AnyBody,
    Arrived,
    Checked,
    Decision,
    Draft,
    Filmed,
    Key,
    Moved,
    Name,
    Photographed,
    Record,
    Referred,
    Released,
    Repeated,
    Result,
    Ruled,
    Sha256,
    Signed,
    Text,
    utc,
)

Reason: TypeAlias = Annotated[str, Meta(min_length=1, max_length=2000)]
PHOTO_LIMIT = 12 * 1024 * 1024
FIRST_BYTES = 16  # tell what kind of image it is
_IMAGE_STARTS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}


class _Act(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    pass


class PhotographedAct(_Act, frozen=True, kw_only=True, tag="photographed"):
    """A required picture was taken; its bytes were put first."""

    shot: Name
    photo: Sha256
    taken_at: datetime | None = None


class CheckedAct(_Act, frozen=True, kw_only=True, tag="checked"):
    """An item of the form was checked."""

    item: Name
    result: Result
    value: Text = ""
    defects: tuple[Name, ...] = ()
    remark: Text = ""


class RuledAct(_Act, frozen=True, kw_only=True, tag="ruled"):
    """A doubtful review was decided."""

    review_seq: int
    decision: Decision
    reason: Text = ""


class SignedAct(_Act, frozen=True, kw_only=True, tag="signed"):
    """The form was signed."""

    role: Literal["officer", "second_officer", "presenter"] = "officer"
    photo: Sha256 | None = None
    statement: Text = ""


class RepeatedAct(_Act, frozen=True, kw_only=True, tag="repeated"):
    """Items of the running attempt must be done again."""

    items: Annotated[tuple[Name, ...], Meta(min_length=1)]
    reason: Reason


class ReferredAct(_Act, frozen=True, kw_only=True, tag="referred"):
    """The vehicle is referred as suspicious."""

    signs: Annotated[tuple[Name, ...], Meta(min_length=1)]
    reason: Reason
    photos: tuple[int, ...] = ()
    hold: Text = ""


class ReleasedAct(_Act, frozen=True, kw_only=True, tag="released"):
    """Another officer's suspicion has no ground."""

    referred_seq: int
    reason: Reason


AnyAct: TypeAlias = (
    PhotographedAct | CheckedAct | RuledAct | SignedAct | RepeatedAct | ReferredAct | ReleasedAct
)


class ActPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One act of one officer; ``key`` makes its repetition harmless."""

    key: Key
    officer: Annotated[str, Meta(min_length=1, max_length=80)]
    act: AnyAct


class PdaMessage(ActPost, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same over MQTT, where the inspection is named inside."""

    inspection: Name


class Acts:
    """Checks an act against the book and appends it."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._officers = {officer.officer for officer in desk.site.officers}

    async def append(self, inspection: str, post: ActPost) -> tuple[int, bool]:
        """(seq, fresh) of the record; raises ActError when it cannot be taken as it is.

        The source is the officer, not the channel: a PDA that gave up on MQTT may repeat itself over HTTP.
        """
        self.must_be_officer(post.officer)
        body = self._body(post)
        source = f"{self.desk.prefix}officer/{post.officer}"
        return await self.once(source, post.key, body, inspection)

    def must_be_officer(self, officer: str) -> None:
        """Raises ActError for somebody whom the site file does not name."""
        if officer not in self._officers:
            raise ActError(
                422, "no-officer", f"本站没有查验员 {officer}", f"{officer} is no officer of this site"
            )

    async def from_pda(self, act: Act) -> tuple[int, bool]:
        """An act that came over MQTT; its photo, if any, is made durable first."""
        try:
            message = msgspec.convert(act.fields, PdaMessage, strict=False)
        except msgspec.ValidationError as error:
            raise ActError(422, "malformed", f"数据格式错误：{error}", f"malformed act: {error}") from error
        if act.photo is not None:
            await self.put_photo(act.photo)
        return await self.append(message.inspection, message)

    async def abort(self, inspection: str, key: str, by: str, reason: str) -> tuple[int, bool]:
        """(seq, fresh): stops an inspection with its reason; raises ActError when nothing can be stopped."""
        source = f"{self.desk.prefix}operator/{by}"
        body = Aborted(by=by, reason=reason)
        return await self.once(source, key, body, inspection)

    async def film(self, inspection: str, key: str, film: Filmed) -> tuple[int, bool]:
        """(seq, fresh): where the video of an inspection lies; it may come long after the verdict.

        Raises ActError for an unknown inspection, times without a zone, or a clip that ends before it begins.
        """
        if aware(film.from_at) > aware(film.to_at):
            raise ActError(422, "no-time", "录像结束早于开始", "the clip ends before it begins")
        source = f"{self.desk.prefix}recorder/{film.device}"
        async with self.desk.turn:
            repeated = self._repeated(source, key, film, inspection)
            if repeated is not None:
                return repeated, False
            if inspection not in self.desk.book.inspections and not self.desk.journal.of_inspection(
                inspection
            ):
                raise ActError(
                    404, "no-inspection", f"没有流水号 {inspection}", f"no inspection {inspection}"
                )
            for still in film.stills:
                self._stored(still)
            appended = await self.desk.append(source, key, film, inspection)
        return appended.record.seq, appended.fresh

    async def admit(self, lane: str, inspection: str, key: str, by: str, reason: str) -> tuple[int, bool]:
        """(seq, fresh): an operator says whose the vehicle at the gate is, when its capture cannot.

        Raises ActError when nobody stands there unrecognised or the inspection does not wait.
        """
        source = f"{self.desk.prefix}operator/{by}"
        body = Arrived(lane=lane, how="operator", by=by, reason=reason)
        async with self.desk.turn:
            repeated = self._repeated(source, key, body, inspection)
            if repeated is not None:
                return repeated, False
            must_have_room(self.desk)
            gate = self.free_gate(lane)
            known = self.known(inspection)
            if known.phase != "waiting":
                raise ActError(409, "not-waiting", "该流水不在等候", "this inspection does not wait")
            moved = Draft(
                source=f"{self.desk.prefix}agent",
                source_key=moved_key(known, gate),
                inspection=inspection,
                body=Moved(lane=lane, station=gate),
            )
            arrived = Draft(source=source, source_key=key, inspection=inspection, body=body)
            appended, _ = await self.desk.journal.append(arrived, moved)
        return appended.record.seq, appended.fresh

    def free_gate(self, lane: str) -> str:
        """The gate of a lane where a vehicle stands that nobody has recognised; raises ActError."""
        lanes = {each.name: each for each in self.desk.site.lanes}
        if lane not in lanes:
            raise ActError(404, "no-lane", f"没有检测线 {lane}", f"no lane {lane}")
        gate, state = lanes[lane].stations[0].name, self.desk.book.lane(lane)
        if gate in state.at or not state.on(gate):
            raise ActError(409, "nobody-there", "入口没有待识别的车辆", "no unrecognised vehicle at the gate")
        return gate

    async def put_photo(self, data: bytes, digest: str | None = None) -> tuple[str, bool]:
        """(digest, fresh): keeps a photo; raises ActError for what is no image or has another digest."""
        actual = hashlib.sha256(data).hexdigest()
        if digest is not None and digest != actual:
            raise ActError(
                422, "digest", "照片内容与摘要不符", f"the bytes have SHA-256 {actual}, not {digest}"
            )
        if len(data) > PHOTO_LIMIT:
            raise ActError(413, "too-large", "照片超过 12 MB", "the photo is larger than 12 MB")
        if media_type(data) is None:
            raise ActError(422, "no-image", "不是 JPEG 或 PNG 图像", "the bytes are neither JPEG nor PNG")
        fresh = not self.desk.photos.has(actual)
        return await self.desk.keep(data), fresh

    def known(self, inspection: str) -> Inspection:
        """The inspection of a number; raises ActError."""
        known = self.desk.inspection(inspection)
        if known is None:
            raise ActError(404, "no-inspection", f"没有流水号 {inspection}", f"no inspection {inspection}")
        return known

    async def once(self, source: str, key: str, body: AnyBody, inspection: str) -> tuple[int, bool]:
        """(seq, fresh): the record this act already is, or else a new one if the book permits it."""
        async with self.desk.turn:
            repeated = self._repeated(source, key, body, inspection)
            if repeated is not None:
                return repeated, False
            known = self.known(inspection)
            must_be_permitted(self.desk, known, body)
            if isinstance(body, Signed) and body.photo is not None:
                self._stored(body.photo)
            appended = await self.desk.append(source, key, body, inspection)
        return appended.record.seq, appended.fresh

    def _repeated(self, source: str, key: str, body: AnyBody, inspection: str) -> int | None:
        """Seq of the record this very act already is: a repetition is answered even after the verdict."""
        try:
            record = self.desk.journal.find(source, key)
        except RetiredError as error:
            return error.seq
        return None if record is None else self._same(record, body, inspection)

    def _same(self, stands: Record, offered: AnyBody, inspection: str) -> int:
        seq = stands.seq
        if (stands.body, stands.inspection) != (offered, inspection):
            raise ActError(
                409,
                "key-reused",
                f"同一键值已用于另一内容（记录 {seq}）",
                f"this key already stands for something else (record {seq}); use a new key",
            )
        return seq

    def _body(self, post: ActPost) -> AnyBody:
        act, officer = post.act, post.officer
        match act:
            case PhotographedAct():
                return self._photographed(act, officer)
            case CheckedAct():
                return Checked(
                    item=act.item,
                    result=act.result,
                    officer=officer,
                    value=act.value,
                    defects=act.defects,
                    remark=act.remark,
                )
            case RuledAct():
                return Ruled(
                    review_seq=act.review_seq, decision=act.decision, officer=officer, reason=act.reason
                )
            case SignedAct():
                return Signed(officer=officer, role=act.role, photo=act.photo, statement=act.statement)
            case RepeatedAct():
                return Repeated(items=act.items, officer=officer, reason=act.reason)
            case ReferredAct():
                return Referred(
                    officer=officer, signs=act.signs, reason=act.reason, photos=act.photos, hold=act.hold
                )
            case ReleasedAct():
                return Released(referred_seq=act.referred_seq, officer=officer, reason=act.reason)

    def _photographed(self, act: PhotographedAct, officer: str) -> Photographed:
        size, start = self._stored(act.photo)
        return Photographed(
            shot=act.shot,
            photo=act.photo,
            size_bytes=size,
            media=media_type(start) or "application/octet-stream",
            officer=officer,
            taken_at=None if act.taken_at is None else aware(act.taken_at),
        )

    def _stored(self, digest: str) -> tuple[int, bytes]:
        """Size and first bytes of a photo that was put; raises ActError when it was not."""
        if not self.desk.photos.has(digest):
            raise ActError(
                409, "photo-first", "照片尚未上传", f"put the photo first: PUT /api/v1/photos/{digest}"
            )
        return self.desk.photos.part(digest, 0, FIRST_BYTES)


def must_have_room(desk: Desk) -> None:
    """Raises ActError while this node may not take a further vehicle."""
    if desk.full:
        raise ActError(
            503,
            "no-room",
            "本机存储不足或不可写，暂不受理新车；已在线车辆可继续",
            "this node's storage is low or cannot be written: no new vehicle; those on a lane go on",
        )


def media_type(data: bytes) -> str | None:
    """image/jpeg or image/png by the first bytes, None for anything else."""
    return next((media for start, media in _IMAGE_STARTS.items() if data.startswith(start)), None)


def aware(moment: datetime) -> datetime:
    """A time in UTC; raises ActError for one without a zone or out of range."""
    try:
        return utc(moment)
    except ValueError as error:
        raise ActError(422, "no-zone", "时间缺少时区", str(error)) from error
    except OverflowError as error:  # the year 1 east of Greenwich has no UTC
        raise ActError(422, "no-time", "时间超出范围", f"{moment.isoformat()} is out of range") from error

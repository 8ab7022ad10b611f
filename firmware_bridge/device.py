"""Device, all it may say (Capture, Signal, Scan, Tag, Act, Junk, Health), and what it may be asked to do.

A device is told apart from its link: the codec on top of each file in ``devices/`` is pure, the Device below
it moves bytes. ``Tell`` is how a device hands a fact on: it returns only when the fact is durable, so
whatever acknowledges the other side (MQTT PUBACK, a bench handshake) comes after it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from msgspec import Struct

from lanes.record import AnyBody, ObdRead

JUNK_EXCERPT_BYTES = 64 * 1024
CHANNEL_LIMIT = 200  # characters of each part of a post's note


class Capture(Struct, frozen=True, kw_only=True):
    """A plate camera saw a vehicle. ``key`` is stable over re-sends of the same event."""

    key: str
    plate_text: str
    plate_type: str = "unknown"
    confidence_pct: int = 0
    photo: bytes | None = None
    crop: bytes | None = None
    taken_at: datetime | None = None
    replayed: bool = False


class Signal(Struct, frozen=True, kw_only=True):
    """A lane sensor's level, told on each change and once after each (re)connection."""

    station: str
    sensor: str
    on: bool


class Scan(Struct, frozen=True, kw_only=True):
    """A code was scanned; the same code held before the scanner is one Scan."""

    key: str
    text: str


class Tag(Struct, frozen=True, kw_only=True):
    """A UHF tag came into the field: its EPC in upper-case hex, its strength if the reader tells it."""

    key: str
    epc: str
    rssi_dbm: int | None = None


class Act(Struct, frozen=True, kw_only=True):
    """What an officer's PDA did: one JSON object, already parsed, with the photo (if any) beside it."""

    key: str
    pda: str
    fields: dict[str, object]
    photo: bytes | None = None


class Junk(Struct, frozen=True, kw_only=True):
    """Input that could not be read: why, and the bytes (cut to 64 KiB), whose size was ``size_bytes``."""

    channel: str
    why: str
    data: bytes
    size_bytes: int


def junk(channel: str, payload: bytes, why: str, size_bytes: int | None = None) -> Junk:
    """Junk of a message; ``size_bytes`` where not all of it was kept."""
    size = len(payload) if size_bytes is None else size_bytes
    return Junk(channel=channel, why=why, data=payload[:JUNK_EXCERPT_BYTES], size_bytes=size)


class Health(Struct, frozen=True, kw_only=True):
    """The device's own state: ok, silent (nothing heard), faulty (answers wrongly), lost (no link)."""

    state: str
    why: str = ""


Said: TypeAlias = Capture | Signal | Scan | Tag | Act | Junk | Health
Tell: TypeAlias = Callable[[Said], Awaitable[None]]


class MeasureError(Exception):
    """An instrument gave no valid reading; the text says which device, what happened, what to check."""


class Device(Protocol):
    """Equipment that speaks by itself: ``run`` connects, tells, reconnects, until it is cancelled."""

    name: str
    source: str  # such as "mqtt://aaaa0000-bbbb0001", "virtual+serial://brake-1"

    async def run(self, tell: Tell) -> None: ...


class Push(Struct, frozen=True, kw_only=True):
    """What a device posted: ``path`` below its own, and why the body is not whole; empty: it is."""

    path: str
    peer: str
    content_type: str
    body: bytes
    size_bytes: int
    torn: str = ""


def channel_of(push: Push) -> str:
    """A post as the channel of its note: path, content type, why it is not whole."""
    told = (f"push:{push.path}", push.content_type, push.torn)
    return "\t".join(each.replace("\t", " ")[:CHANNEL_LIMIT] for each in told)


def push_of(channel: str, body: bytes) -> Push:
    """The post of such a note."""
    path, content_type, torn = channel.removeprefix("push:").split("\t")
    return Push(path=path, peer="", content_type=content_type, body=body, size_bytes=len(body), torn=torn)


class Answer(Struct, frozen=True, kw_only=True):
    """What the device is answered."""

    status: int = 200
    content_type: str = "application/json"
    body: bytes = b""


@runtime_checkable
class Pushed(Device, Protocol):
    """Equipment that posts to us over HTTP. ``peer``: the only address it may post from; empty: any."""

    peer: str

    async def pushed(self, push: Push) -> Answer:
        """Tells what was posted, then answers: a 200 means that the record, or its Junk, is on the disk."""
        ...


class CommandError(Exception):
    """A command was not carried out, or nobody knows; the text says which device and what happened."""


@runtime_checkable
class Camera(Device, Protocol):
    """A plate camera that can be told something. Every command raises CommandError."""

    async def trigger(self) -> None:
        """Lets it recognise what it sees now; the capture follows as an event of its own."""
        ...

    async def gate(self, raised: bool) -> None:
        """Gives the pulse for the barrier wired to it; no camera confirms that the barrier has moved."""
        ...


class Instrument(Device, Protocol):
    """A device that measures when asked. ``run`` keeps its link up and tells its Health."""

    async def measure(self, lane: str, station: str, item: str, axle: int) -> AnyBody:
        """One measurement as a record body (AxleWeighed, BrakeMeasured, SideslipMeasured).

        Raises MeasureError when there is no valid reading: silent, torn, out of the device's range, aborted.
        """
        ...


class ObdReader(Device, Protocol):
    """An adapter for the vehicle's OBD socket."""

    async def read_vehicle(self, lane: str, station: str) -> ObdRead:
        """What the vehicle says of itself, also that it has no OBD or no VIN; raises MeasureError."""
        ...


class Picture(Struct, frozen=True, kw_only=True):
    """A still of a video camera, JPEG, and when it arrived."""

    jpeg: bytes
    at: datetime


class Film(Struct, frozen=True, kw_only=True):
    """A clip of a video camera, MP4, and what it covers."""

    mp4: bytes
    from_at: datetime
    to_at: datetime


class Filmer(Device, Protocol):
    """A video camera that holds what it has shown last."""

    before_s: int
    after_s: int

    async def picture(self) -> Picture:
        """What it shows now; raises MeasureError."""
        ...

    async def film(self, begin: datetime, end: datetime) -> Film:
        """What is held from ``begin`` to ``end``, which may be less; raises MeasureError."""
        ...


class Card(Struct, frozen=True, kw_only=True):
    """What a reader of resident identity cards gives: personal data, shown and never recorded as it is.

    ``number`` 18 characters, ``portrait`` an image; ``valid_until`` None: for life.
    """

    name: str
    number: str
    valid_from: date
    valid_until: date | None = None
    portrait: bytes | None = None


class CardReader(Device, Protocol):
    """A reader of identity cards: an interface without a device, see docs/id-cards.md."""

    async def read_card(self, limit_s: float) -> Card:
        """The card that is laid on within ``limit_s``; raises MeasureError."""
        ...


class Switchboard(Device, Protocol):
    """A device with outputs: lights and barriers."""

    async def switch(self, station: str, actuator: str, on: bool) -> None:
        """Sets one output and returns when the device has confirmed it; raises MeasureError otherwise."""
        ...

    def outputs(self) -> Mapping[tuple[str, str], bool | None]:
        """Last confirmed level of each (station, actuator); empty before the first read-back.

        None: nobody can know how it stands; it is switched once to be known.
        """
        ...


class Row(Struct, frozen=True, kw_only=True):
    """One row of a text board; a board of one colour leaves the colour out."""

    text: str
    colour: Literal["red", "green", "yellow"] = "red"


class Sign(Device, Protocol):
    """A text board. It only shows: nothing may wait for it."""

    async def show(self, rows: Sequence[Row]) -> None:
        """Replaces all that the board shows; raises MeasureError when it was not sent or not taken."""
        ...

"""One contract for every codec that reads what a device sends; codec_cases.py has the cases.

``Wire``: frames out of a byte stream. ``Message``: one whole message, page or block. ``damage`` of either
says what is wrong with what a codec made of an input, for tests and for fuzzing alike.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import msgspec

from firmware_bridge.devices.instrument import Deframer

Golden: TypeAlias = tuple[tuple[bytes, Any], ...]
# what finds a changed byte: the codec by a check of its own; TCP below it; nothing, as its page must say
Check: TypeAlias = Literal["own", "carrier", "none"]


def whole_frame(frame: Any) -> Any:
    """A frame is its own reading."""
    return frame


def as_sent(stream: bytes) -> bytes:
    """Nothing in a stream may be spelled in two ways."""
    return stream


@dataclass(frozen=True, kw_only=True)
class Wire:
    """A codec of a byte stream.

    ``golden``: frames as they are sent, and the reading of each (None: it has none).
    ``read``: the reading of a frame, None for one without; raises ``refuses``.
    ``said``: the bytes that a frame stands for, which must be found in ``plain`` of the stream.
    ``most_held``: bytes it may keep. ``lost_after``: whole frames that may be lost after damage.
    ``pause``: what shows that a wait for more was vain. ``at_once``: a frame is told with its last byte.
    ``closed``: a frame with its check made right, for fuzzing.
    """

    name: str
    kinds: tuple[str, ...]
    make: Callable[[], Deframer[Any]]
    golden: Golden
    said: Callable[[Any], bytes | None]
    check: Check
    most_held: int
    pause: bytes
    read: Callable[[Any], Any] = whole_frame
    refuses: tuple[type[Exception], ...] = ()
    plain: Callable[[bytes], bytes] = as_sent
    lost_after: int = 0
    at_once: bool = True
    closed: Callable[[bytes], bytes] | None = None

    @property
    def readings(self) -> list[Any]:
        """What the golden frames mean, in order."""
        return [reading for _, reading in self.golden if reading is not None]

    def meant(self, frames: Iterable[Any]) -> list[Any]:
        """The readings of frames; those that are refused have none."""
        found = []
        for frame in frames:
            try:
                reading = self.read(frame)
            except self.refuses:
                continue
            if reading is not None:
                found.append(reading)
        return found

    def hear(self, *chunks: bytes) -> list[Any]:
        """The readings of a new codec that hears these chunks."""
        codec = self.make()
        return self.meant(frame for chunk in chunks for frame in codec.feed(chunk))

    def damage(self, stream: bytes, cuts: Sequence[int] = (), *, deep: bool = True) -> str:
        """What is wrong with what the codec makes of any bytes; empty: nothing. ``deep`` costs far more."""
        codec, frames = self.make(), []
        for chunk in pieces(stream, cuts):
            frames += codec.feed(chunk)
        if held(codec) > self.most_held:
            return f"{held(codec)} bytes held, {self.most_held} are the most"
        readings = self.meant(frames)
        plain = self.plain(stream) if frames else b""
        for frame in frames:
            said = self.said(frame)
            if said is not None and said not in plain:
                return f"{frame!r} was not sent: {said!r}"
        return self._deep(codec, stream, readings) if deep else ""

    def _deep(self, codec: Deframer[Any], stream: bytes, readings: list[Any]) -> str:
        """Each byte alone gives the same; after anything the codec finds its way."""
        again = self.hear(*(stream[at : at + 1] for at in range(len(stream))))
        if again != readings:
            return f"{again} when every byte comes alone, {readings} otherwise"
        return self._finds_its_way(codec)

    def _finds_its_way(self, codec: Deframer[Any]) -> str:
        """Whole frames after anything are found again, at once or once a pause was noticed."""
        clean = [golden for golden in self.golden if golden[1] is not None]
        following = [clean[n % len(clean)] for n in range(self.lost_after + 2)]
        frames = [frame for sent, _ in following for frame in codec.feed(sent)] + codec.feed(self.pause)
        wanted = [reading for _, reading in following[self.lost_after :]]
        found = self.meant(frames)
        if found[-len(wanted) :] != wanted:
            return f"after it {wanted} were sent and {found} were read"
        codec.feed(self.golden[0][0][:-1])
        codec.drop()
        return f"{held(codec)} bytes held after drop" if held(codec) else ""


@dataclass(frozen=True, kw_only=True)
class Message:
    """A codec of whole messages. ``whole``: a message that lacks its end is refused."""

    name: str
    kinds: tuple[str, ...]
    read: Callable[[bytes], Any]
    golden: Golden
    refuses: tuple[type[Exception], ...]
    whole: bool = True
    check: Check = "carrier"
    sane: Callable[[Any], str] = lambda _reading: ""
    closed: Callable[[bytes], bytes] | None = None

    def hear(self, message: bytes) -> Any:
        """The reading of a message; None where it is refused."""
        try:
            return self.read(message)
        except self.refuses:
            return None

    def damage(self, message: bytes, cuts: Sequence[int] = (), *, deep: bool = True) -> str:
        """What is wrong with what the codec makes of any bytes; empty: nothing."""
        reading = self.hear(message)
        if reading is None:
            return ""
        if deep and self.hear(message) != reading:
            return "another reading the second time"
        return self.sane(reading) or unwritable(reading)


Case: TypeAlias = Wire | Message


def unwritable(reading: Any) -> str:
    """Why a reading could not stand in a record; empty: it could."""
    try:
        msgspec.json.encode(reading)
    except (TypeError, ValueError, OverflowError, UnicodeEncodeError) as wrong:
        return f"{reading!r} cannot be written: {wrong}"
    return ""


def pieces(stream: bytes, cuts: Sequence[int]) -> Iterator[bytes]:
    """The stream cut before each of these places."""
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(stream)}), len(stream)]
    return (stream[begin:end] for begin, end in pairwise(edges))


def held(codec: object) -> int:
    """Bytes that a codec keeps, in itself and in the codecs it is made of."""
    total = 0
    for name, value in vars(codec).items():
        if isinstance(value, bytes | bytearray) and name not in {"spoiled", "_mark", "_alias", "_ends"}:
            total += len(value)
        elif hasattr(value, "feed"):
            total += held(value)
    return total

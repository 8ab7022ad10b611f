"""Video of network cameras: encoded pictures kept as they came, cut into clips, one of them as a still.

The only file that imports PyAV. Nothing is encoded anew but a still. A stream is read in a thread of its own,
so that a camera that hangs holds up nobody; what is kept is bounded in seconds and bytes.
"""

import io
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from typing import TypeAlias

import av
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from firmware_bridge.link import Backoff

CODECS = frozenset({"h264", "hevc"})
CLOCK_HZ = 90_000  # of RTP video
JUMP = 10 * CLOCK_HZ  # a camera whose clock jumps so far was set: the time of arrival tells the pace then
OPEN_S = 5.0
VideoPacket: TypeAlias = "av.Packet[av.VideoStream]"
RAW = {"h264": "h264", "hevc": "hevc"}  # codec -> demuxer of its bare stream


class VideoError(Exception):
    """No picture or clip can be given: the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One encoded picture: its times by the camera in 1/90000 s, and when it arrived."""

    data: bytes
    dts: int
    pts: int
    key: bool
    at: datetime


@dataclass(slots=True)
class Ring:
    """The last pieces of a stream, whole groups of pictures, at most ``keep_s`` and ``keep_bytes``."""

    keep_s: float
    keep_bytes: int
    codec: str = ""
    extradata: bytes = b""
    held_bytes: int = 0
    pieces: deque[Piece] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, codec: str, extradata: bytes) -> None:
        """A stream begins; pieces of one before cannot stand in a clip with it."""
        with self._lock:
            self.pieces.clear()
            self.codec, self.extradata, self.held_bytes = codec, extradata, 0

    def add(self, piece: Piece) -> None:
        """Keeps a piece; what comes before the first key picture cannot be shown."""
        with self._lock:
            if not self.pieces and not piece.key:
                return
            self.pieces.append(piece)
            self.held_bytes += len(piece.data)
            while self.held_bytes > self.keep_bytes or self._age_s() > self.keep_s:
                self._drop_group()

    def _age_s(self) -> float:
        return (self.pieces[-1].at - self.pieces[0].at).total_seconds() if self.pieces else 0.0

    def _drop_group(self) -> None:
        """The oldest key picture and all that depend on it."""
        while self.pieces:
            self.held_bytes -= len(self.pieces.popleft().data)
            if self.pieces and self.pieces[0].key:
                return

    def between(self, begin: datetime, end: datetime) -> list[Piece]:
        """Pieces from the last key picture not after ``begin`` through ``end``."""
        with self._lock:
            kept = [piece for piece in self.pieces if piece.at <= end]
        starts = [n for n, piece in enumerate(kept) if piece.key and piece.at <= begin]
        return kept[starts[-1] :] if starts else kept

    def last_group(self) -> list[Piece]:
        """The newest key picture and what came after it."""
        with self._lock:
            kept = list(self.pieces)
        keys = [n for n, piece in enumerate(kept) if piece.key]
        return kept[keys[-1] :] if keys else []

    @property
    def newest(self) -> datetime | None:
        """When the last piece arrived."""
        with self._lock:
            return self.pieces[-1].at if self.pieces else None


class Stream:
    """Reads an address in a thread, again and again, until stopped; ``changed(up, why)`` is called there."""

    def __init__(self, url: str, ring: Ring, silence_s: float, changed: Callable[[bool, str], None]) -> None:
        self._url, self._ring, self._silence_s, self._changed = url, ring, silence_s, changed
        self._stopped = threading.Event()
        self._backoff = Backoff()
        self._thread = threading.Thread(target=self._run, name="video", daemon=True)

    def start(self) -> None:
        """Begins to read; the thread is a daemon, since nothing waits for a camera that hangs."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread still reads; one that fell over a defect does not."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """The thread ends with the next picture, or once the camera has been silent for its time."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._read()
            except FFmpegError as error:
                self._changed(False, error.strerror or "no stream")  # the whole text would tell the password
            except VideoError as error:
                self._changed(False, str(error))
            else:
                self._changed(False, "the stream has ended")
            self._stopped.wait(self._backoff.delay())

    def _read(self) -> None:
        options = {"rtsp_transport": "tcp", "analyzeduration": "1000000", "fflags": "nobuffer"}
        with av.open(self._url, options=options, timeout=(OPEN_S, self._silence_s)) as source:
            if not source.streams.video:
                raise VideoError("the stream has no pictures")
            stream = source.streams.video[0]
            context = stream.codec_context
            if context.name not in CODECS:
                raise VideoError(f"the stream is {context.name}: set the camera to H.264 or H.265")
            if self._stopped.is_set():  # another thread may fill the ring by now
                return
            self._ring.begin(context.name, bytes(context.extradata or b""))
            self._changed(True, "")
            for packet in source.demux(stream):
                if self._stopped.is_set():
                    return
                if packet.size:
                    self._backoff.reset()
                    self._ring.add(_piece(packet))


def _piece(packet: VideoPacket) -> Piece:
    scale = (packet.time_base or Fraction(1, CLOCK_HZ)) * CLOCK_HZ
    dts = packet.dts if packet.dts is not None else packet.pts or 0
    pts = packet.pts if packet.pts is not None else dts
    return Piece(
        data=bytes(packet),
        dts=int(dts * scale),
        pts=int(pts * scale),
        key=packet.is_keyframe,
        at=datetime.now(UTC),
    )


def still(ring: Ring) -> tuple[bytes, datetime]:
    """The newest picture as JPEG and when it arrived; raises VideoError."""
    group = ring.last_group()
    if not group:
        raise VideoError("no picture has come yet")
    try:
        context = av.CodecContext.create(ring.codec, "r")
        assert isinstance(context, VideoCodecContext)
        frames = context.decode(av.Packet(ring.extradata + group[0].data))
        for piece in group[1:]:
            frames = context.decode(av.Packet(piece.data)) or frames
        frames = context.decode(None) or frames
        return _jpeg(frames[-1]), group[-1].at
    except (FFmpegError, IndexError) as error:
        raise VideoError(f"the picture cannot be decoded: {error}") from error


def _jpeg(frame: av.VideoFrame) -> bytes:
    context = av.CodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt = frame.width, frame.height, "yuvj420p"
    context.time_base = Fraction(1, 25)
    packets = [*context.encode(frame.reformat(format="yuvj420p")), *context.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


def clip(ring: Ring, pieces: Sequence[Piece]) -> bytes:
    """The pieces as fragmented MP4, none of them encoded anew; raises VideoError."""
    if not pieces:
        raise VideoError("no picture of that time is held")
    out = io.BytesIO()
    try:
        with (
            av.open(io.BytesIO(ring.extradata + pieces[0].data), format=RAW[ring.codec]) as bare,
            av.open(out, "w", format="mp4", options={"movflags": "frag_keyframe+empty_moov"}) as film,
        ):
            stream = film.add_stream_from_template(bare.streams.video[0])
            for piece, dts in zip(pieces, _timeline(pieces), strict=True):
                packet = av.Packet(piece.data)
                packet.stream, packet.time_base = stream, Fraction(1, CLOCK_HZ)
                packet.dts, packet.pts = dts, dts + max(0, min(piece.pts - piece.dts, CLOCK_HZ))
                packet.is_keyframe = piece.key
                film.mux(packet)
    except (FFmpegError, KeyError) as error:
        raise VideoError(f"no clip can be made of the stream: {error}") from error
    return out.getvalue()


def _timeline(pieces: Sequence[Piece]) -> list[int]:
    """Decoding times from 0, always growing; where the camera's clock jumps, at the pace of arrival."""
    times = [0]
    for before, piece in pairwise(pieces):
        step = piece.dts - before.dts
        if not 0 < step < JUMP:
            step = max(1, int((piece.at - before.at).total_seconds() * CLOCK_HZ))
        times.append(times[-1] + step)
    return times

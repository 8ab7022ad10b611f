"""Video: a bounded ring of encoded pictures, clips and stills out of it, cameras that fail in every way."""

import asyncio
import io
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.device import Health, MeasureError
from firmware_bridge.devices import rtsp_camera
from firmware_bridge.devices.rtsp_camera import Config, RtspCamera, stream_address
from firmware_bridge.link import AddressError
from firmware_bridge.secret import SecretError
from firmware_bridge.video import CLOCK_HZ, JUMP, Piece, Ring, VideoError, clip, still
from firmware_bridge.virtual.twin_rtsp import RtspTwin
from firmware_bridge.virtual.video import RATE, SIZE, group
from tests.bridge_parts import Told, end
from tests.video_parts import decoded, until, until_held

START = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
TICK = CLOCK_HZ // RATE


def shown(count: int, first: int = 0) -> list[Piece]:
    """What a camera shows, picture by picture."""
    return [
        Piece(
            data=group()[n % RATE],
            dts=n * TICK,
            pts=n * TICK,
            key=n % RATE == 0,
            at=START + timedelta(seconds=n / RATE),
        )
        for n in range(first, first + count)
    ]


def filled(count: int, *, keep_s: float = 60.0, keep_bytes: int = 1 << 24, first: int = 0) -> Ring:
    ring = Ring(keep_s=keep_s, keep_bytes=keep_bytes)
    ring.begin("h264", b"")
    for piece in shown(count, first):
        ring.add(piece)
    return ring


def test_a_clip_holds_the_pictures_of_its_time_from_a_key_picture_on() -> None:
    ring = filled(50)
    pieces = ring.between(START + timedelta(seconds=1.45), START + timedelta(seconds=3.2))
    assert (pieces[0].at, pieces[-1].at) == (START + timedelta(seconds=1), START + timedelta(seconds=3.2))
    count, seconds = decoded(clip(ring, pieces))
    assert count == len(pieces) == 23
    assert abs(seconds - 2.2) < 0.01


def test_a_clip_goes_on_where_the_cameras_clock_jumps() -> None:
    ring = filled(20)
    pieces = shown(20)
    jumped = [
        *pieces[:10],
        *(Piece(**{**fields(p), "dts": p.dts + JUMP * 9, "pts": p.pts + JUMP * 9}) for p in pieces[10:]),
    ]
    count, seconds = decoded(clip(ring, jumped))
    assert count == 20
    assert abs(seconds - 1.9) < 0.05
    backwards = [
        *pieces[:10],
        *(Piece(**{**fields(p), "dts": p.dts - 9 * TICK, "pts": p.pts - 9 * TICK}) for p in pieces[10:]),
    ]
    assert decoded(clip(ring, backwards))[0] == 20


def fields(piece: Piece) -> dict[str, object]:
    return {name: getattr(piece, name) for name in piece.__slots__}


def test_a_still_is_the_newest_picture() -> None:
    jpeg, at = still(filled(25))
    assert at == START + timedelta(seconds=2.4)
    with av.open(io.BytesIO(jpeg), format="mjpeg") as image:
        (frame,) = image.decode(video=0)
    assert (frame.width, frame.height) == SIZE
    pixels = frame.to_ndarray(format="rgb24")
    bar = 4 * SIZE[0] // RATE + 10  # the fifth picture of its group
    assert pixels[90, bar, 0] > 150
    assert pixels[90, bar - 40, 0] < 120


def test_nothing_comes_out_of_nothing_or_of_rubbish() -> None:
    empty = Ring(keep_s=10, keep_bytes=1000)
    with pytest.raises(VideoError, match="no picture has come"):
        still(empty)
    with pytest.raises(VideoError, match="no picture of that time"):
        clip(empty, [])
    ring = Ring(keep_s=10, keep_bytes=1 << 20)
    ring.begin("h264", b"")
    ring.add(Piece(data=random.Random(1).randbytes(3000), dts=0, pts=0, key=True, at=START))
    with pytest.raises(VideoError, match="cannot be decoded"):
        still(ring)
    with pytest.raises(VideoError, match="no clip can be made"):
        clip(ring, ring.last_group())


@given(
    count=st.integers(1, 400),
    keep_s=st.floats(1, 20),
    keep_bytes=st.integers(2000, 60_000),
    first=st.integers(0, 20),
)
def test_a_ring_keeps_whole_groups_within_its_bounds(
    count: int, keep_s: float, keep_bytes: int, first: int
) -> None:
    ring = filled(count, keep_s=keep_s, keep_bytes=keep_bytes, first=first)
    assert ring.held_bytes == sum(len(piece.data) for piece in ring.pieces) <= keep_bytes
    if ring.pieces:
        assert ring.pieces[0].key
        assert (ring.pieces[-1].at - ring.pieces[0].at).total_seconds() <= keep_s


def test_a_new_stream_does_not_stand_in_a_clip_with_the_one_before() -> None:
    ring = filled(15)
    ring.begin("h264", b"")
    assert (ring.held_bytes, ring.newest, ring.last_group()) == (0, None, [])


# ---- cameras -------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["http://192.0.2.1/x", "rtsp:///x", "rtsp://user:secret@192.0.2.1/x"])
def test_an_address_that_cannot_be_meant_is_refused(address: str) -> None:
    with pytest.raises(AddressError, match="write rtsp://HOST"):
        stream_address(Config(address=address))


def test_the_password_comes_from_its_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("p@ss/word\n", "utf-8")
    config = Config(address="rtsp://192.0.2.1:554/live?x=1", username="admin", password_file=secret)
    assert stream_address(config) == "rtsp://admin:p%40ss%2Fword@192.0.2.1:554/live?x=1"
    with pytest.raises(SecretError, match="cannot be read"):
        stream_address(Config(address="rtsp://192.0.2.1/", username="admin", password_file=tmp_path / "no"))


@asynccontextmanager
async def filming() -> AsyncIterator[tuple[RtspCamera, RtspTwin, Told]]:
    twin = RtspTwin()
    await twin.start()
    camera = RtspCamera("cam-1", Config(address=twin.address, simulated=True))
    told = Told()
    running = asyncio.create_task(camera.run(told))
    try:
        await until(told, "ok")
        yield camera, twin, told
    finally:
        await end(running)
        await twin.stop()


def test_a_camera_is_filmed_and_photographed() -> None:
    async def main() -> None:
        async with filming() as (camera, _, _):
            await until_held(camera, 2)
            begin = camera.ring.pieces[0].at
            picture = await camera.picture()
            film = await camera.film(begin, begin + timedelta(seconds=1.5))
            assert picture.jpeg.startswith(b"\xff\xd8\xff")
            assert film.from_at == begin
            assert film.to_at <= begin + timedelta(seconds=1.5)
            assert decoded(film.mp4)[0] > 5
            assert camera.source == "virtual+rtsp://cam-1"

    asyncio.run(main())


def test_a_camera_that_hangs_holds_up_nobody_and_gives_no_old_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rtsp_camera, "RHYTHM_S", 2.0)
    monkeypatch.setattr(rtsp_camera, "STALE_S", 0.5)

    async def main() -> None:
        async with filming() as (camera, twin, told):
            await until_held(camera, 1)
            twin.hang()
            await told.count(Health, len(told.of(Health)) + 1)  # silent, or lost by then
            with pytest.raises(MeasureError, match="no picture of now"):
                await camera.picture()
            twin.wake()
            twin.cut()
            await until(told, "ok")
            await until_held(camera, 1)
            assert (await camera.picture()).jpeg

    asyncio.run(main())


def test_a_defect_in_the_thread_ends_the_loop_that_the_agent_begins_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fallen: list[type[BaseException] | None] = []
    monkeypatch.setattr("threading.excepthook", lambda told: fallen.append(told.exc_type))

    def read(_: object) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr("firmware_bridge.video.Stream._read", read)
    camera = RtspCamera("cam-1", Config(address="rtsp://127.0.0.1:1/live"))
    with pytest.raises(RuntimeError, match="cam-1: what reads the stream has fallen"):
        asyncio.run(camera.run(Told()))
    assert fallen == [ValueError]


def test_a_camera_that_is_not_there_is_lost_and_its_password_is_not_told(tmp_path: Path) -> None:
    async def main() -> Health:
        secret = tmp_path / "secret"
        secret.write_text("s3cret", "utf-8")
        config = Config(address="rtsp://127.0.0.1:1/live", username="admin", password_file=secret)
        told = Told()
        running = asyncio.create_task(RtspCamera("cam-1", config).run(told))
        (health,) = await told.count(Health, 1)
        await end(running)
        assert isinstance(health, Health)
        return health

    health = asyncio.run(main())
    assert health.state == "lost"
    assert "refused" in health.why
    assert "s3cret" not in health.why

"""What the tests of cameras share: a door with devices behind it, golden bytes, a device that runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from edge import push
from edge.settings import PushAddress
from firmware_bridge.device import Pushed, Tell
from firmware_bridge.virtual.twin_web import WebTwin
from tests.bridge_parts import end
from tests.brokers import free_port

SN = "aaaa0000-bbbb0001"
PHOTO = b"\xff\xd8" + b" the scene" * 40 + b"\xff\xd9"
CROP = b"\xff\xd8 the plate \xff\xd9"

# domain facts 7.1, word by word
VZENITH_PUSH = """\
{"AlarmInfoPlate":{"channel":0,"deviceName":"lane-1","ipaddr":"192.0.2.11","serialno":"aaaa0000-bbbb0001",
 "result":{"PlateResult":{"license":"苏AD12345","type":11,"colorType":5,"confidence":97,"direction":4,"triggerType":8,
 "location":{"RECT":{"left":512,"top":690,"right":742,"bottom":768}},"timeStamp":{"Timeval":{"sec":1784769302,"usec":120000}},
 "carColor":0,"plateid":1402,"isoffline":0,"is_fake_plate":0,"timeUsed":38,"imageFile":"<base64>","imageFragmentFile":"<base64>"}}}}"""

# domain facts 7.3, word by word
HIKVISION_ALERT = """<EventNotificationAlert version="2.0" xmlns="http://www.hikvision.com/ver20/XMLSchema">
 <ipAddress>192.0.2.12</ipAddress><channelID>1</channelID><dateTime>2026-07-23T09:15:02+08:00</dateTime>
 <eventType>ANPR</eventType><eventState>active</eventState>
 <ANPR><licensePlate>苏AD12345</licensePlate><line>1</line><direction>forward</direction><confidenceLevel>97</confidenceLevel><plateType>newEnergySmall</plateType><plateColor>green</plateColor></ANPR>
 <UUID>00000000-0000-4000-8000-000000000001</UUID>
</EventNotificationAlert>
"""


@asynccontextmanager
async def door(tell: Tell, *devices: Any, body_limit_mb: int = 8) -> AsyncIterator[str]:
    """A door on a free port with running devices; its URL."""
    address = PushAddress(host="127.0.0.1", port=free_port(), body_limit_mb=body_limit_mb)
    assert all(isinstance(device, Pushed) for device in devices)
    opened = push.PushDoor(address, {device.name: device for device in devices})
    tasks = [asyncio.create_task(device.run(tell)) for device in devices]
    tasks.append(asyncio.create_task(opened.run()))
    try:
        yield f"http://127.0.0.1:{address.port}"
    finally:
        await end(*tasks)


@asynccontextmanager
async def running(tell: Tell, device: Any) -> AsyncIterator[None]:
    """A device that runs."""
    task = asyncio.create_task(device.run(tell))
    try:
        yield
    finally:
        await end(task)


async def until(done: Any, limit_s: float = 20.0) -> None:
    """Waits for something true."""
    async with asyncio.timeout(limit_s):
        while not done():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@asynccontextmanager
async def powered(twin: WebTwin) -> AsyncIterator[WebTwin]:
    """A camera's web server that runs."""
    await twin.start()
    try:
        yield twin
    finally:
        await twin.stop()

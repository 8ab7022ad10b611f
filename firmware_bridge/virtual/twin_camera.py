"""The plate camera facing the other way: ``ivs_result`` and ``keep_alive`` as a 臻识 camera sends them."""

import asyncio
import base64
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

import msgspec

from firmware_bridge.devices.vzenith_result import PLATE_TYPES
from firmware_bridge.mqtt import Broker, BrokerLost

KEEP_ALIVE_S = 10.0  # s; F
AGAIN_S = 0.2
TYPE_CODES = {name: code for code, name in PLATE_TYPES.items()}


class CameraTwin:
    """One camera on a broker. What it cannot publish it keeps and sends again as offline."""

    def __init__(self, sn: str, broker_address: str, *, older_firmware: bool = False) -> None:
        self.sn = sn
        self._topic = f"{sn}/device/message/up" if older_firmware else f"device/{sn}/message/up"
        self._broker = Broker(broker_address, identifier=f"camera-{sn}", persistent=False)
        self._broker.route((f"{self._topic.removesuffix('up')}down/+",), self)
        self._plateid = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.pulses: list[int] = []
        self.sees = ""
        self.code = 200  # how it answers commands; 0: not at all

    async def heard(self, topic: str, payload: bytes) -> None:
        """Obeys a command and replies to it under ``down``, as cameras in the field do (F)."""
        asked = msgspec.json.decode(payload)
        name = topic.rpartition("/")[2]
        if name == "gpio_out" and self.code == 200:
            self.pulses.append(asked["payload"]["body"]["io"])
        if self.code:
            reply = {"id": asked["id"], "sn": self.sn, "name": name, "code": self.code, "payload": None}
            self._soon(self._broker.publish(f"{topic}/reply", msgspec.json.encode(reply)))
        if name == "ivs_trigger" and self.code == 200:
            self._soon(self.publish(self.sees, None))

    async def unreadable(self, _topic: str, _payload: bytes, _why: str) -> None:
        """A command larger than the limit is nobody's."""

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        """A message's listener must not wait for the broker that waits for it."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def run(self) -> None:
        """Keeps the connection and the heartbeat, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._broker.run())
            tasks.create_task(self._keep_alive())

    async def _keep_alive(self) -> None:
        while True:
            body = msgspec.json.encode({"sn": self.sn, "name": "keep_alive", "version": "1.0"})
            try:
                await self._broker.publish(f"{self._topic}/keep_alive", b"\x00" + body)
            except BrokerLost:
                await asyncio.sleep(AGAIN_S)
                continue
            await asyncio.sleep(KEEP_ALIVE_S)

    async def publish(
        self,
        plate: str,
        photo: bytes | None,
        crop: bytes | None = None,
        plate_type: str = "blue",
        at: datetime | None = None,
        plateid: int | None = None,
        confidence_pct: int = 97,
    ) -> None:
        """Reports a vehicle and returns when the broker has it; an empty plate goes as ``_无_``."""
        self._plateid += 1
        seen = at or datetime.now(UTC)
        number = self._plateid if plateid is None else plateid
        attempt = 0
        while True:
            body = ivs_result(
                self.sn, plate, photo, crop, plate_type, seen, number, confidence_pct, offline=attempt > 0
            )
            try:
                await self._broker.publish(f"{self._topic}/ivs_result", body)
                return
            except BrokerLost:
                attempt += 1
                await asyncio.sleep(AGAIN_S)


def ivs_result(
    sn: str,
    plate: str,
    photo: bytes | None,
    crop: bytes | None,
    plate_type: str,
    at: datetime,
    plateid: int,
    confidence_pct: int,
    *,
    offline: bool = False,
) -> bytes:
    """The message body of one recognition."""
    seconds = int(at.timestamp())
    result = plate_result(plate_type, at, plateid, confidence_pct if plate else 0, offline)
    result["license"] = base64.b64encode((plate or "_无_").encode()).decode()
    if photo is not None:
        result["full_image_content"] = base64.b64encode(photo).decode()
    if crop is not None:
        result["small_image_content"] = base64.b64encode(crop).decode()
    alarm = {"channel": 0, "result": {"PlateResult": result}}
    message = {
        "id": f"{sn}-{seconds}-{plateid}",
        "sn": sn,
        "name": "ivs_result",
        "version": "1.0",
        "timestamp": seconds,
        "payload": {"AlarmInfoPlate": alarm},
    }
    return msgspec.json.encode(message)


def plate_result(
    plate_type: str, at: datetime, plateid: int, confidence_pct: int, offline: bool
) -> dict[str, Any]:
    """A ``PlateResult`` without plate and pictures, which HTTP and MQTT name differently."""
    return {
        "confidence": confidence_pct,
        "type": TYPE_CODES.get(plate_type, 0),
        "plateid": plateid,
        "isoffline": int(offline),
        "timeStamp": {"Timeval": {"sec": int(at.timestamp()), "usec": at.microsecond}},
    }

"""The plate camera facing the other way: ``ivs_result`` and ``keep_alive`` as a 臻识 camera sends them."""

import asyncio
import base64
from datetime import UTC, datetime

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
        self._plateid = 0

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
    result: dict[str, object] = {
        "license": base64.b64encode((plate or "_无_").encode()).decode(),
        "confidence": confidence_pct if plate else 0,
        "type": TYPE_CODES.get(plate_type, 0),
        "plateid": plateid,
        "isoffline": int(offline),
        "timeStamp": {"Timeval": {"sec": seconds, "usec": at.microsecond}},
    }
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

"""The 臻识 camera that pushes, facing the other way: re-sends, keeps while offline, polls, obeys answers."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from firmware_bridge.virtual.faults import Fault, whole
from firmware_bridge.virtual.twin_camera import plate_result
from firmware_bridge.virtual.twin_web import Reply, post

TRIES = 2  # a camera can be set to re-send up to four times (F1)


class VzenithHttpTwin:
    """One camera that posts to ``url``. What is not answered is kept and pushed as offline, one by one.

    ``pulses``: relays that answers made it close; ``seen``: every answer, decoded.
    """

    def __init__(self, sn: str, url: str) -> None:
        self.sn, self.url = sn, url
        self.fault: Fault = whole
        self.pulses: list[int] = []
        self.seen: list[dict[str, Any]] = []
        self.kept: list[dict[str, Any]] = []
        self.sees = ""
        self._plateid = 0

    async def recognise(
        self, plate: str, photo: bytes | None, crop: bytes | None = None, at: datetime | None = None
    ) -> bool:
        """Pushes a recognition; False: it is kept for later."""
        self._plateid += 1
        result = plate_result("blue", at or datetime.now(UTC), self._plateid, 97 if plate else 0, False)
        result["license"] = plate or "_无_"
        names = {"imageFile": photo, "imageFragmentFile": crop}
        result |= {name: msgspec.to_builtins(picture) for name, picture in names.items() if picture}
        for _ in range(TRIES):
            if await self._push(result) is not None:
                return True
        self.kept.append(result | {"isoffline": 1})
        return False

    async def replay(self) -> None:
        """Pushes what was kept; the next one only when the answer says so (F1)."""
        while self.kept:
            said = await self._push(self.kept[0])
            if said is None or said.get("ContinuePushOffline", {}).get("continue") != 1:
                return
            assert said["ContinuePushOffline"]["plateid"] == self.kept.pop(0)["plateid"]

    async def poll(self, *, form: bool = True) -> None:
        """One heartbeat, and what its answer asks for."""
        if form:
            fields = {"device_name": "IVS", "user_name": "admin", "pass_wd": "admin", "serialno": self.sn}
            body = "".join(
                f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                for name, value in fields.items()
            )
            await self._exchange("multipart/form-data; boundary=b", f"{body}--b--\r\n".encode())
        else:
            alarm = {"channel": 0, "deviceName": "IVS", "serialno": self.sn, "heartbeat": 1}
            await self._exchange("application/json", msgspec.json.encode({"AlarmInfoPlate": alarm}))

    async def _push(self, result: dict[str, Any]) -> dict[str, Any] | None:
        alarm = {"channel": 0, "serialno": self.sn, "result": {"PlateResult": result}}
        return await self._exchange("application/json", msgspec.json.encode({"AlarmInfoPlate": alarm}))

    async def _exchange(self, content_type: str, body: bytes) -> dict[str, Any] | None:
        try:
            reply: Reply | None = await post(self.url, content_type, body, self.fault)
        except OSError:
            return None
        if reply is None or reply.status != 200:
            return None
        said: dict[str, Any] = msgspec.json.decode(reply.body)["Response_AlarmInfoPlate"]
        self.seen.append(said)
        await self._obey(said)
        return said

    async def _obey(self, said: dict[str, Any]) -> None:
        if said.get("info") == "ok":  # the maker's relay 0
            self.pulses.append(0)
        if "ivs_ioctrl" in said:
            self.pulses.append(said["ivs_ioctrl"]["io"])
        if said.get("manualTrigger") == "ok":
            await self.recognise(self.sees, None)

"""Plate cameras of 臻识 (Vzenith) that push over HTTP (domain facts 7.1; the maker's paper on HTTP push: F).

``"info": "ok"`` in an answer opens the barrier (F: paper, integrations), so it is only said on command.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from firmware_bridge.device import Answer, Capture, CommandError, Push
from firmware_bridge.devices.push import Peer, PushDevice
from firmware_bridge.devices.topics import Unreadable, read_json
from firmware_bridge.devices.vzenith_result import SERIAL_NUMBER, PlateResult, Relays, to_capture

RHYTHM_S = 90.0  # a plain heartbeat comes every 30 s, with its offline check every 5 s (F1); three missed
FORM = "multipart/form-data"
TAKEN = {"info": "no", "content": "retransfer_stop"}  # F1: a newer camera re-sends for ever without them
UNANSWERED = (
    "no camera asked within {:g} s; switch its heartbeat to comet polling, a plain one ignores answers"
)


class Config(Relays, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One camera: its serial number, the address it may post from, its relays for the barrier."""

    sn: Annotated[str, Meta(pattern=SERIAL_NUMBER)]
    peer: Peer = ""
    hold_s: Annotated[int, Meta(ge=0, le=20)] = 1
    command_s: Annotated[int, Meta(ge=1, le=60)] = 10
    simulated: bool = False


class _Result(Struct):
    PlateResult: PlateResult


class _Alarm(Struct):
    serialno: str = ""
    result: _Result | None = None


class _Message(Struct):
    """A plate result or heartbeat; all else (AlarmGioIn, SerialData, TriggerImage) is a sign of life."""

    AlarmInfoPlate: _Alarm | None = None


def read_push(sn: str, payload: bytes) -> tuple[Capture, PlateResult] | None:
    """Capture of a plate result, whose ``license`` is plain; None: a sign of life. Raises Unreadable."""
    message = read_json("AlarmInfoPlate", payload, _Message, strict=False)
    alarm = message.AlarmInfoPlate
    if alarm is None:
        return None
    if alarm.serialno not in ("", sn):
        raise Unreadable(f"AlarmInfoPlate: serialno {alarm.serialno[:64]!r} came on the path of {sn!r}")
    if alarm.result is None:
        return None
    plate = alarm.result.PlateResult
    return to_capture(sn, plate, plate.license, "", payload), plate


def answer_body(plate: PlateResult | None, commands: dict[str, Any]) -> bytes:
    """The maker's answer. ``ContinuePushOffline``: without it the next kept record is not sent (F1)."""
    said: dict[str, Any] = dict(TAKEN)
    if plate is not None and plate.plateid is not None:
        said["plateid"] = plate.plateid
        if plate.isoffline:
            said["ContinuePushOffline"] = {"plateid": plate.plateid, "continue": 1}
    return msgspec.json.encode({"Response_AlarmInfoPlate": {**said, **commands}})


@dataclass(slots=True, eq=False)
class _Command:
    """What is said to the camera once, in the next answer."""

    fields: dict[str, Any]
    said: asyncio.Event


class VzenithHttp(PushDevice):
    """One camera that posts. Commands ride in an answer: at most once, or never once their time is over."""

    def __init__(self, name: str, config: Config) -> None:
        source = f"http://{config.sn}"
        super().__init__(name, f"virtual+{source}" if config.simulated else source, config.peer, RHYTHM_S)
        self._config = config
        self._commands: list[_Command] = []
        self._news = asyncio.Event()

    async def read(self, push: Push) -> Answer:
        """Tells a capture and answers at once; the answer to a sign of life waits a moment for a command."""
        if push.content_type.lower().startswith(FORM):
            return await self._heartbeat(push)
        read = read_push(self._config.sn, push.body)
        if read is None:
            return await self._alive()
        capture, plate = read
        await self.say(capture)
        return self._answer(plate)

    async def _heartbeat(self, push: Push) -> Answer:
        """The heartbeat's form has the camera's serialno, user and password (F1); none of it is kept."""
        if self._config.sn.encode() not in push.body:
            nothing = msgspec.structs.replace(push, body=b"")
            return await self._unread(nothing, f"a form without the serial number {self._config.sn!r}")
        return await self._alive()

    async def _alive(self) -> Answer:
        await self.alive()
        await self._hold()
        return self._answer(None)

    def unread(self) -> Answer:
        """Taken; a command waits for a better moment."""
        return Answer(body=answer_body(None, {}))

    async def trigger(self) -> None:
        """Lets it recognise what it sees now (``manualTrigger``: F); raises CommandError."""
        await self._command({"manualTrigger": "ok"})

    async def gate(self, raised: bool) -> None:
        """Gives the pulse that raises or lowers the barrier (``ivs_ioctrl``: F1); raises CommandError."""
        await self._command({"ivs_ioctrl": self._config.pulse(self.name, raised)})

    async def _command(self, fields: dict[str, Any]) -> None:
        """Waits until the command went out in an answer; raises CommandError when no answer took it."""
        command = _Command(fields, asyncio.Event())
        self._commands.append(command)
        self._news.set()
        try:
            async with asyncio.timeout(self._config.command_s):
                await command.said.wait()
        except TimeoutError:
            raise CommandError(f"{self.name}: {UNANSWERED.format(self._config.command_s)}") from None
        finally:
            if command in self._commands:
                self._commands.remove(command)

    async def _hold(self) -> None:
        """A polling camera asks again once it is answered: an answer without a command takes its time."""
        if not self._commands:
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._config.hold_s):
                    await self._news.wait()

    def _answer(self, plate: PlateResult | None) -> Answer:
        """The next answer, with every command that waits and does not contradict one before it."""
        fields: dict[str, Any] = {}
        while self._commands and not fields.keys() & self._commands[0].fields.keys():
            command = self._commands.pop(0)
            fields |= command.fields
            command.said.set()
        return Answer(body=answer_body(plate, fields))

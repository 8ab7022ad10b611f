"""Plate cameras of 臻识 (Vzenith) over MQTT, "custom MQTT protocol" v1.1.14 (domain facts 7.2: F)."""

import asyncio
import time
from typing import Annotated, Any
from uuid import uuid4

import msgspec
from msgspec import Meta, Struct

from firmware_bridge.device import Capture, CommandError
from firmware_bridge.devices.topics import TopicDevice, Unreadable, read_json
from firmware_bridge.devices.vzenith_result import SERIAL_NUMBER, PlateResult, Relays, from_base64, to_capture
from firmware_bridge.mqtt import Broker, BrokerLost

RHYTHM_S = 30.0  # keep_alive comes every 10 s (F); three missed are silence
REPLY_S = 5.0  # s; a camera on its own network answers within one
OK = 200  # code of a reply (F)


class Config(Relays, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One camera: the broker it publishes to, its serial number, its relays for the barrier."""

    sn: Annotated[str, Meta(pattern=SERIAL_NUMBER)]
    broker: Annotated[str, Meta(min_length=1)] = "main"
    simulated: bool = False


class _Result(Struct):
    PlateResult: PlateResult


class _Alarm(Struct):
    result: _Result


class _Payload(Struct):
    AlarmInfoPlate: _Alarm


class _Message(Struct):
    name: str
    payload: _Payload
    id: str = ""
    sn: str = ""


class Reply(Struct, frozen=True):
    """Answer to a command: the command's ``id``, and a code as HTTP has them (F)."""

    id: str
    code: int


def filters(sn: str) -> tuple[str, ...]:
    """Topics of one camera, each in today's layout and in that of older firmware (F).

    The maker's paper has replies under ``up``, cameras in the field answer under ``down`` (both F).
    """
    return tuple(
        f"{root}/message/{rest}"
        for root in (f"device/{sn}", f"{sn}/device")
        for rest in ("up/+", "up/+/reply", "down/+/reply")
    )


def strip(payload: bytes) -> bytes:
    """Payload without the one zero byte that some firmware puts before keep_alive (F)."""
    return payload[1:] if payload.startswith(b"\x00") else payload


def read_capture(sn: str, payload: bytes) -> Capture:
    """Capture of an ``ivs_result``, whose ``license`` is base64; raises Unreadable."""
    message = read_json("ivs_result", strip(payload), _Message, strict=False)
    if message.sn not in ("", sn):
        raise Unreadable(f"ivs_result: sn {message.sn[:64]!r} came on the topic of {sn!r}")
    plate = message.payload.AlarmInfoPlate.result.PlateResult
    try:
        text = from_base64("license", plate.license).decode()
    except UnicodeDecodeError as wrong:
        raise Unreadable(f"license: {wrong}") from wrong
    return to_capture(sn, plate, text, message.id, payload)


def command(sn: str, identifier: str, name: str, at_s: int, body: dict[str, Any]) -> bytes:
    """Body of a message on ``down/{name}`` (F; that ``ivs_trigger`` has an empty body: M)."""
    return msgspec.json.encode(
        {
            "id": identifier,
            "sn": sn,
            "name": name,
            "version": "1.0",
            "timestamp": at_s,
            "payload": {"type": name, "body": body},
        }
    )


class Vzenith(TopicDevice):
    """One camera on a broker. A vehicle reported twice stays two captures; the lane tells them apart."""

    def __init__(self, name: str, config: Config, broker: Broker) -> None:
        source = f"mqtt://{config.sn}"
        super().__init__(name, f"virtual+{source}" if config.simulated else source, broker, RHYTHM_S)
        self._config = config
        self._root = f"device/{config.sn}"
        self._waiting: dict[str, asyncio.Future[int]] = {}
        broker.route(filters(config.sn), self)

    async def heard(self, topic: str, payload: bytes) -> None:
        """A plate result is told, a reply handed on; all else (keep_alive, gpio_in …) is a sign of life."""
        self._root = topic.partition("/message/")[0]  # today's layout or the older one, whichever it speaks
        if topic.endswith("/reply"):
            self._replied(payload)
        if topic.rpartition("/")[2] != "ivs_result":
            await self.alive()
            return
        try:
            capture = read_capture(self._config.sn, payload)
        except Unreadable as wrong:
            await self.unreadable(topic, payload, str(wrong))
        else:
            await self.say(capture)

    def _replied(self, payload: bytes) -> None:
        """Hands a reply to who waits for it by its id; one that nobody waits for any more is dropped."""
        try:
            reply = read_json("reply", strip(payload), Reply, strict=False)
        except Unreadable:
            return
        waiting = self._waiting.get(reply.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply.code)

    async def trigger(self) -> None:
        """Lets it recognise what it sees now; raises CommandError."""
        await self._command("ivs_trigger", {})

    async def gate(self, raised: bool) -> None:
        """Gives the pulse that raises or lowers the barrier; raises CommandError."""
        await self._command("gpio_out", self._config.pulse(self.name, raised))

    async def _command(self, name: str, body: dict[str, Any]) -> None:
        """Sends a command once and waits for its reply; raises CommandError.

        A camera that is not heard is sent nothing: the broker might keep the pulse and deliver it hours on.
        """
        if self._pulse is None or self._pulse.state != "ok":
            raise CommandError(f"{self.name}: {name} not sent, nothing is heard of the camera")
        identifier = uuid4().hex
        answer = self._waiting[identifier] = asyncio.get_running_loop().create_future()
        payload = command(self._config.sn, identifier, name, int(time.time()), body)
        try:
            async with asyncio.timeout(REPLY_S):
                await self.broker.publish(f"{self._root}/message/down/{name}", payload, wait_s=REPLY_S)
                code = await answer
        except BrokerLost as lost:
            raise CommandError(f"{self.name}: {name}: {lost}") from lost
        except TimeoutError:
            raise CommandError(
                f"{self.name}: no reply to {name} within {REPLY_S:g} s; was it done?"
            ) from None
        finally:
            del self._waiting[identifier]
        if code != OK:
            raise CommandError(f"{self.name}: {name} was refused with code {code}")

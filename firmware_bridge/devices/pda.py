"""Officers' PDAs over MQTT: ``chayan/pda/{pda}/up/act`` in, ``chayan/pda/{pda}/down/ack`` out."""

import base64
import binascii
from contextlib import suppress
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from firmware_bridge.device import Act
from firmware_bridge.devices.topics import TopicDevice, Unreadable, read_json
from firmware_bridge.mqtt import Broker, BrokerLost

RHYTHM_S = float("inf")  # a PDA lies in a pocket for hours


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The PDAs of a site: all that publish to the broker, or one by name."""

    pda: Annotated[str, Meta(pattern=r"^([+]|[A-Za-z0-9_-]{1,64})$")] = "+"
    broker: Annotated[str, Meta(min_length=1)] = "main"
    simulated: bool = False


class _Fields(Struct):
    key: Annotated[str, Meta(min_length=1, max_length=120)]
    inspection: Annotated[str, Meta(min_length=1, max_length=80)]
    officer: Annotated[str, Meta(min_length=1, max_length=80)]
    act: dict[str, object]
    photo_base64: str | None = None


class _Keyed(Struct):
    key: Annotated[str, Meta(min_length=1, max_length=120)]


def read_act(pda: str, payload: bytes) -> Act:
    """Act of an up/act message; the photo leaves the fields; raises Unreadable."""
    known = read_json("act", payload, _Fields)
    fields = read_json("act", payload, dict[str, object])
    if not isinstance(known.act.get("kind"), str):
        raise Unreadable("act: no kind")
    fields.pop("photo_base64", None)
    return Act(key=known.key, pda=pda, fields=fields, photo=_photo(known.photo_base64))


def _photo(coded: str | None) -> bytes | None:
    if coded is None:
        return None
    try:
        return base64.b64decode(coded, validate=True) or None
    except (binascii.Error, ValueError) as wrong:
        raise Unreadable(f"photo_base64: not base64 ({wrong})") from wrong


def key_of(payload: bytes) -> str | None:
    """The key of a message that is otherwise unreadable, so that its PDA can be told."""
    try:
        return read_json("act", payload, _Keyed).key
    except Unreadable:
        return None


def answer_payload(key: str, ok: bool, seq: int | None, why: str) -> bytes:
    """Body of a down/ack message."""
    fields: dict[str, object] = {"key": key, "ok": ok}
    if seq is not None:
        fields["seq"] = seq
    if why:
        fields["why"] = why
    return msgspec.json.encode(fields)


class Pda(TopicDevice):
    """The PDAs behind one broker. The agent answers each Act with ``answer`` once it knows the record."""

    def __init__(self, name: str, config: Config, broker: Broker) -> None:
        source = f"mqtt://pda/{'*' if config.pda == '+' else config.pda}"
        super().__init__(name, f"virtual+{source}" if config.simulated else source, broker, RHYTHM_S)
        broker.route((f"chayan/pda/{config.pda}/up/act",), self)

    async def heard(self, topic: str, payload: bytes) -> None:
        """Tells an Act; an unreadable one is told as Junk and, if it has a key, answered."""
        pda = topic.split("/")[2]
        try:
            act = read_act(pda, payload)
        except Unreadable as wrong:
            await self.unreadable(topic, payload, str(wrong))
            key = key_of(payload)
            if key is not None:
                with suppress(BrokerLost):
                    await self.answer(pda, key, ok=False, why=str(wrong))
        else:
            await self.say(act)

    async def answer(self, pda: str, key: str, *, ok: bool, seq: int | None = None, why: str = "") -> None:
        """Tells a PDA what became of its act; raises BrokerLost (the PDA will ask again)."""
        await self.broker.publish(f"chayan/pda/{pda}/down/ack", answer_payload(key, ok, seq, why))

"""A PDA facing the other way: posts acts over MQTT until they are acknowledged, as the real one must."""

import asyncio
import base64

import msgspec

from firmware_bridge.mqtt import Broker, BrokerLost

ASK_AGAIN_S = 5.0  # s without an answer until the same key is posted again


class PdaTwin:
    """One PDA on a broker."""

    def __init__(self, pda: str, broker_address: str) -> None:
        self.pda = pda
        self._broker = Broker(broker_address, identifier=f"pda-{pda}")
        self._broker.route((f"chayan/pda/{pda}/down/ack",), self)
        self._answers: dict[str, asyncio.Future[dict[str, object]]] = {}

    async def run(self) -> None:
        """Keeps the connection, until cancelled."""
        await self._broker.run()

    async def heard(self, _topic: str, payload: bytes) -> None:
        """Takes an answer; one that nobody waits for any more is dropped."""
        answer = msgspec.json.decode(payload, type=dict[str, object])
        waiting = self._answers.pop(str(answer.get("key")), None)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    async def unreadable(self, _topic: str, _payload: bytes, _why: str) -> None:
        """An answer larger than the limit is nobody's."""

    async def post(
        self, key: str, inspection: str, officer: str, act: dict[str, object], photo: bytes | None = None
    ) -> dict[str, object]:
        """Posts an act, again and again under the same key, and returns the answer ``{key, ok, seq|why}``."""
        body: dict[str, object] = {"key": key, "inspection": inspection, "officer": officer, "act": act}
        if photo is not None:
            body["photo_base64"] = base64.b64encode(photo).decode()
        payload = msgspec.json.encode(body)
        while True:
            answer = self._answers.setdefault(key, asyncio.get_running_loop().create_future())
            try:
                await self._broker.publish(f"chayan/pda/{self.pda}/up/act", payload)
                async with asyncio.timeout(ASK_AGAIN_S):
                    return await asyncio.shield(answer)
            except (BrokerLost, TimeoutError):
                continue

"""The virtual officer: works one car over the API the PDA pages use, every other act over MQTT instead.

An honest but hurried person: ticks every item as good, and looks again only where a review asks. What is
truly there (the planted fault) then decides the ruling, so what is found is the reviews' and rules' doing.
"""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx

from firmware_bridge.virtual.fleet import Car
from firmware_bridge.virtual.scenes import shot_photo, signature_png
from firmware_bridge.virtual.twin_pda import PdaTwin

AGAIN_S = 0.5
LOOK_S = 0.4


class Desk:
    """The edge node's HTTP API as a person's program uses it: tries again for as long as the node is away."""

    def __init__(self, base: str) -> None:
        self._client = httpx.AsyncClient(base_url=base, timeout=15.0)
        self.acknowledged: list[str] = []  # keys the node said it has made durable

    async def close(self) -> None:
        """Ends the connections."""
        await self._client.aclose()

    async def ask(self, method: str, path: str, **what: Any) -> httpx.Response:
        """The answer, whatever its status below 500; waits out a node that is away."""
        while True:
            try:
                answer = await self._client.request(method, path, **what)
            except httpx.HTTPError:
                await asyncio.sleep(AGAIN_S)
                continue
            if answer.status_code < 500:
                return answer
            await asyncio.sleep(AGAIN_S)

    async def order(self, car: Car, vehicle: dict[str, Any], lane: str) -> str:
        """Accepts a car for inspection and calls it to a lane; its inspection id."""
        body: dict[str, Any] = {
            "key": f"order-{car.seed}-{car.number}",
            "vehicle": vehicle,
            "business": car.business,
            "ordered_by": "clerk-01",
            "lane": lane,
        }
        answer = await self.ask("POST", "/api/v1/orders", json=body)
        answer.raise_for_status()
        self.acknowledged.append(body["key"])
        return str(answer.json()["inspection"])

    async def detail(self, inspection: str) -> dict[str, Any]:
        """One inspection in full."""
        answer = await self.ask("GET", f"/api/v1/inspections/{inspection}")
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


class Officer:
    """One officer with one PDA."""

    def __init__(self, desk: Desk, pda: PdaTwin, render: Callable[..., Any] = asyncio.to_thread) -> None:
        self._desk, self._pda, self._render = desk, pda, render

    async def inspect(self, car: Car, inspection: str) -> None:
        """Checks, photographs, rules and signs until the car is signed for."""
        work = _Work(self._desk, self._pda, self._render, car, inspection)
        while not await work.round():  # noqa: ASYNC110 - the other side is another process
            await asyncio.sleep(LOOK_S)  # a person looks at the page again


class _Work:
    def __init__(
        self, desk: Desk, pda: PdaTwin, render: Callable[..., Any], car: Car, inspection: str
    ) -> None:
        self.desk, self.pda, self.render, self.car, self.inspection = desk, pda, render, car, inspection
        self.taken: dict[str, int] = {}
        self.acts = 0

    async def round(self) -> bool:
        """Does what the page shows as open; true once it is signed or has ended."""
        page = await self.desk.detail(self.inspection)
        if page["phase"] not in ("waiting", "on_lane") or any(r["kind"] == "signed" for r in page["records"]):
            return True
        if page["station"] in (None, "gate"):
            return False
        for item in page["items"]:
            if item["required"] and item["state"] == "missing":
                await self.check(item["item"], item.get("writes_value", False))
        for ask in page["asks"]:
            await self.rule(ask)
        for shot in page["shots"]:
            if shot["required"] and shot["state"] in ("missing", "retake"):
                await self.photograph(shot["shot"], len(shot["photos"]))
        if page["may_sign"]:
            await self.sign()
        return False

    async def check(self, item: str, writes_value: bool) -> None:
        vehicle = self.car.vehicle
        written = {"04": vehicle.colour, "05": str(vehicle.seats), "06": vehicle.vehicle_class}
        value = written.get(item, vehicle.vin[-6:]) if writes_value else ""
        await self.act(f"check-{item}", {"kind": "checked", "item": item, "result": "pass", "value": value})

    async def photograph(self, shot: str, taken: int) -> None:
        photo: bytes = await self.render(shot_photo, self.car, shot, taken)
        act = {
            "kind": "photographed",
            "shot": shot,
            "photo": hashlib.sha256(photo).hexdigest(),
            "taken_at": datetime.now(UTC).isoformat(),
        }
        await self.act(f"photo-{shot}-{taken}", act, photo)

    async def rule(self, ask: dict[str, Any]) -> None:
        decision, reason = truth(self.car, ask)
        act = {"kind": "ruled", "review_seq": ask["review_seq"], "decision": decision, "reason": reason}
        await self.act(f"rule-{ask['review_seq']}", act)

    async def sign(self) -> None:
        photo: bytes = await self.render(signature_png, self.car.officer)
        digest = hashlib.sha256(photo).hexdigest()
        answer = await self.desk.ask("PUT", f"/api/v1/photos/{digest}", content=photo)
        answer.raise_for_status()
        await self.act(
            "sign", {"kind": "signed", "role": "officer", "photo": digest, "statement": "模拟签字"}
        )

    async def act(self, key: str, act: dict[str, Any], photo: bytes | None = None) -> None:
        """Posts one act, by turns over HTTP and MQTT; a refusal shows again on the next look at the page."""
        self.acts += 1
        key = f"{self.inspection}-{key}"
        if self.acts % 2:
            kept = (await self.pda.post(key, self.inspection, self.car.officer, act, photo))["ok"] is True
        else:
            if photo is not None:
                await self.desk.ask("PUT", f"/api/v1/photos/{act['photo']}", content=photo)
            body = {"key": key, "officer": self.car.officer, "act": act}
            answer = await self.desk.ask("POST", f"/api/v1/inspections/{self.inspection}/acts", json=body)
            kept = answer.status_code in (200, 201)
        if kept:
            self.desk.acknowledged.append(key)


def truth(car: Car, ask: dict[str, Any]) -> tuple[str, str]:
    """What this officer sees on looking again: (decision, reason)."""
    shot, question = ask["shot"], ask["question"]
    if shot == car.blurred_shot and "blurred" in _doubts(ask):
        return "retake", "照片模糊，重拍"
    if question == "vin" and car.planted == "vin_altered":
        return "fail", "实车 VIN 与凭证不一致"
    if question == "plate" and car.planted == "other_plate" and shot in ("0111", "0112"):
        return "fail", "号牌与受理车辆不一致"
    return "pass", "人工核对一致"


def _doubts(ask: dict[str, Any]) -> tuple[str, ...]:
    return tuple(ask.get("reasons") or ())

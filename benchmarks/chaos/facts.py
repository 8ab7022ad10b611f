"""What the rig's devices say: each fact can be made again from its device and number alone."""

import hashlib
from dataclasses import dataclass

from lanes.record import AnyBody, Draft, Judged, Photographed, Sensed

PHOTO_EVERY, VERDICT_EVERY = 8, 50  # facts of one device
PHOTO_BYTES = 3000
LARGE_EVERY, LARGE_BYTES = 64, 400_000  # goes in parts when the line breaks


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Fact ``number`` (from 1) of a device; ``identity`` stands in its body, whatever its key."""

    device: int
    number: int

    @property
    def identity(self) -> str:
        return f"{self.device}/{self.number}"

    def photo(self) -> bytes | None:
        """Bytes of its photo, if it is one."""
        if self.number % PHOTO_EVERY:
            return None
        seed = hashlib.sha256(f"photo {self.identity}".encode()).digest()
        size = PHOTO_BYTES if self.number % LARGE_EVERY else LARGE_BYTES
        return b"\xff\xd8\xff\xe0" + seed * (size // len(seed))

    def draft(self, key: str = "") -> Draft:
        """What is appended; ``key`` instead of the device's own."""
        return Draft(
            source=f"virtual+rig://{self.device}",
            source_key=key or f"{self.number:08d}",
            inspection=f"rig-{self.device}-{self.number // VERDICT_EVERY}",
            body=self._body(),
        )

    def _body(self) -> AnyBody:
        photo = self.photo()
        if photo is not None:
            digest = hashlib.sha256(photo).hexdigest()
            return Photographed(shot=self.identity, photo=digest, size_bytes=len(photo))
        if self.number % VERDICT_EVERY == VERDICT_EVERY - 1:
            return Judged(verdict="pass", findings=(), rules=self.identity, rules_sha256="0" * 64)
        return Sensed(lane="1", station="gate", sensor=self.identity, on=self.number % 2 == 0)


def identity_of(body: AnyBody) -> str | None:
    """Which fact a body is; None for a record that no device made."""
    match body:
        case Sensed():
            return body.sensor
        case Photographed():
            return body.shot
        case Judged():
            return body.rules
        case _:
            return None

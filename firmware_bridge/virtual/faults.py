"""What goes wrong on a line: torn, lost, late, corrupt, silent. Seeded, so that a run can be repeated."""

import random
from collections.abc import Callable
from typing import NamedTuple, TypeAlias


class Part(NamedTuple):
    """Bytes and how long they are held back."""

    data: bytes
    delay_s: float = 0.0


Fault: TypeAlias = Callable[[bytes], list[Part]]


def whole(sent: bytes) -> list[Part]:
    """Nothing goes wrong."""
    return [Part(sent)]


def silent(_sent: bytes) -> list[Part]:
    """Nothing arrives."""
    return []


def bytewise(sent: bytes) -> list[Part]:
    """Every byte arrives alone."""
    return [Part(sent[at : at + 1]) for at in range(len(sent))]


def late(delay_s: float) -> Fault:
    """Everything arrives, ``delay_s`` later."""
    return lambda sent: [Part(sent, delay_s)]


def torn(rng: random.Random, share: float) -> Fault:
    """In ``share`` of the writes the end is missing."""
    return lambda sent: [Part(sent[: rng.randrange(len(sent))] if sent and rng.random() < share else sent)]


def lost(rng: random.Random, share: float) -> Fault:
    """``share`` of the writes never arrive."""
    return lambda sent: [] if rng.random() < share else [Part(sent)]


def corrupt(rng: random.Random, share: float) -> Fault:
    """In ``share`` of the writes one bit is turned."""
    return lambda sent: [Part(_turned(rng, sent) if sent and rng.random() < share else sent)]


def _turned(rng: random.Random, sent: bytes) -> bytes:
    at = rng.randrange(len(sent))
    return sent[:at] + bytes([sent[at] ^ (1 << rng.randrange(8))]) + sent[at + 1 :]


def once(fits: Callable[[bytes], bool], fault: Fault) -> Fault:
    """``fault`` at the first write that fits, and never again."""
    struck = False

    def apply(sent: bytes) -> list[Part]:
        nonlocal struck
        if struck or not fits(sent):
            return whole(sent)
        struck = True
        return fault(sent)

    return apply

"""The protocol of batches and receipts, explored exhaustively for small sizes: every state, every fault.

One node with a journal of up to three records, two registries. Requests and answers may be lost, doubled,
overtake each other and come arbitrarily late; node and registries may die at any step; a registry may be
restored from an older backup; something before the registries may turn down every batch that holds the
bytes of one record, until it is mended. What decides is the code itself: ``accept.first_new`` at the
registry, ``belief`` and ``narrowing`` at the node. Every reachable state is visited; from each a run without
further faults must end with everything held and settled.
"""

import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import pytest

from central_sync import batch as wire
from central_sync import belief
from central_sync.batch import Batch, Receipt
from central_sync.centre import Trouble
from central_sync.narrowing import Patience, Suspicion
from central_sync.registry.accept import Held, first_new
from central_sync.registry.problems import Rejected
from central_sync.seal import NodeKey
from lanes.record import genesis
from tests.central_parts import Row, chain

NODE, KEY = "lane-1", NodeKey.generate()
RECORDS, IN_FLIGHT = 3, 2
POISON = 0  # the record whose bytes are turned down; 0: none
PATIENCE = Patience(tries=2, seconds=0.0)
TURNED_DOWN = -2
TRUSTING = Suspicion()
ROWS = chain(NODE, RECORDS)


def head_at(seq: int) -> bytes:
    return ROWS[seq - 1].head if seq else genesis(NODE)


@cache
def batch_of(first: int, last: int, withheld: bool = False) -> Batch:
    batch = wire.compose("site", NODE, ROWS[first - 1 : last], head_at(first - 1), KEY)
    return wire.withhold(batch, KEY) if withheld else batch


class Journal:
    """The first ``count`` records, as ``belief`` asks for them."""

    def __init__(self, count: int) -> None:
        self.count = count

    def head(self) -> tuple[int, bytes]:
        return self.count, head_at(self.count)

    def rows(self, after_seq: int, limit: int) -> list[Row]:
        return ROWS[after_seq : min(after_seq + limit, self.count)]


@dataclass(frozen=True, order=True)
class Message:
    """A request (records ``first`` to ``last``), or its answer: ``through``; -1 with a gap at ``gap``.

    ``withheld``: in the place of its one record stands the digest.
    """

    first: int
    last: int
    through: int | None = None
    gap: int = 0
    withheld: bool = False


@dataclass(frozen=True, order=True)
class Road:
    """One destination: what the journal has settled, what the courier believes, what the registry holds.

    ``digests``: of what the registry holds, the records of which it has the digest only.
    """

    settled: int = 0
    through: int = 0
    held: int = 0
    doubt: bool = True
    went_back: bool = False
    flying: tuple[Message, ...] = ()
    restored: bool = False
    suspicion: Suspicion = TRUSTING
    digests: frozenset[int] = frozenset()
    mended: bool = False


@dataclass(frozen=True, order=True)
class World:
    """A whole state."""

    records: int
    roads: tuple[Road, ...]


# ---- the two sides, by their own code ------------------------------------------------------------


def registry(road: Road, message: Message) -> tuple[Road, Message]:
    """A request arrives: what is held now, and the answer."""
    if message.first <= POISON <= message.last and not message.withheld and not road.mended:
        return road, replace(message, through=TURNED_DOWN)
    batch = batch_of(message.first, message.last, message.withheld)
    node = Held(public_key=KEY.public, allow_simulated=True, through=road.held, head=head_at(road.held))
    heads = wire.heads_of(batch, wire.raw_records(batch))
    try:
        new = first_new(batch, heads, node, head_at, lambda _: 0)
    except Rejected as trouble:
        assert trouble.code == "gap", trouble
        return road, replace(message, through=-1, gap=trouble.body["expected"])
    if new == len(heads):
        return road, replace(message, through=road.held)
    digests = road.digests | {message.first} if message.withheld else road.digests
    return replace(road, held=batch.last_seq, digests=digests), replace(message, through=batch.last_seq)


def courier(road: Road, records: int, answer: Message) -> Road:
    """An answer arrives at the courier that sent the request."""
    journal, batch = Journal(records), batch_of(answer.first, answer.last)
    assert answer.through is not None
    if answer.through == TURNED_DOWN:
        suspicion = road.suspicion.turned_down(answer.first, answer.last, 0.0, PATIENCE)
        suspicion = replace(suspicion, tries=min(suspicion.tries, PATIENCE.tries))  # more is no other state
        return replace(road, doubt=True, suspicion=suspicion)
    try:
        if answer.through < 0:
            if road.went_back or answer.gap >= batch.first_seq:
                raise Trouble("", "")
            belief.must_match(journal, NODE, answer.gap - 1, head_at(answer.gap - 1).hex())
            trusting = road.suspicion.taken(road.suspicion.last)
            return replace(road, through=answer.gap - 1, went_back=True, suspicion=trusting)
        receipt = Receipt(
            site="site", node=NODE, accepted_through=answer.through, head=head_at(answer.through).hex(),
            stored=0, duplicates=0,
        )  # fmt: skip
        belief.must_answer(batch, receipt)
        belief.must_match(journal, NODE, receipt.accepted_through, receipt.head)
    except Trouble:
        return replace(road, doubt=True)
    last = batch.last_seq
    return replace(road, settled=last, through=last, went_back=False, suspicion=road.suspicion.taken(last))


def compared(road: Road, records: int) -> Road:
    """The courier asks how far the registry stands, and is answered."""
    belief.must_match(Journal(records), NODE, road.held, head_at(road.held).hex())
    if road.held >= road.through:
        return replace(road, doubt=False)
    trusting = road.suspicion.taken(road.suspicion.last)
    return replace(road, through=road.held, doubt=False, suspicion=trusting)


def sendable(road: Road, records: int) -> list[Message]:
    """Every batch that the courier may send now, the largest last; one that is ripe also as its digest."""
    first = road.through + 1
    last = min(records, road.through + road.suspicion.room(road.through, records))
    whole = [Message(first, end) for end in range(first, last + 1)]
    ripe = road.suspicion.last == first and road.suspicion.is_ripe(PATIENCE)
    return [*whole, Message(first, first, withheld=True)] if ripe else whole


# ---- everything that may happen next -------------------------------------------------------------


def after(world: World) -> Iterator[World]:
    if world.records < RECORDS:
        yield replace(world, records=world.records + 1)
    for at, road in enumerate(world.roads):
        for changed in road_after(road, world.records):
            yield replace(world, roads=(*world.roads[:at], changed, *world.roads[at + 1 :]))


def road_after(road: Road, records: int) -> Iterator[Road]:
    if road.doubt:
        yield compared(road, records)
    elif road.through < records and len(road.flying) < IN_FLIGHT:
        for message in sendable(road, records):
            yield replace(road, flying=in_order(*road.flying, message))
    elif road.through == records:
        yield replace(road, doubt=True)  # nothing to send: from time to time the registry is asked again
    for number, message in enumerate(road.flying):
        rest = road.flying[:number] + road.flying[number + 1 :]
        yield replace(road, flying=rest, doubt=True)  # lost: the courier hears of a broken line
        if message.through is None:
            done, answer = registry(road, message)
            yield replace(done, flying=in_order(*rest, answer))
            yield replace(done, flying=road.flying)  # taken, and the same request comes again later
            yield replace(done, flying=rest, doubt=True)  # taken, the answer is lost
        else:
            yield courier(replace(road, flying=rest), records, message)
    fresh = {"through": road.settled, "doubt": True, "went_back": False, "suspicion": TRUSTING}
    yield replace(road, **fresh)  # the node dies and starts again
    if not road.restored:
        for older in range(road.held):
            kept = frozenset(seq for seq in road.digests if seq <= older)
            yield replace(road, held=older, digests=kept, restored=True)
    if POISON and not road.mended:
        yield replace(road, mended=True)


def in_order(*messages: Message) -> tuple[Message, ...]:
    """Messages in flight: which came first does not matter, they may overtake each other."""
    return tuple(sorted(messages, key=repr))


def holds(world: World) -> None:
    """What must be true of every state."""
    for road in world.roads:
        assert 0 <= road.held <= world.records, "nothing is held that was never written"
        assert road.settled <= world.records
        if not road.restored:
            assert road.settled <= road.held, "settled, and not held"
        assert road.digests <= {POISON}, "of a record that nothing was wrong with its bytes are not held"


def ends_well(world: World) -> bool:
    """Without further faults everything is held and settled in a few steps."""
    for road in world.roads:
        road = replace(road, doubt=True)  # it asks again after trouble, at its start, and when it is idle
        for _ in range(24):
            if road.doubt:
                road = compared(road, world.records)
            elif road.through < world.records:
                road, answer = registry(road, sendable(road, world.records)[-1])
                road = courier(road, world.records, answer)
            else:
                break
        if not road.settled == road.through == road.held == world.records:
            return False
    return True


def explore(roads: int) -> int:
    start = World(0, (Road(),) * roads)
    seen, waiting = {start}, deque([start])
    while waiting:
        world = waiting.popleft()
        holds(world)
        assert ends_well(world), world
        for follower in after(world):
            canonical = replace(follower, roads=tuple(sorted(follower.roads, key=repr)))
            if canonical not in seen:
                seen.add(canonical)
                waiting.append(canonical)
    return len(seen)


def test_every_state_of_one_road_is_sound_and_ends_well() -> None:
    assert explore(1) > 5000


def test_every_state_of_two_roads_is_sound_and_ends_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "RECORDS", 2)
    monkeypatch.setattr(sys.modules[__name__], "IN_FLIGHT", 1)
    assert explore(2) > 10_000


@pytest.mark.parametrize(("records", "in_flight", "poison"), [(3, 1, 1), (3, 1, 2), (3, 1, 3), (2, 2, 2)])
def test_every_state_of_a_road_on_which_one_record_is_turned_down_ends_well(
    monkeypatch: pytest.MonkeyPatch, records: int, in_flight: int, poison: int
) -> None:
    for name, value in (("RECORDS", records), ("IN_FLIGHT", in_flight), ("POISON", poison)):
        monkeypatch.setattr(sys.modules[__name__], name, value)
    assert explore(1) > 2000


def test_a_courier_that_withholds_more_than_it_must_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "POISON", 2)
    monkeypatch.setattr(sys.modules[__name__], "IN_FLIGHT", 1)
    monkeypatch.setattr(Suspicion, "is_ripe", lambda *_: True)
    monkeypatch.setattr(Suspicion, "turned_down", lambda self, first, last, *_: replace(self, last=first))
    with pytest.raises(AssertionError, match="nothing was wrong"):
        explore(1)


def test_a_courier_that_takes_a_lost_answer_for_a_good_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is a test of something: believe without an answer, and it says so."""
    honest = compared

    def hopeful(road: Road, records: int) -> Road:
        return replace(honest(road, records), settled=records)

    monkeypatch.setattr(sys.modules[__name__], "compared", hopeful)
    with pytest.raises(AssertionError, match="settled, and not held"):
        explore(1)

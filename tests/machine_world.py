"""One node, two registries and the lines between: what may be done to them, and what must always hold."""

import asyncio
import tempfile
from collections.abc import Coroutine
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from central_sync import batch as wire
from central_sync.courier import PHOTOS
from central_sync.registry.api import Enrolled
from central_sync.seal import receipt_message, verify
from lanes import record as r
from tests.machine_line import Exchange, Line, meets
from tests.machine_node import KEY, NODE, SITE, Node, virtual_courier_time
from tests.machine_registry import Copy, RegistryOnDisk
from tests.virtual_time import VirtualLoop

CENTRE, MIRROR = NAMES = ("centre", "mirror")
Trouble = tuple[int, int, str, bool]  # which exchange, how often it arrives, its fate, whether it comes again
NO_TROUBLE: Trouble = (0, 1, "true", False)
ENOUGH = 60  # exchanges without faults, after which a road must have come to rest
ASTRAY = 4  # requests that may still arrive


class World:
    """``chain``: every record that was ever durable. ``restored``: who lacks what it once had."""

    def __init__(
        self,
        *,
        simulated: bool,
        mirror_refuses: bool,
        pinned: bool,
        keeps_refused: bool,
        roll_records: int,
        sign_s: float,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="chayan-machine-")
        root = Path(self._folder.name)
        self.loop, self._patch = VirtualLoop(), pytest.MonkeyPatch()
        self._patch.setattr("central_sync.mark.SIGN_S", sign_s)
        virtual_courier_time(self._patch, self.loop)
        enrolled = Enrolled(site=SITE, node=NODE, public_key=KEY.public, allow_simulated=True)
        self.registries = {
            CENTRE: RegistryOnDisk(root / CENTRE, enrolled, allow_simulated=True),
            MIRROR: RegistryOnDisk(root / MIRROR, enrolled, allow_simulated=not mirror_refuses),
        }
        self.lines = {name: Line() for name in NAMES}
        self._keys = {name: self.registries[name].key.public if pinned else "" for name in NAMES}
        self.chain: list[Any] = []
        self.restored: set[str] = set()
        self.node = Node(
            root,
            self.loop,
            self.lines,
            self._keys,
            self._settled,
            simulated=simulated,
            keeps_refused=keeps_refused,
            roll_records=roll_records,
        )
        self.loop.run_until_complete(self._begin())

    async def _begin(self) -> None:
        for registry in self.registries.values():
            await registry.start()
            registry.back_up()
        self.node.start()
        await self.loop.quiet()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Does something, and lets the couriers go on as far as they can; raises what one died of."""

        async def scene() -> Any:
            result = await work
            await self.loop.quiet()
            return result

        result = self.loop.run_until_complete(scene())
        self.node.must_live()
        return result

    def time_passes(self) -> None:
        """To the next moment that anybody waits for."""
        self.loop.turn_on()
        self.run(asyncio.sleep(0))

    # ---- the lines -------------------------------------------------------------------------------

    def asks(self, name: str, which: int) -> Exchange:
        """A request to a registry that has no answer; if need be time passes until there is one."""
        for _ in range(ENOUGH):
            if asked := self.lines[name].open:
                return asked[which % len(asked)]
            self.time_passes()
        raise AssertionError(f"the courier to {name} asks nothing any more")

    def exchange(self, name: str, trouble: Trouble) -> None:
        """A request arrives so often, and its answer meets its fate."""
        which, arrives, fate, again_later = trouble
        exchange, line = self.asks(name, which), self.lines[name]
        if line.is_blocked(exchange.request):
            arrives, fate, again_later = 0, "blocked", False
        for _ in range(arrives):
            self.arrives(name, exchange)
        if again_later or (not arrives and fate == "too late"):
            line.astray = [*line.astray, exchange.request][-ASTRAY:]
        meets(fate, exchange, line, self.chain)
        self.run(asyncio.sleep(0))

    def arrives(self, name: str, exchange: Exchange) -> None:
        """The registry answers; the answer is still on its way."""
        exchange.answer = self.run(self.registries[name].ask(exchange.request))
        if exchange.request.method == "GET":
            self.lines[name].past.append(exchange.answer)
        self.judge(name)

    def judge(self, name: str) -> None:
        """Whether a registry lacks what it once had."""
        self.restored.discard(name)
        if not self.registries[name].holds_all_it_ever_did():
            self.restored.add(name)

    def catches_up(self, name: str) -> None:
        """Long enough without faults that everything is held and settled, photos too."""
        for _ in range(ENOUGH):
            if self.is_at_rest(name):
                return
            self.exchange(name, NO_TROUBLE)
        raise AssertionError(f"the road to {name} does not come to rest: {self.said(name)}")

    def is_at_rest(self, name: str) -> bool:
        """Whether everything is held by a registry and settled at the node, which says so."""
        receipts, registry = self.node.journal.receipts(), self.registries[name]
        ends = receipts.get(name), receipts.get(f"{name}{PHOTOS}"), registry.through()
        if self.node.couriers[name].progress.link == "down":
            return False
        return (
            set(ends) == {self.node.journal.head()[0]} and registry.named().keys() <= registry.held_photos()
        )

    def said(self, name: str) -> dict[str, str]:
        """Alarms of the courier to a registry."""
        return {subject: alarm.en for subject, alarm in self.node.couriers[name].progress.alarms.items()}

    # ---- the node and the registries -------------------------------------------------------------

    def node_starts_again(self, ending: Coroutine[Any, Any, None]) -> None:
        """After it was stopped or killed."""

        async def again() -> None:
            await ending
            self.node.start()

        self.run(again())

    def registry_starts_again(self, name: str) -> None:
        async def again() -> None:
            await self.registries[name].stop()
            await self.registries[name].start()

        self.run(again())

    def copies(self, name: str) -> list[Copy]:
        """Copies that are no older than what the node keeps: what others lack nobody has."""
        named = {digest for row in self.chain for digest, _ in r.photos_of(r.parse(row.data).body)}
        gone = {digest for digest in named if not self.node.photos.has(digest)}
        first = self.node.journal.first_seq()
        return [
            each for each in self.registries[name].copies if each.through >= first - 1 and gone <= each.photos
        ]

    def receipts_are_true(self) -> bool:
        """Whether each courier has noticed what its registry has lost."""
        receipts = self.node.journal.receipts()
        for name, registry in self.registries.items():
            photos = receipts.get(f"{name}{PHOTOS}", 0)
            named = {digest for digest, (seq, _) in registry.named().items() if seq <= photos}
            if max(receipts.get(name, 0), photos) > registry.through() or not named <= registry.held_photos():
                return False
        return True

    def restore(self, name: str, copy: Copy, photos_too: bool) -> None:
        self.registries[name].policy_stays = True
        self.run(self.registries[name].restore(copy, photos_too))
        self.judge(name)

    # ---- what must hold --------------------------------------------------------------------------

    def _settled(self, name: str, through: int, data: bytes) -> None:
        """A receipt is about to be kept: it says the truth, or did so before the registry was restored."""
        name, _, photos = name.partition("#")
        registry = self.registries[name]
        assert through <= (registry.peak if name in self.restored else registry.through())
        if photos:
            standing = wire.decode_answer(data, wire.Standing)
            assert standing.through >= through and standing.wanted == []
            named = {digest for digest, (seq, _) in registry.named().items() if seq <= through}
            assert name in self.restored or named <= registry.held_photos(), "photos settled, and not held"
            return
        receipt = wire.decode_receipt(data)
        assert through <= receipt.accepted_through <= self.node.journal.head()[0]
        head = bytes.fromhex(receipt.head)
        assert (receipt.node, head) == (NODE, self.head_at(receipt.accepted_through))
        message = receipt_message(NODE, receipt.accepted_through, head)
        assert not self._keys[name] or verify(self._keys[name], message, receipt.countersignature)

    def head_at(self, seq: int) -> bytes:
        """Head after a record that the journal has or had."""
        self.look()
        return self.chain[seq - 1].head if seq else r.genesis(NODE)

    def look(self) -> None:
        """Takes in what is durable now; it must go on from what was."""
        while rows := self.node.journal.rows(len(self.chain)):
            for row in rows:
                head = self.chain[-1].head if self.chain else r.genesis(NODE)
                assert row.seq == len(self.chain) + 1 and row.head == r.link(head, row.data)
                self.chain.append(row)

    def journal_holds(self, acknowledged: list[r.Record]) -> None:
        """What was durable is there, but for what was retired; nothing acknowledged is missing."""
        self.look()
        journal = self.node.journal
        first = journal.first_seq()
        assert journal.rows(first - 1, 10_000) == self.chain[first - 1 :]
        assert journal.head() == (len(self.chain), self.head_at(len(self.chain)))
        for record in acknowledged:
            assert self.chain[record.seq - 1].data == r.canonical(record)

    def registry_holds_a_prefix(self, name: str) -> None:
        """Record by record what the journal has, each once; what it settled it holds."""
        registry = self.registries[name]
        through, head, count = registry.node()
        rows = registry.rows()
        assert [row.seq for row in rows] == list(range(1, through + 1))
        assert head == self.head_at(through)
        for row, mine in zip(rows, self.chain, strict=False):
            assert row.head == mine.head
            assert row.data == (sha256(mine.data).digest() if row.refused else mine.data)
        assert count == sum(row.refused is None for row in rows)
        receipts = self.node.journal.receipts()
        settled = max(receipts.get(name, 0), receipts.get(f"{name}{PHOTOS}", 0))
        assert settled <= (registry.peak if name in self.restored else through)

    def ends_well(self) -> None:
        """Without faults both roads come to rest, and everything is held, settled, named and proved."""
        while not all(map(self.is_at_rest, NAMES)):
            for name in NAMES:
                self.catches_up(name)
        for name, registry in self.registries.items():
            assert registry.node()[:2] == self.node.journal.head()
            through, data = self.node.journal.receipt(name) or (0, b"")
            assert wire.decode_receipt(data).head == self.head_at(through).hex()
            self._refusals_are_named(name)
            self._proofs_hold(name)

    def _refusals_are_named(self, name: str) -> None:
        bodies = [r.parse(row.data).body for row in self.chain]
        told = {b.refused_seq for b in bodies if isinstance(b, r.Refused) and b.destination == name}
        refused = {row.seq for row in self.registries[name].rows() if row.refused}
        silent = {seq for seq in refused if isinstance(bodies[seq - 1], r.Refused)}
        assert refused - silent <= told

    def _proofs_hold(self, name: str) -> None:
        listed = self.run(self.registries[name].get("/v1/inspections"))
        for each in msgspec.json.decode(listed.body)["inspections"]:
            proof = self.run(self.registries[name].get(f"/v1/inspections/{each['inspection']}/proof"))
            assert msgspec.json.decode(proof.body)["ok"], proof.body

    def let_go(self) -> None:
        """Ends everything and removes the files."""

        async def end() -> None:
            await self.node.stop()
            for registry in self.registries.values():
                await registry.stop()

        self.loop.run_until_complete(end())
        self.loop.end()
        self._patch.undo()
        self._folder.cleanup()

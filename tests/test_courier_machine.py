"""Courier, journal, photos, retention and registry together, under whatever a line and a machine may do.

One node, two registries, all of it real and on files. Between any two steps requests and answers may be lost,
late, doubled, torn or false, node and registries may die, registries may come back from an older copy. After
every step what a registry holds is a prefix of the journal, and nothing is settled that is not held; at the
end, without faults, everything is held everywhere.

More of it: ``python -m pytest tests/test_courier_machine.py --hypothesis-profile long --timeout 0``.
"""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Coroutine, Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from central_sync import batch as wire
from central_sync.courier import PHOTOS
from central_sync.journal import RetiredError
from central_sync.seal import receipt_message, verify
from lanes import record as r
from tests.central_parts import digest, photo
from tests.machine_line import FATES, Line, meets
from tests.machine_parts import NODE, Node, RegistryOnDisk, virtual_courier_time
from tests.virtual_time import VirtualLoop

pytestmark = pytest.mark.slow

CENTRE, MIRROR = "centre", "mirror"
NAMES = (CENTRE, MIRROR)
NAME = st.sampled_from(NAMES)
PHOTO_POOL = [photo(f"p{n}") for n in range(5)]
FACTS = st.tuples(
    st.sampled_from(["sensed", "photographed", "checked", "captured", "judged"]),
    st.integers(0, len(PHOTO_POOL) - 1),
    st.booleans(),  # simulated
)
ANY = st.integers(0, 7)  # which of what there is
Trouble = tuple[int, int, str, bool]  # of an exchange
NO_TROUBLE = (0, 1, "true", False)
TROUBLES = st.just(NO_TROUBLE) | st.tuples(ANY, st.integers(0, 2), st.sampled_from(FATES), st.booleans())
ENOUGH = 60  # exchanges without faults, after which a road must have come to rest


def body_of(kind: str, picture: bytes) -> r.AnyBody:
    """A fact of some kind; two of five name a photo."""
    match kind:
        case "photographed":
            return r.Photographed(shot="0111", photo=digest(picture), size_bytes=len(picture))
        case "captured":
            return r.Captured(lane="1", station="gate", device="cam", plate_text="", photo=digest(picture))
        case "checked":
            return r.Checked(item="01", result="pass", officer="o-1")
        case "judged":
            return r.Judged(verdict="pass", findings=(), rules="r", rules_sha256="1" * 64)
        case _:
            return r.Sensed(lane="1", station="gate", sensor="occupied", on=True)


class CourierMachine(RuleBasedStateMachine):
    """Every step is a choice of line, machine or people; what it must never lead to stands in ``holds``."""

    @initialize(
        simulated=st.booleans(),
        mirror_refuses=st.booleans(),
        pinned=st.booleans(),
        roll_records=st.sampled_from([1000, 6]),
        sign_s=st.sampled_from([0.0, 1e6]),
    )
    def begin(
        self,
        simulated: bool = False,
        mirror_refuses: bool = False,
        pinned: bool = False,
        roll_records: int = 1000,
        sign_s: float = 0.0,
    ) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="chayan-machine-")
        root = Path(self.folder.name)
        self.loop = VirtualLoop()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("central_sync.mark.SIGN_S", sign_s)  # each commit, or verdict and end only
        virtual_courier_time(self.patch, self.loop)
        self.lines = {CENTRE: Line(), MIRROR: Line()}
        self.registries: dict[str, RegistryOnDisk] = {}
        for name, takes_all in ((CENTRE, True), (MIRROR, not mirror_refuses)):
            (root / name).mkdir()
            self.registries[name] = RegistryOnDisk(root / name, allow_simulated=takes_all)
            self.run(self.registries[name].start())
            self.registries[name].back_up()
        self.keys = {name: each.key.public if pinned else "" for name, each in self.registries.items()}
        self.chain: list[Any] = []  # every record that was ever durable
        self.acknowledged: list[tuple[r.Draft, r.Record]] = []
        self.restored: set[str] = set()  # who may lack what it has confirmed
        self.node = Node(
            root,
            self.loop,
            self.lines,
            self.keys,
            self.settled,
            simulated=simulated,
            roll_records=roll_records,
        )
        self.run(self.begins())

    async def begins(self) -> None:
        self.node.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Does something, and lets the couriers go on as far as they can."""

        async def scene() -> Any:
            result = await work
            await self.loop.quiet()
            return result

        result = self.loop.run_until_complete(scene())
        if "node" in vars(self):
            self.node.must_live()
        return result

    # ---- the lane --------------------------------------------------------------------------------

    @rule(facts=st.lists(FACTS, min_size=1, max_size=6), inspection=st.integers(0, 2))
    def append(self, facts: list[tuple[str, int, bool]], inspection: int) -> None:
        drafts = []
        for kind, which, simulated in facts:
            key = f"k{len(self.acknowledged) + len(drafts)}"
            body = body_of(kind, PHOTO_POOL[which])
            self.node.photos.put(PHOTO_POOL[which])
            source = "virtual+lane" if simulated else "lane"
            drafts.append(r.Draft(source=source, source_key=key, inspection=f"v{inspection}", body=body))
        for draft, appended in zip(drafts, self.run(self.node.journal.append(*drafts)), strict=True):
            assert appended.fresh
            self.acknowledged.append((draft, appended.record))

    @rule(inspection=st.integers(0, 2), first=ANY, second=ANY)
    def visit(self, inspection: int, first: int, second: int) -> None:
        kinds = ("captured", "sensed", "photographed", "checked", "judged")
        pictures = (first, 0, second, 0, 0)
        self.append(
            [(kind, at % len(PHOTO_POOL), False) for kind, at in zip(kinds, pictures, strict=True)],
            inspection,
        )

    @precondition(lambda self: self.acknowledged)
    @rule(which=ANY)
    def device_repeats_itself(self, which: int) -> None:
        draft, record = self.acknowledged[-1 - which % len(self.acknowledged)]
        try:
            (again,) = self.run(self.node.journal.append(draft))
        except RetiredError as retired:
            assert retired.seq == record.seq < self.node.journal.first_seq()
        else:
            assert not again.fresh and again.record == record

    @precondition(lambda self: self.node.journal.first_seq() + 60 > len(self.chain))
    @rule()
    def roll(self) -> None:
        self.run(self.node.journal.roll())
        self.run(self.node.journal.rest())

    @rule(killed=st.booleans())
    def node_starts_again(self, killed: bool) -> None:
        self.run(self.starts_again(self.node.kill() if killed else self.node.stop()))

    @rule(
        name=NAME,
        where=st.sampled_from(["before settling", "after settling", "after appending"]),
        exchanges=st.integers(1, 4),
    )
    def kill_at_a_write(self, name: str, where: str, exchanges: int) -> None:
        self.node.journal.dies_at = where
        for _ in range(exchanges):
            if self.lines[name].open:
                self.exchange(name, *NO_TROUBLE)
        self.run(self.starts_again(self.node.kill()))

    async def starts_again(self, ending: Coroutine[Any, Any, None]) -> None:
        await ending
        self.node.start()

    @precondition(lambda self: not self.restored)
    @rule(at_rest=st.booleans())
    def retire(self, at_rest: bool) -> None:
        """Retention; with a registry just restored it would remove what only this node still has."""
        for name in NAMES if at_rest else ():
            self.catches_up(name)
        before = {path.stem for path in self.node.photos.files()}
        self.run(self.node.journal.rest())
        self.run(self.node.keeping.retire(self.node.clock() + timedelta(seconds=1)))
        for name, registry in self.registries.items():
            gone = before - {path.stem for path in self.node.photos.files()}
            lacking = gone & registry.named().keys() - registry.held_photos()
            assert not lacking, f"removed from the node, and not held by {name}"

    # ---- the line --------------------------------------------------------------------------------

    def goes_on(self, name: str) -> None:
        """The clock goes on until the courier to ``name`` asks something."""
        for _ in range(60):
            if self.lines[name].open:
                return
            self.loop.turn_on()
            self.run(asyncio.sleep(0))
        raise AssertionError(f"the courier to {name} asks nothing any more")

    @rule(troubles=st.lists(TROUBLES, min_size=1, max_size=6))
    def to_the_centre(self, troubles: list[Trouble]) -> None:
        for trouble in troubles:
            self.exchange(CENTRE, *trouble)

    @rule(troubles=st.lists(TROUBLES, min_size=1, max_size=6))
    def to_the_mirror(self, troubles: list[Trouble]) -> None:
        for trouble in troubles:
            self.exchange(MIRROR, *trouble)

    def exchange(self, name: str, which: int, arrives: int, fate: str, again_later: bool) -> None:
        """A request arrives so often, and its answer becomes ``fate``."""
        self.goes_on(name)
        line = self.lines[name]
        exchange = line.open[which % len(line.open)]
        for _ in range(arrives):
            self.arrives(name, exchange)
        if again_later or (not arrives and fate == "too late"):
            line.astray = [*line.astray, exchange.request][-4:]
        meets(fate, exchange, line, self.chain)
        self.run(asyncio.sleep(0))

    def arrives(self, name: str, exchange: Any) -> None:
        exchange.answer = self.run(self.registries[name].ask(exchange.request))
        if exchange.request.method == "GET":
            self.lines[name].past.append(exchange.answer)
        if self.holds_all_it_ever_did(name):
            self.restored.discard(name)

    @rule(name=NAME)
    def catches_up(self, name: str) -> None:
        """Long enough without faults that everything is held and settled, photos too."""
        for _ in range(ENOUGH):
            if self.is_at_rest(name):
                return
            self.exchange(name, *NO_TROUBLE)
            self.look()
        raise AssertionError(f"the road to {name} does not come to rest: {self.said(name)}")

    def is_at_rest(self, name: str) -> bool:
        receipts, registry = self.node.journal.receipts(), self.registries[name]
        ends = receipts.get(name), receipts.get(f"{name}{PHOTOS}"), registry.through()
        return set(ends) == {len(self.chain)} and self.holds_all_it_ever_did(name)

    def said(self, name: str) -> dict[str, str]:
        return {subject: alarm.en for subject, alarm in self.node.couriers[name].progress.alarms.items()}

    @rule(name=NAME, which=ANY)
    def request_arrives_and_its_answer_takes_long(self, name: str, which: int) -> None:
        self.goes_on(name)
        line = self.lines[name]
        self.arrives(name, line.open[which % len(line.open)])

    @precondition(lambda self: any(line.astray for line in self.lines.values()))
    @rule(name=NAME, which=ANY)
    def old_request_arrives(self, name: str, which: int) -> None:
        line = self.lines[name]
        if line.astray:
            request = line.astray.pop(which % len(line.astray))
            self.run(self.registries[name].ask(request))

    @rule()
    def time_passes(self) -> None:
        self.loop.turn_on()
        self.run(asyncio.sleep(0))

    # ---- the registries --------------------------------------------------------------------------

    @rule(name=NAME, takes_simulated=st.booleans())
    def registry_restarts(self, name: str, takes_simulated: bool) -> None:
        """With another policy it is never restored to a time before: old requests would be judged anew."""
        registry = self.registries[name]
        if registry.allow_simulated != takes_simulated:
            registry.allow_simulated, registry.copies = takes_simulated, []
        self.run(self.again(registry))

    async def again(self, registry: RegistryOnDisk) -> None:
        await registry.stop()
        await registry.start()

    @rule(name=NAME)
    def registry_is_copied(self, name: str) -> None:
        self.registries[name].back_up()

    @rule(name=NAME, which=ANY, photos_too=st.booleans())
    def registry_is_restored(self, name: str, which: int, photos_too: bool) -> None:
        """From a copy that is no older than what the node keeps: else nobody has what it lacks."""
        registry = self.registries[name]
        kept = [copy for copy in registry.copies if self.node_has_what_lacks(copy.through, copy.photos)]
        if kept:
            self.run(registry.restore(kept[which % len(kept)], photos_too))
            if not self.holds_all_it_ever_did(name):
                self.restored.add(name)

    def node_has_what_lacks(self, through: int, photos: set[str]) -> bool:
        named = {digest for row in self.chain for digest, _ in r.photos_of(r.parse(row.data).body)}
        return through >= self.node.journal.first_seq() - 1 and all(
            digest in photos or self.node.photos.has(digest) for digest in named
        )

    @rule(name=NAME, which=ANY)
    def registry_loses_a_photo(self, name: str, which: int) -> None:
        """Its disk forgets a file that the node still has; somebody in the office looks at it."""
        registry = self.registries[name]
        files = sorted(digest for digest in registry.held_photos() if self.node.photos.has(digest))
        if files:
            lost = files[which % len(files)]
            registry.photos.path(lost).unlink()
            assert self.run(registry.get(f"/v1/photos/{lost}")).status == 404
            self.restored.add(name)

    # ---- what must hold --------------------------------------------------------------------------

    def settled(self, name: str, through: int, data: bytes) -> None:
        """A receipt is about to be kept: it says the truth, or did so before the registry was restored."""
        name, _, photos = name.partition("#")
        registry = self.registries[name]
        assert through <= (registry.peak if name in self.restored else registry.through())
        if photos:
            standing = wire.decode_answer(data, wire.Standing)
            assert (standing.through, standing.wanted) == (through, [])
            if name not in self.restored:
                wanted = {photo for photo, (seq, _) in registry.named().items() if seq <= through}
                assert wanted <= registry.held_photos(), "photos settled, and not held"
            return
        receipt = wire.decode_receipt(data)
        assert receipt.accepted_through <= self.node.journal.head()[0]
        head = bytes.fromhex(receipt.head)
        assert (receipt.node, head) == (NODE, self.head_at(receipt.accepted_through))
        assert through <= receipt.accepted_through
        if self.keys[name]:
            message = receipt_message(receipt.node, receipt.accepted_through, head)
            assert verify(self.keys[name], message, receipt.countersignature)

    def head_at(self, seq: int) -> bytes:
        self.look()
        return self.chain[seq - 1].head if seq else r.genesis(NODE)

    def look(self) -> None:
        """Takes in what is durable now; it must go on from what was."""
        while rows := self.node.journal.rows(len(self.chain)):
            for row in rows:
                head = self.chain[-1].head if self.chain else r.genesis(NODE)
                assert row.seq == len(self.chain) + 1 and row.head == r.link(head, row.data)
                self.chain.append(row)

    @invariant()
    def journal_keeps_what_it_acknowledged(self) -> None:
        self.look()
        journal = self.node.journal
        first = journal.first_seq()
        assert journal.rows(first - 1, 10_000) == self.chain[first - 1 :]
        assert journal.head() == (len(self.chain), self.head_at(len(self.chain)))
        for _, record in self.acknowledged:
            assert self.chain[record.seq - 1].data == r.canonical(record)

    @invariant()
    def registries_hold_a_prefix_of_the_journal(self) -> None:
        for registry in self.registries.values():
            through, head, count = registry.node()
            rows = registry.rows()
            assert [row.seq for row in rows] == list(range(1, through + 1))
            assert head == self.head_at(through)
            for row, mine in zip(rows, self.chain, strict=False):
                assert row.head == mine.head
                assert row.data == (sha256(mine.data).digest() if row.refused else mine.data)
            assert count == sum(row.refused is None for row in rows)

    @invariant()
    def nothing_is_settled_beyond_what_is_held(self) -> None:
        receipts = self.node.journal.receipts()
        for name, registry in self.registries.items():
            held = registry.peak if name in self.restored else registry.through()
            assert max(receipts.get(name, 0), receipts.get(f"{name}{PHOTOS}", 0)) <= held

    def holds_all_it_ever_did(self, name: str) -> bool:
        registry = self.registries[name]
        return registry.through() >= registry.peak and registry.named().keys() <= registry.held_photos()

    # ---- the end ---------------------------------------------------------------------------------

    def teardown(self) -> None:
        if "loop" not in vars(self):
            return
        try:
            if sys.exc_info()[0] is None:
                self.ends_well()
        finally:
            self.let_go()

    def ends_well(self) -> None:
        """Without faults both roads come to rest, and everything is held and settled."""
        while not all(map(self.is_at_rest, NAMES)):
            for name in NAMES:
                self.catches_up(name)
        for name, registry in self.registries.items():
            self.restored.discard(name)
            said = self.said(name)
            assert registry.node()[:2] == self.node.journal.head(), said
            through, data = self.node.journal.receipt(name) or (0, b"")
            assert (through, self.node.journal.receipts().get(f"{name}{PHOTOS}")) == (len(self.chain),) * 2, (
                said
            )
            assert bytes.fromhex(wire.decode_receipt(data).head) == self.head_at(through)
            assert registry.named().keys() == registry.held_photos(), said
            assert "link" not in said
            self.refusals_are_named(name)
            self.proofs_hold(name)
        self.journal_keeps_what_it_acknowledged()
        self.registries_hold_a_prefix_of_the_journal()

    def refusals_are_named(self, name: str) -> None:
        bodies = [r.parse(row.data).body for row in self.chain]
        told = {b.refused_seq for b in bodies if isinstance(b, r.Refused) and b.destination == name}
        refused = {row.seq for row in self.registries[name].rows() if row.refused}
        silent = {seq for seq in refused if isinstance(bodies[seq - 1], r.Refused)}
        assert refused - silent <= told

    def proofs_hold(self, name: str) -> None:
        listed = self.run(self.registries[name].get("/v1/inspections"))
        for each in msgspec.json.decode(listed.body)["inspections"]:
            proof = self.run(self.registries[name].get(f"/v1/inspections/{each['inspection']}/proof"))
            assert msgspec.json.decode(proof.body)["ok"], proof.body

    def let_go(self) -> None:
        if "node" in vars(self):
            self.loop.run_until_complete(self.node.stop())
        for registry in self.registries.values():
            self.loop.run_until_complete(registry.stop())
        self.loop.end()
        self.patch.undo()
        self.folder.cleanup()


BOUNDED = settings(
    max_examples=25,
    stateful_step_count=35,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestCourierMachine = CourierMachine.TestCase
TestCourierMachine.settings = settings.default if settings.get_current_profile_name() == "long" else BOUNDED


# ---- what it has found ---------------------------------------------------------------------------


@contextlib.contextmanager
def played(**chosen: Any) -> Iterator[CourierMachine]:
    """A machine that is driven by hand; at the end all must be well."""
    machine = CourierMachine()
    machine.begin(**chosen)
    try:
        yield machine
        machine.journal_keeps_what_it_acknowledged()
        machine.registries_hold_a_prefix_of_the_journal()
        machine.nothing_is_settled_beyond_what_is_held()
    finally:
        machine.teardown()


def retired(machine: CourierMachine) -> None:
    """Two visits, of which the first volume is gone from the node."""
    for inspection in (0, 1):
        machine.visit(inspection, 0, 1)
    machine.retire(at_rest=True)
    assert machine.node.journal.first_seq() > 1


def test_a_gap_before_what_was_retired_is_no_way_back() -> None:
    with played(roll_records=6) as machine:
        retired(machine)
        machine.visit(2, 2, 3)
        machine.to_the_mirror([(0, 0, "a gap", False)])
        assert "no longer on this node" in machine.said(MIRROR)["link"]


def test_a_courier_that_went_back_goes_on_when_the_way_is_retired_meanwhile() -> None:
    with played(roll_records=6) as machine:
        for inspection in (0, 1):
            machine.visit(inspection, 0, 1)
        for name in NAMES:
            machine.catches_up(name)
        machine.visit(2, 2, 3)
        machine.to_the_mirror([(0, 0, "a gap", False)])
        assert "sending again" in machine.said(MIRROR)["restored"]
        machine.retire(at_rest=False)
        assert machine.node.journal.first_seq() > 1
